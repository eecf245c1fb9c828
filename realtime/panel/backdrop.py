"""The photo behind the person, given on the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from realtime.panel.feature import Opened, with_key
from realtime.session.background_photo import MAX_UPLOAD, BackgroundPhoto


class Backdrop:
    """Takes a photo; the command `background` puts it behind the person.

    Attributes:
        name: as a feature's.
        changed: as a feature's.
    """

    name = "backdrop"

    def __init__(self, photo: BackgroundPhoto) -> None:
        """Give what comes to `photo`."""
        self.changed: Callable[[], None] = lambda: None
        self._photo = photo

    def routes(self, opened: Opened) -> Sequence[BaseRoute]:
        """`POST /background`: the file."""

        async def give(request: Request) -> Response:
            data = bytearray()
            async for chunk in request.stream():
                data += chunk
                if len(data) > MAX_UPLOAD:
                    most = f"Photos of up to {MAX_UPLOAD // 1_000_000} MB can be used"
                    return JSONResponse({"refused": f"{most}; take a smaller copy."}, 413)
            await asyncio.to_thread(self._photo.give, bytes(data))
            return Response(status_code=204)

        return (Route("/background", with_key(opened, give), methods=["POST"]),)

    def state(self) -> Mapping[str, Any]:
        """Nothing: what is behind the person is in the state of the setup."""
        return {}

    def actions(self) -> Mapping[str, Callable[[Any], None]]:
        """None."""
        return {}

    def close(self) -> None:
        """Nothing is open."""
