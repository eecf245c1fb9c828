"""The tab that poses photos, as a user has it: a real run in Chromium."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from axe_playwright_python.sync_playwright import Axe

from models.types import Image
from realtime.paths import asset_path
from realtime.provenance.verify import Verdict, examine
from scripts.rigs.browser import Browser
from tests.end_to_end.test_panel_browser import OPEN, Run

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(sys.platform != "linux", reason="drives Chromium on Linux"),
]

SHOWN = "document.querySelector('.pose-screen img').complete && "
SHOWN += "document.querySelector('.pose-screen img').naturalWidth"


class Page:
    """The tab of a run."""

    def __init__(self, home: Path, run: Run, browser: Browser) -> None:
        self.home, self.run, self.browser = home, run, browser
        browser.page.set_viewport_size({"width": 1280, "height": 800})
        browser.open(run.url)
        browser.wait(OPEN)
        browser.page.click("#to-pose")
        browser.wait(SHOWN)

    def picture(self) -> Image:
        """What the tab shows."""
        shot = self.browser.page.locator(".pose-screen").screenshot()
        return np.asarray(PIL.Image.open(io.BytesIO(shot)).convert("RGB"))

    def address(self) -> str:
        found: str = self.browser.run("document.querySelector('.pose-screen img').src")
        return found

    def changed(self, before: str) -> None:
        self.browser.wait(f"document.querySelector('.pose-screen img').src !== {before!r}")
        self.browser.wait(SHOWN)

    def set(self, name: str, value: int) -> None:
        before = self.address()
        self.browser.run(
            f"""(() => {{
              const slider = document.getElementById('pose-slider-{name}');
              slider.value = {value};
              slider.dispatchEvent(new Event('input'));
            }})()"""
        )
        self.changed(before)

    def value(self, name: str) -> int:
        return int(self.browser.run(f"document.getElementById('pose-slider-{name}').value"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    home = tmp_path_factory.mktemp("home")
    words = ("--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none")
    run = Run(home, *words, "--panel", "127.0.0.1:0")
    try:
        with Browser(home / "profile") as browser:
            yield Page(home, run, browser)
    finally:
        run.close()


def test_the_picture_follows_the_sliders_and_goes_back_to_the_photo(page: Page) -> None:
    still = page.picture()
    page.set("smile", 100)
    smile = page.picture()
    assert np.abs(smile.astype(int) - still).max() > 60
    before = page.address()
    page.browser.page.click("text=Reset all")
    page.changed(before)
    assert page.value("smile") == 0
    assert np.abs(page.picture().astype(int) - still).mean() < 1


def test_number_fields_presets_and_keys_move_the_same_sliders(page: Page) -> None:
    pages = page.browser.page
    pages.click("text=Surprise")
    assert page.value("brows") == 100 and page.value("open") == 55
    pages.get_by_label("Turn, percent").fill("-40")
    assert page.value("turn") == -40
    pages.get_by_label("Turn", exact=True).press("ArrowRight")
    assert page.value("turn") == -39
    pages.get_by_role("button", name="Reset Turn").click()
    assert page.value("turn") == 0 and page.value("brows") == 100
    pages.click("text=As in the photo")
    assert page.value("brows") == 0


def test_a_picture_is_saved_as_a_signed_png_of_the_photos_size(page: Page) -> None:
    page.set("smile", 80)
    with page.browser.page.expect_download() as download:
        page.browser.page.click("text=Save as PNG")
    path = page.home / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "face.png"
    with PIL.Image.open(path) as saved, PIL.Image.open(asset_path("face.jpg")) as photo:
        assert (saved.format, saved.size) == ("PNG", photo.size)
    assert examine(path).verdict is Verdict.UNCHANGED


def test_an_expression_is_kept_played_by_its_key_renamed_and_removed(page: Page) -> None:
    pages, playing = page.browser.page, "document.querySelector('[data-play][aria-pressed=true]')"
    page.set("smile", 90)
    pages.fill("#pose-name", "Sunny")
    pages.select_option("#pose-key", "3")
    pages.get_by_role("button", name="Keep", exact=True).click()
    page.browser.wait("document.querySelector('[data-play=Sunny]')")
    (file,) = page.home.rglob("expressions.json")
    assert "Sunny" in file.read_text("utf-8")
    pages.locator("body").press("Alt+Digit3")
    page.browser.wait(playing)
    pages.locator("body").press("Alt+Digit3")
    page.browser.wait(f"!{playing}")
    pages.click("text=As in the photo")
    pages.get_by_role("button", name="To the sliders: Sunny").click()
    assert page.value("smile") == 90
    pages.get_by_role("button", name="Rename: Sunny").click()
    pages.locator(".pose-edit input").fill("Sunnier")
    pages.locator(".pose-edit input").press("Enter")
    page.browser.wait("document.querySelector('[data-play=Sunnier]')")
    pages.get_by_role("button", name="Remove: Sunnier").click()
    pages.locator("dialog[open] button[value=yes]").click()
    page.browser.wait("!document.querySelector('[data-play]')")


@pytest.mark.parametrize("width", [320, 1280, 2560])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_fits_at_every_width(page: Page, width: int, scheme: str) -> None:
    pages = page.browser.page
    pages.set_viewport_size({"width": width, "height": 800})
    pages.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = Axe().run(pages, context="#tab-pose").response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
    # The tab itself, as the header is another part's.
    assert page.browser.run("document.getElementById('tab-pose').scrollWidth") <= width
    small = page.browser.run(
        """[...document.querySelectorAll('#tab-pose button, #tab-pose input, #tab-pose select')]
        .filter((one) => one.offsetWidth && (one.offsetWidth < 24 || one.offsetHeight < 24))
        .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert small == []


def test_its_words_follow_the_language(page: Page) -> None:
    pages = page.browser.page
    pages.set_viewport_size({"width": 1280, "height": 800})
    for language, title, word in (
        ("de", "Haltung und Ausdruck", "Lächeln"),
        ("zh", "姿势与表情", "微笑"),
        ("en", "Pose and expression", "Smile"),
    ):
        page.browser.run(f"import('/i18n.js').then((words) => words.setLanguage('{language}'))")
        page.browser.wait(f"document.querySelector('#tab-pose').innerText.includes('{title}')")
        label = "document.querySelector('label[for=pose-slider-smile]').textContent"
        assert page.browser.run(label) == word
    assert page.browser.console == []
