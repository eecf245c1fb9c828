"""Motion files: ours, and those of others, which are pickles and may be hostile."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.animator import RecordedMotion
from models.errors import UserError
from models.liveportrait import motion, templates
from models.liveportrait.motion import State
from models.liveportrait.ratios import Ratios
from models.liveportrait.smoothing import Observed
from models.liveportrait.templates import RESTING, load_motion, save_motion

FRAMES = 4


def _moved(i: int) -> Observed:
    numbers = np.random.default_rng(i)
    state = State(
        motion.rotation(3.0 * i, -5.0 * i, 2.0),
        numbers.normal(0, 0.01, (21, 3)).astype(np.float32),
        1.4 + 0.01 * i,
        numbers.normal(0, 0.1, 3).astype(np.float32),
    )
    return Observed(state, Ratios(0.3, 0.31, 0.01 * i))


def _template(old: bool = False, ratios: bool = True) -> dict[str, Any]:
    frames = []
    for i in range(FRAMES):
        state = _moved(i).state
        frame: dict[str, Any] = {
            "scale": np.array([[state.scale]], np.float32),
            "R_d" if old else "R": state.turn[None],
            "exp": state.exp[None],
            "t": state.t[None],
        }
        if not old:
            frame["kp"] = frame["x_s"] = np.zeros((1, 21, 3), np.float32)
        frames.append(frame)
    out = {"n_frames": FRAMES, "output_fps": 30, "motion": frames}
    if ratios:
        eyes = [np.array([[0.3, 0.31]], np.float32)] * FRAMES
        lips = [np.array([[0.01 * i]], np.float32) for i in range(FRAMES)]
        out["c_d_eyes_lst" if old else "c_eyes_lst"] = eyes
        out["c_d_lip_lst" if old else "c_lip_lst"] = lips
    return out


def _same(one: Observed | None, other: Observed | None) -> bool:
    if one is None or other is None:
        return one is other
    parts = (
        (a, b) for a, b in zip(vars(one.state).values(), vars(other.state).values(), strict=True)
    )
    openings = (tuple(vars(each.ratios).values()) for each in (one, other))
    return all(np.allclose(a, b, atol=1e-6) for a, b in (*parts, tuple(openings)))


def test_our_own_motion_comes_back_as_it_was(tmp_path: Path) -> None:
    frames = [_moved(0), None, _moved(2), _moved(3)]
    save_motion(tmp_path / "a.npz", RecordedMotion(29.97, frames, [0, 0, 0, 3]))
    found = load_motion(tmp_path / "a.npz")
    assert found.fps == pytest.approx(29.97)
    assert all(map(_same, found.observations, frames)) and len(found.observations) == 4
    assert found.references == [0, 0, 0, 3]
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert not any(b"pickle" in archive.read(name) for name in archive.namelist())


def test_a_motion_without_a_face_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No face"):
        save_motion(tmp_path / "a.npz", RecordedMotion(25, [None, None], [0, 0]))
    assert not (tmp_path / "a.npz").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("old", [False, True])
def test_templates_of_others_are_read(tmp_path: Path, old: bool, protocol: int) -> None:
    path = tmp_path / "d0.pkl"
    path.write_bytes(pickle.dumps(_template(old), protocol))
    found = load_motion(path)
    assert found.fps == 30 and len(found.observations) == FRAMES
    assert all(_same(frame, _moved(i)) for i, frame in enumerate(found.observations))
    assert list(found.references) == [0] * FRAMES


def test_a_template_that_older_numpy_wrote_is_read(tmp_path: Path) -> None:
    # Names are lines in this protocol, without a length before them.
    data = pickle.dumps(_template(), 3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core.multiarray" in data
    (tmp_path / "a.pkl").write_bytes(data)
    assert len(load_motion(tmp_path / "a.pkl").observations) == FRAMES


def test_a_template_without_ratios_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(_template(ratios=False)))
    found = load_motion(tmp_path / "a.pkl")
    assert all(frame is not None and frame.ratios is RESTING for frame in found.observations)


def test_numbers_of_numpy_and_arrays_in_lists_are_read(tmp_path: Path) -> None:
    told = _template()
    told["output_fps"] = np.float64(24.0)
    told["motion"][0]["exp"] = told["motion"][0]["exp"][0].tolist()
    told["motion"][1]["scale"] = np.float32(1.41)
    told["motion"][2]["exp"] = np.asfortranarray(told["motion"][2]["exp"][0])
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(told))
    found = load_motion(tmp_path / "a.pkl")
    assert found.fps == 24
    assert all(_same(frame, _moved(i)) for i, frame in enumerate(found.observations))


class _Runs:
    """Runs a command when it is unpickled as usual."""

    def __init__(self, target: Path) -> None:
        """Make a file."""
        self.target = target

    def __reduce__(self) -> Any:
        """What the unpickler calls."""
        return os.system, (f"echo > {self.target}",)


def test_a_template_with_a_program_in_it_is_refused_and_not_run(tmp_path: Path) -> None:
    told = _template()
    told["motion"][0]["kp"] = _Runs(tmp_path / "done")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(told))
    with pytest.raises(UserError, match="a program could be hidden"):
        load_motion(tmp_path / "a.pkl")
    assert not (tmp_path / "done").exists()
    pickle.loads((tmp_path / "a.pkl").read_bytes())
    assert (tmp_path / "done").exists()  # It would have run.


@pytest.mark.parametrize(
    "value",
    [
        subprocess.Popen,
        eval,
        np.load,
        np.array([_moved, None], object),
        np.array(["a"]),
        np.datetime64("2020-01-01"),
        np.zeros(2, [("a", "f4")]),
    ],
    ids=str,
)
def test_anything_but_numbers_is_refused(tmp_path: Path, value: Any) -> None:
    told = _template()
    told["motion"][1]["extra"] = value
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(told))
    with pytest.raises(UserError, match="a program could be hidden"):
        load_motion(tmp_path / "a.pkl")


def _reduce(module: str, name: str, arguments: bytes) -> bytes:
    return b"c" + f"{module}\n{name}\n".encode() + arguments + b"R."


@pytest.mark.parametrize(
    "data",
    [
        _reduce("numpy.core.multiarray", "scalar", b"(cnumpy\ndtype\n(U\x01OtRU\x04abcdt"),
        _reduce("_codecs", "encode", b"(X\x03\x00\x00\x00abcX\x03\x00\x00\x00ziptt"),
        _reduce("numpy", "load", b"(X\x01\x00\x00\x00at"),
        b"cnumpy\ndtype\n}b.",
        b"cnumpy\ndtype\nN}X\x05\x00\x00\x00_makecnumpy\nndarray\nsc\x86b.",
    ],
)
def test_calls_that_misuse_what_is_known_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(UserError):
        load_motion(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"r\xff\xff\xff\x7f.",  # A place in the memo that would take gigabytes.
        b"\x8e" + struct.pack("<Q", 1 << 40) + b"abc.",  # A text that is said to be longer.
        b"\x80\x04" + b"(" * 5000 + b".",
        pickle.dumps([1, 2]),
        pickle.dumps({"motion": 3}),
        pickle.dumps({"motion": []}),
        pickle.dumps({"motion": [5]}),
        pickle.dumps({"motion": [{}]}),
    ],
)
def test_a_file_that_is_no_template_is_told_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(UserError, match="is no motion file that can be used") as caught:
        load_motion(tmp_path / "a.pkl")
    assert "\n" not in str(caught.value)


def test_lists_that_hold_each_other_take_no_memory(tmp_path: Path) -> None:
    many: Any = [1.0] * 60
    for _ in range(12):
        many = [many] * 60
    told = _template()
    told["motion"][0]["exp"] = many
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(told))
    with pytest.raises(UserError, match="frame 0"):
        load_motion(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda told: told["motion"][2].update(exp=np.full((1, 21, 3), np.nan)), "frame 2"),
        (lambda told: told["motion"][2].update(scale=np.array([[0.0]])), "frame 2"),
        (lambda told: told["motion"][2].update(scale=10**400), "frame 2"),
        (lambda told: told["motion"][3].update(t=np.full((1, 3), 1e9)), "frame 3"),
        (lambda told: told["motion"][1].update(R=np.eye(4)), "frame 1"),
        (lambda told: told.update(output_fps=0), "frames per second"),
    ],
)
def test_numbers_that_are_no_motion_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], what: str
) -> None:
    told = _template()
    change(told)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(told))
    with pytest.raises(UserError, match=what):
        load_motion(tmp_path / "a.pkl")


def _saved(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "a.npz"
    save_motion(path, RecordedMotion(25, [_moved(i) for i in range(FRAMES)], [0] * FRAMES))
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays.update(changes)
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"exp": None}, "exp"),
        ({"turn": np.zeros((FRAMES, 3, 2), np.float32)}, "turn"),
        ({"scale": np.zeros(FRAMES, np.int64)}, "scale"),
        ({"t": np.full((FRAMES, 3), np.inf, np.float32)}, "frame 0"),
        ({"seen": np.zeros(FRAMES, bool)}, "no frames"),
        ({"seen": np.arange(FRAMES) > 0}, "measured against"),
        ({"reference": np.full(FRAMES, 9, np.int32)}, "measured against"),
        ({"reference": np.zeros(2, np.int32)}, "reference"),
        ({"liveportrait_motion": np.array(2, np.int32)}, "newer version"),
        ({"liveportrait_motion": None}, "no motion of this backend"),
        ({"liveportrait_motion": np.array("x")}, "no motion of this backend"),
        ({"exp": np.array([{}] * FRAMES, object)}, "damaged"),
    ],
)
def test_an_own_file_that_was_changed_is_refused(
    tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    with pytest.raises(UserError, match=what):
        load_motion(_saved(tmp_path, **changes))


def test_a_cut_off_own_file_is_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(UserError, match="damaged"):
        load_motion(path)


def test_an_array_that_says_it_is_larger_than_it_is_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("exp.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(UserError, match="damaged"):
        load_motion(path)


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _saved(tmp_path)
    monkeypatch.setattr(templates, "MOST_BYTES", 100)
    with pytest.raises(UserError, match="too large"):
        load_motion(path)


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not be written"):
        save_motion(tmp_path / "none" / "a.npz", RecordedMotion(25, [_moved(0)], [0]))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_motion(tmp_path / "none.npz")
