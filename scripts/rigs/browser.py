"""The system's Chromium, driven by Playwright, so that tests see what a page sees.

    with Browser(tmp_path / "profile") as browser:
        browser.open("http://127.0.0.1:8000/")
        assert browser.run("document.title") == "Panel"

Clicks, keys and further pages are those of `browser.page`; failures are Playwright's `Error`.
One thread holds one `Browser` at a time, as Playwright's synchronous interface wants it.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import sync_playwright

from scripts.rigs.programs import absent

_PATIENCE = 90.0
"""Seconds that a loaded machine may take for one answer."""


class Browser:
    """One Chromium without a window.

    Attributes:
        page: the page that is opened, read and waited for, as Playwright offers it; may be replaced
            by another one of its context.
        console: what the pages logged ("log: words") and threw, in order.
    """

    def __init__(
        self,
        profile: Path,
        *,
        flags: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        programs: Sequence[str] = ("chromium", "chromium-browser"),
        patience: float = _PATIENCE,
    ) -> None:
        """Start the browser; skips the test where there is none (fails in CI).

        Args:
            profile: an empty folder for its settings.
            flags: further switches.
            environment: the browser's environment, or None for ours.
            programs: what it may be called; the first that there is.
            patience: seconds that one answer may take, unless a call says something else.
        """
        program = next(filter(None, map(shutil.which, programs)), None)
        if program is None:
            absent(f"needs {programs[0]}")
        self.console: list[str] = []
        self._playwright = sync_playwright().start()
        try:
            self._context = self._playwright.chromium.launch_persistent_context(
                profile,
                executable_path=program,
                args=flags,
                env=None if environment is None else dict(environment),
                # Chromium's own sandbox does not work for root, as in a container.
                chromium_sandbox=os.geteuid() != 0,
                timeout=patience * 1e3,
            )
        except BaseException:
            self._playwright.stop()
            raise
        self._context.set_default_timeout(patience * 1e3)
        self._context.on("console", lambda line: self.console.append(f"{line.type}: {line.text}"))
        self._context.on("weberror", lambda thrown: self.console.append(f"thrown: {thrown.error}"))
        self.page = self._context.pages[0]

    def open(self, address: str) -> None:
        """Go to an address and wait until its document is complete.

        Raises:
            playwright.sync_api.Error: it does not come.
        """
        self.page.goto(address)

    def run(self, script: str, patience: float | None = None) -> Any:
        """The value of a JavaScript expression in the page; a promise is awaited.

        Args:
            script: an expression whose value can be JSON (or undefined: None).
            patience: seconds to wait for it; None: as the browser was made.

        Raises:
            playwright.sync_api.Error: it fails, or does not come in time.
        """
        # `page.evaluate` would wait for ever. A list counts as true, whatever is in it.
        return self._first(f"async () => [await ({script})]", patience)[0]

    def wait(self, script: str, patience: float | None = None) -> Any:
        """The first value of a JavaScript expression that counts as true; otherwise as `run`."""
        return self._first(f"() => ({script})", patience)

    def kill(self) -> None:
        """End the browser and its processes at once, as a crash does."""
        assert self._context.browser is not None
        session = self._context.browser.new_browser_cdp_session()
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        # The first one leads the group of the others.
        leader = next(each["id"] for each in processes if each["type"] == "browser")
        os.killpg(leader, signal.SIGKILL)

    def close(self) -> None:
        """End the browser and all its processes."""
        try:
            self._context.close()
        finally:
            self._playwright.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _first(self, function: str, patience: float | None) -> Any:
        # A function, because pages with a policy for their contents let no text be evaluated later.
        timeout = None if patience is None else patience * 1e3
        return self.page.wait_for_function(function, timeout=timeout).json_value()
