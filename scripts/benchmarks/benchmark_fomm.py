"""How fast the First Order Motion Model runs here: everything that exists on this machine.

A frame is the whole way from a picture of the driver to a picture of the avatar. "official" is what
the official demo does: eager PyTorch in float32, encoding the source again for every frame. All
take turns frame by frame, so that what else the machine does slows all of them alike.

    python -m scripts.benchmarks.benchmark_fomm [--model NAME] [--frames 30] [--threads 2]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.errors import UserError
from models.fomm import manifest as manifests
from models.fomm.config import SIDE
from models.fomm.engine import Engine, OnnxEngine
from models.fomm.importing import sample_picture
from models.fomm.motion import relative_motion
from models.runtime import DEVICES
from models.types import Floats

WORK = 2 * 44.6e9
"""Floating point operations of one frame with the source encoded once: the multiplications of all
convolutions, counted in the networks of vox-256, and as many additions."""

Frame = Callable[[Floats], Floats]
"""Makes the avatar's picture of the driver's, both (1, 3, SIDE, SIDE) in 0..1."""


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a table.

    Args:
        arguments: those of the command line if None.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="", help="an imported model (default: the newest)")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--threads", type=int, default=None, help="of PyTorch on the CPU")
    options = parser.parse_args(arguments)
    try:
        folder, manifest = manifests.choose(options.model)
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    ways, skipped = _ways(folder, manifest, options.threads)
    drivers = [sample_picture(seed) for seed in range(1, 6)]
    exact = [ways["ONNX Runtime CPU fp32"](one) for one in drivers]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for frame in ways.values():
        frame(drivers[0])  # The first one loads and plans.
    for index in range(options.frames):
        for name, frame in ways.items():
            start = time.perf_counter()
            frame(drivers[index % len(drivers)])
            seconds[name].append(time.perf_counter() - start)
    losses = {name: _loss([frame(one) for one in drivers], exact) for name, frame in ways.items()}
    _print(seconds, losses)
    for line in skipped:
        print(line)
    return 0


def _ways(
    folder: Path, manifest: manifests.Manifest, threads: int | None
) -> tuple[dict[str, Frame], list[str]]:
    """Every way to compute a frame here, and a line about each that there is not."""
    ways: dict[str, Frame] = {}
    skipped: list[str] = []
    if "weights.torch" in manifest.files and importlib.util.find_spec("torch"):
        _add_torch(ways, folder, manifest, threads)
    else:
        skipped.append("PyTorch: not installed, or the model was imported without --torch")
    floats = {key: entry for key, entry in manifest.files.items() if not key.endswith(".int8")}
    plain = manifests.Manifest(**{**manifest.__dict__, "files": floats})
    for device in DEVICES:
        for label, files in (("", plain), ("int8", manifest)):
            if label and (device.key != "cpu" or len(floats) == len(manifest.files)):
                continue
            os.environ["AVATARIFY_DEVICE"] = device.key
            try:
                engine = OnnxEngine(folder, files)
            except UserError as error:
                skipped.append(f"{device.label}: {error}")
                continue
            words = engine.device.partition(",")[0]
            ways[f"ONNX Runtime {words}"] = _frame(engine)
    return ways, skipped


def _frame(engine: Engine) -> Frame:
    source = sample_picture(0)
    still = engine.detect(source)
    encoded = engine.encode(source, still)

    def frame(picture: Floats) -> Floats:
        driving = engine.detect(picture)
        return engine.render(encoded, relative_motion(still, still, driving, True))

    return frame


def _add_torch(
    ways: dict[str, Frame], folder: Path, manifest: manifests.Manifest, threads: int | None
) -> None:
    import torch

    from models.fomm.networks import Generator, KeypointDetector, Points
    from models.fomm.torch_engine import TorchEngine
    from models.onnx_engine import TORCH_WEIGHTS

    if threads:
        torch.set_num_threads(threads)
    state = torch.load(manifests.verified(folder, manifest, TORCH_WEIGHTS), weights_only=True)

    def official(place: str) -> Frame:
        detector = KeypointDetector(manifest.settings).eval().to(place)
        generator = Generator(manifest.settings).eval().to(place)
        detector.load_state_dict(state["kp_detector"], strict=False)
        generator.load_state_dict(state["generator"], strict=False)
        source = torch.from_numpy(sample_picture(0)).to(place)
        with torch.no_grad():
            still = detector(source)

        def frame(picture: Floats) -> Floats:
            with torch.no_grad():
                driving = detector(torch.from_numpy(picture).to(place))
                turn = driving.jacobians @ torch.inverse(still.jacobians) @ still.jacobians
                moved = Points(still.values + driving.values - still.values, turn)
                result: Floats = generator(source, still, moved)[0].cpu().numpy()
            return result

        return frame

    ways["official, PyTorch CPU fp32"] = official("cpu")
    if torch.cuda.is_available():
        ways["official, PyTorch CUDA fp32"] = official("cuda")
        ways["PyTorch CUDA graph fp16"] = _frame(TorchEngine(state, manifest.settings, "cuda"))


def _loss(made: list[Floats], exact: list[Floats]) -> float:
    """The signal-to-noise ratio in dB of values from 0 to 1."""
    errors = [float(((a - b) ** 2).mean()) for a, b in zip(made, exact, strict=True)]
    return -10 * float(np.log10(max(float(np.mean(errors)), 1e-12)))


def _print(seconds: dict[str, list[float]], losses: dict[str, float]) -> None:
    base = next((np.median(taken) for name, taken in seconds.items() if "official" in name), None)
    print(f"{SIDE} x {SIDE}, milliseconds a frame; speed against the first line that is official")
    print(f"{'':34}{'p10':>8}{'p50':>8}{'p90':>8}{'fps':>7}{'GFLOP/s':>9}{'speed':>7}{'dB':>7}")
    for name, taken in seconds.items():
        low, middle, high = np.percentile(taken, [10, 50, 90])
        speed = f"{base / middle:6.2f}x" if base is not None else ""
        print(
            f"{name:34}{low * 1e3:8.1f}{middle * 1e3:8.1f}{high * 1e3:8.1f}{1 / middle:7.1f}"
            f"{WORK / middle / 1e9:9.0f}{speed:>7}{losses[name]:7.1f}"
        )


if __name__ == "__main__":
    sys.exit(main())
