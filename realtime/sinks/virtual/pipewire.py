"""A virtual camera on Linux that needs no root and no kernel module: a PipeWire node."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.types import Image
from realtime.closing import Closing
from realtime.frames import AvatarFrame
from realtime.sinks.base import Found, SinkError, SinkKind, SinkRequest, require_avatar_frame
from realtime.sinks.virtual import libpipewire as pw

LABEL = "AI avatar"
"""What programs that list cameras show."""

_CONNECT_WITHIN = 3.0
"""Seconds in which PipeWire takes a new node, where it takes any; longer would look like a hang."""


class PipeWireSink(Closing):
    """Shows avatar frames as a camera of this user's PipeWire session.

    Nothing waits: without a reader, or when all readers are slow, a frame is dropped.

    Attributes:
        name: for the status line.
    """

    def __init__(self, size: tuple[int, int], fps: float, label: str = LABEL) -> None:
        """Make the camera and let others see it.

        Args:
            size: (width, height) of the frames; both even.
            fps: the rate that `write` will be called at, and that readers are told.
            label: the camera's name for people.

        Raises:
            SinkError: this system has no PipeWire, or it takes no camera.
        """
        lack = missing_here()
        if lack is not None:
            raise SinkError(f"{lack[0]}; {lack[1]}.")
        self.name = f"{label} (PipeWire)"
        self._size = size
        self._library = pw.load()
        self._library.pw_init(None, None)
        self._changed = threading.Condition()
        self._state = pw.UNCONNECTED
        self._trouble = ""
        self._frames = 0
        # The library keeps a pointer to these for as long as the stream lives.
        self._events = pw.Events(
            version=0,
            state_changed=pw.STATE_CHANGED(self._on_state),
            param_changed=pw.PARAM_CHANGED(self._on_param),
        )
        self._loop: Any = self._library.pw_thread_loop_new(b"pipewire-camera", None)
        self._stream: Any = None
        try:
            self._connect(label, fps)
        except BaseException:
            self.close()
            raise

    @property
    def watched(self) -> bool:
        """Whether a program reads the camera now."""
        return self._state == pw.STREAMING

    def write(self, frame: AvatarFrame) -> None:
        """Show one frame to whoever reads the camera.

        Raises:
            TypeError: it is not an `AvatarFrame`.
            ValueError: it does not have the sink's size.
            SinkError: PipeWire has gone, or the sink was closed.
        """
        image = require_avatar_frame(frame).image
        if self._stream is None:
            raise SinkError(f"The virtual camera {self.name} was closed.")
        if image.shape != (self._size[1], self._size[0], 3):
            raise ValueError(f"a frame of {self._size} was promised, not {image.shape}")
        if self._state in (pw.ERROR, pw.UNCONNECTED):
            raise SinkError(
                f"PipeWire has ended ({self._trouble or 'connection closed'}), and the virtual "
                "camera with it; start it again with `systemctl --user restart pipewire`."
            )
        if self.watched:
            self._send(image)

    def close(self) -> None:
        """Take the camera away; safe to call twice."""
        loop, self._loop = self._loop, None
        stream, self._stream = self._stream, None
        if loop is None:
            return
        self._library.pw_thread_loop_stop(loop)
        if stream is not None:
            self._library.pw_stream_destroy(stream)
        self._library.pw_thread_loop_destroy(loop)

    def _connect(self, label: str, fps: float) -> None:
        library = self._library
        properties = library.pw_properties_new(None)
        for key, value in (
            ("media.class", "Video/Source"),
            ("media.role", "Camera"),
            # Browsers tell cameras apart by this.
            ("node.name", f"avatarify-like.{re.sub('[^a-z0-9]+', '-', label.lower())}"),
            ("node.description", label),
            # The session manager forgets the buffers of a reader that left at once, not after 5 s:
            # those that it held do not come back, and the next reader would get no picture.
            ("session.suspend-timeout-seconds", "0.1"),
        ):
            library.pw_properties_set(properties, key.encode(), value.encode())
        # The loop must run before the stream connects, and be locked while we touch the stream.
        library.pw_thread_loop_start(self._loop)
        library.pw_thread_loop_lock(self._loop)
        try:
            self._stream = library.pw_stream_new_simple(
                library.pw_thread_loop_get_loop(self._loop),
                b"avatarify-like",
                properties,
                ctypes.byref(self._events),
                None,
            )
            failed = self._stream is None or library.pw_stream_connect(
                self._stream,
                pw.OUTPUT,
                pw.ANY,
                pw.DRIVER | pw.MAP_BUFFERS,
                pw.parameters(pw.yuy2_format(self._size, fps)),
                1,
            )
        finally:
            library.pw_thread_loop_unlock(self._loop)
        with self._changed:
            if not failed:
                self._changed.wait_for(
                    lambda: self._state in (pw.ERROR, pw.PAUSED, pw.STREAMING), _CONNECT_WITHIN
                )
            if self._state not in (pw.PAUSED, pw.STREAMING):
                raise SinkError(
                    f"PipeWire takes no camera ({self._trouble or 'no answer'}); start it again "
                    "with `systemctl --user restart pipewire wireplumber`."
                )

    def _on_state(self, _: Any, old: int, state: int, error: bytes | None) -> None:
        """Called by PipeWire's own thread."""
        with self._changed:
            self._state = state
            if error:
                self._trouble = error.decode(errors="replace")
            self._changed.notify_all()

    def _on_param(self, _: Any, identifier: int, pod: int | None) -> None:
        """Called by PipeWire's own thread when a reader has agreed on the format."""
        if identifier == pw.PARAM_FORMAT and pod is not None:
            wishes = pw.parameters(pw.buffers(self._size), pw.header())
            self._library.pw_stream_update_params(self._stream, wishes, 2)

    def _send(self, image: Image) -> None:
        library = self._library
        library.pw_thread_loop_lock(self._loop)
        try:
            taken = library.pw_stream_dequeue_buffer(self._stream)
            if taken:
                self._fill(taken.contents.buffer.contents, image)
                library.pw_stream_queue_buffer(self._stream, taken)
            # Also without a buffer: it is this that brings back those which a reader left behind.
            library.pw_stream_trigger_process(self._stream)
        finally:
            library.pw_thread_loop_unlock(self._loop)

    def _fill(self, buffer: pw.SpaBuffer, image: Image) -> None:
        """Write the picture into a buffer, as YUY2: BT.601, 16 to 235, as webcams have it."""
        width, height = self._size
        data = buffer.datas[0]
        chunk = data.chunk.contents
        chunk.offset, chunk.stride, chunk.size = 0, width * 2, 0
        if data.data and data.maxsize >= width * height * 2:
            memory = (ctypes.c_uint8 * (width * height * 2)).from_address(data.data)
            cv2.cvtColor(
                image,
                cv2.COLOR_RGB2YUV_YUY2,
                dst=np.ctypeslib.as_array(memory).reshape(height, width, 2),
            )
            chunk.size = width * height * 2
        for index in range(buffer.n_metas):
            meta = buffer.metas[index]
            if meta.type == pw.META_HEADER and meta.data:
                header = pw.Header.from_address(meta.data)
                header.flags, header.pts, header.seq = 0, time.monotonic_ns(), self._frames
        self._frames += 1


