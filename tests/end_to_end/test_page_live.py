"""The live tab as its user has it: a real run, and Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from models.photos import load_image
from models.types import Image
from realtime.paths import asset_path
from scripts.rigs.browser import Browser
from tests.end_to_end.test_panel_browser import OPEN, Run

pytestmark = pytest.mark.devices

STATUS = "document.getElementById('status').textContent"
LEVEL = "document.getElementById('status').dataset.level"
CHIPS = "document.getElementById('chips').textContent"
SAID = "document.querySelector('#guide .said:not([hidden])')?.textContent ?? ''"

SPY = """
(() => {
  window.sent = [];
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (typeof data === 'string' && data.includes('"do"')) window.sent.push(JSON.parse(data));
    return send.call(this, data);
  };
})();
"""
LAYOUTS = """
(() => {
  const letters = new Map([['KeyX', 'ч'], ['KeyZ', 'я'], ['KeyP', 'з']]);
  Object.defineProperty(navigator, 'keyboard', {
    value: { getLayoutMap: async () => letters }, configurable: true });
})();
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    photo = str(asset_path("face.jpg"))
    run = Run(tmp_path / "home", "--source", photo, "--camera", "demo", "--output", "none")
    yield run
    run.close()


@pytest.fixture
def browser(run: Run, tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile") as browser:
        browser.page.add_init_script(SPY)
        browser.page.set_viewport_size({"width": 1280, "height": 800})
        browser.open(run.url)
        browser.wait(OPEN)
        browser.wait(f"{STATUS}.startsWith('Ready')", 60)
        yield browser


def sent(browser: Browser, name: str) -> list[Any]:
    return list(browser.run(f"sent.filter((one) => one.do === '{name}').map((one) => one.value)"))


def press(browser: Browser, code: str, key: str, *, shift: bool = False) -> None:
    """A key of some layout: its place, and what it types there."""
    browser.run("document.activeElement.blur()")
    options = json.dumps({"code": code, "key": key, "shiftKey": shift, "bubbles": True})
    for kind in ("keydown", "keyup"):
        browser.run(f"document.body.dispatchEvent(new KeyboardEvent('{kind}', {options}))")


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080), (2560, 1440)], ids=str)
def test_all_that_a_call_needs_is_in_view_and_the_picture_is_large(
    browser: Browser, size: tuple[int, int]
) -> None:
    browser.page.set_viewport_size({"width": size[0], "height": size[1]})
    browser.wait("document.getElementById('output').width >= 320")
    boxes = browser.wait(
        "['output', 'calibrate', 'bars', 'status'].map((id) =>"
        " document.getElementById(id).getBoundingClientRect().toJSON())"
    )
    assert all(box["bottom"] <= size[1] and box["top"] >= 0 for box in boxes)
    assert browser.run("document.documentElement.scrollHeight") <= size[1]
    picture = boxes[0]
    assert picture["width"] * picture["height"] > 0.44 * size[0] * size[1]
    side = browser.run("document.querySelector('.side').getBoundingClientRect().toJSON()")
    assert side["right"] >= size[0] - 40, "no part of the window is left empty"


def test_the_picture_stays_in_view_on_a_narrow_screen(browser: Browser) -> None:
    browser.page.set_viewport_size({"width": 360, "height": 740})
    browser.run("document.getElementById('sliders').scrollIntoView()")
    top, bottom = browser.run(
        "(({top, bottom}) => [top, bottom])"
        "(document.getElementById('output').getBoundingClientRect())"
    )
    assert top >= 0 and bottom < 0.5 * 740


def test_the_picture_is_asked_for_at_its_size_and_full_rate(browser: Browser) -> None:
    browser.page.add_init_script(
        "window.shows = []; const old = WebSocket.prototype.send;"
        "WebSocket.prototype.send = function (data) { if (typeof data === 'string' &&"
        " data.includes('\"show\"')) shows.push(JSON.parse(data).show);"
        " return old.call(this, data) }"
    )
    browser.page.reload()
    browser.wait(OPEN)
    wish = browser.wait("shows.findLast((one) => one.output)")
    width = browser.run("document.getElementById('output').clientWidth * devicePixelRatio")
    assert wish["output"]["fps"] == 30 and abs(wish["output"]["width"] - width) <= 1
    browser.page.click("#to-clip")
    browser.wait("shows.at(-1).output === undefined")


