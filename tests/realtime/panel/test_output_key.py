"""The fixed address of the output page: from run to run, nothing but the output, until revoked."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from models.errors import UserError
from realtime.panel.address import Address
from realtime.panel.output_key import OutputKey
from tests.panel_rig import Served, do, next_of, next_picture
from tests.session_rig import three_avatars, wait


def make(served: Served) -> str:
    with served.page() as page:
        page.send(json.dumps({"output_key": "tell"}))
        assert next_of(page, "output_key") == ""
        page.send(json.dumps({"output_key": "make"}))
        key = next_of(page, "output_key")
        assert len(key) == 43
        return str(key)


def protocols(key: str) -> list[Subprotocol]:
    return [Subprotocol("panel"), Subprotocol(f"key.{key}")]


def test_it_shows_the_output_and_nothing_else(served: Served) -> None:
    key = make(served)
    assert served.ask("/key", Authorization=f"Bearer {key}")[0] == 204
    for path, method in (("/thumbnails/a1", "GET"), ("/avatars", "POST")):
        assert served.ask(path, method, b"", Authorization=f"Bearer {key}")[0] == 401
    with served.page(subprotocols=protocols(key)) as page:
        wishes = {"output": {"width": 320, "fps": 60}, "camera": {"fps": 60}}
        page.send(json.dumps({"show": wishes}))
        assert next_picture(page, 1).shape == (180, 320, 3)
        for message in ({"do": "freeze"}, {"webcam": True}, {"output_key": "tell"}, {"ping": 1}):
            page.send(json.dumps(message))
            assert "only shows" in next_of(page, "refused")
        page.send(json.dumps({"show": wishes}))  # Of those passed over, none counts as on its way.
        kinds = set()
        for _ in range(60):
            data = page.recv(20)
            assert isinstance(data, bytes), "no state, no figures"
            page.send(json.dumps({"seen": data[0]}))
            kinds.add(data[0])
        assert kinds == {1}
        assert not served.rig.session.state()["frozen"]


def test_it_works_again_after_a_restart_until_it_is_revoked(tmp_path: Path) -> None:
    rig = three_avatars(tmp_path)
    rig.start()
    kept = tmp_path / "settings" / "output-key.json"
    first = Served(rig, output_key=kept)
    key = make(first)
    if os.name == "posix":
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert key not in "".join(map(str, rig.lines))
    first.panel.close()
    again = Served(rig, output_key=kept)
    try:
        assert again.port == first.port, "its address is the same"
        assert again.panel.key.text != first.panel.key.text
        with again.page(subprotocols=protocols(key)) as watching, again.page() as page:
            watching.send(json.dumps({"show": {"output": {}}}))
            next_picture(watching, 1)
            page.send(json.dumps({"output_key": "revoke"}))
            assert next_of(page, "output_key") == ""
            with pytest.raises(ConnectionClosed):
                while True:
                    watching.recv(20)
            do(page, "freeze", True)
            wait(lambda: next_of(page, "state")["frozen"])
        assert again.ask("/key", Authorization=f"Bearer {key}")[0] == 401
        with pytest.raises(InvalidStatus), again.page(subprotocols=protocols(key)):
            pass
        assert not kept.exists()
        # A new one ends the one before.
        second = make(again)
        with again.page() as page:
            page.send(json.dumps({"output_key": "make"}))
            third = next_of(page, "output_key")
        assert again.ask("/key", Authorization=f"Bearer {second}")[0] == 401
        assert again.ask("/key", Authorization=f"Bearer {third}")[0] == 204
    finally:
        again.panel.close()
        rig.close()


def test_a_second_run_says_that_the_fixed_address_is_not_its_own(tmp_path: Path) -> None:
    rig = three_avatars(tmp_path)
    rig.start()
    kept = tmp_path / "output-key.json"
    first = Served(rig, output_key=kept)
    make(first)
    second = Served(rig, output_key=kept)
    try:
        assert second.port != first.port
        wait(lambda: any(f"port {first.port}" in line for line in rig.lines))
        chosen = Served(rig, output_key=kept, address=Address("127.0.0.1", 0, True))
        assert chosen.port not in (first.port, second.port)
        chosen.panel.close()
    finally:
        first.panel.close()
        second.panel.close()
        rig.close()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "5", '{"key": 5, "port": 80}', '{"key": "short", "port": 8000}',
     '{"port": 8000}', '{"key": "' + "x" * 2000 + '", "port": 8}', "[" * 900],
)  # fmt: skip
def test_a_broken_file_is_no_key(tmp_path: Path, text: str) -> None:
    path = tmp_path / "output-key.json"
    path.write_text(text)
    key = OutputKey(path)
    assert key.text is None and key.port is None
    assert not key.fits("") and not key.fits("None")


def test_a_key_that_cannot_be_kept_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path, reason in ((None, "keeps no settings"), (tmp_path / "file" / "x.json", "written")):
        key = OutputKey(path)
        with pytest.raises(UserError, match=reason):
            key.make(8000)
        assert key.text is None
