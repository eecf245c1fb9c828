"""Training runs on tiny clips: checkpoints, resuming, fine-tuning, two processes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.errors import UserError
from tests.paths import ROOT

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips to train on and one held out: a bright square that wanders."""
    root = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(1)
    for part, count in (("train", 4), ("test", 1)):
        for clip in range(count):
            folder = root / part / f"{part}{clip}.mp4"
            folder.mkdir(parents=True)
            back = random.integers(0, 100, (64, 64, 3)).astype(np.uint8)
            for frame in range(4):
                picture = back.copy()
                picture[10 + 8 * frame :][:16, 10 + 5 * clip :][:, :16] = 220
                cv2.imwrite(str(folder / f"{frame:03d}.png"), picture)
    return root


def settings(adversarial: bool = False, **changes: Any) -> Any:
    """`small`, narrow enough for tests."""
    from models.fomm.training.settings import raw_settings, settings_of

    raw = raw_settings("small")
    model = raw["model_params"]
    sizes = {"block_expansion": 4, "max_features": 16}
    model["kp_detector_params"].update(sizes)
    model["generator_params"].update(**sizes, num_bottleneck_blocks=1)
    model["generator_params"]["dense_motion_params"].update(sizes)
    model["discriminator_params"].update(sizes)
    raw["train_params"].update(
        {"num_epochs": 2, "num_repeats": 2, "batch_size": 2, "epoch_milestones": [1], **changes}
    )
    raw["train_params"]["loss_weights"]["generator_gan"] = int(adversarial)
    return settings_of("small", raw)


def judge() -> Any:
    import torch

    from models.fomm.training.perceptual import Judge, Vgg19

    torch.manual_seed(3)
    return Judge(Vgg19(16), "a network with random weights")


def run(out: Path, clips: Path, configured: Any = None, **options: Any) -> list[str]:
    from models.fomm.training.options import Options
    from models.fomm.training.running import train

    lines: list[str] = []
    told = Options(data=clips, out=out, cache=clips / "cache", **options)
    train(configured or settings(), told, lines.append, judge())
    return lines


def weights(path: Path) -> dict[str, Any]:
    from models.fomm.training.run_folder import read_state

    state = read_state(path)
    parts = ("generator", "kp_detector", "discriminator")
    return {f"{part}.{k}": v for part in parts for k, v in state[part].items()}


def equal(one: Path, other: Path) -> None:
    import torch

    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a), [k for k in a if not torch.equal(a[k], b[k])]


@pytest.fixture(scope="module")
def whole(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs of four steps, without interruption, with a discriminator."""
    out = tmp_path_factory.mktemp("whole")
    run(out, clips, settings(True))
    return out


def test_a_run_leaves_checkpoints_curves_sheets_and_a_card(whole: Path) -> None:
    from models.fomm.training.run_folder import read_state

    state = read_state(whole / "00000001-checkpoint.pth.tar")
    assert state["epoch"] == 1
    for part in ("generator", "kp_detector", "discriminator"):
        assert not any(key.startswith("module.") for key in state[part])
        group = state[f"optimizer_{part}"]["param_groups"][0]
        assert group["initial_lr"] == 2e-4 and group["lr"] == pytest.approx(2e-5)
    rows = list(csv.DictReader((whole / "curves.csv").open()))
    assert [(r["epoch"], r["step"]) for r in rows] == [
        (str(e), str(s)) for e in (0, 1) for s in range(4)
    ]
    assert {"perceptual", "gen_gan", "disc_gan"} <= set(rows[0])
    assert float(rows[0]["rate"]) == 2e-4 and float(rows[-1]["rate"]) == pytest.approx(2e-5)
    sheet = cv2.imread(str(whole / "sheets" / "00000001.png"))
    assert sheet is not None and sheet.shape == (3 * 64, 5 * 64, 3)
    assert len((whole / "log.txt").read_text().splitlines()) == 2
    card = (whole / "card.md").read_text()
    assert "4 clips" in card and "random weights" in card and "standing still" in card


def test_the_written_configuration_is_read_again(whole: Path) -> None:
    from models.fomm.training.settings import load_settings

    pytest.importorskip("yaml")
    again = load_settings(str(whole / "config.yaml"))
    assert replace(again, name="small", networks=settings().networks) == settings(True)


def test_a_run_that_stopped_within_an_epoch_goes_on_bit_equal(
    whole: Path, clips: Path, tmp_path: Path
) -> None:
    run(tmp_path, clips, settings(True), steps=6)
    from models.fomm.training.run_folder import read_state

    assert read_state(tmp_path / "last.pth.tar")["epoch"] == 0, "the second is not finished"
    assert not (tmp_path / "00000001-checkpoint.pth.tar").exists()
    with (tmp_path / "curves.csv").open("a") as file:
        file.write("1,2,1,1,1,1,1,1,1,1\n1,3")  # Steps after the checkpoint, the last cut short.
    lines = run(tmp_path, clips, settings(True))
    assert any("epoch 1, step 2" in line for line in lines)
    equal(tmp_path / "last.pth.tar", whole / "last.pth.tar")
    assert len(list(csv.DictReader((tmp_path / "curves.csv").open()))) == 8


def test_a_full_checkpoint_of_the_official_code_goes_on_after_its_epoch(
    whole: Path, clips: Path, tmp_path: Path
) -> None:
    import torch

    from models.fomm.training.run_folder import PLACE, read_state

    run(tmp_path / "one", clips, settings(True, num_epochs=1))
    state = read_state(tmp_path / "one" / "last.pth.tar")
    del state[PLACE]
    for part in ("generator", "kp_detector"):
        kept = state[part].items()
        state[part] = {k: v for k, v in kept if not k.endswith("num_batches_tracked")}
    (tmp_path / "two").mkdir()
    torch.save(state, tmp_path / "two" / "last.pth.tar")
    lines = run(tmp_path / "two", clips, settings(True))
    assert any("epoch 1, step 0" in line for line in lines)
    a, b = (weights(run / "last.pth.tar") for run in (whole, tmp_path / "two"))
    assert all(torch.equal(a[k], b[k]) for k in a if not k.endswith("num_batches_tracked"))


def test_loading_by_workers_changes_nothing(whole: Path, clips: Path, tmp_path: Path) -> None:
    run(tmp_path, clips, settings(True), workers=2)
    equal(tmp_path / "last.pth.tar", whole / "last.pth.tar")


CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.models.fomm.training import test_running as here
out, clips = Path(sys.argv[1]), Path(sys.argv[2])
here.run(out, clips, here.settings(True), save_seconds=0)
"""


def test_a_killed_run_goes_on_bit_equal(whole: Path, clips: Path, tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), str(clips)], cwd=ROOT)
    deadline = time.monotonic() + 120
    curves = tmp_path / "curves.csv"
    while time.monotonic() < deadline and child.poll() is None:
        if curves.exists() and len(curves.read_text().splitlines()) > 3:
            break
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert (tmp_path / "last.pth.tar").exists()
    run(tmp_path, clips, settings(True))
    equal(tmp_path / "last.pth.tar", whole / "last.pth.tar")
    assert not list(tmp_path.glob(".*")), "nothing half-written is left"


