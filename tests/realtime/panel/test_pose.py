"""The page's part that poses photos: pictures, expressions, and these in the run."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from models.animator import Slider
from models.errors import UserError
from models.types import Avatar, Image
from realtime.panel.pose import Pose
from realtime.session.expressions import Expressions
from realtime.session.stills import StillEditor
from scripts.rigs.fakes import avatar
from tests.panel_rig import Served, do, next_of
from tests.session_rig import Rig, StillAnimator, photo, wait


class PosingAnimator(StillAnimator):
    """Brightens the photo by its one slider."""

    editor = (Slider("light", "Light", -1.0, 1.0, 0.0, "Brightens.", "head"),)

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.drawing = threading.Semaphore(10**6)

    def prepare(self, photo: Any, size: int) -> Any:
        self.sizes.append(size)
        found = super().prepare(photo, size)
        still = np.full((2 * size // 3, size, 3), int(photo.image.mean()), np.uint8)
        return Avatar(found.name, still, found.rest, (16, 16))

    def edited(self, avatar: Any, values: Mapping[str, float], onto: Any = None) -> Any:
        return ("posed", avatar.rest if onto is None else onto, values.get("light", 0.0))

    def render(self, avatar: Any, pose: Any) -> Image:
        assert self.drawing.acquire(timeout=20)
        light = pose[2] if isinstance(pose, tuple) else 0.0
        return np.full(avatar.still.shape, avatar.still.mean() + 50 * light, np.uint8)


class PosingRig(Rig):
    """A session whose backend poses."""

    animates = PosingAnimator


class Posing:
    """A panel with the feature."""

    def __init__(self, folder: Path) -> None:
        for name, level in (("one.png", 60), ("two.png", 120)):
            photo(folder, name, level)
        self.rig = PosingRig(folder)
        assert isinstance(self.rig.animator, PosingAnimator)
        self.animator = self.rig.animator
        self.file = folder / "config" / "expressions.json"
        self.signed: list[tuple[str, bool]] = []
        self.refuses = False
        self.stills = StillEditor(self.rig.library)
        self.feature = Pose(
            lambda: self.rig.animation,
            self.stills,
            Expressions(self.file),
            lambda: self.rig.session.badged,
            self.sign,
        )
        self.rig.start()
        self.served = Served(self.rig, features=[self.feature])

    def sign(self, data: bytes, title: str, badge: bool) -> bytes:
        if self.refuses:
            raise UserError("It was not signed.")
        self.signed.append((title, badge))
        return data + b"signed"

    def ask(self, path: str, **asked: Any) -> tuple[int, dict[str, str], bytes]:
        return self.served.ask(path, "POST", json.dumps(asked).encode())

    def asked(self, count: int) -> bool:
        return self.stills._newest == count

    def close(self) -> None:
        self.served.panel.close()
        self.rig.close()


@pytest.fixture
def posing(tmp_path: Path) -> Iterator[Posing]:
    found = Posing(tmp_path)
    yield found
    found.close()


def picture(data: bytes) -> Image:
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_small_picture_shows_the_sliders(posing: Posing) -> None:
    identity = posing.rig.id_of("two")
    for light, level in ((0.0, 120), (1.0, 170), (-1.0, 70)):
        status, headers, data = posing.ask(
            "/pose/preview", avatar=identity, values={"light": light}
        )
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        seen = picture(data)
        assert seen.shape[1] <= 720 and abs(int(seen.mean()) - level) <= 2
    assert posing.animator.sizes.count(720) == 1


def test_only_who_has_the_key_gets_a_picture(posing: Posing) -> None:
    body = json.dumps({"avatar": posing.rig.id_of("two"), "values": {}}).encode()
    for path in ("/pose/preview", "/pose/picture"):
        assert posing.served.ask(path, "POST", body, key=False)[0] == 401
        assert posing.served.ask(path, "GET")[0] == 405


def test_what_makes_no_sense_is_refused_in_a_sentence(posing: Posing) -> None:
    identity = posing.rig.id_of("two")
    for body in (b"", b"[]", b"{", b'{"avatar": 3, "values": {}}', b"[" * 9000):
        status, _, answer = posing.served.ask("/pose/preview", "POST", body)
        assert status == 422 and json.loads(answer)["refused"]
    assert posing.ask("/pose/preview", avatar="a99", values={})[0] == 422
    assert posing.ask("/pose/preview", avatar=identity, values={"light": 3})[0] == 422
    assert posing.served.ask("/pose/preview", "POST", b"x" * 20_000)[0] == 413


def test_of_many_pictures_only_the_newest_is_drawn_next(posing: Posing) -> None:
    identity = posing.rig.id_of("two")
    posing.stills.preview(identity, {})  # The avatar is made.
    posing.rig.pipeline.stop()
    posing.rig.thread.join(20)
    posing.animator.drawing = threading.Semaphore(0)
    answers: dict[float, bytes | None] = {}

    def ask(light: float) -> threading.Thread:
        def run() -> None:
            answers[light] = posing.stills.preview(identity, {"light": light})

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    first = ask(0.1)
    wait(lambda: posing.stills._busy)
    waiting = []
    for number, light in enumerate((0.2, 0.3, 0.4)):
        waiting.append(ask(light))
        wait(partial(posing.asked, number + 3))
    posing.animator.drawing.release(10)
    for thread in (first, *waiting):
        thread.join(20)
    assert answers[0.2] is answers[0.3] is None
    assert answers[0.1] and answers[0.4]


def test_a_picture_to_keep_is_a_png_of_full_size_with_the_badge_and_signed(posing: Posing) -> None:
    identity = posing.rig.id_of("two")
    status, headers, data = posing.ask("/pose/picture", avatar=identity, values={"light": 1.0})
    assert (status, headers["content-type"]) == (200, "image/png")
    assert headers["x-signed"] == "yes" and posing.signed == [("photo.png", True)]
    badged = picture(data)
    assert 2048 in posing.animator.sizes and badged.shape[1] == 2048
    assert badged[100, 100, 0] == 170 and badged[1200:].std() > 1
    posing.rig.do("badge", False)
    plain = picture(posing.ask("/pose/picture", avatar=identity, values={"light": 1.0})[2])
    assert plain.std() == 0 and posing.signed[-1] == ("photo.png", False)


def test_a_picture_that_cannot_be_signed_is_kept_all_the_same(posing: Posing) -> None:
    posing.refuses = True
    status, headers, data = posing.ask(
        "/pose/picture", avatar=posing.rig.id_of("two"), values={"light": 1.0}
    )
    assert status == 200 and headers["x-signed"] == "no" and picture(data).size


def pose_state(page: Any, true: Callable[[Mapping[str, Any]], Any]) -> Mapping[str, Any]:
    while True:
        state: Mapping[str, Any] = next_of(page, "state")["pose"]
        if true(state):
            return state


def test_a_page_keeps_changes_plays_and_removes_expressions(posing: Posing) -> None:
    with posing.served.page() as page:
        state = pose_state(page, lambda state: True)
        assert state["available"] and [one["name"] for one in state["sliders"]] == ["light"]
        do(page, "pose.keep", {"name": "bright", "values": {"light": 0.8}, "key": 1})
        state = pose_state(page, lambda state: state["expressions"])
        assert state["expressions"] == [{"name": "bright", "values": {"light": 0.8}, "key": 1}]
        assert Expressions(posing.file).entries == posing.feature._expressions.entries
        do(page, "pose.play", {"name": "bright", "on": None})
        assert pose_state(page, lambda state: state["playing"])["playing"] == "bright"
        assert posing.rig.animation.expression.wanted == {"light": 0.8}
        do(page, "pose.rename", {"name": "bright", "to": "sunny", "key": 2})
        state = pose_state(page, lambda state: state["playing"] == "sunny")
        assert state["expressions"][0]["key"] == 2
        do(page, "pose.keep", {"name": "sunny", "values": {"light": 0.2}, "key": 2})
        wait(lambda: posing.rig.animation.expression.wanted == {"light": 0.2})
        do(page, "pose.play", {"name": "sunny", "on": None})
        pose_state(page, lambda state: state["playing"] is None)
        assert not posing.rig.animation.expression.wanted
        do(page, "pose.play", {"name": "sunny", "on": True})
        pose_state(page, lambda state: state["playing"])
        do(page, "pose.remove", "sunny")
        state = pose_state(page, lambda state: not state["expressions"])
        assert state["playing"] is None and not posing.rig.animation.expression.wanted


def test_what_cannot_be_done_is_said_to_the_page_that_asked(posing: Posing) -> None:
    with posing.served.page() as page:
        for name, value in (
            ("pose.keep", {"name": "x", "values": {}, "key": None}),
            ("pose.keep", {"name": "", "values": {"light": 1}, "key": None}),
            ("pose.keep", {"name": "x", "values": {"light": 1}, "key": 12}),
            ("pose.keep", None),
            ("pose.play", {"name": "unknown", "on": True}),
            ("pose.play", {"name": "unknown", "on": "yes"}),
            ("pose.remove", 3),
            ("pose.rename", {"name": "unknown", "to": "x", "key": None}),
        ):
            do(page, name, value)
            assert next_of(page, "refused")


def test_with_another_backend_the_page_learns_that_it_cannot(posing: Posing) -> None:
    posing.feature.actions()["pose.keep"]({"name": "x", "values": {"light": 1}, "key": None})
    other = posing.rig.library.builder.like(animator=StillAnimator())
    posing.rig.library.use(other)
    posing.rig.animation.set_avatar(avatar(), other.animator)
    assert posing.feature.state()["available"] is False
    with pytest.raises(UserError, match="choose the backend mesh"):
        posing.feature.actions()["pose.play"]({"name": "x", "on": True})
    status, _, answer = posing.ask("/pose/preview", avatar=posing.rig.id_of("two"), values={})
    assert status == 422 and "mesh" in json.loads(answer)["refused"]


def test_live_the_expression_comes_on_top_of_the_driver_and_goes(posing: Posing) -> None:
    before = posing.rig.level()
    actions = posing.feature.actions()
    actions["pose.keep"]({"name": "x", "values": {"light": 1.0}, "key": None})
    actions["pose.play"]({"name": "x", "on": True})
    wait(lambda: posing.rig.level() >= before + 45)
    actions["pose.play"](None)
    wait(lambda: abs(posing.rig.level() - before) <= 2)
