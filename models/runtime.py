"""ONNX Runtime sessions on the best device that really works.

Every candidate is tried with one inference. A device that fails, or that ONNX Runtime silently
leaves for the CPU, is passed over and named together with the reason.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import onnxruntime as ort

from models import onnx_build
from models.artifacts import cache_folder
from models.environment import cores
from models.errors import UserError

DEVICE_VARIABLE = "AVATARIFY_DEVICE"
"""The environment variable that names the one device to use, such as "cpu"."""

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]
Feeds: TypeAlias = Mapping[str, Any]
"""Inputs by name: arrays, or what `RuntimeSession.run` kept on the device."""

_HEAVY = frozenset({"Conv", "FusedConv", "ConvTranspose", "MatMul", "FusedMatMul", "Gemm"})
"""Operators that take nearly all of the time: where they run is where the network runs."""

TINY = base64.b64decode(
    "CAg6YwoPCgF4CgF3EgF5IgRDb252EgF0KhMIAQgBCAEIARABQgF3SgQAAIA/WhsKAXgSFgoUCAESEAoCCAEK"
    "AggBCgIIAQoCCAFiGwoBeRIWChQIARIQCgIIAQoCCAEKAggBCgIIAUIECgAQEQ=="
)
"""An ONNX file of one 1 x 1 convolution of one pixel, for asking what works where no model is at
hand."""


@dataclass(frozen=True)
class ComputeDevice:
    """A way to compute, with ONNX Runtime's name for it.

    Attributes:
        key: what `AVATARIFY_DEVICE` takes.
        label: what people call it.
        provider: ONNX Runtime's name.
        memory: what IO binding calls its memory.
        precisions: of a model's files, best first.
        packages: what brings it, for pip: a build of ONNX Runtime, then what it needs besides.
        number: which of several, from 0 on, as its provider counts them.
    """

    key: str
    label: str
    provider: str
    memory: str = "cpu"
    precisions: tuple[Precision, ...] = ("fp16", "fp32")
    packages: str = ""
    number: int = 0


_NUMBERED = ("tensorrt", "cuda", "directml")
"""The devices of which a computer may have several."""


DEVICES: tuple[ComputeDevice, ...] = (
    ComputeDevice(
        "tensorrt",
        "TensorRT",
        "TensorrtExecutionProvider",
        "cuda",
        packages="onnxruntime-gpu[cuda,cudnn] tensorrt-cu12",
    ),
    ComputeDevice(
        "cuda",
        "CUDA",
        "CUDAExecutionProvider",
        "cuda",
        packages="onnxruntime-gpu[cuda,cudnn]",
    ),
    ComputeDevice("coreml", "CoreML", "CoreMLExecutionProvider"),
    ComputeDevice(
        "directml",
        "DirectML",
        "DmlExecutionProvider",
        "dml",
        packages="onnxruntime-directml",
    ),
    # OpenVINO computes in bfloat16 by itself where the processor can, whatever the file's type.
    ComputeDevice(
        "openvino", "OpenVINO", "OpenVINOExecutionProvider", packages="onnxruntime-openvino"
    ),
    ComputeDevice("cpu", "CPU", "CPUExecutionProvider", precisions=("int8", "fp32", "fp16")),
)
"""In the order in which they are tried."""


@dataclass(frozen=True)
class Refusal:
    """A device that is there, but is not used.

    Attributes:
        label: what people call it.
        reason: why, a clause without a full stop.
        remedy: the command that mends it, or "".
    """

    label: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.label} is not used: {self.reason}"


class Unusable(Exception):
    """A device does not work; the text says why.

    Attributes:
        remedy: the command that mends it, or "".
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        """Say why, and what mends it."""
        super().__init__(reason)
        self.remedy = remedy


