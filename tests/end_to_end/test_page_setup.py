"""Setting up on the page: the three rows, the chooser of cameras, a phone, places and settings."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from realtime.paths import asset_path
from scripts.rigs.browser import Browser
from scripts.rigs.desktop import Desktop
from tests.end_to_end.test_panel_browser import OPEN, Run

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(sys.platform != "linux", reason="drives Chromium on Linux"),
]

FAKE_WEBCAM = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""Chromium's own webcam: a green picture with a clock, given without a question."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path / "home", "--camera", "none", "--output", "none")
    yield run
    run.close()


@pytest.fixture
def browser(tmp_path: Path, run: Run) -> Iterator[Browser]:
    with Browser(tmp_path / "profile", flags=FAKE_WEBCAM) as browser:
        browser.page.set_viewport_size({"width": 1280, "height": 800})
        browser.page.add_init_script(
            "localStorage.getItem('language') ?? localStorage.setItem('language', 'en')"
        )
        browser.open(run.url)
        browser.wait(OPEN)
        yield browser


def row_is(browser: Browser, name: str, state: str) -> str:
    """Wait until a row has a state, and return its words."""
    row = f"document.querySelector('[data-row={name}]')"
    browser.wait(f"{row}.dataset.state === '{state}'", 60)
    return str(browser.run(f"{row}.innerText"))


def press_row(browser: Browser, name: str) -> None:
    browser.page.click(f"[data-row={name}] > button")


def next_step(browser: Browser) -> str:
    return str(browser.run("document.querySelector('.setup-next').textContent"))


def green(browser: Browser) -> str:
    """Whether the preview of the camera shows Chromium's green picture."""
    return """(() => {
      const canvas = document.getElementById('camera');
      const at = [canvas.width / 10, canvas.height / 2, 1, 1];
      const [red, level] = canvas.getContext('2d').getImageData(...at).data;
      return level > 90 && red < 60;
    })()"""


def test_the_rows_lead_from_nothing_to_a_call(browser: Browser) -> None:
    assert "Ready" in row_is(browser, "photo", "ready")
    row_is(browser, "camera", "missing")
    row_is(browser, "output", "missing")
    assert next_step(browser) == "Next: choose a camera."

    press_row(browser, "camera")
    demo = browser.page.get_by_role("button", name="Demo clip")
    browser.wait("document.querySelector('.choices.small img:not([hidden])')?.naturalWidth > 0")
    demo.click()
    assert "Demo clip" in row_is(browser, "camera", "ready")
    assert next_step(browser) == "Next: choose where the picture goes."
    moving = "document.getElementById('output').toDataURL('image/png')"
    before = browser.run(moving)
    browser.wait(f"{moving} !== {json.dumps(before)}", 60)

    press_row(browser, "output")
    browser.page.get_by_role("button", name="Recording only").click()
    assert "Recording only" in row_is(browser, "output", "ready")
    assert next_step(browser) == "Everything is ready."
    browser.wait("document.getElementById('status').textContent === 'Ready to record'", 60)
    browser.wait("document.getElementById('setup-rows').classList.contains('folded')")
    heights = "[...document.querySelectorAll('.setup-row')].map((row) => row.offsetHeight)"
    assert max(browser.run(heights)) < 48, "one line each"

    press_row(browser, "camera")
    browser.page.get_by_role("button", name="No camera").click()
    row_is(browser, "camera", "missing")


def test_settings_are_changed_while_it_runs(browser: Browser, run: Run) -> None:
    press_row(browser, "camera")
    browser.page.get_by_role("button", name="Demo clip").click()
    row_is(browser, "camera", "ready")
    browser.page.click("#setup-rows button.quiet")
    for name, value in (("size", "640x360"), ("fit", "cover"), ("fps", 24), ("rotate", 180)):
        select = f"select[data-setting={name}]"
        browser.wait(f"!document.querySelector('{select}').disabled", 60)
        browser.page.select_option(select, json.dumps(value))
        shown = f"document.querySelector('{select}')"
        browser.wait(f"{shown}.value === '{json.dumps(value)}' && !{shown}.disabled", 60)
    browser.page.set_input_files("dialog[open] input[type=file]", asset_path("face.jpg"))
    shown = "document.querySelector('select[data-setting=background]')"
    browser.wait(f"JSON.parse({shown}.value) === 'photo' && !{shown}.disabled", 60)
    browser.page.keyboard.press("Escape")
    browser.wait("document.getElementById('output').width === 640", 60)
    row_is(browser, "camera", "ready")
    assert run.process.poll() is None


def test_this_browsers_webcam_is_the_camera_until_another_is_chosen(browser: Browser) -> None:
    press_row(browser, "camera")
    browser.page.get_by_role("button", name="This browser's webcam").click()
    assert "This browser's webcam" in row_is(browser, "camera", "ready")
    browser.wait(green(browser), 60)
    press_row(browser, "camera")
    browser.page.get_by_role("button", name="Demo clip").click()
    browser.wait(f"!{green(browser)}", 60)
    assert "Demo clip" in row_is(browser, "camera", "ready")


