"""Reading the clips of a training set: folders of pictures, videos, GIFs and wide strips."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.Image

from models.errors import UserError
from models.types import Image

PICTURES = frozenset((".png", ".jpg", ".jpeg"))
"""Endings of single frames and of strips, as the official code knows them."""

VIDEOS = frozenset((".mp4", ".mov", ".gif", ".mkv", ".webm", ".avi"))
"""Endings of clips: the official code's, and others that FFmpeg reads as well."""

SIXTEEN_BITS = 257
"""Levels of sixteen bits for one of eight: 65535 / 255."""


def is_clip(path: Path) -> bool:
    """Whether an entry of a data folder may be a clip: by its kind and its name's ending."""
    if path.name.startswith("."):
        return False
    return path.is_dir() or path.suffix.lower() in PICTURES | VIDEOS


def read_clip(path: Path, shape: tuple[int, int]) -> Image:
    """All frames of a clip.

    Args:
        path: a folder of pictures (in the order of the numbers in their names), a video, a GIF, or
            one wide picture that holds all frames side by side.
        shape: height and width of a frame; used for cutting wide pictures alone.

    Returns:
        (T, H, W, 3), RGB, 0..255.

    Raises:
        UserError: it cannot be read, or its frames differ in size.
    """
    if path.is_dir():
        return _stacked(path, [read_picture(one) for one in frame_files(path)])
    if path.suffix.lower() in PICTURES:
        return cut_strip(path, read_picture(path), shape)
    return _stacked(path, list(video_frames(path)))


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder of frames: 2.png before 10.png.

    Raises:
        UserError: there is none, or the folder cannot be listed.
    """
    try:
        found = [
            one
            for one in folder.iterdir()
            if one.suffix.lower() in PICTURES and not one.name.startswith(".")
        ]
    except OSError as error:
        raise _unreadable(folder, error) from error
    if not found:
        raise UserError(
            f"The folder {folder} holds no frames; put PNG or JPEG pictures into it, or remove it."
        )
    return sorted(found, key=natural)


def natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """A key by which names are sorted as people number them."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts], path.name


def read_picture(path: Path) -> Image:
    """A picture as (H, W, 3) RGB; transparency is ignored, grey is repeated.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with PIL.Image.open(path, formats=("PNG", "JPEG")) as picture:
            if picture.mode.startswith("I;16") or picture.mode == "I":
                grey = np.asarray(picture).astype(np.uint32) // SIXTEEN_BITS
                return np.repeat(grey.astype(np.uint8)[:, :, None], 3, 2)
            return np.array(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def cut_strip(path: Path, strip: Image, shape: tuple[int, int]) -> Image:
    """The frames of one wide picture.

    Args:
        path: what to call it in messages.
        strip: (H, T x W, 3).
        shape: H and W.

    Raises:
        UserError: it is no such picture.
    """
    height, width = shape
    if strip.shape[0] != height or strip.shape[1] % width or not strip.shape[1]:
        raise UserError(
            f"{path} is {strip.shape[1]} x {strip.shape[0]} pixels, which is no row of frames of "
            f"{width} x {height}; give the clips' size as frame_shape in the configuration."
        )
    frames = strip.reshape(height, -1, width, 3).swapaxes(0, 1)
    return np.ascontiguousarray(frames)


def video_frames(path: Path) -> Iterator[Image]:
    """The frames of a video or GIF, upright, in the order in which they are shown.

    What comes after a damaged place is given as far as it can be decoded.

    Raises:
        UserError: it cannot be read, or has no picture.
    """
    seen = 0
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            if not container.streams.video:
                raise UserError(f"{path} holds no video; remove it from the data.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for packet in container.demux(stream):
                for frame in _decoded(packet):
                    seen += 1
                    yield _upright(frame)
    except (av.FFmpegError, OSError, ValueError) as error:
        if not seen:
            raise _unreadable(path, error) from error
    if not seen:
        raise UserError(f"{path} has no frame that can be decoded; convert it anew or remove it.")


def frame_rate(path: Path) -> Fraction:
    """Frames per second that a video tells; 25 where it tells nothing, or is a folder."""
    usual = Fraction(25)
    if path.is_dir() or path.suffix.lower() in PICTURES:
        return usual
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            rate = container.streams.video[0].average_rate if container.streams.video else None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return Fraction(rate) if rate else usual


def _decoded(packet: Any) -> Sequence[Any]:
    try:
        frames: Sequence[Any] = packet.decode()
    except (av.FFmpegError, ValueError):
        return ()
    return frames


def _upright(frame: Any) -> Image:
    """The pixels, turned as the file's display matrix asks."""
    pixels: Image = frame.to_ndarray(format="rgb24")
    turns = round((getattr(frame, "rotation", 0) or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _stacked(path: Path, frames: list[Image]) -> Image:
    if len({one.shape for one in frames}) > 1:
        raise UserError(f"The frames of {path} differ in size; make all as large as the first one.")
    return np.stack(frames)


def _unreadable(path: Path, error: BaseException) -> UserError:
    reason = getattr(error, "strerror", None) or type(error).__name__
    return UserError(f"{path} cannot be read ({reason}); repair it or remove it from the data.")
