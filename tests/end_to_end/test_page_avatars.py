"""The avatars of the page as a user has them: a real run, and Chromium."""

from __future__ import annotations

import base64
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from axe_playwright_python.sync_playwright import Axe

from models.types import Image
from realtime.paths import asset_path
from scripts.rigs.browser import Browser
from tests.end_to_end.test_panel_browser import Run, drop, enter

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(sys.platform != "linux", reason="drives Chromium on Linux"),
]

NAMES = "[...document.querySelectorAll('#list .avatar .name')].map((e) => e.textContent)"
CARD = "document.querySelector('.avatar-preview')"
DROP = """
window.dropFiles = (files) => {
  const data = new DataTransfer();
  for (const file of files) data.items.add(file);
  for (const kind of ['dragenter', 'dragover', 'drop']) {
    document.body.dispatchEvent(
      new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
  }
};
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    words = ("--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none")
    run = Run(tmp_path / "home", *words)
    yield run
    run.close()


def jpeg(image: Image) -> bytes:
    data = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(image)).save(data, "JPEG", quality=90)
    return data.getvalue()


def drop_all(browser: Browser, files: dict[str, bytes]) -> None:
    made = [
        f"file({json.dumps(name)}, '{base64.b64encode(data).decode()}', 'image/jpeg')"
        for name, data in files.items()
    ]
    browser.run(f"dropFiles([{','.join(made)}])")


def tile(name: str) -> str:
    return f"[...document.querySelectorAll('#list .tile')].find((t) => t.title === '{name}')"


def menu(browser: Browser, name: str, item: str) -> None:
    """Open an avatar's menu by the keyboard and choose from it."""
    browser.wait(f"{tile(name)} && !{tile(name)}.parentElement.querySelector('.tile-more').hidden")
    browser.run(f"{tile(name)}.parentElement.querySelector('.tile-more').focus()")
    browser.page.keyboard.press("Enter")
    for _ in range(20):
        if browser.run("document.activeElement.textContent") == item:
            break
        browser.page.keyboard.press("ArrowDown")
    browser.page.keyboard.press("Enter")


def violations(browser: Browser) -> list[str]:
    found = Axe().run(browser.page).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


def test_photos_become_avatars(run: Run, tmp_path: Path, astronaut: Image) -> None:
    with Browser(tmp_path / "profile") as browser:
        browser.page.add_init_script(DROP)
        enter(browser, run.url)
        browser.wait("document.querySelectorAll('#list .tile').length === 1")

        # A new user's first photo goes live by itself.
        drop(browser, "first.jpg", jpeg(astronaut))
        browser.wait(f"{tile('first')}?.ariaPressed === 'true'")
        assert browser.run(f"{CARD}.hidden")

        # Several more: every one has a tile at once, and none goes live.
        example = np.asarray(PIL.Image.open(asset_path("face.jpg")).convert("RGB"))
        together = np.concatenate([astronaut[:, ::-1], astronaut], axis=1)
        lawn = np.full((300, 300, 3), (90, 120, 90), np.uint8)
        drop_all(
            browser,
            {"pair.jpg": jpeg(together), "lawn.jpg": jpeg(lawn), "man.jpg": jpeg(example)},
        )
        assert browser.run(NAMES) == ["face", "first", "pair", "lawn", "man"]
        pictures = "[...document.querySelectorAll('#list .face')].every((e) => e.src)"
        assert browser.run(pictures), "their own pictures, before the program has seen them"
        assert browser.run("document.querySelectorAll('#list .tile.busy').length") >= 2
        browser.wait(f"!{CARD}.hidden && {CARD}.querySelector('h3').textContent.includes('pair')")
        browser.wait(f"{CARD}.querySelector('img').naturalWidth > 0 && !{CARD}.matches('.waits')")
        browser.wait("document.querySelector('.refused .reason')?.textContent.includes('No face')")
        browser.wait(f"{tile('man')} && !{tile('man')}.matches('.busy')")
        assert browser.run(f"{tile('first')}.ariaPressed") == "true"
        assert not violations(browser)

        # Of two people one is chosen, on the photo.
        browser.page.click(".avatar-preview .about > button")
        browser.wait("document.querySelectorAll('.face-box').length === 2")
        assert not violations(browser)
        chosen = "document.querySelector('.face-box[aria-pressed=true]').ariaLabel"
        before = browser.run(chosen)
        browser.page.keyboard.press("Tab")
        if browser.run("document.activeElement.matches('.face-box')"):
            browser.page.keyboard.press("Enter")
        else:
            browser.page.keyboard.press("Shift+Tab")
            browser.page.keyboard.press("Shift+Tab")
            browser.page.keyboard.press("Enter")
        browser.wait("!document.querySelector('dialog[open]')")
        browser.wait(f"{tile('pair')}.matches('.busy')")
        browser.wait(f"!{tile('pair')}.matches('.busy')")
        menu(browser, "pair", "Choose the face (2)")
        browser.wait("document.querySelectorAll('.face-box').length === 2")
        assert browser.run(chosen) != before
        browser.page.keyboard.press("Escape")

        # One is kept for later, the other one goes live.
        browser.page.click(".avatar-preview [data-act=later]")
        browser.wait(f"{CARD}.querySelector('h3').textContent.includes('man')")
        browser.page.click(".avatar-preview [data-act=live]")
        browser.wait(f"{tile('man')}.ariaPressed === 'true' && {CARD}.hidden")

        # Another name, another place, another turn.
        menu(browser, "man", "Rename")
        browser.page.keyboard.type("Bob <b>")
        browser.page.keyboard.press("Enter")
        browser.wait(f"{NAMES}.includes('Bob <b>')")
        menu(browser, "Bob <b>", "Move to the front")
        browser.wait(f"{NAMES}[0] === 'Bob <b>'")
        browser.run("document.querySelector('#list .tile').focus()")
        browser.page.keyboard.press("Control+ArrowRight")
        browser.wait(f"{NAMES}[1] === 'Bob <b>'")

        # Removed and brought back.
        menu(browser, "pair", "Remove")
        browser.wait(f"!{NAMES}.includes('pair')")
        browser.page.click("#lines li:has-text('pair was removed') button:has-text('Undo')")
        browser.wait(f"{NAMES}[3] === 'pair'")
        browser.page.click(".refused .acts button:last-child")
        browser.wait(f"!{NAMES}.includes('lawn')")

        # Saved as a file, and added again from it.
        with browser.page.expect_download() as download:
            menu(browser, "Bob <b>", "Save as a file")
        path = tmp_path / "bob.avatar"
        download.value.save_as(path)
        with zipfile.ZipFile(path) as archive:
            assert set(archive.namelist()) == {"photo.jpg", "avatar.json"}
        drop(browser, "bob.avatar", path.read_bytes(), "")
        browser.wait(f"{NAMES}.filter((name) => name === 'Bob <b>').length === 2")

        # Every language and the narrowest page, dark.
        browser.page.set_viewport_size({"width": 320, "height": 700})
        browser.page.emulate_media(color_scheme="dark")
        for language, word in (("de", "Entfernen"), ("zh", "移除")):
            browser.run(f"import('/i18n.js').then((all) => all.setLanguage('{language}'))")
            browser.run("document.querySelector('#list .tile-more').click()")
            assert word in browser.wait("document.querySelector('.menu')?.innerText")
            assert not violations(browser)
            browser.page.keyboard.press("Escape")
        assert browser.run("document.documentElement.scrollWidth") <= 320
        errors = [line for line in browser.console if "422" not in line]
        assert not errors, errors
