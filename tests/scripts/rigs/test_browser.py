"""The browser that tests of pages rest on."""

from __future__ import annotations

import pytest
from playwright.sync_api import Error

from scripts.rigs.browser import Browser

pytestmark = pytest.mark.devices

_PAGE = """data:text/html,<title>a page</title>
<button onclick="this.textContent = 'pressed'; console.log('heard', 5); oops()">press</button>"""


def test_a_page_is_opened_read_and_heard(tmp_path):
    with Browser(tmp_path) as browser:
        browser.open(_PAGE)
        assert browser.run("document.title") == "a page"
        assert browser.run("new Promise(done => setTimeout(() => done({x: [1, 2]}), 20))") == {
            "x": [1, 2]
        }
        assert browser.run("0") == 0
        assert browser.run("undefined") is None
        browser.page.click("button")
        words = "document.querySelector('button').textContent"
        assert browser.wait(f"{words} === 'pressed' && {words}") == "pressed"
        logged, thrown = browser.console
        assert logged == "log: heard 5"
        assert "oops is not defined" in thrown


def test_a_page_that_lets_no_text_be_run_is_read_too(tmp_path):
    with Browser(tmp_path) as browser:
        browser.page.route(
            "http://localhost/",
            lambda route: route.fulfill(
                body="<title>strict</title><script>document.title = 'loose'</script>",
                content_type="text/html",
                headers={"Content-Security-Policy": "default-src 'none'"},
            ),
        )
        browser.open("http://localhost/")
        begun = browser.run("performance.now()")
        assert browser.wait(f"performance.now() > {begun} + 300 && document.title") == "strict"
        (refused,) = browser.console
        assert refused.startswith("error: ") and "Content Security Policy" in refused


def test_what_goes_wrong_in_a_page_is_told(tmp_path):
    with Browser(tmp_path) as browser:
        with pytest.raises(Error, match="no such thing"):
            browser.run("Promise.reject(new Error('no such thing'))")
        with pytest.raises(Error, match="no such thing"):
            browser.wait("(() => { throw new Error('no such thing'); })()")
        with pytest.raises(Error, match="127.0.0.1:9"):
            browser.open("http://127.0.0.1:9/")
        with pytest.raises(Error, match="Timeout 200ms exceeded"):
            browser.wait("false", patience=0.2)
        for never in ("new Promise(() => 0)", "(() => { for (;;); })()"):
            with pytest.raises(Error, match="Timeout 200ms exceeded"):
                browser.run(never, patience=0.2)


def test_a_killed_browser_says_so_and_another_can_be_started(tmp_path):
    with Browser(tmp_path / "one") as browser:
        browser.kill()
        with pytest.raises(Error, match="has been closed"):
            browser.run("1")
    with Browser(tmp_path / "two") as browser:
        assert browser.run("1") == 1


def test_a_browser_that_does_not_start_is_told(tmp_path):
    with pytest.raises(Error, match="Failed to launch|has been closed"):
        Browser(tmp_path, programs=("false",))
    with Browser(tmp_path) as browser:
        assert browser.run("1") == 1