def test_a_guided_calibration_and_its_undo(browser: Browser) -> None:
    browser.page.click("#calibrate")
    numbers = []
    for _ in range(3):
        number = browser.wait("document.querySelector('.guide .count-down')?.textContent")
        numbers.append(number)
        browser.wait(f"document.querySelector('.guide .count-down')?.textContent !== '{number}'")
    assert numbers == ["3", "2", "1"]
    browser.wait("document.querySelector('.guide') === null")
    browser.wait(f"({SAID}).startsWith('Calibrated')")
    assert len(sent(browser, "calibrate")) == 1
    assert browser.run("document.getElementById('sign').textContent") == "Calibrated"
    browser.page.click("#guide .said button")
    browser.wait("document.getElementById('sign').textContent.includes('is back')")
    assert len(sent(browser, "undo_calibration")) == 1
    browser.wait(f"!({SAID})")
    assert browser.run("document.querySelectorAll('.lines .alarm').length") == 0, "nothing refused"


def test_the_guide_can_be_left(browser: Browser) -> None:
    browser.page.click("#calibrate")
    browser.wait("document.querySelector('.guide .outline')")
    assert browser.run("document.getElementById('calibrate').innerText").startswith("Cancel")
    browser.page.click("#calibrate")
    browser.run("new Promise((done) => setTimeout(done, 3500))")
    assert sent(browser, "calibrate") == []


def test_a_key_calibrates_at_once_with_a_sign(browser: Browser) -> None:
    press(browser, "KeyX", "x")
    browser.wait("!document.getElementById('sign').hidden")
    browser.wait(f"({SAID}).includes('Undo')")
    assert len(sent(browser, "calibrate")) == 1


def test_the_search_is_a_bar_with_a_button_for_this_moment(browser: Browser) -> None:
    press(browser, "KeyF", "f")
    browser.wait("Number(document.querySelector('#search .meter').ariaValueNow) > 0")
    assert "best" in browser.run("document.getElementById('search').textContent")
    before = len(sent(browser, "calibrate"))
    browser.page.click("#search .primary")
    browser.wait("document.getElementById('search').hidden")
    browser.wait(f"({SAID}).startsWith('Calibrated')")
    assert len(sent(browser, "calibrate")) == before + 1


def test_a_slider_that_is_dragged_is_not_overwritten(browser: Browser) -> None:
    slider = "document.querySelector('[data-slider=motion]')"
    browser.run(f"{slider}.scrollIntoView()")
    # What the program says while it is dragged is old; here it says it all the time.
    browser.run(
        "window.told = setInterval(() => document.querySelector('[data-switch=blur]').click(), 30)"
    )
    box = browser.run(f"{slider}.getBoundingClientRect().toJSON()")
    mouse, y = browser.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] / 2, y)
    mouse.down()
    values = []
    for part in range(11):
        mouse.move(box["x"] + box["width"] * (0.5 + 0.04 * part), y)
        values.append(float(browser.run(f"{slider}.value")))
    mouse.up()
    browser.run("clearInterval(told)")
    assert values == sorted(values) and values[-1] > 1.5
    browser.run("new Promise((done) => setTimeout(done, 2000))")
    assert float(browser.run(f"{slider}.value")) == pytest.approx(values[-1], abs=0.03)
    assert sent(browser, "motion")[-1] == pytest.approx(values[-1], abs=0.03)


def test_repeated_keys_all_count(browser: Browser) -> None:
    slider = "document.querySelector('[data-slider=motion]')"
    browser.run(f"{slider}.focus()")
    for _ in range(10):
        browser.page.keyboard.press("ArrowLeft")
    assert float(browser.run(f"{slider}.value")) == pytest.approx(0.5)
    for _ in range(5):
        press(browser, "KeyC", "c")
    overlay = "document.querySelector('[data-slider=overlay]')"
    assert float(browser.run(f"{overlay}.value")) == pytest.approx(0.5)
    browser.run("new Promise((done) => setTimeout(done, 2000))")
    assert float(browser.run(f"{slider}.value")) == pytest.approx(0.5)
    assert float(browser.run(f"{overlay}.value")) == pytest.approx(0.5)


