"""Feeds damaged and hostile files to everything that reads a file, and watches what happens.

    .venv-test/bin/python -m scripts.fuzz.fuzz --inputs 10000   all targets, Hypothesis
    .venv-test/bin/python -m scripts.fuzz.fuzz --targets manifest --engine atheris --inputs 50000

Inputs are made from the seeds in scripts/fuzz/seeds/TARGET. A finding is anything but a result or a
`UserError`: another exception, the end of the process, more than 2 s of work, more than 1 GB of
memory, a file written outside the folder that the target was given, a program started, a
connection opened. Inputs with findings are kept in --out. Exit code 1 if there are any.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import hashlib
import importlib.util
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import UserError
from scripts.fuzz import checkpoints
from scripts.paths import ROOT

SEEDS = ROOT / "scripts" / "fuzz" / "seeds"
MOST_SECONDS = 2.0
"""Of work for one input; `models.photos` refuses what its decoders would need longer for."""

MOST_BYTES = 1_000_000_000
"""Of memory for one input; `models.photos` keeps to the same limit."""

_LONGEST_WORK = 30
"""Seconds of processor time after which an input's process is ended: far beyond a finding."""

_LONGEST_WAIT = 600
"""Seconds after which it is ended if it does not work but waits, even on a busy machine."""

_CHUNK = 2000
"""Inputs for one process: its start is spread over many, and an end costs only so many."""

_EDIT = 8
"""Bytes of one edit: the size of the fields that `_damaged` unpacks."""

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, -1)
"""What is written over numbers in a file, give or take two: the ends of 7 to 64 bits."""

Call = Callable[[bytes, Path], None]
"""Reads these bytes as a file in this folder."""


@dataclass(frozen=True)
class Target:
    """Something that reads files.

    Attributes:
        load: imports it and returns the call.
        needs: modules without which it is skipped.
        share: how many of the inputs that were asked for it gets, 0..1.
        make: builds an input out of up to 200 random bytes, for half of all inputs, where edits of
            the seeds do not get far.
    """

    load: Callable[[], Call]
    needs: tuple[str, ...] = ()
    share: float = 1.0
    make: Callable[[bytes], bytes] | None = None


def _photo() -> Call:
    from models.photos import load_image

    def call(data: bytes, folder: Path) -> None:
        load_image(_put(folder / "photo.jpg", data))

    return call


def _face() -> Call:
    """The landmarks beside a photo."""
    import numpy as np

    from models.face.face_file import face_path, read_face

    image = np.zeros((96, 64, 3), np.uint8)

    def call(data: bytes, folder: Path) -> None:
        photo = folder / "photo.jpg"
        _put(face_path(photo), data)
        face = read_face(photo, image)
        if face is None or not np.isfinite(face.landmarks).all():
            raise AssertionError("the file was passed over, or its points are not numbers")

    return call


def _video() -> Call:
    import itertools

    from realtime.cameras.clip import ClipReader

    def call(data: bytes, folder: Path) -> None:
        reader = ClipReader(_put(folder / "clip.mp4", data), (640, 480))
        for _ in itertools.islice(reader.frames(), 60):
            pass

    return call


def _sound() -> Call:
    from realtime.sinks.recording.video_writer import VideoWriter

    def call(data: bytes, folder: Path) -> None:
        import numpy as np

        clip = _put(folder / "clip.mp4", data)
        with VideoWriter(folder / "out.mp4", (64, 64), 10, audio_from=clip) as writer:
            for _ in range(5):
                writer.write(np.zeros((64, 64, 3), np.uint8))

    return call


def _motion() -> Call:
    """A driver's motion: ours, or another tool's template."""
    from models.liveportrait.templates import load_motion

    def call(data: bytes, folder: Path) -> None:
        motion = load_motion(_put(folder / "motion.pkl", data))
        if not all(one is None or one.state.finite() for one in motion.observations):
            raise AssertionError("the motion is not made of numbers")

    return call


def _checkpoint() -> Call:
    from models.fomm.checkpoint import load

    def call(data: bytes, folder: Path) -> None:
        load(_put(folder / "vox-cpk.pth.tar", data))

    return call


