"""Where keys are, and are not, in a real browser; and its webcam over a slow line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from realtime.cameras.browser import BrowserFeed
from realtime.panel.address import parse_host
from scripts.benchmarks.remote import fake_webcam
from scripts.rigs.browser import Browser
from scripts.rigs.slow_line import SlowLine
from tests.panel_rig import Served
from tests.session_rig import three_avatars

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(sys.platform != "linux", reason="drives Chromium on Linux"),
]

OPEN = "document.body.dataset.status === 'open'"
BANNER = "document.getElementById('banner').textContent"
DELAY = 0.1
"""Seconds in each direction of the slow line."""


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "output-key.json"


@pytest.fixture
def served(tmp_path: Path, kept: Path) -> Iterator[Served]:
    rig = three_avatars(tmp_path)
    rig.start()
    served = Served(rig, feed=BrowserFeed(), output_key=kept, named=[parse_host("localhost")])
    yield served
    served.panel.close()
    rig.close()


def seen_of(browser: Browser) -> str:
    """What a page shows of itself to others: address, title, where it comes from."""
    return str(browser.run("location.href + document.title + document.referrer"))


def secrets_in(folder: Path, *secrets: str) -> list[str]:
    """The files below a folder that have one of them."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
            found.append(str(path.relative_to(folder)))
    return found


def test_a_page_that_was_opened_by_its_code(served: Served, tmp_path: Path) -> None:
    address = served.panel.url_for_one_use()
    key, code = served.panel.key.text, address.partition("#code=")[2]
    profile = tmp_path / "profile"
    with Browser(profile) as browser:
        browser.open(address)
        browser.wait(OPEN)
        browser.page.reload()
        browser.wait(OPEN)
        assert browser.run("history.length") <= 2
        assert key not in seen_of(browser) and code not in seen_of(browser)
        # The result in a tab of its own has the key, too, and again not in its address.
        with browser.page.context.expect_page() as opened:
            browser.page.click("#output-link")
        first, browser.page = browser.page, opened.value
        browser.wait(OPEN)
        assert key not in seen_of(browser) and browser.run("location.pathname") == "/output"
        # The address does not open a second page; the key does, typed in or as an address.
        browser.page = first.context.new_page()
        browser.open(address)
        browser.wait(f"{BANNER}.includes('for one use')")
        for wrong in ("", "nonsense", "x" * 43):
            enter(browser.page, wrong)
            browser.wait("!document.getElementById('enter').hidden")
        enter(browser.page, served.panel.url)
        browser.wait(OPEN)
        assert browser.run("document.getElementById('enter').hidden")
        assert code not in seen_of(browser) and key not in seen_of(browser)
    history = [name for name in secrets_in(profile, key) if "Storage" not in name]
    assert not history, "it is kept as the tab's own storage and nowhere else"


def test_a_tab_that_is_open_already_takes_the_address_of_another_run(
    served: Served, tmp_path: Path
) -> None:
    with Browser(tmp_path / "profile") as browser:
        browser.open(served.panel.place)
        browser.wait("!document.getElementById('enter').hidden")
        # Only what is behind the # is another: the page is not loaded anew.
        browser.open(served.panel.url_for_one_use())
        browser.wait(OPEN)
        assert browser.run("location.hash") == ""


def test_the_page_notices_that_a_computer_has_slept(served: Served, tmp_path: Path) -> None:
    """Its clock stood still for 10 s; before and after, answers take 20 to 60 ms."""
    with Browser(tmp_path / "profile") as browser:
        browser.open(served.panel.place)
        times = browser.run(
            """import("/clock.js").then(({ Clock }) => {
              let now = 1000;
              performance.now = () => now;
              const clock = new Clock({ send() {} });
              const answer = (there, back, ahead) => {
                const asked = now;
                now += there + back;
                clock.hear(asked, (asked + there + ahead) / 1000);
                return clock.there(now) * 1000 - now;
              };
              return [answer(10, 10, 500), answer(50, 10, 500), answer(40, 20, 10500),
                answer(10, 10, 10500), answer(10, 50, 10500)];
            })"""
        )
        assert times == pytest.approx([500, 500, 10510, 10500, 10500], abs=0.1)


