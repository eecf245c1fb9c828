"""The list of avatars: adding, removing with undo, names, turns, faces and order."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from models.errors import UserError
from models.face.face_file import face_path, write_face
from models.photos import load_photo
from models.types import Face, Image
from realtime.session.avatar_entry import AvatarState
from realtime.session.avatar_library import AvatarLibrary
from realtime.session.avatar_table import AvatarTable, Look, clean_name
from realtime.session.avatar_trash import AvatarTrash
from realtime.session.settings import AvatarSettings
from tests import creatures
from tests.placed_face import placed
from tests.session_rig import Finder, Rig, photo, three_avatars, wait


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = three_avatars(tmp_path)
    rig.start()
    yield rig
    rig.close()


class TwoFaces(Finder):
    """Finds a face in each half of a picture, the one with the lower x first."""

    def find_faces(self, image: Image) -> list[Face]:
        found = super().find_faces(image)
        if not found:
            return found
        # Both keep inside of the picture of 256 pixels.
        marks = (found[0].landmarks - 128) * np.float32(0.45) + 128
        return [Face(marks + np.array((by, 0, 0), np.float32), None, 1.0) for by in (-64, 64)]


def sent(rig: Rig, level: int, name: str) -> str:
    """The id of an added avatar of some grey."""
    data = photo(rig.folder.parent, "sent.png", level).read_bytes()
    return rig.add(data, name).id


def names(library: AvatarLibrary) -> list[str]:
    return [entry.name for entry in library.entries]


def again(rig: Rig) -> AvatarLibrary:
    """The list as another run finds it."""
    return AvatarLibrary(rig.library._builder, rig.folder, rig.own)


def test_five_photos_are_made_ready_one_after_another_and_nothing_is_switched(rig: Rig) -> None:
    rig.animator.gate.clear()
    files = []
    for level in (70, 90, 110, 130, 150):
        file = rig.library.inbox()
        file.write_bytes(photo(rig.folder.parent, "sent.png", level).read_bytes())
        files.append(rig.library.receive(file, f"grey {level}.png").id)
    assert names(rig.library)[3:] == [f"grey {level}" for level in (70, 90, 110, 130, 150)]
    states = [rig.library.find(one).state for one in files]  # type: ignore[union-attr]
    assert AvatarState.READY not in states, "they are on the list before they are looked at"
    assert rig.session.state()["wanted"] is None
    rig.animator.gate.set()
    for one in files:
        assert rig.settled(one).state is AvatarState.READY
    assert rig.session.state()["current"] == rig.library.entries[0].id and rig.level() == 60
    assert len(list(rig.own.glob("*.jpg"))) == 5


def test_what_waits_to_be_looked_at_is_deleted_with_the_run(tmp_path: Path) -> None:
    rig = three_avatars(tmp_path)
    file = rig.library.inbox()
    file.write_bytes(b"x")
    entry = rig.library.receive(file, "x.png")
    assert entry.path.exists() and entry.path.parent.parent != rig.own
    rig.library.close()
    assert not entry.path.exists()


def test_a_removed_photo_comes_back_with_its_points_where_it_was(rig: Rig) -> None:
    first, second = sent(rig, 100, "a.png"), sent(rig, 140, "b.png")
    entry = rig.library.find(first)
    assert entry is not None
    points = write_face(entry.path, np.zeros((256, 256, 3), np.uint8), placed(256, 256))
    before = names(rig.library)
    rig.do("remove", first)
    assert not entry.path.exists() and not points.exists()
    rig.library.restore(first)
    assert names(rig.library) == before
    assert entry.path.exists() and points.exists()
    assert rig.settled(first).state is AvatarState.READY
    with pytest.raises(UserError, match="brought back"):
        rig.library.restore(first)
    rig.do("remove", second)
    rig.close()
    assert not list(rig.own.glob(".removed/*")), "the end of the run is the end of the undo"
    assert names(again(rig)) == ["one", "three", "two", "a"]


def test_another_photo_is_not_overwritten_by_one_that_comes_back(rig: Rig) -> None:
    first = sent(rig, 100, "a.png")
    entry = rig.library.find(first)
    assert entry is not None
    rig.do("remove", first)
    entry.path.write_bytes(b"another")
    with pytest.raises(UserError, match="cannot be brought back"):
        rig.library.restore(first)
    assert entry.path.read_bytes() == b"another"


def test_what_a_crashed_run_has_left_in_the_trash_is_deleted_after_a_week(tmp_path: Path) -> None:
    trash = AvatarTrash(tmp_path / "trash")
    for name in ("old.jpg", "new.jpg"):
        (tmp_path / name).write_bytes(b"x")
    old, new = (trash.put([tmp_path / name]) for name in ("old.jpg", "new.jpg"))
    eight_days_ago = time.time() - 8 * 24 * 3600
    os.utime(old, (eight_days_ago, eight_days_ago))
    AvatarTrash(tmp_path / "trash")
    assert not old.exists() and (new / "new.jpg").exists()


def test_a_name_survives_a_restart_and_keeps_file_and_settings(rig: Rig) -> None:
    one = rig.library.entries[0]
    rig.do("motion", 0.5)
    mine = sent(rig, 100, "a.png")
    rig.library.rename(mine, "  Aunt\n Ada ")
    rig.library.rename(one.id, "Nobody")
    assert names(rig.library) == ["Nobody", "three", "two", "Aunt Ada"]
    assert rig.library.entries[0].key == one.key
    assert rig.session.settings.of(one.key).strengths == {"motion": 0.5}
    assert (rig.folder / "one.png").exists(), "no file of the user's folder is renamed"
    assert names(again(rig)) == ["Nobody", "three", "two", "Aunt Ada"]
    rig.library.rename(mine, "a")
    assert rig.library._table.look("a.jpg") == Look(), "what is as it was needs no entry"
    with pytest.raises(UserError, match="letter"):
        rig.library.rename(mine, " \u200b ")


def test_the_order_survives_a_restart_and_new_ones_come_last(rig: Rig) -> None:
    rig.library.move(rig.id_of("two"), 0)
    rig.library.move(rig.id_of("one"), 99)
    assert names(rig.library) == ["two", "three", "one"]
    photo(rig.folder, "a new one.png", 90)
    assert names(again(rig)) == ["two", "three", "one", "a new one"]
    rig.library.reload()
    assert names(rig.library) == ["two", "three", "one", "a new one"]


def test_a_photo_is_turned_and_stays_so(tmp_path: Path) -> None:
    rig = three_avatars(tmp_path)
    PIL.Image.new("RGB", (300, 256), (90, 90, 90)).save(tmp_path / "wide.png")
    rig.library.reload()
    rig.start()
    wide = rig.id_of("wide")
    sizes = []
    for turn in (90, 180, 270, 0):
        rig.library.rotate(wide)
        entry = rig.settled(wide)
        assert entry.turn == turn
        assert entry.ready is not None
        left, top, width, height = entry.ready.faces[0]
        sizes.append(width / height)
    assert sizes[0] == pytest.approx(sizes[2]) and sizes[0] > sizes[1], "it stands, then lies"
    rig.library.rotate(wide)
    rig.close()
    assert next(one for one in again(rig).entries if one.name == "wide").turn == 90


def test_what_is_on_show_stays_until_it_is_turned(rig: Rig) -> None:
    one = rig.library.entries[0].id
    rig.animator.gate.clear()
    rig.library.rotate(one)
    assert rig.level() == 60
    rig.animator.gate.set()
    rig.do("avatar", one)
    wait(lambda: rig.session.state()["wanted"] is None)
    assert rig.level() == 60


def test_points_that_were_placed_are_turned_with_their_photo(rig: Rig) -> None:
    mine = sent(rig, 100, "a.png")
    entry = rig.library.find(mine)
    assert entry is not None and entry.ready is not None
    write_face(entry.path, np.zeros((256, 256, 3), np.uint8), placed(256, 256))
    rig.library.renew(mine)
    before = rig.settled(mine).ready
    rig.library.rotate(mine)
    after = rig.settled(mine).ready
    assert before is not None and after is not None
    x, y = before.face.landmarks[4, :2]
    assert after.face.landmarks[4, :2] == pytest.approx((255 - y, x), abs=0.5)


def test_all_faces_are_known_also_those_of_the_photo_that_the_run_begins_with(
    tmp_path: Path,
) -> None:
    rig = three_avatars(tmp_path)
    rig.library._builder.finder = TwoFaces()
    rig.start()
    wait(lambda: rig.library.entries[0].faces)
    first = rig.library.entries[0]
    assert len(first.faces or ()) == 2 and first.chosen == 0
    rig.session.keep_settings(first.key, AvatarSettings(face=2))
    rig.library.renew(first.id)
    entry = rig.settled(first.id)
    assert entry.chosen == 1 and entry.ready is not None
    assert entry.ready.face.landmarks[:, 0].mean() > 128
    rig.close()


def test_a_photo_that_was_turned_by_itself_is_turned_on_from_there() -> None:
    assert Look().rotated(270).turn == 0
    assert Look(turn=90).rotated(270).turn == 180


def test_the_run_begins_with_the_photo_as_it_was_turned(tmp_path: Path) -> None:
    rig = three_avatars(tmp_path)
    table = AvatarTable(rig.own / "list.json")
    path = rig.library.entries[0].path
    table.keep(str(path), Look(turn=180))
    first = again(rig).first(load_photo(path, Finder()), path)
    assert first.turn == 180 and first.ready is not None


def test_that_an_avatar_was_chosen_is_known_to_the_next_run(rig: Rig) -> None:
    assert not rig.library.chosen_before
    rig.do("next")
    wait(lambda: rig.session.state()["wanted"] is None)
    assert rig.library.chosen_before and again(rig).chosen_before


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b'{"version": 2}', b"\xff", b'{"version": 1, "photos": 3, "order": 4}',
        b'{"version": 1, "photos": {"a": 1}, "order": [1, null], "chosen": "yes"}',
        b'{"version": 1, "photos": {"a": {"name": 1, "turn": 45}}}',
        b'{"version": 1, "photos": {"a": {"turn": true}}}',
    ],
)  # fmt: skip
def test_a_table_that_makes_no_sense_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(content)
    table = AvatarTable(path)
    assert table.look("a") == Look() and table.order == () and not table.chosen
    table.keep("a", Look("Ada"))
    assert json.loads(path.read_bytes())["photos"]["a"]["name"] == "Ada"


def test_names_are_one_line_that_can_be_seen() -> None:
    assert clean_name(" a\tb\u202e\n") == "a b"
    assert len(clean_name("x" * 500)) == 60


def test_a_photo_that_cannot_be_used_is_put_away_and_comes_back(rig: Rig) -> None:
    dark = sent(rig, 0, "dark.png")
    refused = rig.library.find(dark)
    assert refused is not None and refused.no_face and refused.thumbnail
    rig.library.reload()
    assert rig.library.find(dark) is not None, "it is in no folder, but was sent"
    rig.do("remove", dark)
    assert rig.library.find(dark) is None
    rig.library.restore(dark)
    back = rig.library.find(dark)
    assert back is not None and back.state is AvatarState.REFUSED
    assert not face_path(back.path).exists()


def test_points_make_an_avatar_of_a_photo_that_was_refused(rig: Rig) -> None:
    dark = sent(rig, 0, "dark.png")
    waiting = rig.library.find(dark)
    assert waiting is not None and waiting.upload
    assert rig.session.place(dark, creatures.placed("cat")) == dark
    entry = rig.library.find(dark)
    assert entry is not None and entry.state is AvatarState.READY and not entry.no_face
    assert entry.path == rig.own / "dark.jpg" and face_path(entry.path).exists()
    assert not waiting.path.exists()


def test_points_on_a_turned_photo_lie_on_it_as_it_is_seen(rig: Rig) -> None:
    mine, theirs = sent(rig, 100, "a.png"), rig.library.entries[1].id
    for one in (mine, theirs):
        rig.library.rotate(one)
        rig.settled(one)
    assert rig.session.place(mine, creatures.placed("cat")) == mine
    kept = rig.library.find(mine)
    assert kept is not None and kept.turn == 0 and kept.path == rig.own / "a.jpg"
    other = rig.session.place(theirs, creatures.placed("cat"))
    made = rig.library.find(other)
    assert other != theirs and made is not None and made.own, "their folder is left alone"
    assert not list(rig.folder.glob("*.json"))
