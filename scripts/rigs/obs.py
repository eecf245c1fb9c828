"""OBS Studio with our PipeWire camera as a source, steered and seen through obs-websocket.

OBS from version 30 on has a source for PipeWire cameras. An older one sees the camera as a V4L2
device through `pw-v4l2`; it opens devices by libv4l2, which makes system calls of its own, past
what pw-v4l2 replaces, so a few lines of C lead these calls back.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from models.types import Image
from realtime.closing import Closing
from scripts.rigs.desktop import Desktop
from scripts.rigs.programs import needs_programs

_PATIENCE = 60.0
"""Seconds that OBS may take to start, or for one answer."""

PIPEWIRE, V4L2 = "pipewire-camera-source", "v4l2_input"
"""What OBS calls its kinds of cameras."""

_DIRECT = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int v4l2_open(const char *file, int flags, ...) { return open(file, flags); }
int v4l2_close(int handle) { return close(handle); }
int v4l2_ioctl(int handle, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return ioctl(handle, request, argument);
}
void *v4l2_mmap(void *start, size_t length, int access, int flags, int handle, int64_t offset)
{
    return mmap(start, length, access, flags, handle, offset);
}
int v4l2_munmap(void *start, size_t length) { return munmap(start, length); }
"""


class ObsError(RuntimeError):
    """OBS refused a request, did not answer, or is not there."""


class Client(Closing):
    """One connection to obs-websocket 5, which OBS brings along since version 28."""

    def __init__(self, address: str, password: str = "") -> None:
        """Connect and say who we are.

        Args:
            address: such as "ws://127.0.0.1:4455".
            password: needed if OBS asks for one.

        Raises:
            ObsError: nobody listens there, or the password is wrong.
        """
        self._stack = ExitStack()
        self._count = 0
        try:
            # A screenshot is larger than the usual limit of a message.
            opened = connect(address, max_size=None, open_timeout=_PATIENCE)
            self._socket = self._stack.enter_context(opened)
            hello = self._receive(0)
            identity: dict[str, Any] = {"rpcVersion": 1, "eventSubscriptions": 0}
            if "authentication" in hello:
                asked = hello["authentication"]
                identity["authentication"] = answer(password, asked["salt"], asked["challenge"])
            self._send(1, identity)
            self._receive(2)
        except (OSError, WebSocketException, ObsError) as error:
            self.close()
            raise ObsError(f"{address}: {error}") from error

    def request(self, kind: str, **data: Any) -> dict[str, Any]:
        """Send a request and give the answer's data.

        Args:
            kind: a request type of obs-websocket 5, such as "GetVersion".
            data: its fields.

        Raises:
            ObsError: it was refused, or no answer came in time.
        """
        self._count += 1
        number = str(self._count)
        try:
            self._send(6, {"requestType": kind, "requestId": number, "requestData": data})
            found = self._receive(7)
            while found["requestId"] != number:
                found = self._receive(7)
        except (OSError, WebSocketException) as error:
            raise ObsError(f"{kind}: {error or type(error).__name__}") from error
        status = found["requestStatus"]
        if not status["result"]:
            raise ObsError(f"{kind}: {status.get('comment', status['code'])}")
        return dict(found.get("responseData") or {})

    def screenshot(self, source: str, form: str = "png") -> Image:
        """What a source shows now, in the size that it has, as RGB.

        Args:
            source: its name.
            form: png, or jpg, which is faster.

        Raises:
            ObsError: there is no such source, or it has no picture yet.
        """
        found = self.request("GetSourceScreenshot", sourceName=source, imageFormat=form)
        data = base64.b64decode(found["imageData"].partition(",")[2])
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise ObsError(f"GetSourceScreenshot: no {form} in {len(data)} bytes")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        """Disconnect; safe to call twice."""
        self._stack.close()

    def _send(self, code: int, data: dict[str, Any]) -> None:
        self._socket.send(json.dumps({"op": code, "d": data}))

    def _receive(self, code: int) -> dict[str, Any]:
        """The data of the next message of this kind."""
        while True:
            message = json.loads(self._socket.recv(timeout=_PATIENCE))
            if message["op"] == code:
                return dict(message["d"])


def answer(password: str, salt: str, challenge: str) -> str:
    """What proves to OBS that one knows the password, as obs-websocket 5 wants it.

    Args:
        password: OBS's.
        salt: from OBS's first message.
        challenge: likewise.
    """

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return digest(digest(password + salt) + challenge)


