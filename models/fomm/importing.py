"""From a checkpoint file to a model in the user's folder that needs no PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import UserError
from models.fomm import checkpoint as checkpoints
from models.fomm import manifest as manifests
from models.fomm.config import SIDE, Config
from models.fomm.engine import NETWORKS, samples
from models.fomm.manifest import Manifest
from models.imported import files_in
from models.runtime import open_runtime
from models.torch_files import require_torch
from models.types import Floats, Image

if TYPE_CHECKING:
    import onnx

    from models.runtime import RuntimeSession

_TOLERANCE = 1e-3
"""The largest error of the exported graphs against PyTorch, of values from 0 to 1."""


def import_checkpoint(
    path: Path,
    *,
    config_name: str | None = None,
    name: str | None = None,
    integers: bool = False,
    keep_torch: bool = False,
    face: Image | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Check a checkpoint, export it and put it into the folder of models.

    Args:
        path: the official file, full or stripped.
        config_name: its configuration; None: from the file's name.
        name: what to call the model; None: as its configuration.
        integers: also write the frame's network in 8-bit integers.
        keep_torch: also keep the weights for `TorchEngine`.
        face: (H, W, 3) RGB, a face to calibrate the integers with; None: a made-up picture.
        tell: called with one line about each step.

    Returns:
        The manifest that was written.

    Raises:
        UserError: PyTorch is missing, the file cannot be used, the export is not exact, or the
            folder cannot be written to.
    """
    require_torch()
    tell(f"Reading {path.name}")
    weights, config = checkpoints.load(path, config_name)
    with manifests.STORE.new(name or config.name) as part:
        losses = _write_graphs(part, weights, config, tell)
        if integers:
            tell("Calibrating and writing in 8-bit integers")
            losses["int8"] = _write_integers(part, weights, config, face)
        if keep_torch:
            _write_torch(part, weights)
        tell("Writing the manifest")
        made = Manifest(
            name=part.name,
            imported=time.time(),
            files=files_in(part),
            losses=losses,
            config=config.name,
            align_corners=config.align_corners,
            checkpoint=manifests.describe(path),
        )
        manifests.write(part, made)
    return made


def _write_graphs(
    folder: Path,
    weights: checkpoints.Checkpoint,
    config: Config,
    tell: Callable[[str], None],
) -> dict[str, str]:
    """Write the graphs in all precisions; returns what was measured, in words."""
    import onnx

    losses = {}
    expected = _torch_outputs(weights, config)
    for precision in ("fp32", "fp16"):
        tell(f"Exporting in {precision}")
        for network, model in graphs(weights, config, precision == "fp16"):
            onnx.save(model, folder / f"{network}.{precision}.onnx")
        error = _largest_error(folder, precision, expected, config)
        losses[precision] = f"largest error {error:.1e} against PyTorch"
        if precision == "fp32" and not error <= _TOLERANCE:
            raise UserError(
                f"The exported networks differ from PyTorch's by {error:.1e}; update onnx and "
                "onnxruntime and import again, or report this with the checkpoint's name."
            )
    return losses


def graphs(
    weights: checkpoints.Checkpoint, config: Config, half: bool
) -> Iterator[tuple[str, onnx.ModelProto]]:
    """The three networks by name, one after the other to save memory.

    Args:
        weights: of the checkpoint.
        config: what they were trained as.
        half: compute the convolutions in float16.
    """
    from models.fomm import export

    yield "detect", export.detect_graph(weights.kp_detector, config, half)
    yield "encode_source", export.encode_graph(weights.generator, config, half)
    yield "render", export.render_graph(weights.generator, config, half)


def sample_picture(seed: int, side: int = SIDE) -> Floats:
    """A soft made-up picture (1, 3, side, side), 0..1; the same for the same seed."""
    import cv2

    low = np.random.default_rng(seed).uniform(0, 1, (9, 9, 3)).astype(np.float32)
    picture = cv2.resize(low, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None])


