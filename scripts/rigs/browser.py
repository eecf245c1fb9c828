"""Drives Chromium through its DevTools pipe, so that tests see what a page sees; Linux only.

    with Browser(tmp_path / "profile") as browser:
        browser.open("http://127.0.0.1:8000/")
        assert browser.run("document.title") == "Panel"

No package is needed: the browser reads commands from its file descriptor 3 and answers on 4, as
JSON that ends with a zero byte (https://chromedevtools.github.io/devtools-protocol/).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from scripts.rigs.programs import absent

_PATIENCE = 30.0
"""Seconds that a loaded machine may take for one answer."""

_QUIET = (
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--mute-audio",
    # A page that counts time must not be slowed down because nobody looks at its window.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)


class BrowserError(RuntimeError):
    """The page threw an exception, or the browser refused a command, died or hung."""


class Browser:
    """One Chromium with one page. `console` collects what the page logged and threw."""

    def __init__(
        self,
        profile: Path,
        *,
        flags: Sequence[str] = (),
        headless: bool = True,
        size: tuple[int, int] = (1280, 800),
        environment: Mapping[str, str] | None = None,
        programs: Sequence[str] = ("chromium", "chromium-browser"),
        patience: float = _PATIENCE,
    ) -> None:
        """Start the browser; skips the test where there is none (fails in CI).

        Args:
            profile: an empty folder for its settings.
            flags: further switches.
            headless: without a window; with one it needs an X server (Xvfb).
            size: (width, height) of the window.
            environment: the browser's environment, or None for ours.
            programs: what it may be called; the first that there is.
            patience: seconds that one answer may take, unless a call says something else.
        """
        self._patience = patience
        program = next(filter(None, map(shutil.which, programs)), None)
        if program is None:
            absent("needs chromium")
        command = [
            program,
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            f"--window-size={size[0]},{size[1]}",
            *(["--headless=new"] if headless else []),
            # Chromium's own sandbox does not work for root, as in a container.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            *_QUIET,
            *flags,
            "about:blank",
        ]
        profile.mkdir(parents=True, exist_ok=True)
        self.log = profile / "browser.log"
        self.console: list[str] = []
        self._count = 0
        self._session: str | None = None
        self._lock = threading.Lock()
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        theirs, ours = _pipe(), _pipe()
        self._out, self._in = os.fdopen(theirs[1], "wb", 0), os.fdopen(ours[0], "rb")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", f'exec 3<&{theirs[0]} 4>&{ours[1]}; exec "$@"', "bash", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs[0], ours[1]),
                env=environment,
                start_new_session=True,
            )
        os.close(theirs[0])
        os.close(ours[1])
        self._reader = threading.Thread(target=self._read, name="browser", daemon=True)
        self._reader.start()
        try:
            target = self.command("Target.createTarget", url="about:blank")["targetId"]
            attached = self.command("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self.command(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def open(self, address: str, patience: float | None = None) -> None:
        """Go to an address and wait until its document is complete.

        Raises:
            BrowserError: it cannot be reached, or does not load in time.
        """
        answer = self.command("Page.navigate", url=address)
        if answer.get("errorText"):
            raise BrowserError(f"{address}: {answer['errorText']}")
        self.wait("document.readyState === 'complete'", patience)

    def run(self, script: str, patience: float | None = None) -> Any:
        """The value of a JavaScript expression in the page; a promise is awaited.

        Args:
            script: an expression, whose value must be JSON (or undefined: None).
            patience: seconds to wait for it; None: as the browser was made.

        Raises:
            BrowserError: it threw, or took too long.
        """
        answer = self.command(
            "Runtime.evaluate",
            patience,
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            raise BrowserError(_exception(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, script: str, patience: float | None = None) -> Any:
        """The first value of an expression that counts as true.

        Raises:
            BrowserError: it did not become true in time.
        """
        until = time.monotonic() + (patience or self._patience)
        while True:
            # While a page is being replaced its scripts fail.
            with contextlib.suppress(BrowserError):
                value = self.run(script, max(until - time.monotonic(), 1.0))
                if value:
                    return value
            if time.monotonic() > until:
                raise BrowserError(f"did not come true: {script}; the page said {self.console}")
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Click the middle of the first element that a CSS selector finds, as a mouse does."""
        query = json.dumps(selector)
        x, y = self.wait(
            f"(() => {{ const e = document.querySelector({query}); if (!e) return null;"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.command(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    def screenshot(self) -> bytes:
        """The page as a PNG file."""
        return base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"])

    def command(self, method: str, patience: float | None = None, **parameters: Any) -> Any:
        """Send one command of the DevTools protocol and return its answer.

        Raises:
            BrowserError: it was refused, or no answer came in time.
        """
        answer: queue.Queue[dict[str, Any]] = queue.Queue(1)
        with self._lock:
            self._count += 1
            number = self._count
            self._answers[number] = answer
            message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
            if self._session is not None:
                message["sessionId"] = self._session
            try:
                self._out.write(json.dumps(message).encode() + b"\0")
            except (OSError, ValueError) as error:
                raise BrowserError(f"the browser is gone: {self._last_words()}") from error
        try:
            found = answer.get(timeout=patience or self._patience)
        except queue.Empty:
            seconds = patience or self._patience
            raise BrowserError(f"no answer to {method} in {seconds:.0f} s") from None
        finally:
            self._answers.pop(number, None)
        if "error" in found:
            raise BrowserError(f"{method}: {found['error'].get('message')}")
        return found["result"]

    def kill(self) -> None:
        """End the browser and its processes at once, as a crash does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the browser and all its processes; safe to call twice."""
        if self._process.poll() is None:
            with contextlib.suppress(BrowserError):
                self._session = None
                self.command("Browser.close", 5.0)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5.0)
        self.kill()
        self._process.wait()
        self._reader.join(5.0)
        self._out.close()

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> None:
        """Sort what the browser says until it ends: answers to their askers, the log aside."""
        for message in _messages(self._in):
            if "id" in message:
                asker = self._answers.get(message["id"])
                if asker is not None:
                    asker.put(message)
            elif message["method"] == "Runtime.consoleAPICalled":
                arguments = message["params"]["args"]
                words = (str(a.get("value", a.get("description"))) for a in arguments)
                self.console.append(f"{message['params']['type']}: {' '.join(words)}")
            elif message["method"] == "Runtime.exceptionThrown":
                self.console.append(_exception(message["params"]["exceptionDetails"]))
            elif message["method"] == "Log.entryAdded":
                entry = message["params"]["entry"]
                self.console.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
        gone = {"error": {"message": f"the browser ended: {self._last_words()}"}}
        for asker in list(self._answers.values()):
            with contextlib.suppress(queue.Full):
                asker.put_nowait(gone)
        self._in.close()

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


def _pipe() -> tuple[int, int]:
    """A pipe whose ends (to read, to write) do not have the numbers 3 and 4."""
    import fcntl

    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(end)
    return ends[0], ends[1]


def _messages(pipe: Any) -> Iterator[dict[str, Any]]:
    held = b""
    while chunk := os.read(pipe.fileno(), 1 << 20):
        *whole, held = (held + chunk).split(b"\0")
        yield from map(json.loads, whole)


def _exception(details: dict[str, Any]) -> str:
    thrown = details.get("exception", {})
    return f"exception: {thrown.get('description') or thrown.get('value') or details['text']}"