def enter(page: Page, text: str) -> None:
    page.fill("#enter-key", text)
    page.click("#enter button")


def test_the_address_for_obs_outlives_the_run(served: Served, kept: Path, tmp_path: Path) -> None:
    with Browser(tmp_path / "profile") as browser:
        browser.open(served.panel.url)
        browser.wait(OPEN)
        browser.page.click("#obs-button")
        browser.wait("!document.getElementById('obs-none').hidden")
        browser.page.click("#obs-make")
        browser.wait("document.getElementById('obs-address').value !== ''")
        address = browser.page.input_value("#obs-address")
        assert address.startswith(f"{served.origin}/output#key=")
        assert served.panel.key.text not in address
        panel, obs = browser.page, browser.page.context.new_page()
        browser.page = obs
        browser.open(address)
        browser.wait(OPEN)
        browser.wait("document.getElementById('output').width === 320")
        # The program ends and is started again: OBS goes on without a hand.
        served.panel.close()
        browser.wait("document.body.dataset.status === 'lost'")
        again = Served(served.rig, output_key=kept)
        try:
            browser.wait(OPEN)
            browser.page = panel
            browser.wait("!document.getElementById('enter').hidden")
            browser.page.evaluate("document.getElementById('obs').close()")
            enter(panel, again.panel.url)
            browser.wait(OPEN)
            panel.click("#obs-button")
            browser.wait("document.getElementById('obs-address').value !== ''")
            panel.click("#obs-revoke")
            browser.wait("!document.getElementById('obs-none').hidden")
            browser.page = obs
            # Without a word: it is on air.
            browser.wait("document.body.dataset.status === 'wrong key'")
            assert not kept.exists()
        finally:
            again.panel.close()


@pytest.mark.parametrize("reader", ["MediaStreamTrackProcessor", "a video element"])
def test_a_webcam_over_a_slow_line_is_sent_as_the_line_carries_it(
    reader: str, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a tunnel with a port of its own, 1 Mbit/s: what VGA pictures do not go through."""
    webcam = tmp_path / "webcam.y4m"
    fake_webcam(webcam)
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={webcam}",
    )
    feed = served.panel._feed
    assert feed is not None
    put, came = feed.put, []

    def noted(page: str, data: bytes, *times: float) -> float:
        age = put(page, data, *times)
        came.append((len(data), age))
        return age

    monkeypatch.setattr(feed, "put", noted)
    with SlowLine(served.port, 1e6, DELAY) as line, Browser(tmp_path / "p", flags=flags) as browser:
        if reader == "a video element":  # As in browsers that have no other way.
            browser.page.add_init_script("window.MediaStreamTrackProcessor = undefined")
        browser.page.add_init_script(
            """
            window.most = window.out = window.pictures = 0;
            const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (data) {
              if (!this.heard) {
                this.heard = true;
                this.addEventListener("message", ({ data }) => {
                  if (typeof data === "string") out -= JSON.parse(data).taken?.length ?? 0;
                });
              }
              if (typeof data !== "string") {
                pictures += 1;
                out += 1;
                most = Math.max(most, out);
              }
              return send.call(this, data);
            };
            """
        )
        key = served.panel.key.text
        browser.open(f"http://localhost:{line.port}/#key={key}")
        browser.wait(OPEN)
        browser.wait("!document.getElementById('webcam').hidden")
        browser.page.click("#webcam-button")
        browser.wait("pictures > 60", 60)
        assert 1 < browser.run("most") <= 6, "the rest is dropped, not queued"
        assert not [line for line in browser.console if "rror" in line], browser.console
    sizes, ages = [size for size, _ in came], [age for _, age in came]
    # The page knows the program's clock: pictures are at least as old as the line is long, less
    # what it cannot tell, the difference of two ways.
    assert min(ages) > 0.6 * DELAY
    assert max(sizes[-10:]) < 0.7 * max(sizes[:10]), "they become as small as the line needs"
