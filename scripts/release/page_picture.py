"""Makes assets/page.jpg, the picture of the page in README.md, from a real run in Chromium.

    python -m scripts.release.page_picture PHOTO...     (the first by name is on air)

The camera is the demo clip; the picture is taken once everything is made ready.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import PIL.Image

from scripts.paths import ROOT
from scripts.rigs.browser import Browser

OUTPUT = ROOT / "assets" / "page.jpg"

_SIZE = (1280, 800)
"""Pixels of the window: a usual laptop's."""

_PATIENCE = 120.0
"""Seconds for one answer, on a computer that does other things too."""

_SPEAKS = 8500
"""Milliseconds until the toasts are gone and the clip's woman laughs again."""

_READY = "document.querySelectorAll('#list .tile').length >= {} && !document.querySelector('.busy')"


def take(address: str, photos: int, profile: Path) -> bytes:
    """A PNG of the page at work."""
    with Browser(profile, patience=_PATIENCE) as browser:
        page = browser.page
        page.set_viewport_size({"width": _SIZE[0], "height": _SIZE[1]})
        page.add_init_script("localStorage.setItem('language', 'en')")
        page.emulate_media(color_scheme="light")
        browser.open(address)
        browser.wait("document.body.dataset.status === 'open'")
        browser.wait(_READY.format(photos))
        page.click("[data-row=output] > button")
        page.get_by_role("button", name="Recording only").click()
        page.wait_for_timeout(_SPEAKS)
        return page.screenshot()


def main(photos: list[str]) -> None:
    """Run the program with these photos, and keep the page's picture."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "photos").mkdir()
        for photo in photos:
            shutil.copy(photo, place / "photos")
        command = [sys.executable, "-m", "realtime.cli", "run", "--source"]
        with subprocess.Popen(
            [
                *command,
                str(place / "photos"),
                "--camera",
                "demo",
                "--output",
                "none",
                "--fit",
                "blur",
            ],
            cwd=ROOT,
            env={**os.environ, "AVATARIFY_HOME": str(place / "home"), "DISPLAY": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            found = None
            for line in process.stdout:
                if found := re.search(r"Panel: (\S+)", line):
                    break
            assert found is not None, "the program has not started"
            try:
                data = take(found[1], len(photos), place / "profile")
            finally:
                process.terminate()
        picture = PIL.Image.open(io.BytesIO(data)).convert("RGB")
        picture.save(OUTPUT, "JPEG", quality=88, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