def test_a_slider_has_a_number_field_and_a_way_back(browser: Browser) -> None:
    row = browser.page.locator(".slider:has([data-slider=expression])")
    row.locator("[type=number]").fill("140")
    row.locator("[type=number]").press("Enter")
    browser.wait("document.querySelector('[data-slider=expression]').value === '1.4'")
    assert sent(browser, "expression") == [1.4]
    row.locator("[type=number]").fill("900")
    row.locator("[type=number]").press("Enter")
    browser.wait("document.querySelector('[data-slider=expression]').value === '2'")
    row.locator("button").click()
    browser.wait("document.querySelector('[data-slider=expression]').value === '1'")
    assert row.locator("[type=number]").input_value() == "100"


def test_keys_act_by_their_place(browser: Browser) -> None:
    press(browser, "KeyP", "P")  # Caps Lock.
    browser.wait(f"{CHIPS}.includes('Frozen')")
    press(browser, "KeyP", "з")  # noqa: RUF001 - A Cyrillic keyboard.
    browser.wait(f"!{CHIPS}.includes('Frozen')")
    press(browser, "KeyX", "ч")
    browser.wait(f"({SAID}).startsWith('Calibrated')")
    press(browser, "KeyZ", "Y", shift=True)  # A German one: the place counts, not the letter.
    assert sent(browser, "auto_framing") == [True]
    press(browser, "Digit0", "à")  # A French one.
    browser.wait("document.getElementById('ask').open")
    press(browser, "KeyP", "p")
    browser.page.click("#ask [value=no]")
    assert len(sent(browser, "freeze")) == 2, "a dialog was open"


def test_keys_are_shown_as_they_are_printed(browser: Browser) -> None:
    browser.page.add_init_script(LAYOUTS)
    browser.page.reload()
    browser.wait(OPEN)
    browser.wait("document.querySelector('#calibrate kbd').textContent === 'Ч'")
    shown = browser.run("document.querySelector('[data-switch=auto_framing] kbd').textContent")
    assert shown == "Shift+Я"


def test_keys_can_be_switched_off_and_stay_so(browser: Browser) -> None:
    browser.page.click("#help-button")
    browser.page.click("#keys-on")
    browser.page.click("#help form button")
    press(browser, "KeyP", "p")
    browser.page.reload()
    browser.wait(OPEN)
    press(browser, "KeyP", "p")
    press(browser, "Escape", "Escape")
    assert sent(browser, "freeze") == []
    assert not browser.run("document.getElementById('quit').open")
    assert not browser.run("document.querySelector('#calibrate kbd').checkVisibility()")
    browser.page.click("#help-button")
    browser.page.click("#keys-on")
    browser.page.click("#help form button")
    press(browser, "KeyP", "p")
    browser.wait(f"{CHIPS}.includes('Frozen')")


def test_keys_do_not_act_elsewhere(browser: Browser) -> None:
    browser.page.locator(".slider [type=number]").first.focus()
    browser.page.keyboard.press("p")
    browser.page.locator("#language").focus()
    browser.page.keyboard.press("p")
    browser.page.click("#to-recordings")
    press(browser, "KeyP", "p")
    browser.page.click("#to-live")
    assert sent(browser, "freeze") == []


def test_hide_is_held_by_its_key_and_toggled_otherwise(browser: Browser) -> None:
    hidden = f"{STATUS}.startsWith('Hidden')"
    browser.run("document.activeElement.blur()")
    browser.page.keyboard.down("b")
    browser.wait(hidden)
    browser.page.keyboard.up("b")
    browser.wait(f"!({hidden})")
    press(browser, "KeyB", "B", shift=True)
    browser.wait(hidden)
    browser.page.click("[data-toggle=hide]")
    browser.wait(f"!({hidden})")
    browser.page.click("[data-toggle=hide]")
    browser.wait(hidden)
    assert browser.run("document.querySelector('[data-toggle=hide]').ariaPressed") == "true"


