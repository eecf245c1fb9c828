"""From the official files to a model in the user's folder that needs no PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import UserError
from models.imported import describe, files_in
from models.liveportrait import checkpoint as checkpoints
from models.liveportrait.config import KEYPOINTS, SIDE
from models.liveportrait.engine import NETWORKS, heads_of, samples
from models.liveportrait.manifest import STORE, Manifest
from models.liveportrait.motion import keypoints, stitched
from models.runtime import open_runtime
from models.types import Floats, Image

if TYPE_CHECKING:
    from models.runtime import Feeds, Precision, RuntimeSession

_TOLERANCE = 1e-3
"""The largest error of the graphs in float32 against PyTorch, in units of an array's root mean
square: rounding makes 1e-4 of it (see ../shared/liveportrait_reference's table)."""

_LEAST_DECIBELS = 35.0
"""Of half precision against float32: what is worse is seen, and is not kept."""

_HALF = ("features", "render")
"""The graphs that half precision is for; motion needs all digits, and the others are small."""

PARTS = ("warp", "generator")
"""What `render` is made of, for other programs."""


def import_files(
    places: Iterable[Path],
    *,
    name: str | None = None,
    animals: bool = False,
    integers: bool = False,
    keep_torch: bool = False,
    parts: bool = False,
    face: Image | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Check the official files, export them and put them into the folder of models.

    Args:
        places: folders with them, or the files.
        name: what to call the model; None: "human" or "animals".
        animals: they are those of the animals mode.
        integers: also write the frame's network in 8-bit integers.
        keep_torch: also keep the weights for `TorchEngine`.
        parts: also write `PARTS`, which this program does not use.
        face: (H, W, 3) RGB, a face to calibrate the integers with; None: a made-up picture.
        tell: called with one line about each step.

    Returns:
        The manifest that was written.

    Raises:
        UserError: PyTorch is missing, a file cannot be used, the export is not exact, or the
            folder cannot be written to.
    """
    tell("Reading the files")
    loaded = checkpoints.load(places, animals)
    with STORE.new(name or ("animals" if animals else "human")) as part:
        tell("Computing a picture with PyTorch, to compare with")
        expected = _torch_outputs(loaded.weights)
        losses = {"fp32": _write_exact(part, loaded.weights, expected, tell)}
        losses["fp16"] = _write_half(part, loaded.weights, expected, tell)
        if integers:
            tell("Calibrating and writing in 8-bit integers")
            losses["int8"] = _write_integers(part, loaded.weights, face)
        if parts:
            losses["parts"] = _write_parts(part, loaded.weights, expected)
        if keep_torch:
            _write_torch(part, loaded.weights)
        tell("Writing the manifest")
        made = Manifest(
            name=part.name,
            imported=time.time(),
            files=files_in(part),
            losses=losses,
            animals=animals,
            sources=tuple(describe(path) for path in loaded.files),
        )
        STORE.write(part, made)
    return made


def sample_picture(seed: int) -> Floats:
    """A soft made-up picture (1, 3, 256, 256), 0..1; the same for the same seed."""
    import cv2

    low = np.random.default_rng(seed).uniform(0, 1, (9, 9, 3)).astype(np.float32)
    picture = cv2.resize(low, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None])


def _points() -> tuple[Floats, Floats]:
    """Keypoints of a source and those wanted, as large as real ones."""
    random = np.random.default_rng(0)
    source = random.uniform(-0.4, 0.4, (1, KEYPOINTS, 3)).astype(np.float32)
    return source, source + random.normal(0, 0.03, source.shape).astype(np.float32)


def _torch_outputs(weights: Mapping[str, Mapping[str, Floats]]) -> dict[str, Floats]:
    """What PyTorch computes for a picture and keypoints."""
    import torch

    from models.liveportrait.networks import build

    def network(module: str) -> Any:
        made = build(module)
        state = {key: torch.from_numpy(np.asarray(one)) for key, one in weights[module].items()}
        made.load_state_dict(state, strict=False)
        return made

    with torch.inference_mode():
        picture = torch.from_numpy(sample_picture(0))
        found = {name: one.numpy() for name, one in network("motion_extractor")(picture).items()}
        features = network("appearance_feature_extractor")(picture)
        source, driving = (torch.from_numpy(points) for points in _points())
        warped = network("warping_module")(features, source, driving)[0]
        found["features"] = features.numpy()
        found["prediction"] = network("spade_generator")(warped).numpy()
    return found


def _write_exact(
    part: Path,
    weights: Mapping[str, Mapping[str, Floats]],
    expected: Mapping[str, Floats],
    tell: Callable[[str], None],
) -> str:
    """Write all graphs in float32; what was measured, in words."""
    import onnx

    from models.liveportrait import export

    tell("Exporting in fp32")
    for network in NETWORKS:
        (model,) = export.build(weights, names=[network]).values()
        onnx.save(model, part / f"{network}.fp32.onnx")
    found: dict[str, Floats] = {}
    heads = [name for name in expected if name not in ("features", "prediction")]
    with_picture = {"picture": sample_picture(0)}
    motion = _open(part, "motion", "fp32").run(with_picture, heads)
    found |= dict(zip(heads, motion, strict=True))
    found["features"] = _open(part, "features", "fp32").run(with_picture, ["features"])[0]
    found["prediction"] = _predict(part, "fp32", expected["features"])
    worst = max(_error(found[name], wanted) for name, wanted in expected.items())
    if not worst <= _TOLERANCE:
        raise UserError(
            f"The exported networks differ from PyTorch's by {worst:.1e}; update onnx and "
            "onnxruntime and import again, or report this."
        )
    return f"largest error {worst:.1e} against PyTorch"


def _write_half(
    part: Path,
    weights: Mapping[str, Mapping[str, Floats]],
    expected: Mapping[str, Floats],
    tell: Callable[[str], None],
) -> str:
    """Write in half precision what bears it; what was measured, in words."""
    import onnx

    from models.liveportrait import export

    tell("Exporting in fp16")
    said = []
    for network in _HALF:
        (model,) = export.build(weights, half=True, names=[network]).values()
        target = part / f"{network}.fp16.onnx"
        onnx.save(model, target)
        if network == "features":
            wanted = expected["features"]
            picture = {"picture": sample_picture(0)}
            found = _open(part, network, "fp16").run(picture, ["features"])[0]
        else:
            wanted = expected["prediction"]
            found = _predict(part, "fp16", expected["features"])
        decibels = _decibels(found, wanted)
        if decibels >= _LEAST_DECIBELS:
            said.append(f"{network} {decibels:.0f} dB against PyTorch")
        else:
            target.unlink()
            shown = f"{decibels:.0f} dB" if np.isfinite(decibels) else "no numbers"
            said.append(f"{network} is not kept, it gives {shown}")
    return ", ".join(said)


def _write_integers(
    part: Path, weights: Mapping[str, Mapping[str, Floats]], face: Image | None
) -> str:
    """Quantise the frame's network and measure what is lost on frames that were not calibrated."""
    from models import frame_integers
    from models.liveportrait import export

    still = sample_picture(0) if face is None else frame_integers.as_input(face, SIDE)
    frames = _frames(part, still, frame_integers.moved(still))
    model = export.render_graph(weights["warping_module"], weights["spade_generator"], tiled=False)
    target = part / "render.int8.onnx"
    full = frame_integers.multiplies_bytes_fast()
    frame_integers.quantize(model, target, frames[::2], full)
    exact, rough = (_open(part, "render", precision) for precision in ("fp32", "int8"))
    return frame_integers.keep_if_faster(target, exact, rough, frames[1::2], "prediction")


def _frames(part: Path, still: Floats, pictures: Iterable[Floats]) -> list[Feeds]:
    """Inputs of `render` as a live run gives them, for a photo and pictures of its driver."""
    motion, stitching = (_open(part, name, "fp32") for name in ("motion", "stitching"))
    (features,) = _open(part, "features", "fp32").run({"picture": still}, ["features"])
    source = keypoints(heads_of(motion, still))
    made: list[Feeds] = []
    for picture in pictures:
        driving = keypoints(heads_of(motion, picture))
        row = np.concatenate([source.reshape(1, -1), driving.reshape(1, -1)], 1)
        (delta,) = stitching.run({"keypoints": row}, ["delta"])
        points = {"source": source[None], "driving": stitched(driving, delta[0])[None]}
        made.append({"features": features, **points})
    return made


def _write_parts(
    part: Path,
    weights: Mapping[str, Mapping[str, Floats]],
    expected: Mapping[str, Floats],
) -> str:
    """Write what `render` is made of, in float32; what was measured, in words."""
    import onnx

    from models.liveportrait import export

    source, driving = _points()
    feeds = {"features": expected["features"], "source": source, "driving": driving}
    for network, gives in zip(PARTS, ("warped", "prediction"), strict=True):
        (model,) = export.build(weights, names=[network]).values()
        onnx.save(model, part / f"{network}.fp32.onnx")
        (value,) = _open(part, network, "fp32", feeds).run(feeds, [gives])
        feeds = {gives: value}
    error = _error(feeds["prediction"], expected["prediction"])
    return f"warp and generator, largest error {error:.1e} against PyTorch"


def _write_torch(part: Path, weights: Mapping[str, Mapping[str, Floats]]) -> None:
    import torch

    state = {
        module: {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}
        for module, arrays in weights.items()
    }
    torch.save(state, part / "weights.torch.pt")


def _open(
    part: Path, network: str, precision: Precision, sample: Feeds | None = None
) -> RuntimeSession:
    files = {network: {precision: part / f"{network}.{precision}.onnx"}}
    tried = samples()[network] if sample is None else sample
    opened = open_runtime(files, {network: tried}, wanted="cpu")
    return opened.sessions[network]


def _predict(part: Path, precision: Precision, features: Floats) -> Floats:
    source, driving = _points()
    feeds = {"features": features, "source": source, "driving": driving}
    prediction: Floats = _open(part, "render", precision).run(feeds, ["prediction"])[0]
    return prediction


def _error(found: Floats, wanted: Floats) -> float:
    far = np.abs(found.reshape(wanted.shape) - wanted).max()
    return float(far / max(float(np.sqrt(np.square(wanted).mean())), 1e-6))


def _decibels(found: Floats, wanted: Floats) -> float:
    """Peak signal against noise; minus infinity where a value is no number."""
    if not np.isfinite(found).all():
        return -np.inf
    noise = float(np.square(found.astype(np.float64) - wanted).mean())
    peak = float(np.abs(wanted).max())
    return float(10 * np.log10(peak**2 / max(noise, 1e-12)))