def _manifest() -> Call:
    from models.fomm import manifest

    def call(data: bytes, folder: Path) -> None:
        os.environ[manifest.MODELS_VARIABLE] = str(folder)
        place = manifest.models_folder() / "one"
        place.mkdir(parents=True, exist_ok=True)
        _put(place / "manifest.json", data)
        _put(place / "detect.fp32.onnx", b"graph")
        manifest.describe_imported()
        found, chosen = manifest.choose("one")
        for key in chosen.files:
            manifest.verified(found, chosen, key)
        _ = chosen.settings

    return call


def _signed() -> Call:
    from realtime.provenance.verify import describe, examine

    def call(data: bytes, folder: Path) -> None:
        for line in describe(examine(_put(folder / "signed.mp4", data))):
            if not line.isprintable():
                raise AssertionError(f"control characters reach the terminal: {line!r}")

    return call


def _key() -> Call:
    from realtime.provenance.credentials import choose

    def call(data: bytes, folder: Path) -> None:
        path = _put(folder / "both.pem", data)
        choose(path, path)

    return call


def _settings() -> Call:
    from models.mesh.backend import MeshAnimator
    from realtime.session.settings import load, save

    def call(data: bytes, folder: Path) -> None:
        path = _put(folder / "settings.toml", data)
        found = load(path)
        for name in found.avatars:
            found.of(name).tuning(True, MeshAnimator.sliders)
        save(found, path)
        if load(path) != found:
            raise AssertionError("what was saved is not what is read")

    return call


def _frame() -> Call:
    """The picture of a browser's webcam, as the panel receives it."""
    from realtime.cameras.browser import _decode

    def call(data: bytes, folder: Path) -> None:
        if _decode(data) is None:
            raise UserError("no frame")

    return call


TARGETS: dict[str, Target] = {
    "photo": Target(_photo),
    "face": Target(_face, share=0.5),
    "video": Target(_video),
    "sound": Target(_sound, share=0.5),
    "checkpoint": Target(_checkpoint, ("torch", "onnx"), make=checkpoints.made),
    "motion": Target(_motion, share=0.5),
    "manifest": Target(_manifest),
    "signed": Target(_signed),
    "key": Target(_key, share=0.5),
    "settings": Target(_settings),
    "frame": Target(_frame),
}
"""By the name of the folder of their seeds."""


