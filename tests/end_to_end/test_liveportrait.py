"""The backend liveportrait through the whole tool, with an engine that has no networks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from models import backends
from models.errors import UserError
from models.liveportrait.backend import LivePortraitAnimator
from models.types import Image
from realtime.cli import app
from realtime.commands.animate import animate_clip
from realtime.commands.options import AnimateChoices, Faces, RunChoices
from realtime.commands.run import build
from realtime.library import prepare
from realtime.paths import asset_path
from realtime.provenance.verify import Verdict, examine
from realtime.session.stills import StillEditor

ENTRY = "tests.models.liveportrait.fake_engine:BACKEND"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backends._BUILT_IN, "liveportrait", ENTRY)


def pictures(path: Path) -> list[Image]:
    with av.open(str(path)) as video:
        decoded = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    return [np.asarray(image, np.uint8) for image in decoded]


def lit(path: Path) -> Path:
    """A clip in which light goes over a face: what the engine without networks takes for a turn."""
    face = cv2.resize(cv2.imread(str(asset_path("face.jpg"))), (360, 360)).astype(np.float32)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 360, 360, "yuv420p"
        for level in np.linspace(0, 0.5, 12):
            light = np.linspace(1 - level, 1 + level, 360)[:, None]
            image = np.clip(face * light, 0, 255).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode(None))
    return path


def test_a_clip_is_made_signed_and_its_face_moves_in_the_whole_photo(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    text = io.StringIO()
    choices = AnimateChoices(
        source=asset_path("face.jpg"),
        driving=asset_path("demo.mp4"),
        output=output,
        backend="liveportrait",
        end=0.5,
        badge=False,
    )
    report = animate_clip(choices, Console(file=text, width=200))
    assert report.faults == 0, report.last_fault
    made = pictures(output)
    assert len(made) == report.frames == 15
    # The photo's own resolution, and away from the face the photo itself.
    assert made[0].shape == (768, 768, 3)
    first, last = (np.asarray(one, np.float32) for one in (made[0], made[-1]))
    moved = np.abs(last - first)
    assert moved[250:550, 250:550].mean() > 3 * moved[:40].mean()
    assert examine(output, None).verdict is Verdict.UNCHANGED


def test_a_motion_is_kept_and_drives_a_photo_without_its_video(tmp_path: Path) -> None:
    kept = tmp_path / "motion.npz"
    made: list[list[Image]] = []
    for driving, saved in ((asset_path("demo.mp4"), kept), (kept, None)):
        output = tmp_path / f"{len(made)}.mp4"
        choices = AnimateChoices(
            source=asset_path("face.jpg"),
            driving=driving,
            output=output,
            backend="liveportrait",
            size="256x256",
            end=0.3,
            save_motion=saved,
            badge=False,
        )
        animate_clip(choices, Console(file=io.StringIO()))
        made.append(pictures(output))
    assert len(made[0]) == len(made[1]) == 9
    for one, other in zip(*made, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 1.0


@pytest.mark.parametrize("backend", ["liveportrait", "mesh"])
def test_all_faces_of_a_photo_are_moved(tmp_path: Path, backend: str) -> None:
    output, source = tmp_path / "out.mp4", tmp_path / "couple.png"
    face = cv2.resize(cv2.imread(str(asset_path("face.jpg"))), (300, 300))
    cv2.imwrite(str(source), np.hstack([face, face[:, ::-1]]))
    choices = AnimateChoices(
        source=source,
        driving=asset_path("demo.mp4") if backend == "mesh" else lit(tmp_path / "lit.mp4"),
        output=output,
        backend=backend,
        start=0.0 if backend != "mesh" else 1.0,
        end=1.5,
        badge=False,
        faces=Faces.ALL,
    )
    report = animate_clip(choices, Console(file=io.StringIO()))
    assert report.faults == 0, report.last_fault
    made = np.stack(pictures(output)).astype(np.float32)
    assert made.shape[1:] == (300, 600, 3)
    moved = (made.max(0) - made.min(0))[80:250]
    assert moved[:, 80:220].mean() > 2
    assert moved[:, 380:520].mean() > 2


@pytest.mark.parametrize("more", [{"face": 2}, {"background": "blur"}])
def test_all_faces_do_not_go_with_one_face_nor_another_background(more: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="--faces all"):
        build(RunChoices(faces=Faces.ALL, **more), print)


def test_a_live_run_says_what_to_expect_and_records_the_avatar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LivePortraitAnimator, "seconds_per_frame", lambda self, avatar: 7.0)
    output = tmp_path / "live.mp4"
    options = "run --camera demo --output none --panel off --seconds 6 --size 320x240 --fps 15"
    result = CliRunner().invoke(
        app,
        [
            *(*options.split(), "--backend", "liveportrait", "--source"),
            *(str(asset_path("face.jpg")), "--record", str(output)),
        ],
    )
    assert result.exit_code == 0, result.output
    assert "one frame in about 7.0 seconds" in result.output
    made = pictures(output)
    assert len(made) > 60
    moved = np.abs(np.asarray(made[-1], np.float32) - made[5])
    assert moved[60:180, 80:240].mean() > 0.3


def test_its_sliders_and_its_poses_are_on_the_page() -> None:
    choices: Any = RunChoices(
        source=asset_path("face.jpg"),
        camera="demo",
        output="none",
        panel="off",
        backend="liveportrait",
    )
    live = build(choices, lambda line: None)
    shown = {one["name"] for one in live.session.state()["sliders"]}
    assert {"head_turn", "head_place", "eye_motion", "stitching", "open_eyes"} <= shown
    stills = StillEditor(live.library)
    assert len(stills.sliders) == 17
    picture = stills.picture(live.session.current.id, {"turn": 1.0, "smile": 0.5}, True)
    assert picture.startswith(b"\x89PNG")
    live.library.close()


def test_a_program_of_ones_own_and_doctor_know_it(capsys: pytest.CaptureFixture[str]) -> None:
    animation = prepare(asset_path("face.jpg"), backend="liveportrait", size=256)
    assert animation.backend == "liveportrait"
    assert dict(backends.describe_backends())["liveportrait"] == "an engine without networks"
