"""The slow line passes on what it gets, late and unharmed."""

from __future__ import annotations

import socket
import threading
import time

from scripts.rigs.slow_line import SlowLine

DELAY = 0.05
"""Seconds in each direction."""

BITS = 4e6
"""Of the line in a second."""


def echo(listener: socket.socket) -> None:
    """Send everything back until the other end says that it is over."""
    with listener.accept()[0] as caller:
        while data := caller.recv(65536):
            caller.sendall(data)


def test_it_is_late_and_loses_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        sent = bytes(range(256)) * 400
        with SlowLine(listener.getsockname()[1], BITS, DELAY) as line:
            begun = time.perf_counter()
            with socket.create_connection(("127.0.0.1", line.port), timeout=30) as caller:
                caller.sendall(sent)
                caller.shutdown(socket.SHUT_WR)
                got = b"".join(iter(lambda: caller.recv(65536), b""))
            took = time.perf_counter() - begun
    assert got == sent
    assert took > 2 * DELAY + len(sent) * 8 / BITS, "no faster than the line is"
