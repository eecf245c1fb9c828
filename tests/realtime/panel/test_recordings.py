"""The recordings as pages get them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.panel.recordings import Recordings
from realtime.session.recorded import Recorded, RecordedList, write_still
from tests.panel_rig import Served, do, next_of, state_where
from tests.session_rig import three_avatars, wait


class Kept:
    """A panel with recordings, of which there is one picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "videos"
        self.folder.mkdir()
        self.list = RecordedList(folder / "list.json")
        self.rig = three_avatars(folder)
        self.rig.start()
        self.served = Served(self.rig, features=[Recordings(self.list, self.take)])
        self.one = self.add("one.png")

    def take(self) -> None:
        self.add("taken.png")

    def add(self, name: str) -> Recorded:
        noise = np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)
        write_still(self.folder / name, noise)
        return self.list.add(self.folder / name)

    def token(self) -> str:
        status, _, text = self.served.ask(f"/recordings/{self.one.id}/token", "POST", b"")
        assert status == 200
        return str(json.loads(text)["token"])

    def listed(self) -> Any:
        return json.loads(self.served.ask("/recordings")[2])


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    kept.served.panel.close()
    kept.rig.close()


def test_nothing_is_told_without_the_key(kept: Kept) -> None:
    at = f"/recordings/{kept.one.id}"
    for path, method in (
        ("/recordings", "GET"),
        (f"{at}/thumbnail", "GET"),
        (f"{at}/token", "POST"),
        (f"{at}/folder", "POST"),
    ):
        assert kept.served.ask(path, method, b"", key=False)[0] == 401


def test_a_file_comes_in_ranges_for_its_token_alone(kept: Kept) -> None:
    data = kept.one.path.read_bytes()
    address = f"/recorded/{kept.token()}"
    status, headers, text = kept.served.ask(address, key=False)
    assert (status, text) == (200, data)
    assert headers["content-type"] == "image/png"
    status, headers, text = kept.served.ask(address, key=False, Range="bytes=10-29")
    assert (status, text) == (206, data[10:30])
    assert headers["content-range"] == f"bytes 10-29/{len(data)}"
    status, headers, _ = kept.served.ask(f"{address}?download", key=False)
    assert 'attachment; filename="one.png"' in headers["content-disposition"]
    (kept.folder / "foreign.png").write_bytes(data)
    for wrong in ("", "x", "one.png", "foreign.png", "..%2Fone.png", kept.one.id):
        assert kept.served.ask(f"/recorded/{wrong}")[0] == 404


def test_what_is_not_in_the_list_cannot_be_asked_for(kept: Kept) -> None:
    (kept.folder / "foreign.png").write_bytes(kept.one.path.read_bytes())
    for wrong in ("foreign", "foreign.png", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd"):
        for what in ("token", "folder"):
            assert kept.served.ask(f"/recordings/{wrong}/{what}", "POST", b"")[0] == 404
    assert [one["file"] for one in kept.listed()] == ["one.png"]


def test_it_is_renamed_removed_and_brought_back_by_commands(kept: Kept) -> None:
    token = kept.token()
    with kept.served.page() as page:
        do(page, "recordings.rename", {"id": kept.one.id, "name": "../out"})
        assert "no name for a file" in next_of(page, "refused")
        do(page, "recordings.rename", {"id": kept.one.id, "name": "two"})
        wait(lambda: [one["file"] for one in kept.listed()] == ["two.png"])
        assert kept.served.ask(f"/recorded/{token}")[0] == 404, "its address has ended"
        do(page, "recordings.remove", kept.one.id)
        wait(lambda: kept.listed() == [])
        do(page, "recordings.restore", kept.one.id)
        wait(lambda: len(kept.listed()) == 1)
        messages: list[Any] = [None, 3, {"id": []}, "../x"]
        for message in messages:
            do(page, "recordings.remove", message)
            assert "not there" in next_of(page, "refused")


def test_a_still_is_told_with_its_folder_and_has_a_small_picture(kept: Kept) -> None:
    with kept.served.page() as page:
        before = next_of(page, "state")["recordings"]
        do(page, "recordings.still")
        told = state_where(page, lambda one: one["recordings"]["revision"] > before["revision"])
        last = told["recordings"]["last"]
        assert (last["file"], last["folder"]) == ("taken.png", str(kept.folder))
        status, headers, text = kept.served.ask(f"/recordings/{last['id']}/thumbnail")
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        assert text.startswith(b"\xff\xd8")


def test_the_signature_is_told_when_a_page_asks_for_it(kept: Kept) -> None:
    assert kept.listed()[0]["signature"] is None
    with kept.served.page() as page:
        do(page, "recordings.check", kept.one.id)
        wait(lambda: kept.listed()[0]["signature"] is not None)
    assert kept.listed()[0]["signature"]["code"] in ("none", "unreadable")


def test_the_folder_is_shown_by_a_command_without_a_shell(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    monkeypatch.setattr("subprocess.Popen", lambda *a, **b: called.append((a, b)))
    assert kept.served.ask(f"/recordings/{kept.one.id}/folder", "POST", b"")[0] == 204
    ((command,), options) = called[0]
    assert isinstance(command, list)
    assert str(kept.folder) in command[-1]
    assert not options.get("shell")
