"""Cameras of a network: `--camera rtsp://...`, `http://...` or `https://...`."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import av
import numpy as np
from av.codec.context import ThreadType
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from models.errors import UserError
from models.types import Image
from realtime.addresses import Address, parse
from realtime.cameras.base import CameraLost
from realtime.closing import Closing
from realtime.frames import CameraFrame
from realtime.mailbox import Mailbox
from realtime.media import MAX_PIXELS
from realtime.orientation import Orientation, Orientations

_OPEN_WITHIN = 10.0
"""Seconds in which a camera must have answered: some wake up only then."""

_SILENCE = 5.0
"""Seconds without a picture after which the camera counts as lost: wireless networks stall for one
or two."""

_SILENCE_PLAYLIST = 20.0
"""The same for playlists, whose pieces come whole: they last up to ten seconds."""

_BEHIND = 0.4
"""Seconds that undecoded packets may wait before what lies between them and the newest whole
picture is left out; some pictures always come in bunches."""

_MOST_WAITING = 600
"""Packets that wait at most: twenty seconds without a whole picture are no live camera."""

_JUMP = 0.5
"""Seconds that pictures of a file or a playlist may be late before its clock is set anew."""

_LIVE = frozenset({"mpjpeg", "mjpeg", "rtsp", "mpegts", "flv", "h264", "hevc"})
"""FFmpeg's names of formats that arrive when they happen; all others are played by their times."""

_PHOTOS = ("_pipe", "image2")
"""How its names of formats of single pictures end."""

_SINGLE = frozenset({"mjpeg", "png", "bmp", "gif", "webp", "rawvideo"})
"""Codecs of which every packet is a whole picture."""

_FORMATS = (
    "mpjpeg,mjpeg,rtsp,hls,mpegts,flv,h264,hevc,mov,matroska,webm,avi,ogg,mpeg,"
    "image2,jpeg_pipe,png_pipe,webp_pipe"
)
"""Of FFmpeg's formats, what cameras, phones and servers of clips send."""

_PROTOCOLS = "http,https,httpproxy,rtsp,rtsps,rtp,udp,tcp,tls,crypto"
"""What an address, a redirection or a playlist may lead to; none of these reads a file."""

_STREAMS = 16
"""Of one camera: ordinary ones have two, and each costs memory and time before it is known."""

_Packet: TypeAlias = "Packet[VideoStream]"

_log = logging.getLogger(__name__)