def _torch_outputs(weights: checkpoints.Checkpoint, config: Config) -> dict[str, Floats]:
    """What PyTorch computes for two pictures; the second moves the first."""
    import torch

    from models.fomm.networks import Generator, KeypointDetector

    outputs: dict[str, Floats] = {}
    with torch.inference_mode():
        detector = KeypointDetector(config)
        generator = Generator(config)
        for module, arrays in ((detector, weights.kp_detector), (generator, weights.generator)):
            state = {key: torch.from_numpy(np.asarray(value)) for key, value in arrays.items()}
            module.load_state_dict(state, strict=False)
            module.eval()
        pictures = [torch.from_numpy(sample_picture(seed, config.side)) for seed in (0, 1)]
        source, driving = detector(pictures[0]), detector(pictures[1])
        prediction, motion = generator(pictures[0], source, driving)
        outputs["values"] = driving.values.numpy()
        outputs["jacobians"] = driving.jacobians.numpy()
        outputs["prediction"] = prediction.numpy()
        outputs["deformation"] = motion.deformation.numpy()
        outputs["mask"] = motion.mask.numpy()
        outputs["occlusion_map"] = motion.occlusion.numpy()
    return outputs


def _open(
    folder: Path, precision: Any, networks: tuple[str, ...], config: Config
) -> dict[str, RuntimeSession]:
    files = {name: {precision: folder / f"{name}.{precision}.onnx"} for name in networks}
    chosen = {name: samples(config)[name] for name in networks}
    return dict(open_runtime(files, chosen, wanted="cpu").sessions)


def _largest_error(
    folder: Path, precision: str, expected: dict[str, Floats], config: Config
) -> float:
    sessions = _open(folder, precision, NETWORKS, config)
    names = ["values", "jacobians"]
    pictures = [{"picture": sample_picture(seed, config.side)} for seed in (0, 1)]
    found = dict(zip(names, sessions["detect"].run(pictures[1], names), strict=True))
    inner = [name for name in expected if name not in names]
    feeds = {**_source_feeds(sessions, pictures[0]["picture"]), **found}
    found.update(zip(inner, sessions["render"].run(feeds, inner), strict=True))
    return max(float(np.abs(found[name] - wanted).max()) for name, wanted in expected.items())


def _source_feeds(sessions: dict[str, RuntimeSession], picture: Floats) -> dict[str, Any]:
    """Those inputs of `render` that belong to the source."""
    feeds = {"picture": picture}
    names = ["features", "small"]
    source = dict(zip(names, sessions["encode_source"].run(feeds, names), strict=True))
    values, jacobians = sessions["detect"].run(feeds, ["values", "jacobians"])
    return {**source, "source_values": values, "source_jacobians": jacobians}


def calibration_frames(
    sessions: dict[str, RuntimeSession], face: Image | None, side: int = SIDE
) -> list[dict[str, Any]]:
    """Inputs of `render` as a live run gives them: a face that moves, turns and comes nearer.

    Args:
        sessions: the three networks by name.
        face: (H, W, 3) RGB; None: a made-up picture.
        side: pixels of a side of the networks' pictures.
    """
    from models.frame_integers import as_input, moved

    still = sample_picture(0, side) if face is None else as_input(face, side)
    source = _source_feeds(sessions, still)
    frames = []
    for picture in moved(still):
        values, jacobians = sessions["detect"].run({"picture": picture}, ["values", "jacobians"])
        frames.append({**source, "values": values, "jacobians": jacobians})
    return frames


def _write_integers(
    folder: Path, weights: checkpoints.Checkpoint, config: Config, face: Image | None
) -> str:
    """Quantise the frame's network and measure what is lost on frames that were not calibrated."""
    from models import frame_integers
    from models.fomm import export

    sessions = _open(folder, "fp32", NETWORKS, config)
    frames = calibration_frames(sessions, face, config.side)
    model = export.render_graph(weights.generator, config, tiled=False)
    target = folder / "render.int8.onnx"
    full = frame_integers.multiplies_bytes_fast()
    frame_integers.quantize(model, target, frames[::2], full)
    rough = _open(folder, "int8", ("render",), config)["render"]
    return frame_integers.keep_if_faster(
        target, sessions["render"], rough, frames[1::2], "prediction"
    )


def _write_torch(folder: Path, weights: checkpoints.Checkpoint) -> None:
    import torch

    state = {
        part: {key: torch.from_numpy(np.asarray(value)) for key, value in arrays.items()}
        for part, arrays in (
            ("generator", weights.generator),
            ("kp_detector", weights.kp_detector),
        )
    }
    torch.save(state, folder / "weights.torch.pt")
