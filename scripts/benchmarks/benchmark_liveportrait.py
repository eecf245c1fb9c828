"""How fast LivePortrait runs here: everything that exists on this machine.

A frame is the whole way from a picture of the driver to a picture of the avatar, whose features are
computed once. "eager PyTorch" is what the official code does. All take turns frame by frame, so
that what else the machine does slows all of them alike; ratios are of the least times. The weights
are made up unless files are named: they change the loss in dB, not the speed.

    python -m scripts.benchmarks.benchmark_liveportrait [--files FOLDER] [--frames 5] [--int8]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import UserError
from models.imported import MODELS_VARIABLE, files_in
from models.liveportrait.config import MODULES
from models.liveportrait.engine import EXACT, NETWORKS, Engine, OnnxEngine, samples
from models.liveportrait.heads import Heads
from models.liveportrait.manifest import STORE, Manifest
from models.liveportrait.motion import keypoints, stitched
from models.runtime import DEVICE_VARIABLE, DEVICES
from models.types import Floats

WORK = 2 * 622.6e9
"""Floating point operations of one frame as the official networks compute it: the multiplications
of motion, warp and generator, counted, and as many additions."""

Frame = Callable[[Floats], Floats]
"""Makes the avatar's picture of the driver's."""

_EAGER = "eager PyTorch"


class TorchEngine:
    """The official networks in eager PyTorch."""

    def __init__(self, weights: Mapping[str, Mapping[str, Any]], place: str, half: bool) -> None:
        """Load them.

        Args:
            weights: by module.
            place: PyTorch's name of the device.
            half: in float16, except for the motion network and the small ones.
        """
        import torch

        from models.liveportrait.networks import build

        self._torch, self._place = torch, place
        self.device = f"{place} {'fp16' if half else 'fp32'}"
        self._networks: dict[str, Any] = {}
        large = (MODULES[0], "warping_module", "spade_generator")
        self._type = torch.float16 if half else torch.float32
        for module in MODULES:
            network = build(module)
            state = {key: torch.from_numpy(np.array(one)) for key, one in weights[module].items()}
            network.load_state_dict(state, strict=False)
            network = network.eval().to(place)
            self._networks[module] = network.half() if half and module in large else network

    def features(self, picture: Floats) -> Any:
        """Of a photo, on the device."""
        with self._torch.inference_mode():
            return self._networks[MODULES[0]](self._there(picture).to(self._type))

    def motion(self, picture: Floats) -> Heads:
        """Of a picture."""
        with self._torch.inference_mode():
            found = self._networks["motion_extractor"](self._there(picture))
            made = {name: value.cpu().numpy() for name, value in found.items()}
        pitch, yaw, roll, scale = (
            float(made[name].reshape(-1)[0]) for name in ("pitch", "yaw", "roll", "scale")
        )
        points = (made[name].reshape(-1, 3) for name in ("kp", "exp"))
        return Heads(pitch, yaw, roll, scale, made["t"].reshape(3), *points)

    def stitch(self, source: Floats, driving: Floats) -> Floats:
        """The stitched driving keypoints."""
        row = np.concatenate([source.reshape(1, -1), driving.reshape(1, -1)], 1)
        with self._torch.inference_mode():
            delta = self._networks["stitching"](self._there(row)).cpu().numpy()
        return stitched(driving, delta)

    def render(self, features: Any, source: Floats, driving: Floats) -> Floats:
        """The picture."""
        with self._torch.inference_mode():
            points = [self._there(one[None]).to(self._type) for one in (source, driving)]
            warped = self._networks["warping_module"](features, *points)[0]
            made: Floats = self._networks["spade_generator"](warped).float().cpu().numpy()
        return made

    def _there(self, value: Floats) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(value)).to(self._place)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a table.

    Args:
        arguments: those of the command line if None.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=Path, help="a folder with the official files")
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch on the CPU")
    parser.add_argument("--int8", action="store_true", help="also 8-bit integers; takes minutes")
    options = parser.parse_args(arguments)
    try:
        weights = _weights(options.files)
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    with tempfile.TemporaryDirectory(prefix="avatarify-") as folder:
        os.environ[MODELS_VARIABLE] = folder
        ways, skipped = _ways(weights, options.threads, options.int8)
        drivers = [_picture(seed) for seed in range(1, 4)]
        first = {name: frame(drivers[0]) for name, frame in ways.items()}  # Loads and plans.
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for index in range(options.frames):
            for name, frame in ways.items():
                start = time.perf_counter()
                frame(drivers[index % len(drivers)])
                seconds[name].append(time.perf_counter() - start)
        _print(seconds, first)
    for line in skipped:
        print(line)
    return 0


def _weights(files: Path | None) -> dict[str, dict[str, Any]]:
    """By module: those of the files, or made up."""
    if files is not None:
        from models.liveportrait.checkpoint import load

        return {name: dict(one) for name, one in load([files]).weights.items()}
    import torch

    from models.liveportrait.networks import build

    torch.manual_seed(0)
    made = {
        module: {key: value.numpy() for key, value in build(module).state_dict().items()}
        for module in MODULES
    }
    for weights in made.values():
        for key in [key for key in weights if key.endswith(("weight_u", "weight_v"))]:
            # Of length one, so that the largest singular values are no zeros.
            weights[key] = np.full_like(weights[key], weights[key].size ** -0.5)
            kernel = weights[key[:-1] + "orig"]
            kernel += np.float32(1) / np.sqrt(np.float32(kernel.size))
    return made


def _picture(seed: int) -> Floats:
    low = np.random.default_rng(seed).uniform(0, 1, (1, 3, 8, 8)).astype(np.float32)
    return low.repeat(32, axis=2).repeat(32, axis=3)


def _frame(engine: Engine | TorchEngine) -> Frame:
    photo = _picture(0)
    source = keypoints(engine.motion(photo))
    features = engine.features(photo)

    def frame(picture: Floats) -> Floats:
        driving = engine.stitch(source, keypoints(engine.motion(picture)))
        return engine.render(features, source, driving)

    return frame


def _ways(
    weights: Mapping[str, Mapping[str, Any]], threads: int, integers: bool
) -> tuple[dict[str, Frame], list[str]]:
    """Every way to compute a frame here, and a line about each that there is not."""
    import torch

    torch.set_num_threads(threads)
    ways = {f"{_EAGER} CPU fp32": _frame(TorchEngine(weights, "cpu", False))}
    skipped: list[str] = []
    cards = torch.cuda.is_available()
    for half in (False, True) if cards else ():
        before = _card_memory()
        engine = TorchEngine(weights, "cuda", half)
        name = f"{_EAGER} CUDA {'fp16' if half else 'fp32'}"
        ways[name] = _frame(engine)
        skipped.append(f"{name}: {_card_memory() - before} MiB more in use on the card")
    if cards:
        from models.liveportrait import torch_engine

        before = _card_memory()
        tensors = {
            module: {key: torch.from_numpy(np.array(one)) for key, one in arrays.items()}
            for module, arrays in weights.items()
        }
        name = "PyTorch CUDA graphs fp16"
        ways[name] = _frame(torch_engine.TorchEngine(tensors, "cuda"))
        skipped.append(f"{name}: {_card_memory() - before} MiB more in use on the card")
    folder, manifest = _write(weights, cards, integers)
    plain = {key: one for key, one in manifest.files.items() if not key.endswith("int8")}
    for device in DEVICES:
        sets = [("", replace(manifest, files=plain))]
        if device.key == "cpu" and integers:
            sets.append(("int8", manifest))
        for _, files in sets:
            os.environ[DEVICE_VARIABLE] = device.key
            before = _card_memory()
            try:
                opened = OnnxEngine(folder, files)
                name = f"ONNX Runtime {opened.device.partition(',')[0]}"
                ways[name] = _frame(opened)
            except UserError as error:
                skipped.append(str(error).partition("; set ")[0])
                continue
            if cards:
                skipped.append(f"{name}: {_card_memory() - before} MiB more in use on the card")
    return ways, skipped


def _write(
    weights: Mapping[str, Mapping[str, Any]], half: bool, integers: bool
) -> tuple[Path, Manifest]:
    """The graphs as an import writes them."""
    import onnx

    from models.liveportrait import export

    with STORE.new("benchmark") as part:
        for name in NETWORKS:
            for wanted in (False, True) if half and name not in EXACT else (False,):
                (model,) = export.build(weights, wanted, [name]).values()
                onnx.save(model, part / f"{name}.{'fp16' if wanted else 'fp32'}.onnx")
        if integers:
            _write_integers(weights, part / "render.int8.onnx")
        STORE.write(part, Manifest("benchmark", time.time(), files_in(part), {}, False, ()))
    return STORE.choose("benchmark")


def _write_integers(weights: Mapping[str, Mapping[str, Any]], target: Path) -> None:
    from models.frame_integers import multiplies_bytes_fast, quantize
    from models.liveportrait import export

    model = export.render_graph(weights["warping_module"], weights["spade_generator"], tiled=False)
    feeds = dict(samples()["render"])
    random = np.random.default_rng(0)
    feeds["features"] = random.normal(0, 1, feeds["features"].shape).astype(np.float32)
    quantize(model, target, [feeds], multiplies_bytes_fast())


def _card_memory() -> int:
    """MiB in use on the first card; 0 where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    command: Sequence[str] = (
        tool,
        "--query-gpu=memory.used",
        "--format=csv,noheader,nounits",
        "--id=0",
    )
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return int(told.stdout.strip() or 0) if told.returncode == 0 else 0


def _print(seconds: Mapping[str, list[float]], first: Mapping[str, Floats]) -> None:
    base = next(iter(seconds))
    exact = first[base]
    print("512 x 512, milliseconds a frame; speed: least time against the first line's")
    print(f"{'':30}{'least':>9}{'p50':>9}{'p90':>9}{'fps':>7}{'GFLOP/s':>9}{'speed':>8}{'dB':>7}")
    for name, taken in seconds.items():
        least, middle, high = min(taken), *np.percentile(taken, [50, 90])
        noise = max(float(((first[name] - exact) ** 2).mean()), 1e-12)
        speed, loss = min(seconds[base]) / least, -10 * np.log10(noise)
        print(
            f"{name:30}{least * 1e3:9.1f}{middle * 1e3:9.1f}{high * 1e3:9.1f}{1 / middle:7.2f}"
            f"{WORK / least / 1e9:9.0f}{speed:7.2f}x{loss:7.1f}"
        )


if __name__ == "__main__":
    sys.exit(main())
