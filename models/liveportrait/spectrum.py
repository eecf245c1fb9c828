"""Large convolutions of volumes by their spectra, written as products of matrices.

A convolution of 7 x 7 x 7 has 343 products for each value. The slices' pictures are cut into
tiles of 22 x 22 pixels that overlap; a tile's spectrum times that of the kernel gives 16 x 16 new
pixels, a tenth of the products altogether. Depth is left as it is: all seven taps are computed of
each slice, shifted and added.
"""

from __future__ import annotations

import numpy as np

from models.liveportrait.volume import DEPTH, SMALL
from models.onnx_graph import Graph
from models.types import Floats

_STEP = 16
"""New pixels on a side of a tile."""

_TAPS = 7
"""Of the kernel, on each side."""

_SIDE = _STEP + _TAPS - 1
"""Old pixels on a side of a tile."""

_TILES = SMALL // _STEP
"""On a side of a picture."""

_HALF = _SIDE // 2 + 1
"""Frequencies down; the others are those of real numbers, mirrored."""

_PAIRS = _HALF * _SIDE
"""Frequencies of a tile, each a real and an imaginary part."""


def spectral_conv(graph: Graph, volume: str, kernel: Floats, bias: Floats) -> str:
    """A convolution of 7 x 7 x 7 with a padding of 3.

    Args:
        graph: grows by it.
        volume: (16, I, 64, 64), float32.
        kernel: (O, I, 7, 7, 7).
        bias: (O,).

    Returns:
        (16, O, 64, 64).
    """
    outside, inside = kernel.shape[:2]
    rows = _TILES * _TILES * DEPTH
    value = graph.reshape(_spectra(graph, volume, inside), _PAIRS, rows, 2 * inside)
    value = graph.op("MatMul", value, _kernel_spectra(graph, kernel))
    value = graph.reshape(value, _PAIRS, _TILES**2, DEPTH, _TAPS * 2 * outside)
    shifted = []
    for tap, part in enumerate(graph.ops("Split", [value], _TAPS, axis=3)):
        shift = _TAPS // 2 - tap
        if shift:
            pads = graph.constant([0, 0, shift, 0, 0, 0, -shift, 0], np.int64)
            part = graph.op("Pad", part, pads)
        shifted.append(part)
    value = graph.reshape(graph.op("Sum", *shifted), _PAIRS, rows, 2, outside)
    value = graph.op("Transpose", value, perm=[0, 2, 1, 3])
    value = graph.reshape(value, 2 * _PAIRS, rows * outside)
    value = graph.op("MatMul", graph.constant(_back()), value)
    value = graph.reshape(value, _STEP, _STEP, _TILES, _TILES, DEPTH, outside)
    value = graph.op("Transpose", value, perm=[4, 5, 2, 0, 3, 1])
    value = graph.reshape(value, DEPTH, outside, SMALL, SMALL)
    return graph.op("Add", value, graph.constant(bias.reshape(1, -1, 1, 1)))


def _spectra(graph: Graph, volume: str, inside: int) -> str:
    """Of every tile: (down, across, tiles down, tiles across, 16, parts, I)."""
    value = graph.op("Transpose", volume, perm=[2, 3, 0, 1])
    value = graph.reshape(value, SMALL, SMALL * DEPTH * inside)
    down, across = _tile_waves()
    value = graph.op("MatMul", graph.constant(down), value)
    value = graph.reshape(value, _TILES * _HALF, 2 * SMALL, DEPTH * inside)
    value = graph.op("MatMul", graph.constant(across), value)
    value = graph.reshape(value, _TILES, _HALF, _TILES, _SIDE, 2, DEPTH, inside)
    return graph.op("Transpose", value, perm=[1, 3, 0, 2, 5, 4, 6])


def _tile_waves() -> tuple[Floats, Floats]:
    """Matrices from the pixels of a line to the spectra of its tiles, zeros beyond its ends.

    Returns:
        (tiles * 12 * 2, 64) for columns of real pixels, and (tiles * 22 * 2, 2 * 64) for lines of
        complex ones.
    """
    waves = np.exp(-2j * np.pi * np.outer(np.arange(_SIDE), np.arange(_SIDE)) / _SIDE)
    placed = np.zeros((_TILES, _SIDE, SMALL), complex)
    for tile in range(_TILES):
        for pixel in range(_SIDE):
            place = tile * _STEP + pixel - _TAPS // 2
            if 0 <= place < SMALL:
                placed[tile, :, place] = waves[:, pixel]
    down = np.stack([placed[:, :_HALF].real, placed[:, :_HALF].imag], 2)
    real = np.stack([placed.real, -placed.imag], 2)
    imaginary = np.stack([placed.imag, placed.real], 2)
    across = np.stack([real, imaginary], 2)
    return down.reshape(-1, SMALL), across.reshape(-1, 2 * SMALL)


def _kernel_spectra(graph: Graph, kernel: Floats) -> str:
    """(frequencies, 2 I, 7 * 2 O): what turns tiles' spectra into new ones, for each tap in depth.

    The graph holds the kernel itself; the rest is computed when it is loaded.
    """
    outside, inside = kernel.shape[:2]
    flat = kernel.transpose(3, 4, 1, 2, 0).reshape(_TAPS * _TAPS, inside * _TAPS * outside)
    places = np.arange(_TAPS)
    down = np.exp(-2j * np.pi * np.outer(np.arange(_HALF), places) / _SIDE)
    across = np.exp(-2j * np.pi * np.outer(np.arange(_SIDE), places) / _SIDE)
    waves = np.einsum("uy,vx->uvyx", down, across).reshape(_PAIRS, -1)
    constant = graph.constant(flat)
    shape = (_PAIRS, 1, inside, _TAPS, 1, outside)
    real, imaginary, negative = (
        graph.reshape(graph.op("MatMul", graph.constant(part), constant), *shape)
        for part in (waves.real, waves.imag, -waves.imag)
    )
    # A convolution as networks mean it multiplies by the conjugate.
    of_real = graph.op("Concat", real, negative, axis=4)
    of_imaginary = graph.op("Concat", imaginary, real, axis=4)
    both = graph.op("Concat", of_real, of_imaginary, axis=1)
    return graph.reshape(both, _PAIRS, 2 * inside, _TAPS * 2 * outside)


def _back() -> Floats:
    """(16 * 16, frequencies * 2): from a tile's spectrum to its new pixels."""
    pixels = np.arange(_STEP)
    down = np.exp(2j * np.pi * np.outer(pixels, np.arange(_HALF)) / _SIDE) / _SIDE
    down[:, 1 : _SIDE - _HALF + 1] *= 2  # With the mirrored ones.
    across = np.exp(2j * np.pi * np.outer(pixels, np.arange(_SIDE)) / _SIDE) / _SIDE
    waves = np.einsum("yu,xv->yxuv", down, across)
    return np.stack([waves.real, -waves.imag], -1).reshape(_STEP * _STEP, 2 * _PAIRS)
