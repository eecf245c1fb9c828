"""How the backend `liveportrait` is made, and what is said about it before it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.backends import Backend, BackendChoice
from models.liveportrait.commands import add_commands

if TYPE_CHECKING:
    from models.animator import Animator


def _create(choice: str) -> Animator:
    from models.liveportrait.manifest import STORE

    folder, manifest = STORE.choose(choice)
    from models.liveportrait.backend import LivePortraitAnimator
    from models.liveportrait.engine import Engine, OnnxEngine
    from models.onnx_engine import torch_is_wanted

    engine: Engine
    if torch_is_wanted(manifest):
        from models.liveportrait.torch_engine import TorchEngine

        engine = TorchEngine.load(folder, manifest)
    else:
        engine = OnnxEngine(folder, manifest)
    return LivePortraitAnimator(engine, manifest.animals)


def _describe() -> list[str]:
    from models.liveportrait.manifest import describe_imported

    try:
        from models.runtime import describe_device

        device = describe_device()
    except (ImportError, OSError) as error:
        device = f"nothing ({error})"
    return [describe_imported(), f"would compute on {device}"]


def _choices() -> list[BackendChoice]:
    from models.liveportrait.manifest import DOWNLOAD_COMMAND, STORE

    found = []
    for one in STORE.imported():
        kind = "animals, " if one.animals else ""
        label = f"LivePortrait ({kind}{one.name})"
        needs = "needs a graphics card to be live"
        found.append(BackendChoice(f"liveportrait:{one.name}", label, True, needs))
    lacks = f"no model is imported yet; run: {DOWNLOAD_COMMAND}"
    return found or [BackendChoice("liveportrait", "LivePortrait", False, lacks)]


BACKEND = Backend(_create, _describe, add_commands, _choices)