class NetworkCamera(Closing):
    """A stream that a thread of its own receives without pause, and another one decodes.

    So nothing waits in the network or in the system's buffers: what cannot be decoded in time is
    left out, up to the next whole picture. A file or a playlist, which comes faster than it is to
    be seen, is played by its own times; a file in a loop.

    Attributes:
        name: for the status line; holds no secret.
    """

    def __init__(
        self,
        address: Address,
        size: tuple[int, int] | None,
        *,
        open_within: float = _OPEN_WITHIN,
        silence: float | None = None,
    ) -> None:
        """Connect and wait for the first picture.

        Args:
            address: where the camera is.
            size: (width, height) that pictures must fit in; larger ones are shrunk.
            open_within: seconds for connecting, and again for the first picture.
            silence: seconds without a picture after which the camera counts as lost; None: what
                suits the kind of stream.

        Raises:
            UserError: it cannot be reached, refuses, or gives no video. The sentence holds no
                secret.
        """
        self._label = address.label
        self._size = size
        self._stop = threading.Event()
        self._closed = self._over = False
        self._why = ""
        self._newest: Mailbox[CameraFrame] = Mailbox()
        self._waiting: deque[tuple[_Packet, float]] = deque()
        self._changed = threading.Condition()
        begun = time.perf_counter()
        try:
            self._container = _open(address.url, open_within, silence or _SILENCE_PLAYLIST)
        except (av.FFmpegError, OSError, ValueError) as error:
            late = time.perf_counter() - begun >= 0.9 * open_within
            # Neither the error nor its text may get any further: they quote the address.
            raise UserError(explain(address, error, late)) from None
        try:
            self._stream = self._video(address)
        except UserError:
            self._container.close()
            raise
        kind = self._container.format.name
        self._live = kind in _LIVE
        self._silence = silence or (_SILENCE if self._live else _SILENCE_PLAYLIST)
        self._loops = not self._live and kind != "hls"
        self._whole = self._stream.codec_context.name in _SINGLE
        self._shape = self._stream.sample_aspect_ratio
        self._lies = Orientations()
        self._reformatter = VideoReformatter()
        self._count = 0
        works = (self._receive, self._decode) if self._live else (self._play,)
        self._working = len(works)
        self._threads = [
            threading.Thread(target=work, name=work.__name__, daemon=True) for work in works
        ]
        for thread in self._threads:
            thread.start()
        first = self._newest.take(max(open_within, self._silence))
        if first is None:
            self.close()
            raise CameraLost(
                f"{self._label} sends no picture{self._reason()}; check that the camera is on."
            )
        self._newest.offer(first)
        height, width = first.image.shape[:2]
        # Where pictures carry no times, FFmpeg makes a rate up.
        rate = None if kind in ("mpjpeg", "mjpeg") else self._stream.average_rate
        fps = f" {float(rate):.3g} fps" if rate and 1 <= rate <= 240 else ""
        self.name = f"{self._label} {width}x{height}{fps}"

    def read(self) -> CameraFrame:
        """The newest picture that was not given before; waits until there is one.

        Raises:
            CameraLost: none came for some seconds, the stream has ended, or the camera was closed.
        """
        frame = None if self._closed else self._newest.take(self._silence)
        if frame is None:
            raise CameraLost(f"{self._label} sends no more pictures{self._reason()}.")
        return frame

    def close(self) -> None:
        """Hang up; safe to call twice."""
        self._closed = True
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._newest.close()
        for thread in self._threads:
            # One may be waiting for the network; it ends by itself, and the connection with it.
            thread.join(timeout=1.0)

    def _reason(self) -> str:
        return f" ({self._why})" if self._why else ""

    def _video(self, address: Address) -> VideoStream:
        if self._container.format.name.endswith(_PHOTOS):
            raise UserError(
                f"{address.label} gives a single picture; give the address of its video (phone "
                "apps often have it at /video)."
            )
        for stream in self._container.streams.video:
            if stream.codec_context is not None:
                stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
                # More threads would decode several pictures at once, and so give each one later.
                stream.codec_context.thread_type = ThreadType.SLICE
                return stream
        raise UserError(f"{address.label} holds no video; give the address of its video.")

    def _receive(self) -> None:
        """Take the packets of a live stream from the network as they come."""
        with self._ending(shows=False):
            for packet in self._container.demux(self._stream):
                if self._stop.is_set():
                    return
                if packet.size:
                    with self._changed:
                        self._catch_up(packet)
                        self._waiting.append((packet, time.perf_counter()))
                        self._changed.notify_all()
            self._end("the stream has ended")

    def _catch_up(self, packet: _Packet) -> None:
        """Leave out what is old, if the next picture that is whole has come; with the lock."""
        waiting = self._waiting
        old = waiting and time.perf_counter() - waiting[0][1] > _BEHIND
        if self._whole or (packet.is_keyframe and old) or len(waiting) >= _MOST_WAITING:
            waiting.clear()

    def _decode(self) -> None:
        """Decode the packets of a live stream and keep the newest picture."""
        with self._ending():
            while not self._stop.is_set():
                with self._changed:
                    self._changed.wait_for(
                        lambda: self._waiting or self._over or self._stop.is_set()
                    )
                    if not self._waiting:
                        return
                    packet, at = self._waiting.popleft()
                for frame in self._decoded(packet):
                    self._show(frame, at)

    def _play(self) -> None:
        """Read a file or a playlist at its own pace; a file again and again.

        In one thread: FFmpeg does not seek while it decodes.
        """
        clock = _Clock()
        with self._ending():
            found = True
            while found:
                found = False
                for packet in self._container.demux(self._stream):
                    for frame in self._decoded(packet):
                        found = self._loops
                        at = clock.due(frame.time)
                        if self._stop.wait(max(at - time.perf_counter(), 0.0)):
                            return
                        self._show(frame, at)
                if found:
                    self._container.seek(0)
            self._end("the stream has ended")

    def _decoded(self, packet: _Packet) -> list[VideoFrame]:
        try:
            return [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]
        except (av.FFmpegError, ValueError):
            return []  # A damaged packet; the next ones may be whole.

    def _show(self, frame: VideoFrame, at: float) -> None:
        # Some streams say it in their head, and some in their pictures.
        shape = self._shape or self._stream.codec_context.sample_aspect_ratio or 1
        pixel = float(shape) if 0.1 < shape < 10 else 1.0
        image = picture(frame, pixel, self._lies(frame), self._size, self._reformatter)
        self._newest.put(CameraFrame(image, at, self._count))
        self._count += 1

    def _end(self, why: str) -> None:
        self._why = self._why or why

    @contextmanager
    def _ending(self, shows: bool = True) -> Iterator[None]:
        """Let the others know when a thread's work is over; the last thread hangs up.

        shows: it is the one that gives the pictures: no more will come.
        """
        try:
            yield
        except (av.ExitError, TimeoutError):
            self._end("the network is silent")
        except av.FFmpegError:
            self._end("the connection was lost")
        except Exception as error:
            # None of FFmpeg's, which alone quote the address.
            _log.debug("a picture of the camera failed", exc_info=error)
            self._end("its pictures cannot be used")
        finally:
            if shows:
                self._stop.set()
                self._newest.close()
            with self._changed:
                self._over = True
                self._changed.notify_all()
                self._working -= 1
                last = self._working == 0
            if last:
                self._container.close()


