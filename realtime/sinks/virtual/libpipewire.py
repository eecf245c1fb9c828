"""The little of libpipewire that a virtual camera needs, by ctypes.

PipeWire's own library is on every desktop that has PipeWire, and its interface has been stable
since 0.3.0. The other way in, GStreamer's pipewiresink, needs packages that many desktops lack, and
waits for a free buffer: for ever, if a reader keeps them all.

Numbers are those of PipeWire's headers, by whose names they are called here: pipewire/core.h and
stream.h, and of SPA, on which it stands, spa/utils/type.h, spa/param/ and spa/buffer/.
"""

from __future__ import annotations

import ctypes
import struct
from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_uint32,
    c_uint64,
    c_void_p,
)
from fractions import Fraction
from typing import Any

SONAME = "libpipewire-0.3.so.0"
"""The library's file."""

ANY = 0xFFFFFFFF
"""PW_ID_ANY: the session manager decides who reads."""

OUTPUT = 1
"""PW_DIRECTION_OUTPUT."""

MAP_BUFFERS, DRIVER = 1 << 2, 1 << 3
"""PW_STREAM_FLAG_MAP_BUFFERS, PW_STREAM_FLAG_DRIVER."""

ERROR, UNCONNECTED, CONNECTING, PAUSED, STREAMING = -1, 0, 1, 2, 3
"""enum pw_stream_state."""

PARAM_FORMAT = 4
"""SPA_PARAM_Format."""

META_HEADER = 1
"""SPA_META_Header."""

STATE_CHANGED = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_int, c_char_p)
"""Called with the user's data, the old state, the new one and an error's text or NULL."""

PARAM_CHANGED = ctypes.CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)
"""Called with the user's data, the parameter's number and its value or NULL."""


class Events(Structure):
    """What a stream calls: `struct pw_stream_events` up to the members that are used."""

    _fields_ = (
        ("version", c_uint32),
        ("destroy", c_void_p),
        ("state_changed", STATE_CHANGED),
        ("control_info", c_void_p),
        ("io_changed", c_void_p),
        ("param_changed", PARAM_CHANGED),
        ("add_buffer", c_void_p),
        ("remove_buffer", c_void_p),
        ("process", c_void_p),
        ("drained", c_void_p),
    )


class Chunk(Structure):
    """Which part of a buffer's memory holds the picture."""

    _fields_ = (("offset", c_uint32), ("size", c_uint32), ("stride", c_int32), ("flags", c_int32))


class Data(Structure):
    """One piece of memory of a buffer."""

    _fields_ = (
        ("type", c_uint32),
        ("flags", c_uint32),
        ("fd", c_int64),
        ("mapoffset", c_uint32),
        ("maxsize", c_uint32),
        ("data", c_void_p),
        ("chunk", POINTER(Chunk)),
    )


class Header(Structure):
    """When a picture was made, and its number."""

    _fields_ = (
        ("flags", c_uint32),
        ("offset", c_uint32),
        ("pts", c_int64),
        ("dts_offset", c_int64),
        ("seq", c_uint64),
    )


class Meta(Structure):
    """Something that comes with a buffer."""

    _fields_ = (("type", c_uint32), ("size", c_uint32), ("data", c_void_p))


class SpaBuffer(Structure):
    """The memory and the metadata of a buffer."""

    _fields_ = (
        ("n_metas", c_uint32),
        ("n_datas", c_uint32),
        ("metas", POINTER(Meta)),
        ("datas", POINTER(Data)),
    )


class Buffer(Structure):
    """What a stream hands out; the members after these are of no use here."""

    _fields_ = (("buffer", POINTER(SpaBuffer)), ("user_data", c_void_p), ("size", c_uint64))


def load() -> Any:
    """The library, with the types of the functions that are used.

    Raises:
        OSError: it is not installed, or does not have them all.
    """
    library = ctypes.CDLL(SONAME)
    pointer = c_void_p
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "pw_init": (None, [pointer, pointer]),
        "pw_properties_new": (pointer, [c_char_p]),
        "pw_properties_set": (c_int, [pointer, c_char_p, c_char_p]),
        "pw_thread_loop_new": (pointer, [c_char_p, pointer]),
        "pw_thread_loop_get_loop": (pointer, [pointer]),
        "pw_thread_loop_start": (c_int, [pointer]),
        "pw_thread_loop_stop": (None, [pointer]),
        "pw_thread_loop_lock": (None, [pointer]),
        "pw_thread_loop_unlock": (None, [pointer]),
        "pw_thread_loop_destroy": (None, [pointer]),
        "pw_stream_new_simple": (
            pointer,
            [pointer, c_char_p, pointer, POINTER(Events), pointer],
        ),
        "pw_stream_connect": (
            c_int,
            [pointer, c_int, c_uint32, c_int, POINTER(c_char_p), c_uint32],
        ),
        "pw_stream_update_params": (c_int, [pointer, POINTER(c_char_p), c_uint32]),
        "pw_stream_dequeue_buffer": (POINTER(Buffer), [pointer]),
        "pw_stream_queue_buffer": (c_int, [pointer, POINTER(Buffer)]),
        "pw_stream_trigger_process": (c_int, [pointer]),
        "pw_stream_get_node_id": (c_uint32, [pointer]),
        "pw_stream_destroy": (None, [pointer]),
    }
    for name, (result, arguments) in signatures.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise OSError(f"{SONAME} has no {name}") from error
        function.restype, function.argtypes = result, arguments
    return library


