"""The part of the page that poses photos: pictures, named expressions, and these in live use."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from models.errors import UserError
from realtime.animation.animation import Animation
from realtime.panel.feature import Answer, Opened, with_key
from realtime.session.expressions import Expressions, checked_key, checked_values
from realtime.session.stills import StillEditor

_MAX_BODY = 10_000
"""Bytes of a request; the values of a hundred sliders have less than half."""

_log = logging.getLogger(__name__)


class Pose:
    """A feature of the panel (`realtime.panel.feature`): `state.pose`, commands `pose.VERB`.

    Attributes:
        name: "pose".
        changed: set by the panel.
    """

    name = "pose"

    def __init__(
        self,
        animation: Callable[[], Animation],
        stills: StillEditor,
        expressions: Expressions,
        badged: Callable[[], bool],
        sign: Callable[[bytes, str, bool], bytes],
    ) -> None:
        """Nothing is computed yet.

        Args:
            animation: the run's, which plays expressions.
            stills: draws pictures.
            expressions: the user's list.
            badged: whether pictures get the mark now.
            sign: gives a PNG file, its title and whether it has the mark; returns the file, signed
                where it can be; raises `UserError` where it should be and cannot.
        """
        self.changed: Callable[[], None] = lambda: None
        self._animation = animation
        self._stills = stills
        self._expressions = expressions
        self._badged = badged
        self._sign = sign
        self._playing: str | None = None

    def routes(self, opened: Opened) -> Sequence[BaseRoute]:
        """A small picture that follows sliders, and one to keep."""

        def answered(make: Callable[[Mapping[str, Any]], Response]) -> Answer:
            async def answer(request: Request) -> Response:
                body = bytearray()
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > _MAX_BODY:
                        return Response(status_code=413)
                return await asyncio.to_thread(make, _parsed(bytes(body)))

            return with_key(opened, answer)

        return [
            Route("/pose/preview", answered(self._preview), methods=["POST"]),
            Route("/pose/picture", answered(self._picture), methods=["POST"]),
        ]

    def state(self) -> Mapping[str, Any]:
        """The sliders, the expressions, and the one that plays."""
        sliders = self._stills.sliders
        return {
            "available": bool(sliders),
            "sliders": [asdict(slider) for slider in sliders],
            "expressions": [asdict(entry) for entry in self._expressions.entries],
            "playing": self._playing if self._animation().expression.wanted else None,
        }

    def actions(self) -> Mapping[str, Callable[[Any], None]]:
        """Keep, change and remove expressions, and play one."""
        return {
            "pose.keep": self._keep,
            "pose.rename": self._rename,
            "pose.remove": self._remove,
            "pose.play": self._play,
        }

    def close(self) -> None:
        """Let the driver's own expression come back."""
        self._animation().expression.want(None)

    def _preview(self, asked: Mapping[str, Any]) -> Response:
        picture = self._stills.preview(_word(asked, "avatar"), checked_values(asked.get("values")))
        if picture is None:
            return Response(status_code=409)  # A newer one was asked for.
        return Response(picture, media_type="image/jpeg")

    def _picture(self, asked: Mapping[str, Any]) -> Response:
        badge = self._badged()
        values = checked_values(asked.get("values"))
        picture = self._stills.picture(_word(asked, "avatar"), values, badge)
        try:
            signed = self._sign(picture, "photo.png", badge)
        except UserError as error:
            # It is kept all the same, as recordings are.
            _log.debug("a picture was not signed", exc_info=error)
            signed = picture
        headers = {"X-Signed": "no" if signed is picture else "yes"}
        return Response(signed, media_type="image/png", headers=headers)

    def _keep(self, value: Any) -> None:
        asked = _table(value)
        values = checked_values(asked.get("values"))
        if not values:
            raise UserError("Move a slider first: this is the photo as it is.")
        name, key = _word(asked, "name"), checked_key(asked.get("key"))
        self._expressions.keep(name, values, key)
        if self._playing is not None:
            self._start(self._playing)
        self.changed()

    def _rename(self, value: Any) -> None:
        asked = _table(value)
        name, to = _word(asked, "name"), _word(asked, "to")
        self._expressions.change(name, to, checked_key(asked.get("key")))
        if self._playing == name:
            self._playing = to
        self.changed()

    def _remove(self, value: Any) -> None:
        name = _word({"name": value}, "name")
        self._expressions.remove(name)
        if self._playing == name:
            self._stop()
        self.changed()

    def _play(self, value: Any) -> None:
        """Begin or end: null ends what plays; {"name", "on"}, where `on` null turns it over."""
        if value is None:
            self._stop()
            self.changed()
            return
        asked = _table(value)
        name, wanted = _word(asked, "name"), asked.get("on")
        if wanted is not None and not isinstance(wanted, bool):
            raise UserError("An expression is on or off.")
        playing = self.state()["playing"] == name
        if wanted or (wanted is None and not playing):
            self._start(name)
        elif playing:
            self._stop()
        self.changed()

    def _start(self, name: str) -> None:
        values = self._expressions.find(name).values
        _ = self._stills.editor  # Refused in a sentence where there is none.
        self._playing = name
        self._animation().expression.want(values)

    def _stop(self) -> None:
        self._playing = None
        self._animation().expression.want(None)


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        return _table(json.loads(body))
    except (ValueError, RecursionError) as error:
        raise UserError("The page asked for something that this program does not know.") from error


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UserError("The page asked for something that this program does not know.")
    return value


def _word(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or len(value) > 200:
        raise UserError("The page asked for something that this program does not know.")
    return value