def test_the_status_says_the_real_face_as_long_as_it_is_shown_and_no_longer(
    browser: Browser,
) -> None:
    press(browser, "Digit0", "0")
    browser.page.click("#ask [value=yes]")
    browser.wait(f"{STATUS} === 'Your real face is shown' && {LEVEL} === 'alarm'")
    told = (
        "[...document.querySelectorAll('#lines li')].some((li) => /real face/.test(li.innerText))"
    )
    browser.wait(told)
    press(browser, "Digit0", "0")
    browser.wait(f"{STATUS}.startsWith('Ready') && {LEVEL} === 'note'")
    browser.wait(f"!{told}", 2)
    browser.page.click("#messages-button")
    over = browser.wait("document.querySelector('#history-list li.over')?.innerText")
    assert "real face" in over and "over" in over
    assert browser.run(
        "/\\d{1,2}:\\d\\d:\\d\\d/.test(document.querySelector('#history-list time').textContent)"
    )


def test_a_refusal_stays_until_it_is_put_away(browser: Browser) -> None:
    press(browser, "Digit7", "7")
    alarm = "document.querySelector('#lines .alarm')?.innerText ?? ''"
    browser.wait(f"({alarm}).includes('There is no avatar 7')")
    browser.run("new Promise((done) => setTimeout(done, 10000))")
    assert browser.run(f"({alarm}).includes('There is no avatar 7')")
    browser.page.click("#lines .alarm button")
    assert browser.run(f"{alarm}") == ""
    assert browser.run("document.getElementById('unread').textContent") == "1"


def test_after_the_program_has_ended_the_page_says_so_and_nothing_can_be_pressed(
    browser: Browser, run: Run
) -> None:
    browser.page.click("#quit-button")
    browser.page.click("#quit [value=yes]")
    run.process.wait(60)
    browser.wait("document.body.dataset.status === 'lost'")
    banner = browser.run("document.getElementById('banner').innerText")
    assert "has been stopped" in banner and "avatarify-like" in banner
    assert browser.run("document.querySelector('main').inert")
    assert browser.run("document.getElementById('quit-button').disabled")
    assert browser.run(STATUS) == "Not connected"


@pytest.mark.parametrize(
    ("language", "word"), [("de", "Kalibrieren"), ("zh", "校准"), ("en", "Calibrate")]
)
def test_the_language_is_chosen_and_kept(browser: Browser, language: str, word: str) -> None:
    browser.page.select_option("#language", language)
    shown = "document.querySelector('#calibrate span').textContent"
    browser.wait(f"{shown} === '{word}'")
    browser.page.reload()
    browser.wait(f"{shown} === '{word}'")
    assert browser.run("document.documentElement.lang") == language


def test_the_theme_is_chosen_and_kept(browser: Browser) -> None:
    back = "getComputedStyle(document.body).backgroundColor"
    colours = []
    for theme in ("light", "dark"):
        browser.page.select_option("#theme", theme)
        browser.page.reload()
        browser.wait(OPEN)
        colours.append(browser.run(back))
    assert len(set(colours)) == 2


def clip(path: Path, *parts: Image) -> Path:
    """Two seconds of each picture, as a camera gives it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 320
        for part in parts:
            for _ in range(60):
                for packet in stream.encode(av.VideoFrame.from_ndarray(part)):
                    container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def test_the_status_says_what_is_wrong_with_the_camera(tmp_path: Path) -> None:
    import cv2

    face = np.ascontiguousarray(cv2.resize(load_image(asset_path("face.jpg")), (320, 320)))
    wall = np.full_like(face, 120)
    night = np.asarray(face // 12, np.uint8)
    camera = clip(tmp_path / "camera.mp4", face, wall, night, face[::-1, ::-1].copy())
    photo = str(asset_path("face.jpg"))
    run = Run(tmp_path / "home", "--source", photo, "--camera", str(camera), "--output", "none")
    try:
        with Browser(tmp_path / "profile") as browser:
            browser.open(run.url)
            browser.wait(OPEN)
            for words in ("Ready", "No face in view", "Too dark", "The camera's picture is turned"):
                browser.wait(f"{STATUS}.startsWith({json.dumps(words)})", 60)
    finally:
        run.close()
