"""A part of the page that brings routes, state and commands of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Scope

from models.errors import UserError

Opened: TypeAlias = Callable[[Scope], bool]
"""Whether a request has the key of the run; a route answers 401 to one that has not."""

Answer: TypeAlias = Callable[[Request], Awaitable[Response]]
"""What a route does."""


def with_key(opened: Opened, answer: Answer) -> Answer:
    """An answer for those who have the key; what it refuses becomes a sentence for the page."""

    async def guarded(request: Request) -> Response:
        if not opened(request.scope):
            return Response(status_code=401)
        try:
            return await answer(request)
        except UserError as error:
            return JSONResponse({"refused": str(error)}, 422)

    return guarded


class Feature(Protocol):
    """What the panel serves besides the live run. Called by the server's threads.

    Attributes:
        name: under which pages find its state, `[a-z]+`; its commands are `NAME.VERB`.
        changed: to be called, by any thread, when its state has changed; the panel sets it.
    """

    name: str
    changed: Callable[[], None]

    def routes(self, opened: Opened) -> Sequence[BaseRoute]:
        """Its routes, each of which asks `opened` first."""
        ...

    def state(self) -> Mapping[str, Any]:
        """What pages show, as JSON knows it; quick."""
        ...

    def actions(self) -> Mapping[str, Callable[[Any], None]]:
        """Its commands by their names; each may raise `UserError`, which the page shows."""
        ...

    def close(self) -> None:
        """End its work; called once, when the panel ends."""
        ...