def test_only_the_newest_numbered_checkpoints_are_kept(clips: Path, tmp_path: Path) -> None:
    configured = settings(num_epochs=3, checkpoint_freq=1, num_repeats=1)
    run(tmp_path, clips, configured, keep=2)
    kept = sorted(path.name for path in tmp_path.glob("*-checkpoint.pth.tar"))
    assert kept == ["00000001-checkpoint.pth.tar", "00000002-checkpoint.pth.tar"]


def test_fine_tuning_leaves_what_is_frozen_and_keeps_the_best(
    whole: Path, clips: Path, tmp_path: Path
) -> None:
    import torch

    start = whole / "last.pth.tar"
    run(tmp_path, clips, settings(), start=start, freeze=("detector", "motion"))
    before, after = weights(start), weights(tmp_path / "last.pth.tar")
    for key, value in after.items():
        same = torch.equal(value, before[key])
        frozen = key.startswith(("kp_detector", "generator.dense", "discriminator"))
        if frozen:
            assert same, key
    assert not torch.equal(after["generator.final.weight"], before["generator.final.weight"])
    place = torch.load(tmp_path / "last.pth.tar", weights_only=True)["avatarify_like"]
    held = list(csv.DictReader((tmp_path / "held_out.csv").open()))
    assert place["best"] == pytest.approx(
        min(place["start"], *(float(row["l1"]) for row in held)), abs=1e-6
    )
    assert f"{place['start']:.4f}" in (tmp_path / "card.md").read_text()


def test_a_run_without_gain_stops_early(clips: Path, tmp_path: Path) -> None:
    # With no rate to speak of, the statistics alone move, and nothing is gained for long.
    configured = settings(num_epochs=40, num_repeats=1, lr_generator=1e-30, lr_kp_detector=1e-30)
    lines = run(tmp_path, clips, configured, patience=1)
    assert any("stopped" in line for line in lines)
    assert not (tmp_path / "00000039-checkpoint.pth.tar").exists()


def test_a_checkpoint_of_another_shape_is_refused_in_a_sentence(
    whole: Path, clips: Path, tmp_path: Path
) -> None:
    from models.fomm.training.settings import load_settings

    with pytest.raises(UserError, match="does not fit small"):
        run(
            tmp_path,
            clips,
            load_settings("small"),
            start=whole / "last.pth.tar",
        )


def test_an_official_checkpoint_without_counters_is_taken(
    whole: Path, clips: Path, tmp_path: Path
) -> None:
    import torch

    from models.fomm.training.run_folder import read_state

    state = read_state(whole / "last.pth.tar")
    slim = {
        part: {k: v for k, v in state[part].items() if not k.endswith("num_batches_tracked")}
        for part in ("generator", "kp_detector")
    }
    torch.save(slim, tmp_path / "slim.pth.tar")
    lines = run(tmp_path / "run", clips, settings(True), start=tmp_path / "slim.pth.tar", steps=1)
    assert any("discriminator" in line and "afresh" in line for line in lines)