def parameters(*pods: bytes) -> Any:
    """A C array of parameters; keep it until the call that takes it has returned."""
    return (c_char_p * len(pods))(*pods)


def yuy2_format(size: tuple[int, int], fps: float) -> bytes:
    """The one format on offer: YUY2, limited range, by BT.601.

    Args:
        size: (width, height) of the pictures; both even.
        fps: what readers are told about the rate.
    """
    rate = Fraction(fps).limit_denominator(1001)
    return _object(
        0x40003,  # SPA_TYPE_OBJECT_Format
        3,  # SPA_PARAM_EnumFormat
        {
            1: _id(2),  # SPA_FORMAT_mediaType: video
            2: _id(1),  # SPA_FORMAT_mediaSubtype: raw
            0x20001: _id(4),  # SPA_FORMAT_VIDEO_format: YUY2
            0x20003: _pair(10, *size),  # SPA_FORMAT_VIDEO_size
            0x20004: _pair(11, rate.numerator, rate.denominator),  # SPA_FORMAT_VIDEO_framerate
            0x20008: _pair(11, 1, 1),  # SPA_FORMAT_VIDEO_pixelAspectRatio: square
            0x2000C: _id(2),  # SPA_FORMAT_VIDEO_colorRange: 16 to 235
            0x2000D: _id(4),  # SPA_FORMAT_VIDEO_colorMatrix: BT.601
        },
    )


def buffers(size: tuple[int, int]) -> bytes:
    """The buffers that the pictures travel in: memory that we can write to.

    Args:
        size: (width, height) of the pictures.
    """
    stride = size[0] * 2
    return _object(
        0x40004,  # SPA_TYPE_OBJECT_ParamBuffers
        5,  # SPA_PARAM_Buffers
        {
            1: _choice(1, 4, 2, 16),  # SPA_PARAM_BUFFERS_buffers: 4, at least 2, at most 16
            2: _int(1),  # SPA_PARAM_BUFFERS_blocks
            3: _int(stride * size[1]),  # SPA_PARAM_BUFFERS_size
            4: _int(stride),  # SPA_PARAM_BUFFERS_stride
            6: _choice(4, 1 << 1 | 1 << 2),  # SPA_PARAM_BUFFERS_dataType: MemPtr or MemFd
        },
    )


def header() -> bytes:
    """That every buffer comes with a `Header`."""
    # SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta; SPA_PARAM_META_type, SPA_PARAM_META_size.
    return _object(0x40005, 6, {1: _id(META_HEADER), 2: _int(ctypes.sizeof(Header))})


def _pod(kind: int, body: bytes) -> bytes:
    """One value: its length, its type (spa/utils/type.h), itself, up to a multiple of 8 bytes."""
    return struct.pack("=II", len(body), kind) + body + bytes(-len(body) % 8)


def _id(value: int) -> bytes:
    """A number of an enum (3)."""
    return _pod(3, struct.pack("=I", value))


def _int(value: int) -> bytes:
    """A whole number (4)."""
    return _pod(4, struct.pack("=i", value))


def _pair(kind: int, one: int, other: int) -> bytes:
    """A rectangle (10) or a fraction (11)."""
    return _pod(kind, struct.pack("=II", one, other))


def _choice(kind: int, *values: int) -> bytes:
    """A choice (19) among whole numbers: a range (1: default, least, most) or flags (4)."""
    head = struct.pack("=IIII", kind, 0, 4, 4)
    return _pod(19, head + struct.pack(f"={len(values)}i", *values))


def _object(kind: int, identifier: int, properties: dict[int, bytes]) -> bytes:
    """An object (15) of a kind, for a parameter, with values by the numbers of their keys."""
    body = struct.pack("=II", kind, identifier)
    for key, value in properties.items():
        body += struct.pack("=II", key, 0) + value
    return _pod(15, body)
