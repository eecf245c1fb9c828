"""Placing points by the page's routes: a guess, a moving preview, and keeping."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from models.face.face_file import face_path
from models.types import Image
from realtime.panel.points import PointsFeature
from realtime.session.avatar_library import MAX_UPLOAD
from tests import creatures
from tests.panel_rig import Served
from tests.session_rig import Finder, Rig, photo


class Blind(Finder):
    """Finds no face."""

    def find_faces(self, image: Image) -> list[Any]:
        return []


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "photos").mkdir()
    photo(tmp_path / "photos", "one.png", 60)
    rig = Rig(tmp_path / "photos")
    rig.start()
    served = Served(rig, features=[PointsFeature(rig.session, Blind())])
    yield served
    served.panel.close()
    rig.close()


def png(image: Image) -> bytes:
    data = io.BytesIO()
    PIL.Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


def told(served: Served, path: str, wish: object, **more: Any) -> tuple[int, Any]:
    status, headers, body = served.ask(
        path, "POST", json.dumps(wish).encode(), Content_Type="application/json", **more
    )
    return status, json.loads(body) if headers.get("content-type") == "application/json" else body


def opened(served: Served, name: str = "cat") -> dict[str, Any]:
    picture = png(creatures.PICTURES[name]())
    status, _, body = served.ask("/points", "POST", picture, X_Name=f"{name}.png")
    assert status == 201
    answer: dict[str, Any] = json.loads(body)
    return answer


@pytest.mark.parametrize("path", ["/points", "/points/x/preview", "/points/x/keep"])
def test_nothing_is_answered_without_the_key(served: Served, path: str) -> None:
    assert served.ask(path, "POST", b"{}", key=False)[0] == 401
    assert served.ask("/points/x/picture", key=False)[0] == 401


def test_a_picture_without_a_face_gets_points_to_start_from(served: Served) -> None:
    answer = opened(served)
    assert not answer["found"] and answer["kind"] == "creature"
    assert (answer["width"], answer["height"]) == (creatures.SIDE, creatures.SIDE)
    assert [one["name"] for one in answer["points"]] == list(creatures.NAMES)
    assert all(0 <= one[axis] <= 1 for one in answer["points"] for axis in "xy")
    assert answer["frames"] > 50


def test_the_picture_is_shown_as_it_was_sent(served: Served) -> None:
    status, headers, body = served.ask(f"/points/{opened(served)['id']}/picture")
    assert status == 200 and headers["content-type"] == "image/jpeg"
    shown = np.asarray(PIL.Image.open(io.BytesIO(body))).astype(float)
    assert np.abs(shown - creatures.cat()).mean() < 6


def test_a_preview_moves_the_picture_by_a_frame_of_the_clip(served: Served) -> None:
    where = f"/points/{opened(served)['id']}/preview"
    wish = {"points": creatures.placed("cat").listed(), "kind": "creature"}
    pictures = []
    for frame in (0, 30, 60):
        status, body = told(served, where, {**wish, "frame": frame})
        assert status == 200
        pictures.append(np.asarray(PIL.Image.open(io.BytesIO(body))).astype(float))
    assert max(pictures[0].shape[:2]) <= 320
    assert max(np.abs(pictures[0] - other).max() for other in pictures[1:]) > 40


def test_points_that_make_no_face_are_refused_with_a_sentence(served: Served) -> None:
    identity = opened(served)["id"]
    points = creatures.placed("cat").listed()
    for one in points:
        if one["name"] == "nose":
            one["y"] = 0.99
    for verb in ("preview", "keep"):
        status, body = told(served, f"/points/{identity}/{verb}", {"points": points, "frame": 0})
        assert status == 422
        assert "nose" in body["refused"] and body["refused"].endswith(".")


def test_a_picture_is_kept_with_its_points_and_is_an_avatar(served: Served) -> None:
    identity = opened(served)["id"]
    points = creatures.placed("cat").listed()
    wish = {"points": points, "kind": "creature", "name": "my ../cat.png"}
    status, body = told(served, f"/points/{identity}/keep", wish)
    assert status == 201
    entry = served.rig.library.find(body["avatar"])
    assert entry is not None and entry.ready is not None
    assert entry.path.parent == served.rig.own and face_path(entry.path).exists()
    assert entry.ready.face.kind == "creature"
    again, answer = told(served, "/points", {"avatar": entry.id})
    assert again == 201 and answer["found"] and answer["points"] == points


def test_the_points_of_an_avatar_are_replaced_and_it_is_made_anew(served: Served) -> None:
    entry = served.rig.library.entries[0]
    before = entry.ready
    status, answer = told(served, "/points", {"avatar": entry.id})
    assert status == 201
    points = creatures.placed("cat").listed()
    path = f"/points/{answer['id']}/keep"
    status, body = told(served, path, {"points": points, "kind": "drawing"})
    assert (status, body) == (201, {"avatar": entry.id})
    after = served.rig.library.find(entry.id)
    assert after is not None and after.ready is not None and after.ready is not before
    assert after.ready.face.kind == "drawing"


def test_what_is_too_large_or_no_picture_is_refused_with_a_sentence(served: Served) -> None:
    status, _, body = served.ask("/points", "POST", b"x", Content_Length=str(MAX_UPLOAD + 1))
    assert status == 413 and json.loads(body)["refused"].endswith(".")
    status, _, body = served.ask("/points", "POST", b"no picture", X_Name="a.png")
    assert status == 422 and "a.png" in json.loads(body)["refused"]


def test_only_a_few_pictures_stay_open(served: Served) -> None:
    first = opened(served)["id"]
    for _ in range(4):
        opened(served)
    assert served.ask(f"/points/{first}/picture")[0] == 422