def _open(url: str, opening: float, reading: float) -> av.container.InputContainer:
    """Open what a camera sends, as soon as can be. It cannot lead to files.

    url: begins with one of `PORTS`. opening: seconds that this may take. reading: seconds that the
    next packet may take afterwards.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be read. The texts repeat the whole address,
            with its password.
    """
    return av.open(
        url,
        mode="r",
        container_options={
            "format_whitelist": _FORMATS,
            "protocol_whitelist": _PROTOCOLS,
            # No picture is decoded at the first look, which knows no limit for its size.
            "codec_whitelist": "none",
            "max_streams": str(_STREAMS),
            # By TCP, where nothing is lost, or else by UDP.
            "rtsp_flags": "prefer_tcp",
            "allowed_media_types": "video",
            # The newest piece of a live playlist, not the third from the end.
            "live_start_index": "-1",
            # Half a second of looking at what comes is enough; FFmpeg would take five.
            "analyzeduration": "500000",
            "fpsprobesize": "1",
        },
        timeout=(opening, reading),
    )


class _Clock:
    """When pictures of a file or a playlist are due, by their times."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._last = 0.0

    def due(self, seconds: float | None) -> float:
        """Seconds of `time.perf_counter()`; a jump in the times sets the clock anew."""
        now = time.perf_counter()
        at = self._last if seconds is None else seconds
        jumped = not -_JUMP < at - self._last < 10 * _JUMP
        if self._start is None or jumped or now - (self._start + at) > _JUMP:
            self._start = now - at
        self._last = at
        return self._start + at


def open_address(choice: str, size: tuple[int, int] | None) -> NetworkCamera:
    """Open the camera at an address.

    Args:
        choice: what `--camera` says.
        size: (width, height) that pictures must fit in; larger ones are shrunk. None: leave them.

    Raises:
        UserError: it cannot be read, reached or used; the sentence holds no secret.
    """
    return NetworkCamera(parse(choice), size)


def picture(
    frame: VideoFrame,
    shape: float,
    lies: Orientation,
    size: tuple[int, int] | None,
    reformatter: VideoReformatter,
) -> Image:
    """The picture of a frame: upright, its pixels square.

    Args:
        frame: what was decoded.
        shape: width of its pixels over their height.
        lies: how it is turned upright.
        size: (width, height) that it must fit in before it is turned upright; None: any.
        reformatter: kept for the frames of one stream.
    """
    width = frame.width * shape
    scale = 1.0 if size is None else min(size[0] / width, size[1] / frame.height, 1.0)
    target = max(round(width * scale), 1), max(round(frame.height * scale), 1)
    image = reformatter.reformat(frame, *target, "rgb24").to_ndarray()
    return np.ascontiguousarray(lies(np.asarray(image, np.uint8)))


def explain(address: Address, error: Exception, late: bool) -> str:
    """One sentence about a camera that cannot be opened, without its secrets.

    Args:
        address: where it should be.
        error: what FFmpeg raised; only its kind is used, since its text quotes the address.
        late: the time for an answer was over.
    """
    label = address.label
    if isinstance(error, av.HTTPUnauthorizedError):
        return (
            f"{label} wants a name and a password, or has refused those given; write them as "
            f"{address.scheme}://NAME:PASSWORD@{label.partition('://')[2]}/..."
        )
    if isinstance(error, av.HTTPForbiddenError):
        return f"{label} does not allow this (403); check the address and the camera's settings."
    if isinstance(error, av.HTTPNotFoundError):
        return f"{label} has nothing at this path (404); check what follows the host."
    if isinstance(error, av.HTTPError):
        return f"{label} answers with an error of its own; start the camera or its app again."
    if late or isinstance(error, (av.ExitError, TimeoutError)):
        return f"{label} does not answer; check the address and that the camera is on."
    return _look(address)


def _look(address: Address) -> str:
    """Why a camera cannot be opened where FFmpeg does not say: find out by connecting."""
    label = address.label
    try:
        socket.create_connection((address.host, address.port), timeout=3.0).close()
    except socket.gaierror:
        return f"There is no host of this name: {label}; check the address and the network."
    except ConnectionRefusedError:
        return (
            f"{label} refuses the connection; check the port, and that the camera or its app runs."
        )
    except TimeoutError:
        return f"{label} does not answer; check the address and that the camera is on."
    except (OSError, ValueError):
        return f"{label} cannot be reached; check the address and the network."
    return (
        f"{label} answers, but gives no video that can be read; give the address of its video, not "
        "of a page (phone apps often have it at /video), with pictures of at most "
        f"{MAX_PIXELS // 1_000_000} million pixels."
    )
