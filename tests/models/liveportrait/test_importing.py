"""Import of files that follow the official layout, download from a server, and the engine."""

from __future__ import annotations

import hashlib
import io
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from rich.console import Console

from models.backends import create_animator
from models.errors import UserError
from models.liveportrait import official
from models.liveportrait.backend import LivePortraitAnimator
from models.liveportrait.commands import Extras, download, import_model
from models.liveportrait.engine import OnnxEngine
from models.liveportrait.manifest import STORE, describe_imported
from models.onnx_engine import torch_is_wanted
from models.photos import load_image
from models.types import Floats
from realtime.commands.animate import animate_clip
from realtime.commands.options import AnimateChoices
from realtime.paths import asset_path
from tests.liveportrait_rule import rule_image, write_official_files
from tests.models.liveportrait.small_networks import SmallEngine
from tests.paths import DATA

pytest.importorskip("torch", reason="needs PyTorch")
pytest.importorskip("onnx", reason="needs onnx")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("official")
    write_official_files(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def said(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What an import says; the model is there meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVATARIFY_MODELS", str(tmp_path_factory.mktemp("models")))
        patch.setenv("AVATARIFY_DEVICE", "cpu")
        out = io.StringIO()
        extras = Extras(torch=True, parts=True)
        import_model([files], False, None, Console(file=out, width=200), extras)
        yield out.getvalue()
        shutil.rmtree(STORE.folder())


@pytest.fixture(scope="module")
def engine(said: str) -> OnnxEngine:
    return OnnxEngine(*STORE.choose())


def error(found: Any, wanted: Any) -> float:
    wanted = np.asarray(wanted)
    far = np.abs(np.asarray(found).reshape(wanted.shape) - wanted).max()
    return float(far / np.sqrt(np.square(wanted).mean()))


def test_an_import_says_what_it_measured_and_what_to_do_next(said: str) -> None:
    assert "fp32: largest error" in said and "dB against PyTorch" in said
    assert "Not the official files, by their hashes: appearance_feature_extractor.pth" in said
    assert "Use it with: avatarify-like run --backend liveportrait:human" in said
    assert describe_imported() == "human"
    _, manifest = STORE.choose("human")
    assert {"render.fp32", "render.fp16", "motion.fp32", "eye.fp32"} <= set(manifest.files)
    assert "motion.fp16" not in manifest.files, "motion needs all digits"
    assert "parts: warp and generator, largest error" in said
    assert {"warp.fp32", "generator.fp32", "weights.torch"} <= set(manifest.files)
    assert len(manifest.sources) == 5


def test_the_imported_graphs_give_the_official_outputs(engine: OnnxEngine) -> None:
    with np.load(DATA / "liveportrait_expected.npz") as arrays:
        expected = dict(arrays)
    picture = rule_image("dev", "source")
    heads = engine.motion(picture)
    for name in ("pitch", "yaw", "roll", "scale", "t", "kp", "exp"):
        found = np.asarray(getattr(heads, name)).reshape(-1)
        assert error(found, expected[f"M_source_{name}"].reshape(-1)) < 1e-4, name
    source, driving = expected["x_s"][0], expected["x_d"]
    made = engine.render(engine.features(picture), source, driving)
    assert error(made[:, :, ::8, ::8], expected["prediction_every8"]) < 1e-3


def test_the_small_networks_are_the_official_ones(engine: OnnxEngine) -> None:
    plain = SmallEngine()
    random = np.random.default_rng(3)
    source, driving = random.normal(0, 0.3, (2, 21, 3)).astype(np.float32)
    pairs: list[tuple[Floats, Floats]] = [
        (engine.stitch(source, driving), plain.stitch(source, driving)),
        (engine.lip_delta(source, 0.1, 0.3), plain.lip_delta(source, 0.1, 0.3)),
        (engine.eye_delta(source, 0.3, 0.2, 0.1), plain.eye_delta(source, 0.3, 0.2, 0.1)),
    ]
    for found, wanted in pairs:
        assert error(found, wanted) < 1e-4


def test_pytorch_computes_the_same_where_it_is_asked_for(
    engine: OnnxEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVATARIFY_DEVICE", "torch")
    animator = create_animator("liveportrait")
    assert isinstance(animator, LivePortraitAnimator)
    assert animator.device == "PyTorch on the CPU, fp32"
    torch = animator._engine
    picture = rule_image("dev", "source")
    heads, wanted = torch.motion(picture), engine.motion(picture)
    for name in ("pitch", "yaw", "roll", "scale", "t", "kp", "exp"):
        assert error(getattr(heads, name), getattr(wanted, name)) < 1e-4, name
    source, driving = (np.random.default_rng(3).normal(0, 0.3, (2, 21, 3))).astype(np.float32)
    assert error(torch.stitch(source, driving), engine.stitch(source, driving)) < 1e-4
    lips, eyes = (0.1, 0.3), (0.3, 0.2, 0.1)
    assert error(torch.lip_delta(source, *lips), engine.lip_delta(source, *lips)) < 1e-4
    assert error(torch.eye_delta(source, *eyes), engine.eye_delta(source, *eyes)) < 1e-4
    pictures = [
        one.render(one.features(picture), source, source + 0.01 * driving)
        for one in (torch, engine)
    ]
    assert error(*pictures) < 1e-3


def test_pytorch_needs_the_weights_that_an_import_keeps(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, manifest = STORE.choose()
    files = {key: one for key, one in manifest.files.items() if key != "weights.torch"}
    without = replace(manifest, files=files)
    monkeypatch.setenv("AVATARIFY_DEVICE", "torch")
    with pytest.raises(UserError, match="without weights for PyTorch; import it again with --to"):
        torch_is_wanted(without)
    monkeypatch.setenv("AVATARIFY_DEVICE", "")
    assert not torch_is_wanted(without)


def test_a_changed_file_is_not_used(said: str) -> None:
    folder, manifest = STORE.choose()
    path = folder / manifest.files["eye.fp32"].file
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(UserError, match=r"eye\.fp32.*changed since the import.*import-livep"):
            STORE.verified(folder, manifest, "eye.fp32")
    finally:
        path.write_bytes(whole)


class _Serving(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a server on this computer serves, with small stand-ins for the files."""
    tree = tmp_path / "tree"
    for place, artifact in list(official.OFFICIAL.items()):
        content = hashlib.shake_256(place.encode()).digest(5000)
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        (tree / place).write_bytes(content)
        small = replace(artifact, size=5000, sha256=hashlib.sha256(content).hexdigest())
        monkeypatch.setitem(official.OFFICIAL, place, small)

    class Serving(_Serving):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tree))

    with ThreadingHTTPServer(("127.0.0.1", 0), Serving) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv(official.MIRROR_VARIABLE, f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AVATARIFY_CACHE", str(tmp_path / "cache"))
        yield tree
        server.shutdown()


def test_all_files_are_fetched_checked_and_kept(mirror: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    paths = official.fetch_all(lambda *one: told.append(one))
    assert [path.name for path in paths] == [a.filename for a in official.OFFICIAL.values()]
    assert {name for name, *_ in told} == {path.name for path in paths}
    shutil.rmtree(mirror / "liveportrait")
    assert official.fetch_all() == paths, "what is here is not fetched again"


def test_another_file_than_the_official_one_is_refused(mirror: Path) -> None:
    place = next(iter(official.OFFICIAL))
    (mirror / place).write_bytes(b"x" * 5000)
    with pytest.raises(UserError, match=r"appearance_feature_extractor\.pth.*another file"):
        official.fetch_all()
    (mirror / place).unlink()
    with pytest.raises(UserError, match="could not be fetched"):
        official.fetch_all()


def test_nothing_is_fetched_before_the_user_agrees(mirror: Path, tmp_path: Path) -> None:
    out, asked = io.StringIO(), []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    with pytest.raises(UserError, match="Nothing was downloaded"):
        download(False, None, Console(file=out, width=200), no)
    assert "MIT licence" in out.getvalue() and len(asked) == 1
    assert not (tmp_path / "cache").exists()


def test_what_was_fetched_is_imported(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.liveportrait import commands

    imported: list[Any] = []
    monkeypatch.setattr(commands, "import_model", lambda *args: imported.append(args))
    download(True, "mine", Console(file=io.StringIO()), lambda question: False)
    (places, animals, name, _console) = imported[0]
    assert len(places) == 5 and not animals and name == "mine"


def test_the_whole_tool_moves_a_photo_with_an_imported_model(said: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    choices = AnimateChoices(
        source=asset_path("face.jpg"),
        driving=asset_path("demo.mp4"),
        output=output,
        backend="liveportrait:human",
        end=0.03,
        badge=False,
    )
    out = io.StringIO()
    report = animate_clip(choices, Console(file=out, width=200))
    assert (report.frames, report.faults) == (1, 0), report.last_fault
    with av.open(str(output)) as video:
        picture = next(video.decode(video=0)).to_ndarray(format="rgb24")
    photo = load_image(asset_path("face.jpg"))
    assert picture.shape == photo.shape
    changed = np.abs(picture.astype(np.float32) - photo).mean(2)
    # Made-up weights draw noise where the face was, and the rest is the photo.
    assert changed[300:500, 300:500].mean() > 30
    assert changed[680:].mean() < 6


def test_only_liveportraits_own_files_are_known() -> None:
    assert len(official.OFFICIAL) == 5
    for place in official.OFFICIAL:
        assert place.startswith("liveportrait/") and place.endswith(".pth")
