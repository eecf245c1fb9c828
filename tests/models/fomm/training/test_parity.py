"""Training steps against those of the official implementation, with made-up weights.

Tolerances are those of the reference's README. Its arrays lie in ../shared; what this project
computes for smaller pictures, in tests/data, keeps the comparison alive without it (written by
`python -m tests.models.fomm.training.test_parity`). By default one configuration takes three steps
and two one step; `PARITY=all` takes three with all six, full sizes included, for half an hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import environ
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import fomm_training_rule as rule
from tests.paths import DATA, SHARED

pytestmark = pytest.mark.torch

FOLDER = SHARED / "fomm_training_reference"
OWN = DATA / "fomm_training_expected.npz"
NARROW = ("small", "small-adv", "small-sn")
WIDE = ("vox-256", "vox-adv-256", "mgif-256")
ALL = environ.get("PARITY") == "all"


@dataclass
class Ran:
    """What three steps left behind."""

    arrays: dict[str, Any]
    losses: list[dict[str, float]] = field(default_factory=list)
    generated: Any = None
    judged: dict[str, Any] = field(default_factory=dict)
    gradients: dict[str, Any] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    trainer: Any = None
    bend: Any = None

    @property
    def kept(self) -> Sequence[int]:
        """The steps after which parameters are known."""
        return [step for step in (1, 3) if step < len(self.states)]


def run(name: str, folder: Path | None, double: bool = True, steps: int = 3) -> Ran:

    arrays = dict(np.load(FOLDER / f"{name}.npz" if folder else OWN))
    trainer = rule.trainer(name, arrays, double)
    pictures = rule.pictures(folder) if folder else rule.small_pictures()
    ran = Ran(arrays, trainer=trainer)
    ran.states.append(_copied(trainer))
    critic = trainer.halves["discriminator"]
    keep = critic.register_forward_hook(
        lambda m, i, out: ran.judged.update(fake=out[1], real=out[2])
    )
    for step in range(1, steps + 1):
        bend = rule.bend(arrays, step)
        if step == 1:
            ran.bend = bend.like(pictures[0].double() if double else pictures[0])
        done = trainer.step(*pictures, bend)
        ran.losses.append({k: float(v) for k, v in done.losses.items()})
        if step == 1:
            ran.generated = done.generated
            keep.remove()
            ran.gradients = {
                part: {k: p.grad.clone() for k, p in net.named_parameters() if p.grad is not None}
                for part, net in trainer.networks.items()
            }
        ran.states.append(_copied(trainer) if step in (1, 3) else {})
    return ran


def _copied(trainer: Any) -> dict[str, Any]:
    return {
        part: {k: v.detach().clone() for k, v in net.state_dict().items()}
        for part, net in trainer.networks.items()
    }


@pytest.fixture(scope="module", autouse=True)
def two_threads() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(before, 2))
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=[*NARROW, "own", *(WIDE if ALL else ())])
def ran(request: pytest.FixtureRequest) -> Ran:
    if request.param == "own":
        return run("small-sn", None)
    if not FOLDER.exists():
        pytest.skip("needs ../shared/fomm_training_reference")
    return run(request.param, FOLDER, steps=3 if ALL or request.param == "small-sn" else 1)


def close(got: Any, wanted: Any, tolerance: float, what: str) -> None:
    error = float(np.abs(np.asarray(got, np.float64) - wanted).max())
    assert error <= tolerance, f"{what}: {error:.2e}"


def relative(got: Any, wanted: Any, tolerance: float, what: str) -> None:
    error = float((np.abs(got - wanted) / np.abs(wanted)).max())
    assert error <= tolerance, f"{what}: {error:.2e}"


def at(tensor: Any, index: Any) -> Any:
    return tensor.detach().flatten().numpy()[index]


def parts(ran: Ran) -> list[str]:
    return [p for p in ("generator", "kp_detector", "discriminator") if f"{p}.index" in ran.arrays]


def pictured(made: Any) -> dict[str, Any]:
    """The outputs at the density of the reference."""
    motion = made.motion
    return {
        "prediction": made.prediction[:, :, ::8, ::8],
        "transformed_frame": made.bent[:, :, ::8, ::8],
        "deformation": motion.deformation[:, ::4, ::4],
        "mask": motion.mask[:, :, ::8, ::8],
        "occlusion_map": motion.occlusion[:, :, ::4, ::4],
        "perceptual_terms": made.perceptual,
    }


def judged(ran: Ran) -> dict[tuple[str, str], tuple[Any, Any]]:
    """What the discriminator says in both passes: maps, and mean and size of the features."""
    passes = {"g": (ran.generated.fake, ran.generated.real)}
    passes["d"] = (ran.judged["fake"], ran.judged["real"])
    found = {}
    for letter, both in passes.items():
        for kind, one in zip(("generated", "real"), both, strict=True):
            for scale, verdict in one.items():
                features = [f.detach() for f in verdict.features]
                found[f"disc_{letter}_{kind}", f"{scale:g}"] = (
                    verdict.map.detach()[:, :, ::2, ::2].numpy(),
                    np.array([[f.mean().item(), f.abs().mean().item()] for f in features]),
                )
    return found


def check_forward(ran: Ran, tight: float, painted: float) -> None:
    made, arrays = ran.generated, ran.arrays
    for kind in ("source", "driving", "transformed"):
        points = getattr(made, kind)
        close(points.values.detach(), arrays[f"kp_{kind}_value"], tight, kind)
        close(points.jacobians.detach(), arrays[f"kp_{kind}_jacobian"], tight, kind)
    for name, value in pictured(made).items():
        close(value.detach(), arrays[name], painted, name)


def test_the_spline_bends_as_the_official_one(ran: Ran) -> None:
    import torch

    points = torch.from_numpy(ran.arrays["tps_points"])
    close(ran.bend.points(points), ran.arrays["tps_warped"], 1e-10, "points")
    close(ran.bend.jacobian(points), ran.arrays["tps_jacobian"], 1e-10, "jacobian")


def test_the_first_step_sees_the_same_pictures_and_motions(ran: Ran) -> None:
    check_forward(ran, 1e-10, 1e-10)


def test_the_discriminator_judges_alike_in_both_passes(ran: Ran) -> None:
    if "discriminator.index" not in ran.arrays:
        assert not ran.generated.fake and not ran.judged, "it takes no part"
        return
    for (name, scale), (maps, figures) in judged(ran).items():
        close(maps, ran.arrays[f"{name}_map_{scale}"], 1e-10, name)
        close(figures, ran.arrays[f"{name}_features_{scale}"], 1e-10, name)


def test_losses_of_three_steps_are_the_official_ones(ran: Ran) -> None:
    for step, tolerance in enumerate((1e-10, 1e-9, 1e-6)[: len(ran.losses)]):
        for column, name in enumerate(ran.arrays["loss_names"]):
            wanted = ran.arrays["losses"][step, column]
            if name == "generator_total":
                got = sum(v for k, v in ran.losses[step].items() if k != "disc_gan")
            else:
                got = ran.losses[step][str(name)]
            relative(np.array(got), wanted, tolerance, f"step {step + 1} {name}")


def test_gradients_of_the_first_step_are_the_official_ones(ran: Ran) -> None:
    for part in parts(ran):
        grads = ran.gradients[part]
        for row, key in enumerate(ran.arrays[f"{part}.keys"]):
            got = at(grads[str(key)], ran.arrays[f"{part}.index"][row])
            norm = float(grads[str(key)].norm())
            if ran.arrays[f"{part}.null"][row]:
                assert norm < 1e-9, key
                continue
            wanted = ran.arrays[f"{part}.grad"][row]
            close(got, wanted, 1e-9 * np.abs(wanted).max(), f"{part}.{key}")
            relative(np.array(norm), ran.arrays[f"{part}.grad_norm"][row], 1e-9, f"{part}.{key}")


def test_parameters_after_one_and_three_steps_are_the_official_ones(ran: Ran) -> None:
    for part in parts(ran):
        for row, key in enumerate(ran.arrays[f"{part}.keys"]):
            null = ran.arrays[f"{part}.null"][row]
            for step in ran.kept:
                delta = ran.states[step][part][str(key)] - ran.states[0][part][str(key)]
                got = at(delta, ran.arrays[f"{part}.index"][row])
                wanted = ran.arrays[f"{part}.delta{step}"][row]
                if not null:
                    close(got, wanted, 1e-8, f"{part}.{key} step {step}")
                elif step == 1:
                    close(got, wanted, 1e-6, f"{part}.{key} step {step}")


def test_adam_remembers_what_the_official_one_does(ran: Ran) -> None:
    if len(ran.losses) < 3:
        pytest.skip("took one step")
    for part in parts(ran):
        optimizer = ran.trainer.optimizers[part]
        for row, (key, parameter) in enumerate(ran.trainer.networks[part].named_parameters()):
            assert key == ran.arrays[f"{part}.keys"][row], "the order of an optimizer's state"
            if ran.arrays[f"{part}.null"][row]:
                continue
            for name, tolerance in (("exp_avg", 1e-6), ("exp_avg_sq", 1e-6)):
                got = at(optimizer.state[parameter][name], ran.arrays[f"{part}.index"][row])
                wanted = ran.arrays[f"{part}.{name}3"][row]
                close(got, wanted, tolerance * np.abs(wanted).max(), f"{part}.{key} {name}")


def test_buffers_after_one_and_three_steps_are_the_official_ones(ran: Ran) -> None:
    for part in parts(ran):
        for row, key in enumerate(ran.arrays[f"{part}.buffer_keys"]):
            for step in ran.kept:
                got = at(ran.states[step][part][str(key)], ran.arrays[f"{part}.buffer_index"][row])
                wanted = ran.arrays[f"{part}.buffer{step}"][row]
                close(got, wanted, 1e-6, f"{part}.{key} step {step}")


def test_an_idle_discriminator_is_left_as_it_was(ran: Ran) -> None:
    if "discriminator.index" in ran.arrays:
        pytest.skip("it takes part here")
    for key, value in ran.states[0]["discriminator"].items():
        assert (value == ran.states[ran.kept[-1]]["discriminator"][key]).all(), key


@pytest.mark.parametrize("name", NARROW if ALL else ("small-adv",))
def test_the_first_step_in_float32_is_the_official_one(name: str) -> None:
    if not FOLDER.exists():
        pytest.skip("needs ../shared/fomm_training_reference")
    ran = run(name, FOLDER, double=False, steps=1)
    check_forward(ran, 2e-6, 1e-4)
    wanted = dict(zip(ran.arrays["loss_names"], ran.arrays["losses_float32"][0], strict=True))
    for key, value in ran.losses[0].items():
        relative(np.array(value), wanted[key], 5e-6, key)


def _write_own() -> None:
    """Write what this project computes of small pictures, thinned like the reference."""
    import torch

    random = np.random.default_rng(5)
    kernels = np.load(FOLDER / "small-sn.npz")
    arrays: dict[str, Any] = {k: kernels[k] for k in kernels.files if k.startswith("kernel")}
    for step in (1, 2, 3):
        arrays[f"theta{step}"] = random.normal(0, 0.05, (2, 2, 3)).astype(np.float32)
        arrays[f"control{step}"] = random.normal(0, 0.005, (2, 1, 25)).astype(np.float32)
    np.savez(OWN, **arrays)
    ran = run("small-sn", None)
    points = torch.from_numpy(random.uniform(-1, 1, (2, 7, 2)))
    arrays["tps_points"] = points.numpy()
    arrays["tps_warped"] = ran.bend.points(points).numpy()
    arrays["tps_jacobian"] = ran.bend.jacobian(points).numpy()
    names = list(ran.losses[0])
    arrays["loss_names"] = np.array(names)
    arrays["losses"] = np.array([[one[name] for name in names] for one in ran.losses])
    made = ran.generated
    for kind in ("source", "driving", "transformed"):
        arrays[f"kp_{kind}_value"] = getattr(made, kind).values.detach().numpy()
        arrays[f"kp_{kind}_jacobian"] = getattr(made, kind).jacobians.detach().numpy()
    for name, value in pictured(made).items():
        arrays[name] = value.detach().numpy()
    for (name, scale), (maps, figures) in judged(ran).items():
        arrays[f"{name}_map_{scale}"], arrays[f"{name}_features_{scale}"] = maps, figures
    for part, net in ran.trainer.networks.items():
        _write_part(arrays, ran, part, net, random)
    np.savez_compressed(OWN, **arrays)


def _write_part(arrays: dict[str, Any], ran: Ran, part: str, net: Any, random: Any) -> None:
    keys = [k for k, _ in net.named_parameters()]
    index = np.stack([random.integers(0, p.numel(), 3) for p in net.parameters()])
    grads = ran.gradients[part]
    arrays[f"{part}.keys"], arrays[f"{part}.index"] = np.array(keys), index.astype(np.int32)
    norms = np.array([float(grads[k].norm()) for k in keys])
    arrays[f"{part}.grad_norm"], arrays[f"{part}.null"] = norms, norms < 1e-9
    arrays[f"{part}.grad"] = np.stack([at(grads[k], index[i]) for i, k in enumerate(keys)])
    for step in (1, 3):
        arrays[f"{part}.delta{step}"] = np.stack(
            [
                at(ran.states[step][part][k] - ran.states[0][part][k], index[i])
                for i, k in enumerate(keys)
            ]
        )
    for name in ("exp_avg", "exp_avg_sq"):
        state = ran.trainer.optimizers[part].state
        arrays[f"{part}.{name}3"] = np.stack(
            [at(state[p][name], index[i]) for i, p in enumerate(net.parameters())]
        )
    buffers = {
        k: v
        for k, v in net.named_buffers()
        if not k.endswith(("num_batches_tracked", "down.weight"))
    }
    index = np.stack([random.integers(0, v.numel(), 3) for v in buffers.values()])
    arrays[f"{part}.buffer_keys"], arrays[f"{part}.buffer_index"] = np.array(list(buffers)), index
    for step in (1, 3):
        arrays[f"{part}.buffer{step}"] = np.stack(
            [at(ran.states[step][part][k], index[i]) for i, k in enumerate(buffers)]
        )


if __name__ == "__main__":
    _write_own()