def missing_here() -> tuple[str, str] | None:
    """What stands against a PipeWire camera here, and what to do; None if nothing does.

    Opens nothing: whether PipeWire answers is seen when the camera is made.
    """
    if platform.system() != "Linux":
        return "PipeWire is for Linux only", "use `--output auto`"
    try:
        pw.load()
    except OSError as error:
        return f"PipeWire is not installed ({error})", "install the package pipewire"
    folder = os.environ.get("PIPEWIRE_RUNTIME_DIR") or os.environ.get("XDG_RUNTIME_DIR")
    socket = Path(folder or "/nowhere") / os.environ.get("PIPEWIRE_REMOTE", "pipewire-0")
    if not socket.exists():
        return (
            "PipeWire does not run for this user",
            "start it with `systemctl --user start pipewire wireplumber`, and do not run this as "
            "another user than the one at the desktop",
        )
    return None


def _find() -> Found:
    lack = missing_here()
    if lack is None:
        why = "OBS 30 lists it, Firefox and Chrome after one setting, Zoom does not"
        return Found(True, why, "a PipeWire camera")
    return Found(False, lack[0] if platform.system() == "Linux" else "")


def _open(request: SinkRequest) -> PipeWireSink:
    return PipeWireSink(request.size, request.fps, request.device or LABEL)


KIND = SinkKind("pipewire", _find, _open)
"""`--output pipewire` or `--output pipewire:NAME`."""
