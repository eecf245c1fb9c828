"""The first time: no terminal but the start, then a photo, a camera, a clip, a cat, OBS."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import PIL.Image
import pytest

from realtime.paths import asset_path
from scripts.rigs.browser import Browser
from tests import creatures
from tests.end_to_end.test_page_obs import fixed_address, kill
from tests.end_to_end.test_page_setup import press_row, row_is
from tests.end_to_end.test_panel_browser import Run, drop, enter

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(sys.platform != "linux", reason="drives Chromium on Linux"),
]

OUTPUT = "document.getElementById('output').toDataURL('image/png')"


def started(home: Path) -> Run:
    """The program without any argument, as its menu entry starts it."""
    return Run(home, command=())


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = started(tmp_path / "home")
    yield run
    run.close()


@pytest.fixture
def browser(tmp_path: Path, run: Run) -> Iterator[Browser]:
    with Browser(tmp_path / "profile", patience=120) as browser:
        browser.page.set_viewport_size({"width": 1280, "height": 800})
        browser.page.add_init_script(
            "localStorage.getItem('language') ?? localStorage.setItem('language', 'en')"
        )
        enter(browser, run.url)
        yield browser


def moves(browser: Browser) -> None:
    """The picture becomes another one."""
    before = browser.wait(f"document.getElementById('output') && {OUTPUT}")
    browser.wait(f"{OUTPUT} !== {json.dumps(before)}")


def go_live(browser: Browser) -> None:
    """The example photo is there; the demo clip becomes the camera, and the picture moves."""
    assert "Ready" in row_is(browser, "photo", "ready")
    press_row(browser, "camera")
    browser.page.get_by_role("button", name="Demo clip").click()
    row_is(browser, "camera", "ready")
    moves(browser)


def short_clip(path: Path, frames: int = 20) -> Path:
    """The beginning of the demo clip."""
    with (
        av.open(str(asset_path("demo.mp4"))) as source,
        av.open(str(path), "w") as target,
    ):
        stream = target.add_stream("libx264", rate=30)
        for number, frame in enumerate(source.decode(video=0)):
            if number == frames:
                break
            if number == 0:
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
            target.mux(stream.encode(frame.reformat(format="yuv420p")))
        target.mux(stream.encode())
    return path


def test_from_the_start_to_a_live_picture_a_clip_and_a_cat(
    browser: Browser, run: Run, tmp_path: Path
) -> None:
    go_live(browser)

    # A clip of the example photo, made and downloaded.
    browser.page.click("#to-clip")
    photo, video = browser.page.locator("#tab-clip input[type=file]").all()[:2]
    photo.set_input_files(asset_path("face.jpg"))
    video.set_input_files(short_clip(tmp_path / "short.mp4"))
    browser.page.get_by_role("button", name="Make the clip").click()
    save = browser.page.get_by_role("button", name="Download")
    save.wait_for()
    with browser.page.expect_download() as download:
        save.click()
    with av.open(str(download.value.path())) as made:
        assert sum(1 for _ in made.decode(video=0)) == 20

    # Points on a cat, in which no face is found; then it is what the call sees.
    browser.page.click("#to-live")
    data = io.BytesIO()
    PIL.Image.fromarray(creatures.cat()).save(data, "PNG")
    drop(browser, "cat.png", data.getvalue(), "image/png")
    browser.page.click(".refused .acts .primary")
    browser.wait("document.querySelector('.points-preview img').naturalWidth > 0")
    browser.page.get_by_role("button", name="Use it").click()
    browser.wait("!document.querySelector('dialog[open]')")
    browser.wait("document.querySelector('[data-row=photo]').innerText.includes('cat')")
    moves(browser)


def test_the_next_start_goes_on_and_so_does_obs(browser: Browser, run: Run, tmp_path: Path) -> None:
    go_live(browser)
    address = fixed_address(browser, run)
    browser.open("about:blank")
    browser.open(address)
    moves(browser)
    kill(run)
    again = started(tmp_path / "home")
    try:
        moves(browser)
        browser.open("about:blank")
        enter(browser, again.url)
        assert "Demo clip" in row_is(browser, "camera", "ready")
    finally:
        again.close()


def test_it_is_all_there_in_every_language_and_at_every_width(browser: Browser) -> None:
    go_live(browser)
    for language, word in (("en", "Live"), ("de", "Live"), ("zh", "直播")):
        browser.run(f"localStorage.setItem('language', '{language}')")
        for width in (360, 1280, 1920):
            browser.page.set_viewport_size({"width": width, "height": 800})
            browser.page.reload()
            browser.wait("document.body.dataset.status === 'open'")
            assert browser.run("document.getElementById('to-live').textContent") == word
            for tab in ("live", "clip", "pose", "recordings"):
                browser.page.click(f"#to-{tab}")
                wide = "document.documentElement.scrollWidth <= innerWidth"
                assert browser.run(wide), (language, width, tab)
                picture = base64.b64decode(base64.b64encode(browser.page.screenshot()))
                assert PIL.Image.open(io.BytesIO(picture)).width == width
