"""A slow line in front of a server, as from a home to a machine in another room or town.

    with SlowLine(8443, bits=4e6, delay=0.1) as line:
        browser.open(f"http://localhost:{line.port}/")

Both directions have their own rate and delay, whatever number of connections shares them. Nothing
is lost: what does not fit waits in the buffers of the kernel, as with a generous router.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from realtime.closing import Closing

_PIECE = 1460
"""Bytes that are delayed together: a packet's worth."""

_BUFFER = 0.3
"""Seconds of data that wait in the line itself before it takes no more; a usual router's."""


class SlowLine(Closing):
    """Listens on this computer alone and passes everything on, slowly.

    Attributes:
        port: where it listens.
    """

    def __init__(self, target: int, bits: float, delay: float) -> None:
        """Begin to listen.

        Args:
            target: the port of the server.
            bits: per second, in each direction.
            delay: seconds, in each direction.
        """
        self._target, self._bits, self._delay = target, bits, delay
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow line", daemon=True)
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Cut every connection."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        ways = _Way(self._bits, self._delay), _Way(self._bits, self._delay)

        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", self._target)
                try:
                    await asyncio.gather(
                        ways[0].pass_on(reader, back), ways[1].pass_on(there, writer)
                    )
                finally:
                    writer.close()
                    back.close()

        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(connect, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()


class _Way:
    """One direction."""

    def __init__(self, bits: float, delay: float) -> None:
        self._bits, self._delay, self._free_at = bits, delay, 0.0

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what one connection sends until it ends."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        writing = asyncio.create_task(self._write(waiting, writer))
        clock = asyncio.get_running_loop().time
        try:
            while data := await reader.read(_PIECE):
                self._free_at = max(self._free_at, clock()) + len(data) * 8 / self._bits
                waiting.put_nowait((self._free_at + self._delay, data))
                await asyncio.sleep(max(self._free_at - clock() - _BUFFER, 0))
            waiting.put_nowait((clock() + self._delay, b""))
            await writing
        finally:
            writing.cancel()

    async def _write(
        self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(due - clock(), 0))
            if not data:
                # The other direction of the connection goes on.
                with suppress(OSError):
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