class RuntimeSession:
    """One network on one device; safe to use from several threads.

    Attributes:
        outputs: the names of all that the network gives.
    """

    def __init__(self, session: ort.InferenceSession, device: ComputeDevice) -> None:
        """Wrap a session that runs on `device`."""
        self._session = session
        self._memory, self._number = device.memory, device.number
        self.outputs = tuple(output.name for output in session.get_outputs())

    def run(self, feeds: Feeds, outputs: Sequence[str], *, keep: bool = False) -> list[Any]:
        """Compute the outputs.

        Args:
            feeds: the inputs: arrays are uploaded, what was kept is used where it lies.
            outputs: the names of those that are wanted; the others are not downloaded.
            keep: leave the outputs on the device, for the feeds of a later run.

        Returns:
            The outputs in the order of their names: arrays, or what stays on the device.
        """
        binding = self._session.io_binding()
        for name, value in feeds.items():
            if isinstance(value, ort.OrtValue):
                binding.bind_ortvalue_input(name, value)
            else:
                binding.bind_cpu_input(name, np.ascontiguousarray(value))
        for name in outputs:
            if keep:
                binding.bind_output(name, self._memory, self._number)
            else:
                binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        if keep:
            return list(binding.get_outputs())
        return [value.numpy() for value in binding.get_outputs()]


@dataclass(frozen=True)
class Runtime:
    """The networks of one model, all on one device.

    Attributes:
        sessions: the networks by name.
        device: where they compute.
        precision: of the files that were taken.
        threads: for the CPU.
        refusals: the better devices that do not work.
    """

    sessions: Mapping[str, RuntimeSession]
    device: ComputeDevice
    precision: Precision
    threads: int
    refusals: tuple[Refusal, ...]

    @property
    def summary(self) -> str:
        """Device, precision, and what is not used and why; for the status line."""
        number = f" {self.device.number}" if self.device.number else ""
        text = f"{self.device.label}{number} {self.precision}"
        if self.device.key == "cpu":
            text += f", {self.threads} threads" if self.threads > 1 else ", 1 thread"
        reasons = [str(refusal) for refusal in self.refusals]
        if any(refusal.remedy for refusal in self.refusals):
            reasons.append("`avatarify-like doctor` gives the command that mends it")
        return f"{text} ({'; '.join(reasons)})" if reasons else text


def compute_threads(count: int | None = None) -> int:
    """How many threads a network gets, so that capture and output find a core in time.

    Args:
        count: of cores; None: those that this process may use.
    """
    count = count or cores()
    return count if count <= 2 else min(count - 1, 8)


def open_runtime(
    models: Mapping[str, Mapping[Precision, Path | bytes]],
    samples: Mapping[str, Feeds],
    *,
    wanted: str | None = None,
    available: Sequence[str] | None = None,
    threads: int | None = None,
    race: str = "",
    lost: Sequence[Refusal] = (),
    exact: Collection[str] = (),
) -> Runtime:
    """Load networks onto the best device that works.

    Args:
        models: for each network its file in the precisions that there are.
        samples: for each network the inputs of the one inference that every device must pass.
        wanted: the key of the only device to try; None: `AVATARIFY_DEVICE`, or all of them.
        available: ONNX Runtime's providers; None: those of the installed package.
        threads: for the CPU; None: `compute_threads`.
        race: the network that decides by its time whether OpenVINO is better than the plain CPU,
            which it is only on some processors; "": OpenVINO is always better.
        lost: devices that worked and then failed; they are passed over, also the one `wanted`.
        exact: networks that no device may compute in less than their file's precision.

    Raises:
        UserError: there is no device of the name wanted, or none works.
    """
    offered = list(ort.get_available_providers() if available is None else available)
    threads = threads or compute_threads()
    refusals = list(lost)
    wanted = "" if lost else wanted or os.environ.get(DEVICE_VARIABLE, "")
    race = "" if wanted else race
    for device in _candidates(wanted):
        if any(device.label == refusal.label for refusal in lost):
            continue
        if device.provider not in offered:
            seen = _is_here(device)
            if seen or wanted:
                reason = "the installed onnxruntime is built without it"
                refusals.append(Refusal(device.label, reason, onnx_build.bringing(device.packages)))
            continue
        precision = _precision(models, device)
        try:
            sessions = {
                name: _open(files[precision], device, samples[name], threads, name in exact)
                for name, files in models.items()
            }
        except Unusable as failure:
            # TensorRT is an addition that few want.
            remedy = failure.remedy if wanted or device.key != "tensorrt" else ""
            refusals.append(Refusal(device.label, str(failure), remedy))
            continue
        if race and device.key == "openvino" and "CPUExecutionProvider" in offered:
            plain = open_runtime(models, samples, wanted="cpu", threads=threads, exact=exact)
            theirs, ours = (_seconds(s[race], samples[race]) for s in (sessions, plain.sessions))
            if ours < theirs:
                times = f"{theirs * 1e3:.0f} ms a frame against {ours * 1e3:.0f}"
                refusals.append(Refusal(device.label, f"it is slower here, {times}"))
                return replace(plain, refusals=tuple(refusals))
        return Runtime(sessions, device, precision, threads, tuple(refusals))
    raise UserError(_on_none(wanted, refusals))


