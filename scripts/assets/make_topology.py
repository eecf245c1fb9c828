"""Writes models/face/topology.npz: the triangles and neutral shape of the face mesh.

    python -m scripts.assets.make_topology FACE_LANDMARKER.TASK

The bundle holds MediaPipe's canonical face mesh (Apache-2.0) as a protocol buffer: field 1 of the
metadata is the mesh, whose repeated field 3 is the vertex buffer (x, y, z, u, v as float32, in
centimetres) and repeated field 4 the index buffer.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from collections.abc import Iterator

import numpy as np

from scripts.paths import ROOT

OUTPUT = ROOT / "models" / "face" / "topology.npz"


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of one protocol buffer message (its wire format, types 0, 1, 2 and 5).

    Yields:
        Each field's number, and its value: an int for a varint, else the bytes.

    Raises:
        IndexError, KeyError: it is not a message.
    """

    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = data[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at

    at = 0
    while at < len(data):
        tag, at = varint(at)
        if tag & 7 == 0:
            value, at = varint(at)
            yield tag >> 3, value
            continue
        size, at = varint(at) if tag & 7 == 2 else ({5: 4, 1: 8}[tag & 7], at)
        yield tag >> 3, data[at : at + size]
        at += size


def main() -> None:
    """Read the bundle named on the command line and write the topology."""
    with zipfile.ZipFile(sys.argv[1]) as bundle:
        metadata = bundle.read("geometry_pipeline_metadata_landmarks.binarypb")
    mesh = next(v for n, v in fields(metadata) if n == 1 and isinstance(v, bytes))
    floats = [struct.unpack("<f", v)[0] for n, v in fields(mesh) if n == 3 and isinstance(v, bytes)]
    indices = [v for n, v in fields(mesh) if n == 4 and isinstance(v, int)]
    vertices = np.array(floats, np.float32).reshape(468, 5)
    triangles = np.array(indices, np.uint16).reshape(-1, 3)
    np.savez_compressed(OUTPUT, triangles=triangles, neutral=vertices[:, :3])
    print(f"{OUTPUT}: {len(triangles)} triangles")


if __name__ == "__main__":
    main()
