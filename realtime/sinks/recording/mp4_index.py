"""Ends an MP4 that was written in fragments: a torn one is cut off, an index makes it ordinary.

FFmpeg could write the index too, but would keep 72 bytes of memory for every frame until then. The
fragments in the file say the same, so here they are read again at the end.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

_Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

_CONTAINERS = (b"trak", b"mdia", b"minf", b"edts")
_NOT_A_KEYFRAME = 0x10000
_MAX_32 = 0xFFFFFFFF


@dataclass(frozen=True)
class _Box:
    """A whole box of a file: its kind, where it begins, and its size, in bytes."""

    kind: bytes
    at: int
    size: int


def drop_torn_end(path: Path) -> None:
    """Cut off a fragment at the end of an MP4 file that was not written to its end.

    Raises:
        OSError: the file cannot be read or changed.
    """
    with path.open("r+b", buffering=0) as file:
        whole = 0
        for box in _boxes(file):
            if box.kind != b"moof":  # It belongs to what follows it.
                whole = box.at + box.size
        # Without one whole fragment there is nothing to keep that plays better alone.
        if 0 < whole < file.seek(0, os.SEEK_END):
            file.truncate(whole)


def add_index(path: Path) -> None:
    """Make an ordinary MP4, in which players seek at once, of one that consists of whole fragments.

    The media stays where it is: an index is written behind it, and then all before the index is
    declared to be media data. Whenever that is interrupted, the file plays. One that is ordinary
    already, or has no fragment, stays as it is.

    Raises:
        OSError: there is no room for the index, or the file cannot be changed; it is as before.
        ValueError: its fragments are not as this program writes them; it is as before.
    """
    # Without a buffer, which would be written once more after a fault.
    with path.open("r+b", buffering=0) as file:
        boxes = list(_boxes(file))
        head = next((box for box in boxes if box.kind == b"moov"), None)
        fragments = [box for box in boxes if box.kind == b"moof"]
        if head is None or not fragments:
            return
        end = boxes[-1].at + boxes[-1].size
        try:
            made = _index(file, head, fragments)
        except (KeyError, IndexError, struct.error) as error:
            raise ValueError(f"{path.name} has fragments of another kind") from error
        try:
            file.seek(end)
            left = memoryview(made)
            while left:
                left = left[file.write(left) :]
            # The old head must not be gone from the disk before the index is on it.
            os.fsync(file.fileno())
            file.seek(head.at)
            file.write(struct.pack(">I4sQ", 1, b"mdat", end - head.at))
        except OSError:
            file.truncate(end)
            raise


@dataclass
class _Track:
    """What the fragments say about the samples of one track.

    duration, size, flags: where a fragment does not say. Then one array for each run of samples:
    decoding times (ticks), sizes (bytes), presentation delays (ticks), whether they are keyframes.
    chunks: where in the file each run begins. last: the duration of the last sample.
    """

    duration: int
    size: int
    flags: int
    times: list[_Numbers] = field(default_factory=list)
    sizes: list[_Numbers] = field(default_factory=list)
    delays: list[_Numbers] = field(default_factory=list)
    keys: list[_Numbers] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)
    last: int = 0

    @property
    def length(self) -> int:
        """From the decoding of the first sample to the end of the last, in ticks."""
        return int(self.times[-1][-1] - self.times[0][0]) + self.last if self.times else 0

    @property
    def shown(self) -> int:
        """The same for their presentation."""
        at = [time + delay for time, delay in zip(self.times, self.delays, strict=True)]
        return int(max(map(np.max, at)) - min(map(np.min, at))) + self.last if at else 0


def _boxes(file: io.FileIO) -> Iterator[_Box]:
    """The boxes of a file up to the first that is not whole."""
    length = file.seek(0, os.SEEK_END)
    at = 0
    while at + 8 <= length:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size < 8 or at + size > length:
            return
        yield _Box(kind, at, size)
        at += size


def _parts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box in the content of another one."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            raise ValueError("a box has an impossible size")
        yield kind, data[at + 8 : at + size]
        at += size


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _content(file: io.FileIO, box: _Box) -> bytes:
    file.seek(box.at + 8)
    return file.read(box.size - 8)


def _index(file: io.FileIO, head: _Box, fragments: list[_Box]) -> bytes:
    """The new `moov` for the present one and the fragments after it."""
    moov = list(_parts(_content(file, head)))
    tracks: dict[int, _Track] = {}
    for kind, content in _parts(dict(moov)[b"mvex"]):
        if kind == b"trex":
            number, _, *usual = struct.unpack_from(">5I", content, 4)
            tracks[number] = _Track(*usual)
    for box in fragments:
        for kind, content in _parts(_content(file, box)):
            if kind == b"traf":
                _read_fragment(content, box.at, tracks)
    movie = dict(moov)[b"mvhd"]
    (per_second,) = struct.unpack_from(">I", movie, 12)
    parts, longest = [], 0
    for kind, content in moov:
        if kind == b"trak":
            made, length = _track(content, tracks, per_second)
            parts.append(made)
            longest = max(longest, length)
        elif kind not in (b"mvhd", b"mvex"):
            parts.append(_box(kind, content))
    movie = movie[:16] + struct.pack(">I", longest) + movie[20:]
    return _box(b"moov", _box(b"mvhd", movie) + b"".join(parts))


def _read_fragment(data: bytes, base: int, tracks: dict[int, _Track]) -> None:
    """Note the samples of one `traf`; its positions count from `base`."""
    parts = list(_parts(data))
    header, (start,) = dict(parts)[b"tfhd"], struct.unpack(">Q", dict(parts)[b"tfdt"][4:12])
    flags, number = struct.unpack_from(">II", header)
    track = tracks[number]
    if flags & 1 or not flags & 0x20000:
        raise ValueError("positions count from somewhere else")
    at = 12 if flags & 2 else 8
    usual = [track.duration, track.size, track.flags]
    for index, bit in enumerate((0x8, 0x10, 0x20)):
        if flags & bit:
            (usual[index],) = struct.unpack_from(">I", header, at)
            at += 4
    for kind, content in parts:
        if kind == b"trun":
            start = _read_run(content, base, start, usual, track)


def _read_run(data: bytes, base: int, start: int, usual: list[int], track: _Track) -> int:
    """Note the samples of one `trun`, the first at the time `start`; returns the end of the last.

    usual: duration, size and flags of samples that say none.
    """
    flags, count, position = struct.unpack_from(">IIi", data)
    if not flags & 1:
        raise ValueError("a run does not say where it begins")
    at = 12
    first = None
    if flags & 4:
        (first,) = struct.unpack_from(">I", data, at)
        at += 4
    bits = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    table = np.frombuffer(data, ">u4", count * len(bits), at).reshape(count, len(bits))

    def column(bit: int, otherwise: int) -> _Numbers:
        if bit in bits:
            return table[:, bits.index(bit)].astype(np.int64)
        return np.full(count, otherwise, np.int64)

    durations, marks = column(0x100, usual[0]), column(0x400, usual[2])
    if first is not None:
        marks[0] = first
    ends = start + np.cumsum(durations)
    track.times.append(ends - durations)
    track.sizes.append(column(0x200, usual[1]))
    # Written as signed numbers of 32 bits where some are negative.
    track.delays.append(column(0x800, 0).astype(np.int32).astype(np.int64))
    track.keys.append(marks & _NOT_A_KEYFRAME)
    track.chunks.append(base + position)
    track.last = int(durations[-1])
    return int(ends[-1])


def _track(data: bytes, tracks: dict[int, _Track], per_second: int) -> tuple[bytes, int]:
    """A new `trak` for the present one, and its length; `per_second`: the movie's ticks."""
    parts = dict(_parts(data))
    (number,) = struct.unpack_from(">I", parts[b"tkhd"], 12)
    (rate,) = struct.unpack_from(">I", dict(_parts(parts[b"mdia"]))[b"mdhd"], 12)
    track = tracks[number]
    # An edit list says how much of the media is shown, and how long nothing is before that.
    # Rounded up: the last frame must not be cut off.
    edits, length = b"", -(-track.shown * per_second // rate)
    if b"edts" in parts:
        edits, length = _edits(dict(_parts(parts[b"edts"]))[b"elst"], length)
    change: dict[bytes, Callable[[bytes], bytes]] = {
        b"tkhd": lambda old: old[:20] + struct.pack(">I", length) + old[24:],
        b"mdhd": lambda old: _media_header(old, track.length),
        b"elst": lambda old: edits,
        b"stbl": lambda old: _box(b"stsd", dict(_parts(old))[b"stsd"]) + _tables(track),
    }

    def rebuilt(kind: bytes, content: bytes) -> bytes:
        if kind in _CONTAINERS:
            return _box(kind, b"".join(rebuilt(*part) for part in _parts(content)))
        return _box(kind, change[kind](content) if kind in change else content)

    return rebuilt(b"trak", data), length


def _edits(old: bytes, length: int) -> tuple[bytes, int]:
    """The list with the open end of its last entry closed, and how long all take."""
    (count,) = struct.unpack_from(">I", old, 4)
    entries = [list(struct.unpack_from(">IiI", old, 8 + 12 * i)) for i in range(count)]
    entries[-1][0] = length
    made = b"".join(struct.pack(">IiI", *entry) for entry in entries)
    return old[:8] + made, sum(int(entry[0]) for entry in entries)


def _media_header(old: bytes, length: int) -> bytes:
    """The `mdhd` with this length, in the layout for long ones if it needs that."""
    if length <= _MAX_32:
        return old[:16] + struct.pack(">I", length) + old[20:]
    made, changed, rate = struct.unpack_from(">III", old, 4)
    return struct.pack(">IQQIQ", 1 << 24, made, changed, rate, length) + old[20:]


def _tables(track: _Track) -> bytes:
    """The boxes of an index: times, delays, keyframes, chunks, sizes, positions."""
    if not track.times:
        empty = _table(b"stts", []) + _table(b"stsc", [])
        return empty + _box(b"stsz", struct.pack(">III", 0, 0, 0)) + _table(b"co64", [])
    times, sizes, delays, keys = (
        np.concatenate(parts) for parts in (track.times, track.sizes, track.delays, track.keys)
    )
    # What lies between two fragments (a pause of the sound) belongs to the sample before.
    durations = np.diff(times, append=times[-1] + track.last)
    made = _table(b"stts", _runs(durations))
    if delays.any():
        made += _table(b"ctts", _runs(delays), version=int(delays.min() < 0))
    if keys.any():
        made += _table(b"stss", [(int(at) + 1,) for at in np.flatnonzero(keys == 0)])
    chunks, first = [], 1
    for count, in_each in _runs(np.array([len(part) for part in track.sizes])):
        chunks.append((first, in_each, 1))
        first += count
    made += _table(b"stsc", chunks)
    made += _box(b"stsz", struct.pack(">III", 0, 0, len(sizes)) + sizes.astype(">u4").tobytes())
    places = np.array(track.chunks, ">u8").tobytes()
    return made + _box(b"co64", struct.pack(">II", 0, len(track.chunks)) + places)


def _runs(values: _Numbers) -> list[tuple[int, int]]:
    """How often each value comes, and the value, for each run of equal ones."""
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    counts = np.diff(starts, append=len(values))
    return [(int(count), int(values[at])) for count, at in zip(counts, starts, strict=True)]


def _table(kind: bytes, rows: Sequence[tuple[int, ...]], *, version: int = 0) -> bytes:
    """A box of rows of numbers of 32 bits."""
    numbers = np.array(rows, np.int64).astype(">u4").tobytes()
    return _box(kind, struct.pack(">II", version << 24, len(rows)) + numbers)
