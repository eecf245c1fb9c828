"""What several test files share."""

from __future__ import annotations

import importlib.util
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.types import Image
from tests.paths import SHARED


def pytest_configure() -> None:
    """Let tests interrupt what they start, also where signals are ignored, as under nohup."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `torch` where PyTorch (or onnx, its companion here) is missing."""
    if all(importlib.util.find_spec(name) is not None for name in ("torch", "onnx")):
        return
    skip = pytest.mark.skip(reason="needs PyTorch: run scripts/test --all")
    for item in items:
        if item.get_closest_marker("torch"):
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keeps the settings and photos of whoever runs the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("AVATARIFY_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real pictures and clips beside the repository; skips the test without it."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder ../shared with real pictures and clips")
    return SHARED


@pytest.fixture(scope="session")
def astronaut() -> Image:
    """A photograph of a smiling astronaut, (512, 512, 3), public domain (scikit-image)."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image")
    return np.asarray(data.astronaut(), np.uint8)
