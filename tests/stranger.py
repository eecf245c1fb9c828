"""Another account of this computer, which wants to see the panel: root becomes `nobody` and tries.

    python -m tests.stranger PORT FOLDER [SECRET ...]

It prints, as JSON, what it read and what it was answered.
"""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401 - nobody may not be able to read our Python later
import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.exceptions import InvalidHandshake
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.paths import ROOT

NOBODY = 65534
"""The number of the account that owns nothing, on every Linux."""


def ask_stranger(port: int, folder: Path, *secrets: str) -> dict[str, Any]:
    """What another account gets; to be called as root.

    Args:
        port: the panel's.
        folder: where to look for files.
        secrets: what it has come to know already.
    """
    words = [sys.executable, "-m", "tests.stranger", str(port), str(folder), *secrets]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def main() -> None:
    """Try everything."""
    port, folder, *secrets = sys.argv[1:]
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    processes = b"\n".join(_read(Path("/proc").glob("[0-9]*/cmdline"))).decode("utf-8", "replace")
    environments = b"\n".join(_read(Path("/proc").glob("[0-9]*/environ"))).decode(
        "utf-8", "replace"
    )
    files = b"\n".join(
        _read(Path(at, name) for at, _, names in os.walk(folder) for name in names)
    ).decode("utf-8", "replace")
    codes = re.findall(rf"http://[^\s\0]*:{port}/#(?:code|key)=([\w-]+)", processes)
    answers = {}
    for secret in dict.fromkeys([*codes, *secrets]):
        answers[secret] = [
            _ask(port, "POST", "/enter", f"Code {secret}"),
            _ask(port, "GET", "/key", f"Bearer {secret}"),
            _ask(port, "GET", "/thumbnails/a1", f"Bearer {secret}"),
            _ask(port, "GET", "/output", ""),
            _socket(port, secret),
        ]
    found = {"codes": codes, "answers": answers, "files": files, "environments": environments}
    print(json.dumps({**found, "processes": processes}))


def _read(paths: Any) -> Iterator[bytes]:
    for path in paths:
        with contextlib.suppress(OSError):
            yield path.read_bytes()


def _ask(port: str, method: str, path: str, authorization: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    headers = {"Authorization": authorization, "Origin": f"http://127.0.0.1:{port}"}
    # What a proxy would say about others.
    headers["X-Forwarded-For"] = "192.0.2.1"
    connection.request(method, path, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def _socket(port: str, secret: str) -> str:
    try:
        with connect(
            f"ws://127.0.0.1:{port}/live",
            origin=Origin(f"http://127.0.0.1:{port}"),
            subprotocols=[Subprotocol("panel"), Subprotocol(f"key.{secret}")],
            proxy=None,
        ) as page:
            return str(page.recv(20))
    except InvalidHandshake:
        return "refused"


if __name__ == "__main__":
    main()
