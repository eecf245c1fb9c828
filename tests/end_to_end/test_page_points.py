"""Points placed on a drawn cat, as a user does it: a real run, and Chromium."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from realtime.paths import asset_path
from scripts.rigs.browser import Browser
from tests import creatures
from tests.end_to_end.test_page_avatars import tile, violations
from tests.end_to_end.test_panel_browser import Run, drop, enter

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(sys.platform != "linux", reason="drives Chromium on Linux"),
]

PREVIEW = "document.querySelector('.points-preview img')"
UNDO = "document.querySelector('[data-tool=undo]')"
LAST = """
window.asked = [];
const plain = window.fetch;
window.fetch = (path, options) => {
  if (/preview|keep/.test(path) && options?.body) asked.push(JSON.parse(options.body));
  return plain(path, options);
};
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    words = ("--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none")
    run = Run(tmp_path / "home", *words)
    yield run
    run.close()


def point(browser: Browser, name: str) -> tuple[float, float]:
    """The middle of a point's handle, in pixels of the window."""
    box = browser.page.locator(f"[data-point={name}]").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def sent(browser: Browser) -> dict[str, Any]:
    """Where the points are, as the page asks for previews, in pixels of the picture."""
    browser.run("asked.length = 0")
    browser.wait("asked.length > 0")
    last = browser.run("asked.at(-1)")
    side = creatures.SIDE
    return {one["name"]: (one["x"] * side, one["y"] * side) for one in last["points"]}


def test_points_are_placed_on_a_drawn_cat(run: Run, tmp_path: Path) -> None:
    data = io.BytesIO()
    PIL.Image.fromarray(creatures.cat()).save(data, "PNG")
    with Browser(tmp_path / "profile", patience=90) as browser:
        browser.page.set_viewport_size({"width": 1280, "height": 800})
        browser.page.add_init_script(LAST)
        enter(browser, run.url)
        browser.wait("document.querySelectorAll('#list .tile').length === 1")
        drop(browser, "cat.png", data.getvalue(), "image/png")
        browser.page.click(".refused .acts .primary")
        browser.wait(f"document.querySelectorAll('.point').length === {len(creatures.NAMES)}")
        browser.wait(f"{PREVIEW}.naturalWidth > 0")
        assert not violations(browser)

        # Dragged: the point is where the pointer was let go, and the preview is another one.
        wanted = {one["name"]: one for one in creatures.placed("cat").listed()}
        before = sent(browser)
        x, y = point(browser, "nose")
        scale = browser.run(
            "document.querySelector('.points-picture').getBoundingClientRect().width"
        )
        scale /= creatures.SIDE
        shown = browser.run(f"{PREVIEW}.src")
        browser.page.mouse.move(x, y)
        browser.page.mouse.down()
        browser.page.mouse.move(x + 5, y + 2, steps=2)
        browser.page.mouse.move(x + 10 * scale, y - 6 * scale, steps=3)
        browser.page.mouse.up()
        after = sent(browser)
        assert after["nose"] == pytest.approx(
            (before["nose"][0] + 10, before["nose"][1] - 6), abs=1
        )
        assert {**after, "nose": 0} == {**before, "nose": 0}, "no other point has moved"
        browser.wait(f"{PREVIEW}.src !== {json.dumps(shown)}")

        # By keyboard: one pixel, ten with Shift, and everything is undone and redone.
        browser.page.keyboard.press("ArrowRight")
        browser.page.keyboard.press("Shift+ArrowDown")
        keyed = sent(browser)
        at = (after["nose"][0] + 1, after["nose"][1] + 10)
        assert keyed["nose"] == pytest.approx(at, abs=0.1)
        browser.page.keyboard.press("Control+z")
        assert sent(browser)["nose"] == pytest.approx(after["nose"], abs=0.1)
        browser.page.keyboard.press("Control+z")
        assert sent(browser)["nose"] == pytest.approx(before["nose"], abs=0.1)
        assert browser.run(f"{UNDO}.disabled")
        browser.page.keyboard.press("Control+y")
        assert sent(browser)["nose"] == pytest.approx(after["nose"], abs=0.1)
        first = browser.run("document.activeElement.dataset.point")
        browser.page.keyboard.press("Tab")
        assert browser.run("document.activeElement.dataset.point") not in (first, None)
        width = browser.run("document.querySelector('.points-picture').clientWidth")
        browser.page.keyboard.press("+")
        assert browser.run("document.querySelector('.points-picture').clientWidth") > width
        browser.page.keyboard.press("0")

        # Without dragging: a point is chosen, and a click says where it belongs.
        picture = browser.page.locator(".points-picture").bounding_box()
        assert picture is not None
        for name in creatures.NAMES:
            browser.run(f"document.querySelector('[data-point={name}]').focus()")
            where = wanted[name]
            browser.page.mouse.click(
                picture["x"] + where["x"] * picture["width"],
                picture["y"] + where["y"] * picture["height"],
            )
        placed = sent(browser)
        near = [
            name
            for name, (px, py) in placed.items()
            if abs(px - wanted[name]["x"] * creatures.SIDE) < 12
            and abs(py - wanted[name]["y"] * creatures.SIDE) < 12
        ]
        assert len(near) >= 12, "but where a click met another point's handle"

        # Points that make no face are refused in words, and can be put right.
        browser.run("document.querySelector('[data-point=chin]').focus()")
        for _ in range(40):
            browser.page.keyboard.press("Shift+ArrowUp")
        browser.wait("!document.querySelector('.points-trouble').hidden")
        assert browser.run("document.querySelector('[data-tool=use]').disabled")
        browser.page.keyboard.press("Control+z")
        browser.wait("document.querySelector('.points-trouble').hidden")
        browser.page.check("input[value=creature]")

        # At 360 pixels nothing is cut off; then it is used, and goes live.
        browser.page.set_viewport_size({"width": 360, "height": 740})
        browser.wait("document.querySelector('dialog.points').scrollWidth <= 360")
        assert not violations(browser)
        browser.page.set_viewport_size({"width": 1280, "height": 800})
        browser.page.click("[data-tool=use]")
        browser.wait("!document.querySelector('dialog[open]')")
        browser.wait(f"{tile('cat')}?.ariaPressed === 'true'")
        assert browser.run("!document.querySelector('.refused')")
        errors = [line for line in browser.console if "422" not in line]
        assert not errors, errors
    kept = tmp_path / "home"
    points = next(iter(kept.rglob("cat.jpg.face.json")))
    assert json.loads(points.read_text())["kind"] == "creature"