def test_a_virtual_camera_that_is_missing_comes_with_its_command(browser: Browser) -> None:
    press_row(browser, "output")
    browser.wait("document.querySelector('dialog[open] .choices.rows li')")
    if browser.run("document.querySelector('.set-up').hidden"):
        pytest.skip("this computer has a virtual camera")
    command = str(browser.run("document.querySelector('.set-up .copyable').textContent"))
    assert command.endswith("setup-camera --yes")
    browser.page.get_by_role("button", name="Check again").click()
    browser.wait("document.querySelector('.set-up .hint').textContent === 'There is none yet.'")


def test_a_virtual_camera_is_chosen_and_left_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(tempfile.mkdtemp())  # Sockets have no room for pytest's long path.
    with Desktop(folder) as desktop:
        for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
            monkeypatch.setenv(name, desktop.environment[name])
        run = Run(tmp_path / "home", "--camera", "demo", "--output", "none")
        try:
            with Browser(tmp_path / "profile") as browser:
                browser.open(run.url)
                browser.wait(OPEN)
                press_row(browser, "output")
                browser.page.click("[data-place=pipewire]")
                assert "AI avatar" in row_is(browser, "output", "ready")
                assert "AI avatar" in desktop.cameras()
                press_row(browser, "output")
                chosen = "document.querySelector('[data-place=pipewire]')?.ariaPressed === 'true'"
                browser.wait(chosen)
                browser.page.click("[data-place=nothing]")
                row_is(browser, "output", "missing")
                assert "AI avatar" not in desktop.cameras()
        finally:
            run.close()
    shutil.rmtree(folder, ignore_errors=True)


def phone_page(browser: Browser) -> Page:
    """The page on a phone, 360 pixels wide, whose user has accepted the certificate."""
    chromium = browser.page.context.browser
    assert chromium is not None
    context = chromium.new_context(
        ignore_https_errors=True,
        viewport={"width": 360, "height": 740},
        permissions=["camera"],
        locale="en-GB",
    )
    return context.new_page()


def test_a_phone_is_the_camera_by_a_code(browser: Browser) -> None:
    press_row(browser, "camera")
    addresses: list[str] = []

    def hear(data: str | bytes) -> None:
        if isinstance(data, str) and (found := re.search(r"https://[^\"]+/#key=[\w-]+", data)):
            addresses.append(found[0])

    browser.page.on("websocket", lambda socket: socket.on("framereceived", hear))
    browser.page.reload()
    browser.wait(OPEN)
    press_row(browser, "camera")
    browser.page.get_by_role("button", name="Use a phone").click()
    browser.wait("document.querySelector('.phone-status').textContent.length > 0")
    browser.page.wait_for_timeout(500)
    said = browser.run("document.querySelector('.lines')?.textContent ?? ''")
    if "in no network" in said:
        pytest.skip("this computer is in no network")
    browser.wait("document.querySelector('.qr').naturalWidth > 0")
    phone = phone_page(browser)
    phone.goto(addresses[-1])
    assert "#" not in phone.url, "the key does not stay in the address bar"
    phone.click("#start")
    phone.wait_for_function("() => document.body.dataset.status === 'sending'")
    wide = "document.documentElement.scrollWidth > innerWidth"
    assert not phone.evaluate(wide), "nothing is cut off at 360 pixels"
    browser.page.keyboard.press("Escape")
    assert "Phone" in row_is(browser, "camera", "ready")
    browser.wait(green(browser), 60)

    press_row(browser, "camera")
    browser.page.get_by_role("button", name="Stop").last.click()
    phone.wait_for_function("() => document.body.dataset.status === 'over'")
    browser.page.keyboard.press("Escape")
    phone.context.close()


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_nothing_of_it_is_hard_to_use(browser: Browser, language: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe").Axe()
    browser.run(f"localStorage.setItem('language', '{language}')")
    browser.page.set_viewport_size({"width": 360, "height": 740})
    browser.page.reload()
    browser.wait(OPEN)
    row_is(browser, "photo", "ready")
    for opener in (
        "",
        "[data-row=camera] > button",
        "[data-row=output] > button",
        "#setup-rows button.quiet",
    ):
        if opener:
            browser.page.click(opener)
            browser.wait("document.querySelector('dialog[open]')")
        place = "dialog[open]" if opener else "#setup-rows"
        browser.page.wait_for_timeout(300)
        found = axe.run(browser.page, context=place)
        assert not found.response["violations"], found.generate_report()
        box = f"document.querySelector('{place}')"
        assert browser.run(f"{box}.scrollWidth <= {box}.clientWidth"), (opener, language)
        small = browser.run(
            f"[...{box}.querySelectorAll('button, select, input, summary')].filter((one) =>"
            " one.offsetWidth && (one.offsetHeight < 24 || one.offsetWidth < 24)).length"
        )
        assert small == 0, "targets are large enough"
        if opener:
            browser.page.keyboard.press("Escape")
            browser.wait("!document.querySelector('dialog[open]')")
