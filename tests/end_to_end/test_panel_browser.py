"""The panel as a user has it: a real run, and Chromium with its fake webcam."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Error

from models.types import Image
from realtime.paths import asset_path
from scripts.rigs.browser import Browser
from tests.paths import ROOT

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(sys.platform != "linux", reason="drives Chromium on Linux"),
]

OPEN = "document.body.dataset.status === 'open'"
HELPERS = """
window.pixels = (id) => {
  const canvas = document.getElementById(id);
  return canvas.toDataURL('image/png').split(',')[1];
};
window.file = (name, text, type) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new File([bytes], name, { type });
};
window.dropFile = (file) => {
  const data = new DataTransfer();
  data.items.add(file);
  for (const kind of ['dragenter', 'dragover', 'drop']) {
    document.body.dispatchEvent(
      new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
  }
};
"""


class Run:
    """`avatarify-like run`, or another command, in a process of its own."""

    def __init__(
        self, home: Path, *words: str, command: Sequence[str] = ("run", "--size", "320x180")
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "realtime.cli", *command, *words],
            cwd=ROOT,
            env={**os.environ, "AVATARIFY_HOME": str(home), "DISPLAY": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.ready = threading.Event()
        self.url = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self.ready.wait(60), self.lines
        assert self.url, self.lines

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"Panel: (\S+)", line):
                self.url = found[1]
                self.ready.set()
        self.ready.set()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()


@pytest.fixture
def avatars(tmp_path: Path, astronaut: Image) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "demo.jpg").write_bytes(asset_path("face.jpg").read_bytes())
    PIL.Image.fromarray(astronaut).save(folder / "spacewoman.jpg")
    return folder


@pytest.fixture
def run(tmp_path: Path, avatars: Path) -> Iterator[Run]:
    words = ("--source", str(avatars), "--camera", "demo", "--output", "none")
    run = Run(tmp_path / "home", *words, "--record", str(tmp_path / "out.mp4"))
    yield run
    run.close()


def enter(browser: Browser, url: str) -> None:
    browser.page.add_init_script(HELPERS)
    browser.open(url)
    browser.wait(OPEN)


def pixels(browser: Browser, canvas: str) -> Image:
    data = base64.b64decode(browser.run(f"pixels('{canvas}')"))
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"), np.uint8)


def unlike(one: Image, other: Image) -> float:
    """The mean difference of two pictures, 0..255; of different sizes: all."""
    if one.shape != other.shape:
        return 255.0
    return float(np.abs(one.astype(int) - other).mean())


def detail(image: Image) -> float:
    """How much a picture changes from pixel to pixel."""
    return float(np.abs(np.diff(image.astype(int), n=2, axis=1)).mean())


def wait_for_change(browser: Browser, canvas: str, before: Image, least: float) -> Image:
    now = before
    for _ in range(300):
        now = pixels(browser, canvas)
        if unlike(now, before) > least:
            return now
        browser.run("new Promise((done) => setTimeout(done, 100))")
    raise AssertionError(f"{canvas} still looks as before ({unlike(now, before):.2f})")


def drop(browser: Browser, name: str, data: bytes, kind: str = "image/jpeg") -> None:
    text = base64.b64encode(data).decode()
    browser.run(f"dropFile(file({json.dumps(name)}, '{text}', '{kind}'))")


def press(browser: Browser, key: str) -> None:
    browser.run("document.activeElement.blur()")
    browser.page.keyboard.press(key)


def test_a_session_at_the_panel(run: Run, tmp_path: Path, astronaut: Image) -> None:
    with Browser(tmp_path / "profile") as browser:
        enter(browser, run.url)
        assert "#" not in browser.run("location.href"), "the key does not stay in the address bar"
        assert browser.wait("/^\\d+ a second$/.test(document.getElementById('fps').textContent)")

        # Both pictures move; the driver's is blurred until V is pressed.
        browser.wait("document.getElementById('output').width === 320")
        still = pixels(browser, "output")
        assert still.std() > 20, "it shows something"
        wait_for_change(browser, "output", still, 0.05)
        blurred = pixels(browser, "camera")
        press(browser, "v")
        for _ in range(100):
            if detail(pixels(browser, "camera")) > 2 * detail(blurred):
                break
        assert detail(pixels(browser, "camera")) > 2 * detail(blurred)

        # Another avatar, by a click and by its key.
        demo = pixels(browser, "output")
        browser.page.click("#list li:nth-child(2) .tile")
        wait_for_change(browser, "output", demo, 15)
        browser.wait("document.querySelectorAll('#list .tile')[1].ariaPressed === 'true'")
        press(browser, "1")
        browser.wait("document.querySelectorAll('#list .tile')[0].ariaPressed === 'true'")

        # Calibration, and the search with its score.
        press(browser, "x")
        browser.wait("document.querySelector('.said.good')?.textContent.startsWith('Calibrated')")
        browser.wait("document.getElementById('status').textContent.startsWith('Ready')")
        press(browser, "f")
        browser.wait("/best \\d+ %/.test(document.getElementById('search').textContent)")

        # A good photo is shown before it goes live; bad ones say on the picture why not.
        data = io.BytesIO()
        PIL.Image.fromarray(astronaut[:, ::-1]).save(data, "JPEG")
        drop(browser, "my friend.jpg", data.getvalue())
        mine = "[...document.querySelectorAll('#list .tile')].find((t) => t.title === 'my friend')"
        browser.page.click(".avatar-preview [data-act=live]")
        browser.wait(f"{mine}?.ariaPressed === 'true'")
        empty = io.BytesIO()
        PIL.Image.new("RGB", (300, 300), (90, 120, 90)).save(empty, "JPEG")
        for name, called, content, reason in (
            ("lawn.jpg", "lawn", empty.getvalue(), "No face"),
            ("<b>tool<b>.exe", "b_tool_b", b"MZ" * 500, "not a picture"),
        ):
            drop(browser, name, content)
            title = json.dumps(called)
            tile = f"[...document.querySelectorAll('div.tile')].find((t) => t.title === {title})"
            browser.wait(f"{tile}?.querySelector('.reason').textContent.includes('{reason}')")
        assert browser.run("document.querySelector('#list b') === null"), "names are text"

        # A reload in mid-run: the same key, the same state.
        browser.page.reload()
        browser.wait(OPEN)
        browser.wait(f"{mine}?.ariaPressed === 'true'")
        wait_for_change(browser, "output", pixels(browser, "output"), 0.05)

        # The real face only after the question; a no is a no.
        press(browser, "0")
        browser.wait("document.getElementById('ask').open")
        browser.page.click("#ask [value=no]")
        browser.wait("!document.getElementById('ask').open")
        assert "real" not in browser.run("document.querySelector('.chips').textContent")
        press(browser, "?")
        assert "calibrate" in browser.wait("document.getElementById('keys').innerText")
        browser.page.click("#help form button")

        # Every control has a name, and nothing was refused by the policy or threw.
        # Dialogs get their words when they are opened.
        browser.run("document.getElementById('details').open = true")
        nameless = browser.run(
            "[...document.querySelectorAll('button, input:not([hidden]), canvas')].filter((e) =>"
            " !e.closest('dialog:not([open])') &&"
            " !(e.ariaLabel || e.textContent.trim() ||"
            " [...(e.labels ?? [])].map((label) => label.textContent).join('').trim()))"
            ".map((e) => e.outerHTML)"
        )
        assert nameless == []
        errors = [line for line in browser.console if "422" not in line]
        assert not errors, errors

        # The end.
        press(browser, "Escape")
        browser.page.click("#quit [value=yes]")
        run.process.wait(60)
        assert run.process.returncode == 0
        browser.wait("!document.getElementById('banner').hidden")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 30


def test_three_pages_and_two_strangers(run: Run, tmp_path: Path) -> None:
    host = run.url.split("/")[2]
    with Browser(tmp_path / "profile") as browser:
        enter(browser, run.url)
        first, key = browser.page, run.url.split("#")[1]
        pages = {}
        for path in ("", "output"):
            browser.page = pages[path] = first.context.new_page()
            browser.open(f"http://{host}/{path}#{key}")
            browser.wait(OPEN)
            browser.wait("document.getElementById('output').width === 320")
        browser.page = first
        press(browser, "p")
        frozen = "document.querySelector('.chips').textContent.includes('Frozen')"
        browser.wait(frozen)
        browser.page = pages[""]
        browser.wait(frozen)
        browser.page = first

        # Without the key of this run.
        browser.run("sessionStorage.clear()")
        browser.open("about:blank")
        browser.open(f"http://{host}/#key=wrong")
        browser.wait("document.getElementById('banner').textContent.includes('no valid key')")

        # From another site: neither a socket nor a request, even with the key.
        key = run.url.split("#key=")[1]
        browser.open("data:text/html,<title>stranger</title>")
        outcome = browser.run(
            f"new Promise((done) => {{ const s = new WebSocket('ws://{host}/live',"
            f" ['panel', 'key.{key}']);"
            " s.onopen = () => done('open'); s.onclose = () => done('refused'); })"
        )
        assert outcome == "refused"
        with pytest.raises(Error, match="Failed to fetch"):
            browser.run(
                f"fetch('http://{host}/avatars', {{method: 'POST', body: 'x',"
                f" headers: {{Authorization: 'Bearer {key}'}}}})"
            )


def fake_webcam(path: Path) -> None:
    """Three seconds of the demo clip as Chromium's fake webcam takes them."""
    with av.open(str(asset_path("demo.mp4"))) as clip, path.open("wb") as out:
        out.write(b"YUV4MPEG2 W320 H320 F30:1 Ip A1:1 C420jpeg\n")
        for index, frame in enumerate(clip.decode(video=0)):
            if index == 90:
                break
            out.write(b"FRAME\n" + frame.reformat(320, 320, "yuvj420p").to_ndarray().tobytes())


def test_the_webcam_of_the_browser_drives_the_avatar(tmp_path: Path) -> None:
    webcam = tmp_path / "webcam.y4m"
    fake_webcam(webcam)
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={webcam}",
        "--ignore-certificate-errors",  # A user compares the fingerprint.
    )
    words = ("--source", str(asset_path("face.jpg")), "--camera", "browser", "--output", "none")
    # As on a GPU machine in another room: open to others, encrypted, by this computer's address.
    run = Run(tmp_path / "home", *words, "--panel", "0.0.0.0:0")
    assert run.url.startswith("https://")
    try:
        with Browser(tmp_path / "profile", flags=flags) as browser:
            enter(browser, run.url)
            browser.wait("!document.getElementById('webcam').hidden")
            browser.page.click("#webcam-button")
            browser.wait("document.getElementById('webcam').hidden")
            browser.wait("document.getElementById('status').textContent.startsWith('Ready')", 60)
            assert "webcam of the page" in browser.run(
                "document.getElementById('camera-name').textContent"
            )
            before = pixels(browser, "output")
            wait_for_change(browser, "output", before, 0.3)
            # The result full screen, for OBS.
            key = run.url.split("#")[1]
            browser.open(run.url.split("#")[0] + "output#" + key)
            browser.wait(OPEN)
            browser.wait("document.getElementById('output').width === 320")
            assert pixels(browser, "output").std() > 20
    finally:
        run.close()
