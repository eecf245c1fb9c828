"""The worker's process, as this program sees it."""

from __future__ import annotations

import itertools
import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from models.errors import UserError
from realtime.closing import Closing

_Answers: TypeAlias = "queue.SimpleQueue[dict[str, Any]]"

Told: TypeAlias = Callable[[str, int, int], None]
"""Called with the stage, how many frames are done, and how many there are."""

_PATIENCE = 5.0
"""Seconds that are waited for a process that was killed."""

_log = logging.getLogger(__name__)


class Stopped(Exception):
    """The process was ended before the task was done."""


class Worker(Closing):
    """Does tasks in a process of its own, which starts with the first one.

    All methods may be called by any thread.
    """

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._closed = False

    def do(
        self,
        name: str,
        told: Mapping[str, Any],
        progress: Told = lambda stage, done, total: None,
    ) -> dict[str, Any]:
        """Do one task and wait for it.

        Args:
            name: a method of `realtime.clips.worker.Studio`.
            told: what it takes; paths are absolute.
            progress: told how it goes.

        Raises:
            UserError: it failed; one sentence says why.
            Stopped: the process was ended.
        """
        with self._lock:
            if self._closed:
                raise Stopped
            if self._child is None or not self._child.alive:
                self._child = _Child()
            answers = self._child.ask({**told, "do": name})
        while True:
            answer = answers.get()
            if "answer" in answer:
                found: dict[str, Any] = answer["answer"]
                return found
            if "failed" in answer:
                if "trace" in answer:
                    _log.debug("the task %s failed\n%s", name, answer["trace"])
                raise UserError(answer["failed"])
            if "stage" not in answer:
                raise Stopped
            progress(answer["stage"], answer["done"], answer["total"])

    def stop(self) -> None:
        """End the process, whatever it is at; the next task starts another one."""
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the process for good."""
        self._closed = True
        self.stop()


class _Child:
    """One process, and who waits for its answers."""

    def __init__(self) -> None:
        self._process = _start()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Answers] = {}
        self._ended = False
        threading.Thread(target=self._listen, name="clip worker", daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._ended and self._process.poll() is None

    def ask(self, told: Mapping[str, Any]) -> _Answers:
        """Give it a task; where its answers arrive, an empty one if the process has ended."""
        answers: _Answers = queue.SimpleQueue()
        with self._lock:
            task = next(self._numbers)
            if not self._ended:
                self._waiting[task] = answers
                assert self._process.stdin is not None
                with suppress(OSError):  # The listener notices its end.
                    self._process.stdin.write(json.dumps({**told, "task": task}) + "\n")
                    self._process.stdin.flush()
            else:
                answers.put({})
        return answers

    def kill(self) -> None:
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)

    def _listen(self) -> None:
        """Hand out what the process tells, until it ends."""
        process = self._process
        assert process.stdout is not None and process.stdin is not None
        for line in process.stdout:
            try:
                message = json.loads(line)
            except ValueError:  # It was killed in mid-sentence.
                continue
            with self._lock:
                answers = self._waiting.get(message["task"])
                if "stage" not in message:
                    self._waiting.pop(message["task"], None)
            if answers is not None:
                answers.put(message)
        process.wait()
        with self._lock:
            self._ended = True
            left, self._waiting = self._waiting, {}
            with suppress(OSError):
                process.stdin.close()
        for answers in left.values():
            answers.put({})
        process.stdout.close()


def _start() -> subprocess.Popen[str]:
    """Start a process that ends when this one does, and not by the terminal's Ctrl-C."""
    program = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(filter(None, (str(program), os.environ.get("PYTHONPATH"))))
    flags: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = {
            "creationflags": subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
        }
    # -P: the folder that the user is in may hold anything.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "realtime.clips.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": path},
        **flags,
    )
