"""A run as its user starts it, with a browser, while another account of the computer watches."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from realtime.paths import HOME_VARIABLE, asset_path
from tests.paths import ROOT
from tests.stranger import ask_stranger

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another account"
)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder in which every account may look around."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def wait_for(found: Callable[[], list[str]]) -> str:
    for _ in range(600):
        if texts := found():
            return texts[0]
        time.sleep(0.1)
    raise AssertionError("it did not come")


def ask(port: int, method: str, path: str, authorization: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": authorization, "Origin": f"http://127.0.0.1:{port}"}
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_no_command_line_no_file_and_no_log_gives_the_panel_away(open_folder: Path) -> None:
    browser = open_folder / "browser"
    asked = open_folder / "asked"
    browser.write_text(
        f'#!/bin/sh\nprintf %s "$1" > {asked}.part\nmv {asked}.part {asked}\n'
        f"while [ -e {asked} ]; do sleep 0.1; done\n"
    )
    browser.chmod(0o755)
    home, output = open_folder / "home", open_folder / "output.txt"
    words = ("--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none")
    with output.open("w") as file:
        run = subprocess.Popen(
            [sys.executable, "-m", "realtime.cli", "run", *words, "--size", "320x180", "--verbose"],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"},
                **{HOME_VARIABLE: str(home), "DISPLAY": ":77", "BROWSER": f"{browser} %s &"},
            },
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        opened = wait_for(lambda: [p.read_text() for p in [asked] if p.exists()])
        port = int(opened.split(":")[2].split("/")[0])
        address = wait_for(lambda: [p.read_text().strip() for p in home.glob("panel-*.txt")])
        key = address.partition("#key=")[2]
        assert len(key) == 43 and address.startswith(f"http://127.0.0.1:{port}/#key=")

        found = ask_stranger(port, open_folder)
        code = opened.partition("#code=")[2]
        assert found["codes"] == [code], "it sees what the browser was started with"
        assert found["answers"] == {code: [403, 403, 403, 403, "refused"]}
        assert f"panel-{port}.txt" in found["files"], "it may read what the run has printed"
        seen = found["processes"] + found["files"] + found["environments"]
        assert key not in seen

        # The browser opens its page all the same; and nobody does so with that address again.
        status, text = ask(port, "POST", "/enter", f"Code {code}")
        assert status == 200 and json.loads(text)["key"] == key
        assert ask(port, "GET", "/key", f"Bearer {key}")[0] == 204
        assert ask(port, "POST", "/enter", f"Code {code}")[0] == 410
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 0, output.read_text()
        assert not list(home.glob("panel-*.txt")), "the address goes with the run"
        for path in (output, *home.rglob("*.log")):
            text_of = path.read_text()
            assert key not in text_of and code not in text_of, path
    finally:
        run.kill()