PAIR = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.models.fomm.training import test_running as here
from models.fomm.training import running
out, clips = Path(sys.argv[1]), Path(sys.argv[2])
here.run(out, clips, here.settings(True), steps=1)
"""


def test_two_processes_average_the_gradients_of_two_halves(clips: Path, tmp_path: Path) -> None:
    import torch

    from models.fomm.training.options import Options
    from models.fomm.training.processes import Processes
    from models.fomm.training.running import _Run

    script = tmp_path / "pair.py"
    script.write_text(PAIR)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--master-port=0", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    done = subprocess.run(
        [*command, str(script), str(tmp_path / "two"), str(clips)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    wanted: dict[str, Any] = {}
    for rank in range(2):
        told = Options(data=clips, out=tmp_path / f"half{rank}", cache=clips / "cache")
        one = _Run(settings(True), told, Processes(), lambda line: None, judge())
        one.group = Processes(rank, 2)
        _, batch = next(one._batches())
        one.trainer.step(batch["source"], batch["driving"], one._bend(0))
        for part, network in one.trainer.networks.items():
            for key, value in network.named_parameters():
                name = f"{part}.{key}"
                assert value.grad is not None, name
                wanted[name] = wanted.get(name, 0) + value.grad / 2
    from models.fomm.training.run_folder import read_state

    state = read_state(tmp_path / "two" / "last.pth.tar")
    for part, network in one.trainer.networks.items():
        moments = state[f"optimizer_{part}"]["state"]
        for number, (key, _) in enumerate(network.named_parameters()):
            # After one step Adam's first moment is half the gradient.
            got, mean = 2 * moments[number]["exp_avg"], wanted[f"{part}.{key}"]
            scale = max(float(mean.abs().max()), 1e-6)
            # The discriminator's gradients are of predictions that float32 rounds in another order.
            assert torch.allclose(got, mean, atol=1e-3 * scale, rtol=1e-3), f"{part}.{key}"


def test_a_launcher_may_have_joined_the_processes_already(tmp_path: Path) -> None:
    from torch import distributed

    from models.fomm.training.processes import Processes, processes

    place = (tmp_path / "store").as_uri()
    distributed.init_process_group("gloo", init_method=place, rank=0, world_size=1)
    try:
        with processes("cpu") as group:
            assert group == Processes(0, 1, 0)
        assert distributed.is_initialized(), "who joined them parts them"
    finally:
        distributed.destroy_process_group()


def test_the_result_is_imported_and_animates(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    from models.backends import create_animator
    from models.fomm.importing import import_checkpoint
    from models.fomm.training.settings import load_settings

    configured = load_settings("small", {"batch_size": 2, "num_epochs": 1, "num_repeats": 1})
    run(tmp_path / "run", clips, configured, steps=1)
    monkeypatch.setenv("AVATARIFY_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("AVATARIFY_DEVICE", "cpu")
    made = import_checkpoint(tmp_path / "run" / "last.pth.tar", config_name="small")
    assert made.config == "small"
    animator = create_animator("fomm:small")
    assert animator.best_size() == 64


def test_the_command_tells_what_it_lacks(tmp_path: Path) -> None:
    from models.fomm.training.train_commands import _train

    with pytest.raises(UserError, match="--data"):
        _train({"data": None}, tmp_path, print)


@pytest.mark.parametrize("flags", [{}, {"avx512_bf16": True}, {"amx_bf16": True}, None])
def test_bfloat16_is_for_processors_that_have_it(
    flags: dict[str, bool] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.fomm.training.train_commands import understood

    told: dict[str, Any] = {
        "data": "a", "config": "small", "start": None, "epochs": None, "steps": 0, "batch": None,
        "repeats": None, "rate": None, "freeze": [], "patience": None, "device": "cpu", "seed": 0,
        "workers": None, "precision": None, "compile": False, "vgg": None, "smaller": True,
    }  # fmt: skip
    monkeypatch.delattr("torch.cpu.get_capabilities", raising=False)
    if flags is not None:
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda: flags, raising=False)
    assert understood(told, tmp_path)[1].mixed == bool(flags)
    assert not understood({**told, "precision": "fp32"}, tmp_path)[1].mixed


def test_options_of_fine_tuning_are_low_rates_and_patience(tmp_path: Path) -> None:
    from models.fomm.training.train_commands import understood

    told = json.loads(
        '{"data": "a", "config": "vox-256", "start": "b", "epochs": 3, "steps": 0, "batch": 4,'
        '"repeats": null, "rate": null, "freeze": [], "patience": null, "device": "cpu",'
        '"seed": 0, "workers": null, "precision": null, "compile": false, "vgg": null,'
        '"smaller": false}'
    )
    configured, options = understood(told, tmp_path)
    assert configured.rates.generator == 2e-5 and options.patience == 5
    assert configured.epochs == 3 and configured.batch == 4
    configured, options = understood({**told, "start": None}, tmp_path)
    assert configured.rates.generator == 2e-4 and options.patience == 0