class Obs(Closing):
    """One OBS in a session, with a camera of this session in its only scene.

    Attributes:
        client: the connection to it.
        version: of OBS.
        source: how it sees the camera, `PIPEWIRE` or `V4L2`.
    """

    def __init__(
        self,
        desktop: Desktop,
        camera: str,
        size: tuple[int, int],
        command: Sequence[str] = ("obs",),
    ) -> None:
        """Start OBS and wait for its first picture of the camera; skips the test without OBS.

        Args:
            desktop: the session, with a screen.
            camera: the camera's name for people.
            size: (width, height) of its pictures.
            command: what starts OBS.

        Raises:
            ObsError: it did not start, or gave no picture of the camera.
        """
        needs_programs(command[0], "gcc")
        password, port = secrets.token_hex(8), _free_port()
        folder = Path(desktop.environment["XDG_CONFIG_HOME"]) / "obs-studio"
        _configure(folder, port, password, _scene(desktop.camera_node(camera), size))
        self._log = desktop.log("pw-v4l2")
        self._process = desktop.start(
            *("pw-v4l2", *command, "--multi", "--disable-missing-files-check"),
            environment={
                "LD_PRELOAD": str(_direct(Path(desktop.environment["HOME"]))),
                "PIPEWIRE_V4L2_TARGET": str(desktop.cameras()[camera]),
            },
        )
        self.client: Client | None = None
        try:
            self.client = self._connected(f"ws://127.0.0.1:{port}", password)
            self.version: str = self.client.request("GetVersion")["obsVersion"]
            kinds = self.client.request("GetInputKindList")["inputKinds"]
            self.source = next(kind for kind in (PIPEWIRE, V4L2) if kind in kinds)
            self._wait_for_picture()
        except BaseException:
            self.kill()
            raise

    def screenshot(self, form: str = "png") -> Image:
        """What the camera shows in OBS now, as RGB; `form` as for `Client.screenshot`.

        Raises:
            ObsError: it has no picture.
        """
        assert self.client is not None
        return self.client.screenshot(self.source, form)

    def kill(self) -> None:
        """End OBS at once, as a crash does."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End OBS as its user does; safe to call twice."""
        self._end(signal.SIGINT)

    def _connected(self, address: str, password: str) -> Client:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                client = Client(address, password)
                client.request("GetVersion")  # It listens before it is ready to answer.
                return client
            except ObsError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    last = self._log.read_text(errors="replace")[-2000:]
                    raise ObsError(f"OBS did not start: {error}; {last}") from error
                time.sleep(0.3)

    def _wait_for_picture(self) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            # Before its first picture it has no size; then one that is black.
            with contextlib.suppress(ObsError):
                if self.screenshot("jpg").any():
                    return
            if time.monotonic() > end:
                last = self._log.read_text(errors="replace")[-2000:]
                raise ObsError(f"no picture in {_PATIENCE:.0f} s; {last}")
            time.sleep(0.2)

    def _end(self, number: signal.Signals) -> None:
        if self.client is not None:
            self.client.close()
        if self._process.poll() is None:
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            self._process.kill()
        self._process.wait()


def _scene(node: str, size: tuple[int, int]) -> dict[str, Any]:
    """A scene with both sources of the camera; OBS leaves out the one that it does not know.

    It is there when OBS starts: a PipeWire camera that is made by obs-websocket waits forever for
    the portal's answer, which comes to a thread that does not listen.
    """
    form = {"encoded": False, "video_format": 4, "width": size[0], "height": size[1]}
    sources: dict[str, dict[str, Any]] = {
        PIPEWIRE: {"device_id": node, "format": json.dumps(form)},
        V4L2: {"device_id": "/dev/video0", "auto_reset": False, "buffering": False},
    }
    items = [{"name": name, "id": 1 + i, "visible": True} for i, name in enumerate(sources)]
    scene = {"id": "scene", "name": "Scene", "settings": {"items": items, "id_counter": 9}}
    made = [{"id": name, "name": name, "settings": each} for name, each in sources.items()]
    return {
        "name": "Untitled",
        "current_scene": "Scene",
        "current_program_scene": "Scene",
        "scene_order": [{"name": "Scene"}],
        "sources": [*made, scene],
    }


def _configure(folder: Path, port: int, password: str, scene: dict[str, Any]) -> None:
    """Settings of an OBS that asks nothing at its start and can be steered."""
    profile, scenes = folder / "basic/profiles/Untitled", folder / "basic/scenes"
    for place in (profile, scenes):
        place.mkdir(parents=True, exist_ok=True)
    (folder / "global.ini").write_text(
        "[General]\nFirstRun=true\n"
        "[Basic]\nProfile=Untitled\nProfileDir=Untitled\n"
        "SceneCollection=Untitled\nSceneCollectionFile=Untitled\n"
        "[OBSWebSocket]\nFirstLoad=false\nServerEnabled=true\nAlertsEnabled=false\n"
        f"ServerPort={port}\nAuthRequired=true\nServerPassword={password}\n"
    )
    # Its own picture is not looked at; drawing it large without a GPU costs much.
    (profile / "basic.ini").write_text(
        "[General]\nName=Untitled\n"
        "[Video]\nBaseCX=320\nBaseCY=180\nOutputCX=320\nOutputCY=180\nFPSCommon=30\n"
    )
    (scenes / "Untitled.json").write_text(json.dumps(scene))


def _direct(folder: Path) -> Path:
    """The library that leads libv4l2's calls back to pw-v4l2."""
    library = folder / "direct.so"
    if not library.exists():
        words = ("gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library))
        subprocess.run(words, input=_DIRECT, text=True, check=True)
    return library


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
