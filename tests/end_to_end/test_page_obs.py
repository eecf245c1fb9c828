"""The page for OBS, as a program opens it that keeps its address: no words, through restarts."""

from __future__ import annotations

import base64
import io
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from models.types import Image
from realtime.paths import asset_path
from scripts.rigs.browser import Browser
from tests.end_to_end.test_panel_browser import OPEN, Run

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(sys.platform != "linux", reason="drives Chromium on Linux"),
]

CUT_OUT = ("--background", "green")
WORDS = """
(() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (walker.currentNode.data.trim()) found.push(walker.currentNode.data);
  return found;
})()
"""


def start(home: Path, *words: str) -> Run:
    source = ("--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none")
    return Run(home, *source, *words)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile") as browser:
        yield browser


def fixed_address(browser: Browser, run: Run, query: str = "") -> str:
    """An address of the output page that lasts, made as the ordinary page makes it."""
    browser.open(run.url)
    browser.wait(OPEN)
    browser.page.click("#obs-button")
    browser.page.click("#obs-make")
    address = browser.wait("document.getElementById('obs-address').value")
    browser.page.click("#obs-close")
    place, _, key = str(address).partition("#")
    return f"{place.partition('?')[0]}{query}#{key}"


def picture(browser: Browser) -> Image:
    """What the page's canvas holds, with its alpha: (H, W, 4)."""
    data = browser.run("document.getElementById('output').toDataURL('image/png').split(',')[1]")
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def wait_until(browser: Browser, true: Callable[[Image], bool]) -> Image:
    for _ in range(300):
        now = picture(browser)
        if true(now):
            return now
        browser.run("new Promise((done) => setTimeout(done, 100))")
    raise AssertionError(f"the picture stays as it is: {now.shape}, mean {now.mean():.1f}")


def shows(now: Image) -> bool:
    return now.shape[1] == 320 and bool(now[..., :3].std() > 20)


def moves(browser: Browser) -> None:
    before = wait_until(browser, shows)
    wait_until(browser, lambda now: now.shape == before.shape and bool((now != before).any()))


def kill(run: Run) -> None:
    run.process.send_signal(signal.SIGKILL)
    run.process.wait(30)


def test_the_picture_comes_back_after_a_restart_and_no_word_is_on_air(
    tmp_path: Path, browser: Browser
) -> None:
    run = start(tmp_path / "home")
    try:
        address = fixed_address(browser, run)
        browser.open("about:blank")
        browser.open(address)
        moves(browser)
        assert browser.run(WORDS) == []
        # While the program is gone its last picture stays, without a word.
        kill(run)
        browser.wait("document.body.dataset.status === 'lost'")
        assert shows(picture(browser))
        assert browser.run(WORDS) == []
        run = start(tmp_path / "home")
        moves(browser)
        assert browser.run(WORDS) == []
    finally:
        run.close()


def test_a_program_that_opens_the_address_first_gets_the_picture_later(
    tmp_path: Path, browser: Browser
) -> None:
    run = start(tmp_path / "home")
    try:
        address = fixed_address(browser, run, "?gone=clear")
        browser.open(address)
        moves(browser)
        browser.wait("navigator.serviceWorker.ready.then(() => true)")
        kill(run)
        browser.wait("document.getElementById('output').width === 1")
        browser.open("about:blank")
        browser.open(address)  # As OBS does at its start, before the program is there.
        browser.wait("document.body.dataset.status === 'lost'")
        assert browser.run(WORDS) == []
        run = start(tmp_path / "home")
        moves(browser)
    finally:
        run.close()


def test_the_person_alone_is_really_transparent_and_a_revoked_key_shows_nothing(
    tmp_path: Path, browser: Browser
) -> None:
    run = start(tmp_path / "home", *CUT_OUT)
    try:
        address = fixed_address(browser, run, "?background=transparent")
        panel = browser.page
        browser.page = panel.context.new_page()
        browser.open(address)
        now = wait_until(browser, shows)
        assert now[0, 0].tolist() == [0, 0, 0, 0]
        assert now[90, 160, 3] == 255, "the middle is the person"
        edge = (now[..., 3] > 60) & (now[..., 3] < 200)
        assert edge.any(), "the matte has soft edges"
        # No green of the canvas is left in what is shown of them.
        red, green, blue = (now[edge][:, i].astype(int).mean() for i in range(3))
        assert green < max(red, blue) + 20
        ground = "getComputedStyle(document.{}).backgroundColor"
        assert browser.run(ground.format("body")) == "rgba(0, 0, 0, 0)"
        # The same over green, which any program can key.
        output = browser.page
        browser.page = panel.context.new_page()
        browser.open(address.replace("transparent", "green"))
        wait_until(browser, shows)
        shot = PIL.Image.open(io.BytesIO(browser.page.screenshot())).convert("RGB")
        assert shot.getpixel((40, 40)) == (0, 177, 64)
        # As in the call: the whole picture.
        browser.open(address.replace("transparent", "keep"))
        assert wait_until(browser, shows)[..., 3].min() == 255
        browser.page = panel
        browser.page.click("#obs-button")
        browser.page.click("#obs-revoke")
        browser.page = output
        wait_until(browser, lambda now: now.shape[:2] == (1, 1))
        assert browser.run(WORDS) == []
    finally:
        run.close()


def test_where_nothing_is_cut_out_the_plain_picture_is_shown(
    tmp_path: Path, browser: Browser
) -> None:
    run = start(tmp_path / "home")
    try:
        browser.open(fixed_address(browser, run, "?background=transparent"))
        assert wait_until(browser, shows)[..., 3].min() == 255
    finally:
        run.close()