def next_runtime(
    models: Mapping[str, Mapping[Precision, Path | bytes]],
    samples: Mapping[str, Feeds],
    failed: Runtime,
    error: Exception,
    available: Sequence[str] | None = None,
    exact: Collection[str] = (),
) -> Runtime:
    """Load networks onto the next device, when one failed in the middle of the work.

    Args:
        models: as for `open_runtime`.
        samples: likewise.
        failed: what worked until now.
        error: how it failed.
        available: as for `open_runtime`.
        exact: likewise.

    Raises:
        Exception: `error` itself, where no other device is left.
        UserError: no other device works.
    """
    # On the processor itself, and with inputs of a wrong shape, another device is no help.
    if failed.device.key == "cpu" or type(error).__name__ == "InvalidArgument":
        raise error
    refusal = Refusal(failed.device.label, f"it failed in mid-run, {_first_line(error)}")
    before = [known for known in failed.refusals if known.label != refusal.label]
    lost = [*before, refusal]
    return open_runtime(models, samples, available=available, lost=lost, exact=exact)


def device_choices(available: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """What `use_device` takes here, with what people call it; the first leaves the choice.

    Args:
        available: ONNX Runtime's providers; None: those of the installed package.
    """
    offered = list(ort.get_available_providers() if available is None else available)
    here = [(device.key, device.label) for device in DEVICES if device.provider in offered]
    return [("auto", "Automatic"), *here]


def device_wanted() -> str:
    """The device that is used for what is opened from now on: a key, or "auto"."""
    return os.environ.get(DEVICE_VARIABLE, "").strip().lower() or "auto"


def use_device(key: str) -> None:
    """Let this program, and those that it starts, open networks on one device from now on.

    Args:
        key: as `AVATARIFY_DEVICE` takes it, or "auto".

    Raises:
        UserError: there is no such device.
    """
    if key == "auto":
        os.environ.pop(DEVICE_VARIABLE, None)
        return
    if key != "torch":
        _candidates(key)
    os.environ[DEVICE_VARIABLE] = key


def probe() -> Runtime:
    """What would run here, found with a network of one pixel."""
    pixel = {"x": np.ones((1, 1, 1, 1), np.float32)}
    return open_runtime({"tiny": {"fp32": TINY}}, {"tiny": pixel})


def describe_device() -> str:
    """What networks would compute on and why not on what is better, for `doctor`.

    Each command that mends something has a line of its own.
    """
    if os.environ.get(DEVICE_VARIABLE, "").lower() == "torch":
        return f"PyTorch, as {DEVICE_VARIABLE} says"
    try:
        found = probe()
        remedies = [refusal.remedy for refusal in found.refusals if refusal.remedy]
        told = replace(found, refusals=tuple(replace(one, remedy="") for one in found.refusals))
        return "\n".join([told.summary, *remedies])
    except UserError as error:
        return f"nothing: {error}"


def _seconds(session: RuntimeSession, sample: Feeds) -> float:
    """What one run takes: the least of three."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        session.run(sample, session.outputs[:1])
        taken.append(time.perf_counter() - start)
    return min(taken)


def _candidates(wanted: str) -> Sequence[ComputeDevice]:
    if not wanted:
        return DEVICES
    key, colon, number = wanted.strip().lower().partition(":")
    chosen = [device for device in DEVICES if device.key == key]
    if not chosen:
        keys = ", ".join([*(device.key for device in DEVICES), "torch"])
        raise UserError(
            f"There is no device called {wanted!r}; choose one of: {keys}; with several graphics "
            "cards also cuda:1 and the like."
        )
    if not colon:
        return chosen
    if key not in _NUMBERED or not re.fullmatch(r"[0-9]{1,3}", number):
        raise UserError(
            f"{DEVICE_VARIABLE}={wanted} cannot be used: a number, from 0 on, follows "
            f"{', '.join(_NUMBERED)} alone, such as cuda:1."
        )
    count = None if key == "directml" else _graphics_cards()
    if count is not None and int(number) >= count:
        cards = f"{count} graphics card{'' if count == 1 else 's'}, counted from 0"
        raise UserError(
            f"There is no {wanted}: CUDA sees {cards if count else 'no graphics card'} here; set "
            f"{DEVICE_VARIABLE} to one that exists, or leave it out."
        )
    return [replace(device, number=int(number)) for device in chosen]


def _graphics_cards() -> int | None:
    """How many graphics cards CUDA sees; None where that cannot be told without loading it."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # What follows a card that does not exist is not seen either.
        named = [one.strip() for one in visible.split(",")]
        wrong = (at for at, one in enumerate(named) if one in ("", "-1"))
        return next(wrong, len(named))
    folder = Path("/proc/driver/nvidia/gpus")
    return len(list(folder.iterdir())) if folder.is_dir() else None


def _precision(
    models: Mapping[str, Mapping[Precision, Path | bytes]], device: ComputeDevice
) -> Precision:
    """The best one for the device that every network has."""
    for precision in device.precisions:
        if all(precision in files for files in models.values()):
            return precision
    raise ValueError("the networks come in no common precision")


def _open(
    model: Path | bytes, device: ComputeDevice, sample: Feeds, threads: int, exact: bool
) -> RuntimeSession:
    """A session that has passed one inference on the device.

    Raises:
        Unusable: it does not work, or not there.
    """
    library_problem = _load_libraries(device)
    if library_problem:
        raise Unusable(library_problem, _mending_libraries(device, library_problem))
    with tempfile.TemporaryDirectory(prefix="avatarify-") as folder:
        options = _options(device, threads)
        options.enable_profiling = device.key != "cpu"
        options.profile_file_prefix = str(Path(folder) / "profile")
        providers = [(device.provider, _settings(device, threads, exact))]
        if device.key != "cpu":
            providers.append(("CPUExecutionProvider", {}))
        source = model if isinstance(model, bytes) else str(model)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                session = ort.InferenceSession(source, options, providers=providers)
            if device.provider not in session.get_providers():
                raise Unusable("ONNX Runtime left it for the CPU without saying why")
            trial = RuntimeSession(session, device)
            results = trial.run(sample, trial.outputs)
        except Unusable:
            raise
        except Exception as error:  # ONNX Runtime raises many types, all of its own.
            raise Unusable(_first_line(error)) from error
        if not all(np.isfinite(result).all() for result in results):
            raise Unusable("its results are not numbers")
        if device.key != "cpu":
            _check_placement(Path(session.end_profiling()))
    return trial


def _check_placement(profile: Path) -> None:
    """Make sure that the heavy nodes did not run on the CPU after all.

    Raises:
        Unusable: some of them did.
    """
    with open(profile, encoding="utf-8") as file:
        events = json.load(file)
    nodes = [event.get("args", {}) for event in events if event.get("cat") == "Node"]
    heavy = [node for node in nodes if node.get("op_name") in _HEAVY]
    stayed = [node for node in heavy if node.get("provider") == "CPUExecutionProvider"]
    if stayed:
        raise Unusable(f"{len(stayed)} of its {len(heavy)} heavy nodes ran on the CPU")


def _options(device: ComputeDevice, threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Numbers near zero, which networks make in flat places, are up to 100 times slower.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.log_severity_level = 4  # What goes wrong is told by `Refusal`, once.
    # Hundreds of short operators follow each other: waking a sleeping thread for each takes longer
    # than spinning. Between frames, spinning would take the cores from capture and output.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if device.key == "directml":
        options.enable_mem_pattern = False
    return options


def _settings(device: ComputeDevice, threads: int, exact: bool) -> dict[str, str]:
    """What each provider wants to be told; `exact`: to keep the file's precision."""
    if device.number:
        first = _settings(replace(device, number=0), threads, exact)
        return {**first, "device_id": str(device.number)}
    if device.key == "tensorrt":
        folder = str(_cache("tensorrt"))
        return {
            "trt_fp16_enable": "0" if exact else "1",
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": folder,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": folder,
        }
    if device.key == "cuda":
        searched = {"cudnn_conv_algo_search": "EXHAUSTIVE", "cudnn_conv_use_max_workspace": "1"}
        return {**searched, "use_tf32": "0"} if exact else searched
    if device.key == "coreml":
        return {"ModelFormat": "MLProgram", "MLComputeUnits": "ALL"}
    if device.key == "openvino":
        return {"device_type": "CPU", "num_of_threads": str(threads)}
    return {}


def _cache(name: str) -> Path:
    folder = cache_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _load_libraries(device: ComputeDevice) -> str:
    """Why the provider's libraries cannot be loaded, or "".

    ONNX Runtime itself only logs this and goes on with the CPU.
    """
    if device.memory != "cuda":
        return ""
    if hasattr(ort, "preload_dlls"):
        # Finds the libraries that pip installed beside ONNX Runtime.
        ort.preload_dlls()
    pattern = (
        "onnxruntime_providers_{}.dll" if os.name == "nt" else "libonnxruntime_providers_{}.so"
    )
    folder = Path(ort.__file__).parent / "capi"
    for name in ("shared", device.key):
        path = folder / pattern.format(name)
        try:
            ctypes.CDLL(str(path), mode=getattr(ctypes, "RTLD_GLOBAL", 0))
        except OSError as error:
            reason = f"{str(error).rstrip('.')}"
            # The file is not part of a package that was built without it.
            return reason if path.exists() else ""
    return ""


def _on_none(wanted: str, refusals: Sequence[Refusal]) -> str:
    """The sentence where no device works, with the command that mends it on a line of its own."""
    told = "; ".join(map(str, refusals)) or "none was found"
    text = f"The networks run on no device ({told}); "
    if wanted.lower() in ("", "cpu"):
        return f"{text}run this:\n{onnx_build.mending()}"
    remedy = next((refusal.remedy for refusal in refusals if refusal.remedy), "")
    return f"{text}set {DEVICE_VARIABLE}=cpu" + (f", or run this:\n{remedy}" if remedy else ".")


def _is_here(device: ComputeDevice) -> bool:
    """Whether this computer seems to have the device, which ONNX Runtime does not offer."""
    nvidia = Path("/proc/driver/nvidia/version").exists() or bool(shutil.which("nvidia-smi"))
    present: dict[str, Callable[[], bool]] = {
        "cuda": lambda: nvidia,
        "directml": lambda: sys.platform == "win32" and not nvidia,
        "coreml": lambda: sys.platform == "darwin",
    }
    return present.get(device.key, lambda: False)()


def _mending_libraries(device: ComputeDevice, problem: str) -> str:
    """The command that brings the libraries which the installed build for a device lacks."""
    # The driver's own is no package of Python's.
    drivers = "libcuda.so" in problem or "nvcuda" in problem
    return "" if drivers else onnx_build.completing(device.packages)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(". ")
