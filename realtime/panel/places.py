"""Where the picture can go, for the page: which virtual cameras there are, and how to get one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from realtime.panel.feature import Opened, with_key
from realtime.sinks.registry import Candidate, candidates


class Places:
    """Says what the picture can go to; looks around each time it is asked, and opens nothing.

    Attributes:
        name: as a feature's.
        changed: as a feature's.
    """

    name = "places"

    def __init__(
        self,
        remedy: Callable[[], Mapping[str, Any]],
        look: Callable[[], list[Candidate]] = candidates,
    ) -> None:
        """Look at nothing yet.

        Args:
            remedy: how this computer gets a virtual camera, for the page.
            look: what can be written to.
        """
        self.changed: Callable[[], None] = lambda: None
        self._remedy, self._look = remedy, look

    def routes(self, opened: Opened) -> Sequence[BaseRoute]:
        """`/places`: what there is, and what to do where something is missing."""

        async def places(request: Request) -> Response:
            return JSONResponse(await asyncio.to_thread(self.found))

        return (Route("/places", with_key(opened, places), methods=["GET"]),)

    def state(self) -> Mapping[str, Any]:
        """Nothing: it is asked for."""
        return {}

    def actions(self) -> Mapping[str, Callable[[Any], None]]:
        """None."""
        return {}

    def close(self) -> None:
        """Nothing is open."""

    def found(self) -> dict[str, Any]:
        """The kinds of virtual cameras, best first, and the remedy where none is usable.

        Returns:
            cameras: for each kind its choice (for the command `output`), name, usable, why;
            remedy: as it was given.
        """
        cameras = [
            {
                "choice": candidate.kind.name,
                "name": candidate.found.where or candidate.kind.name,
                "usable": candidate.found.usable,
                "why": candidate.found.why,
            }
            for candidate in self._look()
        ]
        return {"cameras": cameras, "remedy": dict(self._remedy())}
