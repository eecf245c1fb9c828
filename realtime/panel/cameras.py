"""The cameras that a page offers, each with what it sees while the user chooses."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from models.errors import UserError
from realtime.cameras.clip import ClipReader
from realtime.cameras.viewfinder import Viewfinder, small
from realtime.devices.discovery import OWN_LABEL, VideoDevice, find_device, list_devices
from realtime.panel.feature import Opened, with_key
from realtime.paths import asset_path

DEMO = "demo"
"""The clip that comes along, which `--camera` calls the same."""

_FRESH = 1.0
"""Seconds for which the list of cameras stays: a page asks for it again and again."""

_LOOKS = 15.0
"""Seconds after which a page that asks for nothing no longer has its chooser open."""


@dataclass(frozen=True)
class InUse:
    """What the run has open.

    Attributes:
        camera: its camera's name in the status line, or what was chosen; "" for none.
        output: the name of its virtual camera; "" for none.
    """

    camera: str = ""
    output: str = ""


class Cameras:
    """Lists the cameras, and shows them while a page has its chooser open.

    Attributes:
        name: as a feature's.
        changed: as a feature's.
    """

    name = "cameras"

    def __init__(
        self,
        viewfinder: Viewfinder,
        in_use: Callable[[], InUse],
        devices: Callable[[], list[VideoDevice]] = list_devices,
    ) -> None:
        """Look at nothing yet.

        Args:
            viewfinder: shows what a camera sees.
            in_use: what the run has open, which is never opened a second time.
            devices: lists the video devices.
        """
        self.changed: Callable[[], None] = lambda: None
        self._viewfinder, self._in_use, self._devices = viewfinder, in_use, devices
        self._lock = threading.Lock()
        self._listed: tuple[float, list[VideoDevice]] = (-_FRESH, [])
        self._looked = -_LOOKS
        self._demo: bytes | None = None

    def routes(self, opened: Opened) -> Sequence[BaseRoute]:
        """The list, and what each camera sees."""

        async def listed(request: Request) -> Response:
            return JSONResponse(await asyncio.to_thread(self.offered))

        async def thumbnail(request: Request) -> Response:
            return await asyncio.to_thread(self._thumbnail, request.path_params["identity"])

        return (
            Route("/cameras", with_key(opened, listed), methods=["GET"]),
            Route(
                "/cameras/{identity:str}/thumbnail", with_key(opened, thumbnail), methods=["GET"]
            ),
        )

    def state(self) -> Mapping[str, Any]:
        """Nothing: the list is asked for."""
        return {}

    def actions(self) -> Mapping[str, Callable[[Any], None]]:
        """`cameras.look`: a page opens its chooser (true), or closes it."""
        return {"cameras.look": self._look}

    def close(self) -> None:
        """Let the camera go."""
        self._look(False)

    def offered(self) -> list[dict[str, Any]]:
        """The cameras that can be chosen, by what the system says about them.

        Returns:
            For each: id (in addresses), choice (for the command `camera`), name, kind ("webcam",
            "infrared", "virtual"), note ("in_use", "denied" or ""), place.
        """
        used = self._in_use()
        return [
            {
                "id": _id(device),
                "choice": device.identity or device.path or str(device.index),
                "name": device.name,
                "place": device.path or "",
                "kind": _kind(device),
                "note": "in_use" if _is(device, used.camera) else _denied(device),
            }
            for device in self._devices_for(used)
        ]

    def _devices_for(self, used: InUse) -> list[VideoDevice]:
        """Real cameras first, then what other programs show; never our own picture."""
        with self._lock:
            at, devices = self._listed
            if time.monotonic() - at >= _FRESH:
                devices = self._devices()
                self._listed = time.monotonic(), devices
        others = [
            device
            for device in devices
            if device.capture
            and not device.name.lower().startswith(OWN_LABEL.lower())
            and not _is(device, used.output)
        ]
        return sorted(others, key=lambda device: (device.virtual, device.grey))

    def _look(self, on: Any) -> None:
        self._looked = time.monotonic() if on is True else -_LOOKS
        if on is not True:
            self._viewfinder.release()

    def _thumbnail(self, identity: str) -> Response:
        if time.monotonic() - self._looked > _LOOKS:
            return _none("closed", "Open the list of cameras first.")
        self._looked = time.monotonic()
        if identity == DEMO:
            return Response(self._demo_picture(), media_type="image/jpeg")
        used = self._in_use()
        device = next((one for one in self._devices_for(used) if _id(one) == identity), None)
        if device is None:
            return _none("gone", "This camera is not plugged in any more.")
        if _is(device, used.camera):
            return _none("in_use", f"{device.name} is the camera of this run.")
        if _denied(device):
            return _none("denied", f"You may not use {device.name}.")
        try:
            picture = self._viewfinder.picture(device)
        except UserError:
            return _none("busy", f"{device.name} gives no picture; another program may use it.")
        if time.monotonic() - self._looked > _LOOKS:
            # The chooser was closed meanwhile, and the run may want this very camera.
            self._viewfinder.release()
        return Response(picture, media_type="image/jpeg")

    def _demo_picture(self) -> bytes:
        with self._lock:
            if self._demo is None:
                image, _ = next(ClipReader(asset_path("demo.mp4")).frames())
                self._demo = small(image)
            return self._demo


def _id(device: VideoDevice) -> str:
    """What stands for a device in an address, where it cannot be written as it is."""
    return hashlib.sha256((device.identity or device.label).encode()).hexdigest()[:16]


def _is(device: VideoDevice, what: str) -> bool:
    """Whether a device is what a run calls by its label or by the user's choice."""
    return bool(what) and (
        what.startswith(device.label) or device.same(find_device(what, [device]))
    )


def _kind(device: VideoDevice) -> str:
    return "virtual" if device.virtual else "infrared" if device.grey else "webcam"


def _denied(device: VideoDevice) -> str:
    return "" if device.readable else "denied"


def _none(code: str, why: str) -> Response:
    return JSONResponse({"code": code, "refused": why}, 404)
