"""Train the network that refines closing eyes, from nothing to ONNX files.

    pip install -e ".[train]"
    python -m scripts.training.train_eyes --output out/eyes

does all that is missing in the output folder, and after an interruption goes on where it was:
renders synthetic heads (`scripts.heads.render_heads`), cuts training samples from them, trains the
network, and writes `weights/` (ONNX in float32 and 8-bit integers), `curves.csv`, sheets to look
at, and `metrics.json` with the figures of heads that were never trained on, by skin tone and age.
Nothing here ever sees a photograph of a person.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.errors import UserError
from models.types import Floats, Image
from scripts.training import data
from scripts.training.data import Samples
from scripts.training.nets import (
    Critic,
    EyeNet,
    Features,
    export,
    losses,
    multiplications,
    quantize,
    refined,
)

WEIGHTS = {"l1": 1.0, "gradient": 0.5, "pooled": 0.5, "perceptual": 0.2, "critic": 0.02}
"""How much each term of the loss counts. The shipped weights were trained with these. More of `l1`
blurs; more of the critic sharpens, and begins to invent."""

_CRITIC_FROM = 2 / 3
"""Share of the steps after which the critic joins: it is to judge detail, which comes last."""

_TOLERANCE = 1e-4
"""Most by which an answer (-1..1) of the ONNX file may differ from PyTorch's: rounding, no more. It
takes fifty times as much to change a pixel by one."""

_JUDGED = 300
"""Most held-out samples that are judged, spread evenly over all: as in the model card's table."""


@dataclass(frozen=True)
class Plan:
    """How the network is trained; what decides the result besides the samples.

    Attributes:
        steps: of the optimizer.
        batch: samples in a step.
        rate: the highest learning rate.
        seed: of all that is drawn by chance.
        perceptual: whether likeness is judged in the features of EfficientNet-lite0, too.
    """

    steps: int
    batch: int = 16
    rate: float = 2e-3
    seed: int = 0
    perceptual: bool = True