def _put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@dataclass
class Watch:
    """Runs one input after the other and notes what must not happen.

    Attributes:
        folder: the only one that may be written to.
        ends: how many inputs were read, refused or raised something else.
        findings: inputs with which something happened, by what it was.
    """

    folder: Path
    ends: collections.Counter[str] = field(default_factory=collections.Counter)
    findings: dict[str, list[bytes]] = field(default_factory=dict)
    _armed: bool = False
    _deeds: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen to what Python does; cannot be undone."""
        sys.addaudithook(self._hear)

    def run(self, call: Call, data: bytes) -> None:
        """Do one call and note how it ended."""
        _forget_peak()
        self._deeds.clear()
        started, worked = time.perf_counter(), time.process_time()
        self._armed = True
        try:
            call(data, self.folder)
            end = "read"
        except UserError as error:
            end = "refused"
            if "\n" in str(error):
                self._find("a refusal of several lines", data)
        except BaseException as error:
            end = "exception"
            place = _innermost(error)
            self._find(f"{type(error).__name__} at {place}", data)
        finally:
            self._armed = False
        # A busy machine makes everything wait; several threads work at once.
        seconds = min(time.perf_counter() - started, time.process_time() - worked)
        self.ends[end] += 1
        if seconds > MOST_SECONDS:
            self._find(f"{seconds:.1f} s of work", data)
        peak = _peak()
        if peak > MOST_BYTES:
            self._find(f"{peak / 1e6:.0f} MB of memory", data)
        for deed in dict.fromkeys(self._deeds):
            self._find(deed, data)

    def _find(self, what: str, data: bytes) -> None:
        self.findings.setdefault(what, []).append(data)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._armed:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if (writes or (mode and set(mode) & set("wax+"))) and not self._inside(path):
                self._deeds.append(f"writes to {path}")
        elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link"):
            if not all(self._inside(path) for path in arguments[:2] if isinstance(path, str)):
                self._deeds.append(f"{event} of {arguments[0]}")
        elif event in (
            *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn"),
            *("socket.connect", "socket.getaddrinfo", "shutil.rmtree"),
        ):
            self._deeds.append(event)

    def _inside(self, path: object) -> bool:
        if isinstance(path, int):
            return True
        try:
            full = os.path.realpath(os.fspath(path))  # type: ignore[call-overload]
        except (TypeError, ValueError):
            return True
        name = full.decode(errors="replace") if isinstance(full, bytes) else str(full)
        return name.startswith((str(self.folder), "/dev/null")) or name.endswith(".pyc")


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    place = "?"
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if str(ROOT) in name and "fuzz.py" not in name:
            place = f"{Path(name).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most memory since `_forget_peak`, in bytes; 0 where the system does not tell."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def seeds(target: str) -> list[bytes]:
    """What inputs for this target are made from."""
    return [path.read_bytes() for path in sorted((SEEDS / target).iterdir())]


def _damaged(known: list[bytes], index: int, edits: bytes) -> bytes:
    """A seed after some edits, each of `_EDIT` bytes that say where and what."""
    data = bytearray(known[index])
    for start in range(0, len(edits) - _EDIT + 1, _EDIT):
        deed, kind, where, value, length = struct.unpack_from("<BBHHH", edits, start)
        # Headers decide the most.
        reach = min((64, 512, len(data))[kind % 3], len(data))
        at = where % reach if reach else 0
        if deed % 7 == 0 and data:
            data[at] ^= 1 << (value & 7)
        elif deed % 7 in (1, 2):
            size = (1, 2, 4, 8)[kind >> 2 & 3]
            number = (_NUMBERS[value % len(_NUMBERS)] + length % 5 - 2) % 256**size
            data[at : at + size] = number.to_bytes(size, "big" if kind & 16 else "little")
        elif deed % 7 == 3:
            del data[at : at + 1 + length % 64]
        elif deed % 7 == 4:
            data[at:at] = edits[start : start + _EDIT]
        elif deed % 7 == 5:
            data[at:at] = data[at : at + 1 + length % 256]
        else:
            other = known[value % len(known)]
            begin = length % max(len(other), 1)
            data[at : at + 256] = other[begin : begin + 256]
    return bytes(data)


def _hypothesis(target: str, call: Callable[[bytes], None], inputs: int, seed: int) -> None:
    import hypothesis
    from hypothesis import strategies as st

    known = seeds(target)
    # Few draws, since each costs more than most calls: eight bytes are one edit.
    choices = st.tuples(st.integers(0, len(known) - 1), st.binary(max_size=_EDIT * 6))
    damaged = choices.map(lambda drawn: _damaged(known, *drawn))
    kinds = [damaged, damaged, damaged, st.binary(max_size=400)]
    make = TARGETS[target].make
    if make is not None:
        kinds += [st.binary(min_size=20, max_size=200).map(make)] * 4

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.one_of(kinds))
    def feed(data: bytes) -> None:
        call(data)

    feed()


def _atheris(target: str, call: Callable[[bytes], None], inputs: int, seed: int) -> None:
    """Guided by coverage of the Python code; ends the process."""
    import atheris

    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds(target)):
            (Path(corpus) / str(number)).write_bytes(data)
        words = ["fuzz", corpus, f"-runs={inputs}", f"-seed={seed + 1}", "-max_len=65536"]
        atheris.Setup([*words, "-verbosity=0", "-rss_limit_mb=0", "-timeout=300"], call)
        atheris.Fuzz()


def work(target: str, engine: str, inputs: int, seed: int, folder: Path) -> None:
    """Feed one target in this process and write report.json into `folder`.

    Args:
        target: its name.
        engine: hypothesis or atheris.
        inputs: how many.
        seed: of the engine.
        folder: for all that is written.
    """
    faulthandler.enable()
    for number in (signal.SIGALRM, signal.SIGPROF):
        faulthandler.register(number, chain=True)
    inner = folder / "work"
    inner.mkdir()
    current = folder / "current"
    if engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["models", "realtime", "json", "tomllib"]):
            call = TARGETS[target].load()
    else:
        call = TARGETS[target].load()
    for data in seeds(target):  # Imports what is imported late, which takes long.
        with suppress(Exception):
            call(data, inner)
    watch = Watch(inner)
    done = 0

    def one(data: bytes) -> None:
        nonlocal done
        current.write_bytes(data)
        # Work is limited in processor time, since a busy machine makes everything wait.
        signal.setitimer(signal.ITIMER_PROF, _LONGEST_WORK)
        signal.alarm(_LONGEST_WAIT)
        watch.run(call, data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        done += 1
        if done % 100 == 0 or done >= inputs or watch.findings:
            report()

    def report() -> None:
        found = {what: [one.hex() for one in data[:3]] for what, data in watch.findings.items()}
        counts = {what: len(data) for what, data in watch.findings.items()}
        text = json.dumps({"done": done, "ends": watch.ends, "found": found, "counts": counts})
        (folder / "report.json").write_text(text)

    for data in seeds(target):
        one(data)
    (_atheris if engine == "atheris" else _hypothesis)(target, one, inputs, seed)
    report()


def feed(target: str, engine: str, inputs: int, seed: int, out: Path) -> tuple[int, int]:
    """Feed one target in processes of its own.

    Args:
        target: its name.
        engine: hypothesis or atheris.
        inputs: how many.
        seed: of the first process's engine.
        out: the folder where inputs with findings are kept.

    Returns:
        How many inputs were fed, and how many findings there are.
    """
    total = found = 0
    ends: collections.Counter[str] = collections.Counter()
    began = time.perf_counter()
    while total < inputs:
        count = min(_CHUNK, inputs - total)
        with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
            folder = Path(name)
            words = ["--child", str(folder), "--targets", target, "--engine", engine]
            words += ["--inputs", str(count), "--seed", str(seed + total)]
            home = {"HOME": str(folder / "work"), "TMPDIR": str(folder / "work")}
            done = subprocess.run(
                [sys.executable, "-m", "scripts.fuzz.fuzz", *words],
                env={**os.environ, **home, "OMP_NUM_THREADS": "1"},
                capture_output=True,
            )
            report: dict[str, Any] = {"done": 0, "ends": {}, "found": {}, "counts": {}}
            with suppress(OSError, ValueError):
                report = json.loads((folder / "report.json").read_text())
            finished = done.returncode == 0 or (engine == "atheris" and report["done"] >= count)
            if not finished:
                last = done.stderr.decode(errors="replace").strip().splitlines()[-12:]
                what = f"the process ended with {done.returncode}"
                with suppress(OSError):
                    report["found"][what] = [(folder / "current").read_bytes().hex()]
                report["counts"][what] = 1
                print("\n".join(f"    {line}" for line in last), flush=True)
            for what, kept in report["found"].items():
                found += report["counts"][what]
                place = out / target
                place.mkdir(parents=True, exist_ok=True)
                for data in map(bytes.fromhex, kept):
                    (place / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
                print(f"  {target}: {what}, {report['counts'][what]} times", flush=True)
            ends.update(report["ends"])
            if report["done"] == 0:
                print(f"  {target}: no input was fed", flush=True)
                return total, found + 1
            total += max(report["done"], 1)
    words = [f"{number} {end}" for end, number in sorted(ends.items())]
    seconds = time.perf_counter() - began
    print(
        f"{target} ({engine}): {total} inputs in {seconds:.0f} s, {', '.join(words)}, "
        f"{found} findings",
        flush=True,
    )
    return total, found


def main() -> int:
    """Feed the chosen targets; 1 if there are findings, 2 if the engine is not installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1000, help="for each target")
    parser.add_argument("--targets", nargs="*", choices=sorted(TARGETS), default=list(TARGETS))
    parser.add_argument("--engine", choices=("hypothesis", "atheris"), default="hypothesis")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "fuzz")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        work(options.targets[0], options.engine, options.inputs, options.seed, options.child)
        return 0
    if importlib.util.find_spec(options.engine) is None:
        print(f"{options.engine} is not installed here: pip install {options.engine}")
        return 2
    totals = [0, 0]
    for name in options.targets:
        missing = [one for one in TARGETS[name].needs if importlib.util.find_spec(one) is None]
        if missing:
            print(f"{name}: skipped, needs {' and '.join(missing)}", flush=True)
            continue
        count = max(int(options.inputs * TARGETS[name].share), 1)
        fed, found = feed(name, options.engine, count, options.seed, options.out)
        totals = [totals[0] + fed, totals[1] + found]
    print(f"{totals[0]} inputs, {totals[1]} findings")
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
