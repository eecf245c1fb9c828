"""The recordings tab as a user has it: record, look, rename, remove, take it back."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import PIL.Image
import pytest

from realtime.paths import asset_path
from realtime.provenance.verify import Verdict, examine
from scripts.rigs.browser import Browser
from tests.end_to_end.test_panel_browser import OPEN, Run

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(sys.platform != "linux", reason="drives Chromium on Linux"),
]

LIST = "document.querySelectorAll('#recorded li')"
NOTICE = "document.querySelector('.notice').textContent"


def test_what_was_recorded_is_listed_played_renamed_removed_and_brought_back(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    words = ("--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none")
    run = Run(home, *words)
    videos = home / "videos"
    try:
        with Browser(tmp_path / "profile") as browser:
            browser.open(run.url)
            browser.wait(OPEN)
            browser.page.click("#to-recordings")
            browser.wait(f"{LIST}.length === 0 && document.querySelector('.nothing').offsetHeight")
            # A recording that ends is told on every tab, with a way to it.
            browser.page.click("#to-live")
            browser.page.click("[data-switch=record]")
            browser.wait("document.querySelector('[data-switch=record]').ariaPressed === 'true'")
            browser.run("new Promise((done) => setTimeout(done, 1500))")
            browser.page.click("[data-switch=record]")
            browser.wait(f"{NOTICE}.includes('.mp4 in {videos}')")
            browser.page.click(".notice .primary")
            browser.wait(f"{LIST}.length === 1")
            browser.wait(f"{LIST}[0].querySelector('img').naturalWidth > 0")
            # It plays, any place of it can be gone to, and its signature is told.
            browser.page.click("#recorded .picture")
            browser.wait("document.querySelector('#player video')?.currentTime > 0.2")
            browser.wait("document.querySelector('#player video').seekable.end(0) > 0.5")
            browser.wait("document.querySelector('.signature').textContent.includes('unchanged')")
            browser.page.click("#player form button")
            with browser.page.expect_download() as download:
                browser.page.click("#recorded .bar button:nth-child(1)")
            with av.open(str(download.value.path())) as container:
                assert container.streams.video[0].width == 320
            # Another name, in the same folder.
            browser.page.click("#recorded .bar button:nth-child(2)")
            browser.page.fill("#new-name", "my call")
            browser.page.click(".rename [value=yes]")
            browser.wait(f"{LIST}[0].querySelector('.name').textContent === 'my call'")
            assert [path.name for path in videos.glob("*.mp4")] == ["my call.mp4"]
            # Gone, and back.
            browser.page.click("#recorded .bar .danger")
            browser.wait(f"{LIST}.length === 0")
            assert not list(videos.glob("*.mp4"))
            browser.page.click(".notice .primary")
            browser.wait(f"{LIST}.length === 1")
            assert [path.name for path in videos.glob("*.mp4")] == ["my call.mp4"]
            # A still of the output.
            browser.page.click("#still-button")
            browser.wait(f"{LIST}.length === 2")
            (still,) = videos.glob("*.png")
            with PIL.Image.open(still) as picture:
                assert picture.size == (320, 180)
            assert examine(still).verdict is Verdict.UNCHANGED
            browser.page.click("#recorded .bar .danger")
            browser.wait(f"{LIST}.length === 1")
            assert not [line for line in browser.console if "error" in line], browser.console
    finally:
        run.close()
    assert [path.name for path in videos.iterdir()] == ["my call.mp4"], "the trash is empty"
