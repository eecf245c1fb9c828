"""The list of what was recorded: no foreign file, no way out of the folder, and undo."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from models.errors import UserError
from realtime.session.recorded import Recorded, RecordedList, write_still


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    return tmp_path / "videos"


def still(kept: RecordedList, path: Path, level: int = 9) -> Recorded:
    write_still(path, np.full((8, 8, 3), level, np.uint8))
    return kept.add(path)


def test_what_was_added_is_there_in_the_next_run_and_nothing_else_is(
    tmp_path: Path, folder: Path
) -> None:
    kept = RecordedList(tmp_path / "list.json")
    one = still(kept, folder / "one.png")
    (folder / "foreign.png").write_bytes(one.path.read_bytes())
    again = RecordedList(tmp_path / "list.json")
    assert [entry.path.name for entry in again.entries] == ["one.png"]
    if os.name == "posix":
        assert (tmp_path / "list.json").stat().st_mode & 0o777 == 0o600
    for wrong in ("", "foreign.png", str(folder / "foreign.png"), "../x", None, 3, ["a"]):
        with pytest.raises(UserError, match="not there"):
            again.find(wrong)


def test_two_runs_at_once_lose_nothing_of_each_other(tmp_path: Path, folder: Path) -> None:
    first, second = (RecordedList(tmp_path / "list.json") for _ in range(2))
    still(first, folder / "a.png")
    still(second, folder / "b.png")
    names = {entry.path.name for entry in RecordedList(tmp_path / "list.json").entries}
    assert names == {"a.png", "b.png"}


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "../out", "a/b", "a\\b", "..\\out", "C:x", "/etc/x", ".hidden"),
        *("con", "NUL.txt", "a\0b", "a\nb\x01", "a?", "x" * 300, "\ud800", None, 5, {"a": 1}),
    ],
)
def test_a_rename_cannot_leave_the_folder(tmp_path: Path, folder: Path, name: object) -> None:
    kept = RecordedList(tmp_path / "list.json")
    one = still(kept, folder / "one.png")
    with pytest.raises(UserError):
        kept.rename(one.id, name)
    assert [path.name for path in folder.iterdir()] == ["one.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.json", "list.lock", "videos"]


def test_a_rename_keeps_the_ending_and_overwrites_nothing(tmp_path: Path, folder: Path) -> None:
    kept = RecordedList(tmp_path / "list.json")
    one, other = still(kept, folder / "one.png"), still(kept, folder / "other.png", 50)
    assert kept.rename(one.id, "  Mein Anruf.PNG ").path == folder / "Mein Anruf.png"
    assert kept.rename(one.id, "a.exe").path == folder / "a.exe.png"
    before = other.path.read_bytes()
    with pytest.raises(UserError, match="already"):
        kept.rename(one.id, "other")
    assert other.path.read_bytes() == before
    assert kept.find(one.id).path == folder / "a.exe.png"


def test_what_is_removed_comes_back_until_the_run_ends(tmp_path: Path, folder: Path) -> None:
    kept = RecordedList(tmp_path / "list.json")
    one = still(kept, folder / "one.png")
    before = one.path.read_bytes()
    kept.remove(one.id)
    assert not one.path.exists()
    assert kept.entries == []
    # In the meantime its name was taken, by a file that must stay.
    (folder / "one.png").write_bytes(b"another")
    kept.restore(one.id)
    assert kept.find(one.id).path == folder / "one (2).png"
    assert (folder / "one (2).png").read_bytes() == before
    assert (folder / "one.png").read_bytes() == b"another"
    kept.remove(one.id)
    kept.close()
    assert [path.name for path in folder.iterdir()] == ["one.png"], "it is deleted with its folder"
    with pytest.raises(UserError):
        kept.restore(one.id)


def test_the_end_of_a_run_deletes_nothing_that_another_may_still_bring_back(
    tmp_path: Path, folder: Path
) -> None:
    first = RecordedList(tmp_path / "list.json")
    one = still(first, folder / "one.png")
    first.remove(one.id)
    RecordedList(tmp_path / "list.json").close()
    first.restore(one.id)
    assert one.path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_in_the_place_of_a_recording_is_not_followed(tmp_path: Path, folder: Path) -> None:
    kept = RecordedList(tmp_path / "list.json")
    one = still(kept, folder / "one.png")
    secret = tmp_path / "secret"
    secret.write_text("mine")
    one.path.unlink()
    one.path.symlink_to(secret)
    assert kept.entries == []
    with pytest.raises(UserError):
        kept.remove(one.id)


@pytest.mark.parametrize("text", ["", "{", "[1, null, {}]", '{"a": 1}', '[{"id": "../../x"}]'])
def test_a_broken_list_is_an_empty_one(tmp_path: Path, folder: Path, text: str) -> None:
    (tmp_path / "list.json").write_text(text)
    kept = RecordedList(tmp_path / "list.json")
    assert kept.entries == []
    still(kept, folder / "one.png")
    assert len(json.loads((tmp_path / "list.json").read_text())) == 1


def test_without_a_place_for_it_the_list_is_of_this_run(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (None, tmp_path / "file" / "list.json"):
        kept = RecordedList(path)
        one = still(kept, folder / f"{len(list(folder.iterdir()))}.png")
        assert kept.entries == [one]


def test_a_still_overwrites_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(b"mine")
    with pytest.raises(UserError, match="cannot be written"):
        write_still(path, np.zeros((4, 4, 3), np.uint8))
    assert path.read_bytes() == b"mine"
