"""The notebook's code runs from top to bottom, in seconds, on a short clip and a few steps."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from realtime.cli import app
from tests.clips import write_pictures
from tests.paths import ROOT

NOTEBOOK = ROOT / "notebooks" / "avatarify.ipynb"


def cells() -> list[dict[str, Any]]:
    book: dict[str, Any] = json.loads(NOTEBOOK.read_text("utf-8"))
    assert book["nbformat"] == 4
    found: list[dict[str, Any]] = book["cells"]
    return found


class Shown:
    """Stands for IPython's display: keeps what was shown."""

    def __init__(self) -> None:
        self.things: list[tuple[str, str]] = []

    def module(self) -> ModuleType:
        module = ModuleType("IPython.display")
        for kind in ("Image", "Video", "SVG"):
            setattr(module, kind, lambda what, kind=kind, **more: (kind, what))
        setattr(module, "display", self.things.append)  # noqa: B010  a module has any attribute
        return module


def in_process(*words: object) -> None:
    """As the notebook's own `tool`, without the seconds that each process takes to start."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    print(result.output)
    assert result.exit_code == 0, (words, result.output, result.exception)


def test_the_notebook_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    from models.fomm.training.frames import video_frames
    from models.fomm.training.perceptual import Vgg19

    weights = tmp_path / "vgg.pth"
    torch.manual_seed(0)
    torch.save(Vgg19().state_dict(), weights)
    frames = list(islice(video_frames(ROOT / "assets" / "demo.mp4"), 16))
    clip = write_pictures(tmp_path / "clip.mp4", frames)
    shown = Shown()
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", shown.module())
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("AVATARIFY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AVATARIFY_MODELS", str(tmp_path / "models"))
    names: dict[str, Any] = {}
    for cell in cells():
        if cell["cell_type"] != "code":
            continue
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)  # noqa: S102
        if "parameters" in cell["metadata"].get("tags", ()):
            names |= {"CLIP": str(clip), "WORK": str(tmp_path / "work"), "SECONDS": 0.2}
            names |= {"STEPS": 2, "BATCH": 2, "LEAST": 8, "VGG": str(weights)}
        if "result" in names:  # Its own way was tried by what made this.
            names["tool"] = in_process
    said = capsys.readouterr().out
    assert "Kept 16 of 16 frames" in said and "L1 0." in said and "Made 1 clips" in said
    assert "perceptual loss: " in said
    kinds = [kind for kind, _ in shown.things]
    assert kinds.count("Video") == 4 and kinds.count("SVG") == 1 and kinds.count("Image") >= 6
    files = [Path(what) for kind, what in shown.things if kind != "SVG"]
    assert all(one.stat().st_size > 100 for one in files)


def test_the_notebook_is_kept_without_outputs_and_begins_with_what_to_change() -> None:
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    (parameters,) = [cell for cell in code if "parameters" in cell["metadata"].get("tags", ())]
    assert code.index(parameters) == 0
    assert len({cell["id"] for cell in cells()}) == len(cells())
