"""The page by the rules of WCAG 2.2 AA, as a machine can check them, and as large text needs it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe

from realtime.paths import asset_path
from scripts.rigs.browser import Browser
from tests.end_to_end.test_panel_browser import OPEN, Run

pytestmark = pytest.mark.devices

RULES = [
    *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"),
    "best-practice",
]
TABS = ("live", "clip", "pose", "recordings")
NAMELESS = """
[...document.querySelectorAll('button, a, select, canvas, summary, input:not([hidden])')]
  .filter((one) => one.checkVisibility()).filter((one) => {
    const labels = [...(one.labels ?? [])].map((label) => label.textContent.trim()).join('');
    const own = ['INPUT', 'SELECT', 'CANVAS'].includes(one.tagName) ? '' : one.textContent.trim();
    return !(one.ariaLabel || own || labels);
  }).map((one) => one.outerHTML)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home = tmp_path_factory.mktemp("home")
    run = Run(home, "--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none")
    yield run
    run.close()


@pytest.fixture(scope="module")
def browser(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.open(run.url)
        browser.wait(OPEN)
        browser.wait("document.querySelectorAll('#sliders .slider').length >= 2")
        yield browser


def broken(browser: Browser) -> list[str]:
    """What axe finds: rule, and the elements."""
    # The content security policy lets no script in; a test may.
    found = Axe().run(browser.page, options={"runOnly": {"type": "tag", "values": RULES}})
    return [
        f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}"
        for one in found.response["violations"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (360, 740)], ids=str)
@pytest.mark.parametrize("tab", TABS)
def test_axe_finds_nothing(browser: Browser, tab: str, size: tuple[int, int], theme: str) -> None:
    browser.page.set_viewport_size({"width": size[0], "height": size[1]})
    browser.page.select_option("#theme", theme)
    browser.page.click(f"#to-{tab}")
    browser.run("document.getElementById('details').open = true")
    assert broken(browser) == []


@pytest.mark.parametrize("opened", ["messages-button", "help-button", "obs-button"])
def test_axe_finds_nothing_in_what_buttons_open(browser: Browser, opened: str) -> None:
    browser.page.set_viewport_size({"width": 1280, "height": 800})
    browser.page.click("#to-live")
    browser.page.click(f"#{opened}")
    try:
        assert broken(browser) == []
    finally:
        browser.run("document.querySelectorAll('dialog[open]').forEach((one) => one.close())")
        browser.run("document.getElementById('history-close').click()")


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_every_control_has_a_name_and_every_slider_one_of_its_own(
    browser: Browser, language: str
) -> None:
    browser.page.set_viewport_size({"width": 1280, "height": 800})
    browser.page.click("#to-live")
    browser.page.select_option("#language", language)
    assert browser.run(NAMELESS) == []
    names = browser.run(
        "[...document.querySelectorAll('#tab-live input[type=range]')]"
        ".map((one) => one.labels[0].innerText)"
    )
    assert all(names) and len(set(names)) == len(names) >= 3
    others = browser.run(
        "[...document.querySelectorAll('input[type=range]')]"
        ".map((one) => one.labels[0]?.textContent || one.ariaLabel)"
    )
    assert len(others) > len(names) and all(others)
    shown = browser.run("document.getElementById('tab-live').innerText")
    assert "slider." not in shown and "status." not in shown, "no key instead of its words"


def test_everything_is_reached_by_tab(browser: Browser) -> None:
    browser.page.set_viewport_size({"width": 1280, "height": 800})
    browser.page.click("#to-live")
    wanted = browser.run(
        "[...document.querySelectorAll('button, a, select, summary, input')].filter((one) =>"
        " one.checkVisibility() && !one.disabled && one.type !== 'file' && one.tabIndex >= 0)"
        ".map((one, at) => (one.dataset.place = at)).length"
    )
    browser.run("document.activeElement.blur()")
    browser.run("document.body.focus()")
    reached = set()
    for _ in range(2 * wanted):
        browser.page.keyboard.press("Tab")
        place = browser.run("document.activeElement?.dataset.place ?? ''")
        if place:
            reached.add(place)
            assert browser.run(
                "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            ), "the focus is seen"
        if len(reached) == wanted:
            break
    left = browser.run(
        f"[...document.querySelectorAll('[data-place]')].filter((one) =>"
        f" !{json.dumps(sorted(reached))}.includes(one.dataset.place) && one.checkVisibility())"
        ".map((one) => one.outerHTML)"
    )
    assert left == []


@pytest.mark.parametrize("language", ["en", "de", "zh"])
@pytest.mark.parametrize(("width", "text"), [(320, 100), (360, 100), (1280, 200), (640, 200)])
def test_nothing_is_scrolled_sideways(
    browser: Browser, language: str, width: int, text: int
) -> None:
    browser.page.set_viewport_size({"width": width, "height": 740})
    browser.page.select_option("#language", language)
    browser.run(f"document.documentElement.style.fontSize = '{text}%'")
    try:
        for tab in TABS:
            browser.run(f"document.getElementById('to-{tab}').click()")
            wide = browser.run("document.documentElement.scrollWidth")
            assert wide <= width, (tab, wide)
    finally:
        browser.run("document.documentElement.style.fontSize = ''")


def test_targets_are_large_enough(browser: Browser) -> None:
    browser.page.set_viewport_size({"width": 1280, "height": 800})
    browser.page.click("#to-live")
    small = browser.run(
        "[...document.querySelectorAll('button, a.button, select, input, summary')].filter((one) =>"
        " one.checkVisibility()).filter((one) => { const box = one.getBoundingClientRect();"
        " return box.width && (box.width < 24 || box.height < 24) && one.id !== 'keys-on'; })"
        ".map((one) => one.outerHTML)"
    )
    assert small == []
