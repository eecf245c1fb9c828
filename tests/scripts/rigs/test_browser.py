"""The driver of Chromium: what tests of pages rest on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scripts.rigs.browser import Browser, BrowserError

_PAGE = """data:text/html,<title>a page</title><body style="margin:0;background:rgb(200,30,60)">
<button id="b" onclick="this.textContent = 'pressed'; console.log('heard', 5)">press</button>"""


def test_a_page_is_opened_read_clicked_and_seen(tmp_path):
    with Browser(tmp_path, size=(400, 300)) as browser:
        browser.open(_PAGE)
        assert browser.run("document.title") == "a page"
        assert browser.run("new Promise(done => setTimeout(() => done({x: [1, 2]}), 20))") == {
            "x": [1, 2]
        }
        browser.click("#b")
        assert browser.wait("document.querySelector('#b').textContent") == "pressed"
        assert browser.console == ["log: heard 5"]
        picture = cv2.imdecode(np.frombuffer(browser.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture[-10, -10].tolist() == [60, 30, 200]


def test_what_goes_wrong_in_a_page_is_told(tmp_path):
    with Browser(tmp_path) as browser:
        with pytest.raises(BrowserError, match="no such thing"):
            browser.run("Promise.reject(new Error('no such thing'))")
        with pytest.raises(BrowserError, match="did not come true"):
            browser.wait("false", patience=0.2)
        with pytest.raises(BrowserError, match="127.0.0.1:9"):
            browser.open("http://127.0.0.1:9/")
        browser.command("Browser.getVersion")
    with pytest.raises(BrowserError, match="gone|ended"):
        browser.run("1")
