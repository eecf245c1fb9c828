"""Hostile checkpoints that still are archives, pickles and tensors, so that they get far."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Iterator

_NUMBERS = (0, 1, 2, 3, 4, 6, 7, 64, 1000, 65535, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -1, -7)
"""For sizes, strides and places: what fits, a bit more, the ends of 16, 32 and 64 bits, below 0."""

_TYPES = (
    *("Half", "Double", "Long", "Int", "Bool", "BFloat16"),
    *("ComplexFloat", "QInt8", "Byte", "Cursed", "cuda.Float"),
)
_BUILDERS = (
    *("torch._utils _rebuild_tensor", "torch._utils _rebuild_parameter"),
    *("torch._utils _rebuild_sparse_tensor", "torch._utils _rebuild_qtensor"),
    *("torch._utils _rebuild_meta_tensor_no_storage", "torch._utils _rebuild_nested_tensor"),
    *("torch Size", "torch Tensor", "torch FloatTensor", "torch.storage UntypedStorage"),
    *("builtins bytearray", "collections Counter", "os system", "builtins eval", "_codecs encode"),
)
_KEYS = (
    *("jacobian.weight", "jacobian.bias", "kp.weight", "kp.bias", "first.conv.weight"),
    *("first.norm.num_batches_tracked", "a\nb", "", "\u202e\x1b[31m", "x" * 300),
)
"""Names of parameters, good ones first; then such as would spoil a terminal or a line."""

_NAMES = ("generator", "kp_detector", "discriminator", "epoch", "optimizer_generator")
_SHAPES = (((2, 3), (3, 1)), ((6,), (1,)), ((), ()), ((1, 3, 2, 1), (6, 2, 1, 1)), ((0,), (1,)))
"""Sizes and strides that fit into a storage of six numbers."""

_LOCATIONS = ("cpu", "cuda:0", "meta", "mps", "xla:1", "no\nplace")
_MEMBERS = ("data/0", "data/1", "byteorder", "version", "data.pkl", ".format_version")


class _Choices:
    """Small numbers out of bytes; zero when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._left: Iterator[int] = iter(data)

    def below(self, limit: int) -> int:
        return next(self._left, 0) % limit

    def number(self) -> int:
        return _NUMBERS[self.below(len(_NUMBERS))]

    def seldom(self, share: int) -> bool:
        return self.below(share) == share - 1


def made(data: bytes) -> bytes:
    """A checkpoint as PyTorch packs it.

    Args:
        data: chooses the contents, byte by byte; what is missing counts as 0.
    """
    choose = _Choices(data)
    text = b"\x80\x02}("
    for name in _NAMES[: 2 + choose.below(4)]:
        text += _text(name) + b"}("
        for _ in range(1 + choose.below(3)):
            text += _text(_KEYS[choose.below(len(_KEYS))])
            text += _integer(choose.number()) if choose.seldom(12) else _tensor(choose)
        text += b"u"
    text += b"u."
    if choose.seldom(6):
        at = 2 + choose.below(256) * len(text) // 256
        text = text[:at] + bytes([choose.below(256)]) + text[at + choose.below(3) :]
    if choose.seldom(20):
        text = text[: choose.below(256) * len(text) // 256]
    members = {
        "data.pkl": text,
        "byteorder": b"big" if choose.seldom(10) else b"little",
        "data/0": bytes(range(24 if not choose.seldom(6) else choose.below(40))),
        "data/1": b"\x00\x00\xc0\x7f" * choose.below(9),
        "version": b"3\n",
    }
    return _packed(choose, members)


def _packed(choose: _Choices, members: dict[str, bytes]) -> bytes:
    kind = zipfile.ZIP_DEFLATED if choose.seldom(10) else zipfile.ZIP_STORED
    folder = "../archive" if choose.seldom(20) else "archive"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in members.items():
            if not choose.seldom(25):
                archive.writestr(f"{folder}/{name}", content)
        if choose.seldom(12):
            twice = _MEMBERS[choose.below(len(_MEMBERS))]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                archive.writestr(zipfile.ZipInfo(f"{folder}/{twice}"), bytes(choose.below(99)))
    made = bytearray(file.getvalue())
    if choose.seldom(8):  # Sizes and places in the index of the archive.
        at = made.rfind(b"PK\x01\x02") + (16, 20, 24, 28, 42)[choose.below(5)]
        made[at : at + 4] = (choose.number() % 2**32).to_bytes(4, "little")
    if choose.seldom(16):
        at = max(made.rfind(b"PK\x05\x06"), 0) + 8 + choose.below(14)
        made[at : at + 2] = (choose.number() % 65536).to_bytes(2, "little")
    if choose.seldom(20):
        del made[choose.below(256) * len(made) // 256 :]
    return bytes(made)


def _tensor(choose: _Choices) -> bytes:
    """A tensor that is mostly as it should be."""
    fault = choose.below(40)
    kind = _TYPES[choose.below(len(_TYPES))] if fault == 1 else "Float"
    module, name = f"torch.{kind}Storage".rsplit(".", 1)
    count = choose.number() if fault == 2 else 6
    key = ("1", "2", "../../x")[choose.below(3)] if fault == 3 else "0"
    location = _LOCATIONS[choose.below(len(_LOCATIONS))] if fault == 4 else "cpu"
    storage = b"(" + _text("storage") + f"c{module}\n{name}\n".encode() + _text(key)
    storage += _text(location) + _integer(count) + b"tQ"
    sizes, strides = map(list, _SHAPES[choose.below(len(_SHAPES))])
    for number, numbers in ((5, sizes), (6, strides), (7, sizes), (7, strides)):
        if fault == number:
            numbers[choose.below(len(numbers) or 1) :] = [choose.number()]
    start = choose.number() if fault == 8 else 0
    parts = storage + _integer(start) + _tuple(sizes) + _tuple(strides)
    builder = "torch._utils _rebuild_tensor_v2"
    if fault == 9:
        builder = _BUILDERS[choose.below(len(_BUILDERS))]
    module, name = builder.split()
    if name in ("Size", "Tensor", "FloatTensor", "UntypedStorage", "bytearray", "system", "eval"):
        parts = _text("echo") if name in ("system", "eval") else _integer(choose.number())
    elif name != "_rebuild_tensor":
        parts += b"\x89ccollections\nOrderedDict\n)R"
    return f"c{module}\n{name}\n".encode() + b"(" + parts + b"tR"


def _tuple(numbers: list[int]) -> bytes:
    return b"(" + b"".join(map(_integer, numbers)) + b"t"


def _integer(number: int) -> bytes:
    data = number.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _text(words: str) -> bytes:
    data = words.encode()
    return b"X" + struct.pack("<I", len(data)) + data
