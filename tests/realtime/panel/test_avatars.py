"""The page's part for the list of avatars: its routes and commands."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from models.face.finder import FaceFinder
from realtime.paths import asset_path
from realtime.session.avatar_entry import AvatarState
from tests.panel_rig import Served, do, next_of, state_where
from tests.session_rig import photo, three_avatars, wait


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    rig = three_avatars(tmp_path)
    rig.start()
    served = Served(rig)
    yield served
    served.panel.close()
    rig.close()


def send(served: Served, data: bytes, name: str) -> dict[str, Any]:
    status, _, text = served.ask("/avatars", "POST", data, X_Name=name)
    assert status == 201, text
    told: dict[str, Any] = json.loads(text)
    return told


def grey(served: Served, level: int) -> bytes:
    return photo(served.rig.folder.parent, "sent.png", level).read_bytes()


def test_the_answer_comes_before_the_photo_is_looked_at(served: Served) -> None:
    served.rig.animator.gate.clear()
    told = send(served, grey(served, 200), "new.png")
    entry = served.rig.library.find(told["id"])
    assert entry is not None and entry.state is not AvatarState.READY
    assert served.ask(f"/avatars/{told['id']}/still")[0] == 204
    served.rig.animator.gate.set()
    served.rig.settled(told["id"])
    status, headers, picture = served.ask(f"/avatars/{told['id']}/still")
    assert status == 200 and headers["content-type"] == "image/jpeg"
    assert PIL.Image.open(io.BytesIO(picture)).convert("L").getpixel((5, 5)) == 200
    assert served.rig.level() == 60, "nothing goes on air by itself"


def test_the_first_photo_of_a_new_user_goes_live_by_itself_and_no_other(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = served.rig.library.entries[0].path
    monkeypatch.setattr("realtime.panel.avatars.asset_path", lambda name: example)
    assert asset_path("face.jpg") != example
    with served.page() as page:
        assert next_of(page, "state")["avatar"]["first"]
        told = send(served, grey(served, 200), "mine.png")
        assert told["live"]
        wait(lambda: served.rig.level() == 200)
        assert not state_where(page, lambda one: one["current"] == told["id"])["avatar"]["first"]
        assert not send(served, grey(served, 150), "other.png")["live"]


def test_one_who_has_chosen_an_avatar_is_no_new_user(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = served.rig.library.entries[0].path
    monkeypatch.setattr("realtime.panel.avatars.asset_path", lambda name: example)
    served.rig.do("number", 1)
    assert not send(served, grey(served, 200), "mine.png")["live"]
    monkeypatch.setattr("realtime.panel.avatars.asset_path", lambda name: Path("/elsewhere/x"))
    assert not served.rig.session.state().get("avatar")


def test_everything_about_an_avatar_can_be_changed_by_commands(served: Served) -> None:
    rig = served.rig
    one, three = rig.library.entries[0].id, rig.library.entries[1].id
    with served.page() as page:
        do(page, "avatar.rename", [one, "Ada"])
        state_where(page, lambda state: state["avatars"][0]["name"] == "Ada")
        do(page, "avatar.move", [one, 2])
        state_where(page, lambda state: state["avatars"][2]["name"] == "Ada")
        do(page, "avatar.rotate", one)
        wait(lambda: rig.library.find(one).turn == 90)  # type: ignore[union-attr]
        rig.settled(one)
        wait(lambda: rig.session.state()["wanted"] is None)
        assert rig.session.current.turn == 90, "what is on show is shown as it is now"
        do(page, "avatar.face", [one, 0])
        wait(lambda: rig.session.settings.of("one.png").face == 1)
        do(page, "remove", three)
        state_where(page, lambda state: len(state["avatars"]) == 2)
        do(page, "avatar.restore", three)
        state_where(page, lambda state: state["avatars"][0]["id"] == three)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("avatar.rename", None), ("avatar.rename", ["a1"]), ("avatar.rename", ["a1", 3]),
        ("avatar.rename", ["a1", ""]), ("avatar.rename", ["a1", "x" * 5000]),
        ("avatar.move", ["a1", True]), ("avatar.move", ["a99", 1]), ("avatar.move", ["a1", "0"]),
        ("avatar.face", ["a1", 99]), ("avatar.face", ["a1", -1]), ("avatar.rotate", 3),
        ("avatar.rotate", "a99"), ("avatar.restore", "a1"), ("avatar.restore", {}),
    ],
)  # fmt: skip
def test_commands_that_make_no_sense_are_answered(served: Served, name: str, value: Any) -> None:
    before = [(one.id, one.look) for one in served.rig.library.entries]
    with served.page() as page:
        do(page, name, value)
        assert next_of(page, "refused")
    assert [(one.id, one.look) for one in served.rig.library.entries] == before


def test_an_avatar_goes_out_as_a_file_and_comes_in_with_its_settings(served: Served) -> None:
    rig = served.rig
    rig.do("motion", 0.5)
    one = rig.library.entries[0].id
    rig.library.rename(one, "Ada / Love")
    status, headers, data = served.ask(f"/avatars/{one}/file")
    assert status == 200
    assert headers["content-disposition"].endswith("Ada%20_%20Love.avatar")
    told = send(served, data, "Ada.avatar")
    entry = rig.settled(told["id"])
    assert entry.own and entry.name == "Ada / Love" and entry.state is AvatarState.READY
    assert rig.session.settings.of(entry.key).strengths == {"motion": 0.5}
    rig.do("avatar", told["id"])
    assert rig.animation.tuning.settings.strengths["motion"] == 0.5


def test_files_that_are_no_avatars_are_refused_and_leave_nothing(served: Served) -> None:
    for data, name in (
        (b"PK\x03\x04xx", "a.avatar"),
        (b"GIF89a", "b.avatar"),
        (b"PK\x03\x04", "c"),
    ):
        status, _, text = served.ask("/avatars", "POST", data, X_Name=name)
        assert status == 422 and "not an avatar" in json.loads(text)["refused"]
    assert len(served.rig.library.entries) == 3
    folder = served.rig.library._inbox._folder
    assert folder is not None and not list(folder.iterdir())


def test_the_whole_photo_is_shown_turned(served: Served) -> None:
    PIL.Image.new("RGB", (400, 200), (90, 90, 90)).save(served.rig.folder / "wide.png")
    served.rig.library.reload()
    wide = served.rig.id_of("wide")
    served.rig.library.rotate(wide)
    status, _, picture = served.ask(f"/avatars/{wide}/picture")
    assert status == 200 and PIL.Image.open(io.BytesIO(picture)).size == (200, 400)


def test_nothing_is_answered_without_the_key(served: Served) -> None:
    one = served.rig.library.entries[0].id
    for path in (f"/avatars/{one}/picture", f"/avatars/{one}/still", f"/avatars/{one}/file"):
        assert served.ask(path, key=False)[0] == 401
        assert served.ask(path.replace(one, "a99"))[0] == 422
    assert served.ask("/avatars", "POST", b"x", key=False)[0] == 401


def test_a_preview_is_moved_by_the_clip(served: Served) -> None:
    served.rig.library._builder.finder = FaceFinder()
    told = send(served, asset_path("face.jpg").read_bytes(), "me.jpg")
    served.rig.settled(told["id"])
    path = f"/avatars/{told['id']}/preview"
    pictures = []
    for frame in (0, 30):
        status, _, body = served.ask(f"{path}?frame={frame}")
        assert status == 200
        pictures.append(np.asarray(PIL.Image.open(io.BytesIO(body))).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() > 40
    for query in ("", "?frame=-1", "?frame=x", "?frame=99999999"):
        assert served.ask(path + query)[0] == 422