class Training:
    """The network on its way: everything that a checkpoint holds."""

    def __init__(self, plan: Plan, device: str) -> None:
        """Start from nothing.

        Args:
            plan: how it is trained.
            device: of PyTorch, such as "cpu" or "cuda".
        """
        torch.manual_seed(plan.seed)
        self.plan, self.device, self.step = plan, device, 0
        self.net = EyeNet().to(device)
        self.critic = Critic().to(device)
        self._features = Features().to(device) if plan.perceptual else None
        self._optimizer = torch.optim.AdamW(self.net.parameters(), plan.rate, weight_decay=1e-3)
        self._critic_optimizer = torch.optim.AdamW(
            self.critic.parameters(), plan.rate / 4, (0.5, 0.9)
        )

    def advance(self, samples: Samples) -> dict[str, float]:
        """One step; the losses by name."""
        # What is drawn depends on the step alone: an interruption changes nothing.
        rng = np.random.default_rng([self.plan.seed, self.step])
        arrays = samples.batch(_pick(samples, rng, self.plan.batch))
        planes, wanted, prior = (torch.from_numpy(x).to(self.device) for x in varied(*arrays, rng))
        self._set_rate()
        self.net.train()
        out = refined(planes, prior, self.net(planes))
        found = losses(out, wanted, planes, prior, self._features)
        if self.step >= _CRITIC_FROM * self.plan.steps:
            found["critic"] = self._train_critic(out, wanted, planes, prior)
        total: torch.Tensor = sum(
            (WEIGHTS[name] * value for name, value in found.items()), torch.zeros(())
        )
        self._optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self._optimizer.step()
        self.step += 1
        return {name: float(value.detach()) for name, value in found.items()}

    def _train_critic(
        self, out: torch.Tensor, wanted: torch.Tensor, planes: torch.Tensor, prior: torch.Tensor
    ) -> torch.Tensor:
        """Train the critic one step, then ask it about the result.

        Args:
            out: (B, 3, S, S), the refined picture.
            wanted: (B, 3, S, S), the real one.
            planes: (B, 12, S, S), what the network saw.
            prior: (B, 1, S, S).
        """
        inside = (prior * 4).clamp(max=1)
        real = wanted * inside + planes[:, :3] * (1 - inside)
        verdicts = self.critic(real, planes), self.critic(out.detach(), planes)
        loss = (verdicts[0] - 1).square().mean() + verdicts[1].square().mean()
        self._critic_optimizer.zero_grad()
        loss.backward()
        self._critic_optimizer.step()
        return (self.critic(out, planes) - 1).square().mean()

    def _set_rate(self) -> None:
        """A short warm-up, then half a cosine."""
        share = self.step / max(1, self.plan.steps)
        rate = self.plan.rate * min(1, (self.step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * share))
        for group in self._optimizer.param_groups:
            group["lr"] = max(rate, self.plan.rate * 0.01)

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one stays until the new one is whole."""
        part = path.with_suffix(".part")
        torch.save(
            {
                "step": self.step,
                "net": self.net.state_dict(),
                "critic": self.critic.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "critic_optimizer": self._critic_optimizer.state_dict(),
                "random": torch.get_rng_state(),
            },
            part,
        )
        part.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.step = state["step"]
        self.net.load_state_dict(state["net"])
        self.critic.load_state_dict(state["critic"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._critic_optimizer.load_state_dict(state["critic_optimizer"])
        torch.set_rng_state(state["random"].cpu())

    @torch.inference_mode()
    def answer(self, samples: Samples, chosen: Any) -> tuple[Floats, Floats, Floats, Floats]:
        """Drawn, refined and wanted pictures (B, 3, S, S) in skin colours, and priors."""
        self.net.eval()
        planes, wanted, prior = samples.batch(chosen)
        x, weight = (torch.from_numpy(v).to(self.device) for v in (planes, prior))
        out = refined(x, weight, self.net(x)).cpu().numpy()
        return planes[:, :3], out, wanted, prior


def _pick(samples: Samples, rng: np.random.Generator, count: int) -> Any:
    """Sample numbers; every head is as likely as another, whatever it has of samples."""
    heads, starts, sizes = np.unique(samples.identity, return_index=True, return_counts=True)
    head = rng.integers(len(heads), size=count)
    return starts[head] + (rng.random(count) * sizes[head]).astype(np.int64)


def varied(
    planes: Floats, wanted: Floats, prior: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """The same samples in other colours, contrasts and materials, so that paintings are at home."""
    count = len(planes)
    shape = (count, 1, 1, 1)
    colour = np.eye(3, dtype=np.float32) + rng.normal(0, 0.06, (count, 3, 3)).astype(np.float32)
    faded = rng.uniform(0.0, 0.9, shape) ** 2
    contrast, light = rng.uniform(0.7, 1.3, shape), rng.uniform(0.9, 1.1, (count, 3, 1, 1))
    grain = rng.normal(0, 1, (count, 3, *planes.shape[2:])).astype(np.float32)
    grain *= (rng.uniform(-0.02, 0.04, shape)).clip(0).astype(np.float32)

    def other(x: Floats) -> Floats:
        x = np.einsum("bij,bjhw->bihw", colour, x)
        x = x + (x.mean(1, keepdims=True) - x) * faded
        return np.asarray(((x - 0.5) * contrast + 0.5) * light, np.float32)

    planes = planes.copy()
    planes[:, 0:3] = other(planes[:, 0:3]) + grain
    planes[:, 3:6] = other(planes[:, 3:6]) + grain[::-1]
    # The picture's own grain is to stay, so it is in what is wanted, too.
    return planes, other(wanted) + grain, prior


def judge(training: Training, samples: Samples, groups_of: dict[int, list[str]]) -> Any:
    """Figures of held-out heads, drawn against refined: all, and by skin tone and age.

    Args:
        training: the network.
        samples: of held-out heads.
        groups_of: the names of the groups of each head's number.

    Returns:
        for each group its number of samples and, of the drawn and of the refined eye: "l1", the
        mean absolute difference inside the prior, of 255 skin colours; "distance" in the features
        of EfficientNet-lite0, times 1000, of the region with all outside the prior equal.
    """
    from scripts.evaluation.judges import Perceptual

    distance = Perceptual() if training.plan.perceptual else None
    groups: dict[str, list[list[float]]] = defaultdict(list)
    chosen = np.linspace(0, len(samples) - 1, min(len(samples), _JUDGED)).astype(np.int64)
    for index in chosen:
        drawn, out, wanted, prior = (x[0] for x in training.answer(samples, [index]))
        inside = np.minimum(prior * 4, 1)
        goal = wanted * inside + drawn * (1 - inside)
        row = []
        for picture in (drawn, out):
            row.append(float((np.abs(picture - wanted) * prior).sum() / prior.sum() / 3 * 255))
            if distance is not None:
                row.append(1000 * distance(*(_shown(x) for x in (picture, goal))))
        for group in ("all", *groups_of.get(int(samples.identity[index]), [])):
            groups[group].append(row)
    names = ["l1", "distance"] if distance is not None else ["l1"]
    columns = [f"{name} {kind}" for kind in ("drawn", "refined") for name in names]
    return {
        group: {"samples": len(rows)}
        | {name: round(float(v), 2) for name, v in zip(columns, np.mean(rows, 0), strict=True)}
        for group, rows in sorted(groups.items())
    }


def sheet(training: Training, samples: Samples, rows: int = 14) -> Image:
    """Held-out samples: photo, wanted, warp alone, drawn, refined; colours in skin colours."""
    chosen = np.linspace(0, len(samples) - 1, min(rows, len(samples))).astype(np.int64)
    drawn, out, wanted, _ = training.answer(samples, chosen)
    gain = (0.5 / samples.skins[samples.photo[chosen]])[..., None, None]
    photo = samples.photos[samples.photo[chosen], :3] * gain
    columns = [photo, wanted, samples.plain[chosen] * gain, drawn, out]
    lines = [np.hstack([_shown(column[row]) for column in columns]) for row in range(len(chosen))]
    return np.asarray(cv2.resize(np.vstack(lines), None, fx=2, fy=2), np.uint8)


def _shown(colours: Floats) -> Image:
    """(3, S, S) in skin colours as a picture."""
    return np.ascontiguousarray(np.clip(colours * 255, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def write(training: Training, samples: Samples, folder: Path) -> float:
    """Export the network in both precisions; the difference of PyTorch and ONNX.

    Raises:
        UserError: they do not agree.
    """
    import onnxruntime as ort

    folder.mkdir(parents=True, exist_ok=True)
    net = EyeNet()
    net.load_state_dict({k: v.cpu() for k, v in training.net.state_dict().items()})
    model = export(net)
    path = folder / "eyes_fp32.onnx"
    spread = np.linspace(0, len(samples) - 2, 100).astype(np.int64)
    inputs = [samples.batch(np.arange(index, index + 2))[0] for index in spread]
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    worst = 0.0
    with torch.inference_mode():
        for planes in inputs[:8]:
            ours = net(torch.from_numpy(planes)).numpy()
            worst = max(worst, float(np.abs(session.run(None, {"planes": planes})[0] - ours).max()))
    if worst > _TOLERANCE:
        raise UserError(f"The exported network differs by {worst:.1e}; report this.")
    onnx.save(model, path)
    quantize(model, folder / "eyes_int8.onnx", inputs)
    products = multiplications(model) / 1e6
    print(f"{path.name}: {products:.0f} million products a frame, parity {worst:.1e}")
    return worst


def train(plan: Plan, options: argparse.Namespace, regions: Path, output: Path) -> None:
    """Train the network as far as the plan goes, and write all that comes of it.

    Args:
        plan: how it is trained.
        options: of the command line.
        regions: folder of the cut samples.
        output: folder for what comes of it.

    Raises:
        UserError: there are no samples.
    """
    samples, judging = (data.load(regions, judging=j) for j in (False, True))
    if samples is None:
        raise UserError("There are no samples of closing eyes; render more heads (--heads).")
    judging = judging or samples
    device = "cuda" if torch.cuda.is_available() else "cpu"
    training = Training(plan, device)
    checkpoint = output / "eyes.pt"
    if checkpoint.exists():
        training.resume(checkpoint)
    print(f"{len(samples)} samples, {len(judging)} to judge with, on {device}")
    until = time.monotonic() + 60 * options.minutes
    means: dict[str, list[float]] = defaultdict(list)

    def keep() -> None:
        training.save(checkpoint)
        picture = sheet(training, judging)
        path = output / "sheets" / f"{training.step:06d}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
        if means:
            row = {name: float(np.mean(values)) for name, values in means.items()}
            _log(output / "curves.csv", {"step": training.step} | row)
            means.clear()

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[losses]}"),
    )  # fmt: skip
    with Progress(*columns) as progress:
        task = progress.add_task("steps", total=plan.steps, completed=training.step, losses="")
        while training.step < plan.steps and time.monotonic() < until:
            for name, value in training.advance(samples).items():
                means[name].append(value)
            text = " ".join(f"{name} {np.mean(v[-50:]):.4f}" for name, v in means.items())
            progress.update(task, completed=training.step, losses=text)
            if training.step % options.every == 0:
                keep()
    keep()
    write(training, samples, output / "weights")
    found = {
        int(number): data.groups(options.data, int(number)) for number in set(judging.identity)
    }
    metrics = {"step": training.step, "groups": judge(training, judging, found)}
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    print(json.dumps(metrics["groups"]["all"]))


def _log(path: Path, row: dict[str, Any]) -> None:
    """Add a line to the curves."""
    names = ["step", *WEIGHTS]
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, names)
        if new:
            writer.writeheader()
        writer.writerow({key: f"{v:.5f}" if isinstance(v, float) else v for key, v in row.items()})


def main() -> None:
    """Do what is missing in the output folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of everything made here")
    parser.add_argument("--data", type=Path, help="rendered heads (default: OUTPUT/data)")
    parser.add_argument("--parts", type=Path, help="CC0 parts, for scripts/heads/render_heads.py")
    parser.add_argument("--heads", type=int, default=200, help="how many heads to render")
    parser.add_argument(
        "--no-render", action="store_true", help="train on the heads that are there"
    )
    parser.add_argument("--only-prepare", action="store_true", help="cut samples, then stop")
    parser.add_argument("--steps", type=int, default=12000, help="steps of the optimizer")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop training after so many"
    )
    parser.add_argument("--every", type=int, default=500, help="steps between checkpoints")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch on the CPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-perceptual", action="store_true", help="without EfficientNet")
    options = parser.parse_args()
    options.data = options.data or options.output / "data"
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    try:
        if not options.no_render:
            _render(options)
        regions = options.output / "regions"
        with Progress() as progress:
            task = progress.add_task("samples", total=len(data.finished(options.data)))
            for _ in data.prepare(options.data, regions):
                progress.advance(task)
        if not options.only_prepare:
            perceptual = not options.no_perceptual
            plan = Plan(options.steps, options.batch, seed=options.seed, perceptual=perceptual)
            train(plan, options, regions, options.output)
    except UserError as error:
        sys.exit(str(error))


def _render(options: argparse.Namespace) -> None:
    """Render the heads that are missing.

    Raises:
        UserError: the renderer failed; it has said why.
    """
    if len(data.finished(options.data)) >= options.heads:
        return
    command = [sys.executable, "-m", "scripts.heads.render_heads", "--output", str(options.data)]
    command += ["--identities", str(options.heads)]
    if options.parts:
        command += ["--parts", str(options.parts)]
    if subprocess.run(command, check=False).returncode:
        raise UserError("The heads were not rendered; do what is said above, or use --no-render.")


if __name__ == "__main__":
    main()
