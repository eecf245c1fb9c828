from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import PIL.Image
import pytest
from rich.console import Console

from models.errors import UserError
from models.face.face_file import write_face
from models.types import Image
from realtime.canvas.background import GREEN
from realtime.clips import making
from realtime.commands.animate import animate_clip
from realtime.commands.options import AnimateChoices
from scripts.rigs.fakes import FakeAnimator
from tests.placed_face import drawing, placed

RATE = 16000


@pytest.fixture
def photo(tmp_path: Path, astronaut: Image) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(cv2.imencode(".png", astronaut[:400, 60:404, ::-1])[1].tobytes())
    return path


def write_driver(path: Path, picture: Image, frames: int = 20, blank: range = range(0)) -> Path:
    """The picture sliding to the left with a tone; frames in `blank` are grey."""
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=25)
        video.height, video.width = picture.shape[:2]
        video.pix_fmt = "yuv420p"
        sound: Any = out.add_stream("aac", rate=RATE)
        for index in range(frames):
            image = np.roll(picture, -2 * index, axis=1)
            if index in blank:
                image = np.full_like(picture, 128)
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(video.encode(None))
        count = RATE * frames // 25
        tone = np.sin(np.arange(count) * 2 * np.pi * 440 / RATE).astype(np.float32)[None] * 0.5
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return path


def run(photo: Path, driving: Path, output: Path, **options: Any) -> tuple[Any, str]:
    text = io.StringIO()
    choices = AnimateChoices(source=photo, driving=driving, output=output, **options)
    return animate_clip(choices, Console(file=text, width=200)), text.getvalue()


def test_a_clip_becomes_a_clip_of_the_avatar_with_its_sound(
    tmp_path: Path, photo: Path, astronaut: Image
) -> None:
    driver = write_driver(tmp_path / "driver.mp4", astronaut[:400, 60:404], blank=range(12, 14))
    output = tmp_path / "out.mp4"
    report, text = run(photo, driver, output, best_frame="0", badge=False)
    assert report.frames == 20 and report.without_face == 2 and report.faults == 0
    assert "20 frames" in text and "2 driving frames without a face" in text
    with av.open(str(output)) as result:
        assert [stream.type for stream in result.streams] == ["video", "audio"]
        pictures = [frame.to_ndarray(format="rgb24") for frame in result.decode(video=0)]
        result.seek(0)
        samples = sum(frame.samples for frame in result.decode(audio=0))
    assert len(pictures) == 20 and pictures[0].shape == (400, 344, 3)
    assert abs(samples / RATE - 0.8) < 0.1
    first, last = (np.asarray(pictures[i], np.float32) for i in (0, -1))
    assert np.abs(last - first)[100:200, 100:230].mean() > 5, "the face has moved"
    assert np.abs(last - first)[:60, :40].mean() < 3, "the background has not"
    assert not list(tmp_path.glob(".*part*"))


@pytest.mark.skipif(os.name == "nt", reason="Windows allows few odd names")
@pytest.mark.parametrize(
    "stem",
    ["take:2", "50%d", "-x", "a\nb", os.fsdecode(b"\xff\xfe"), "x" * 251, "ä" * 125 + "z"],
    ids=lambda name: ascii(name[:20]),
)
def test_every_file_may_have_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut: Image, photo: Path, stem: str
) -> None:
    """Named from the folder they lie in, and as long as a name can be."""
    write_driver(tmp_path / "driver.mp4", astronaut[:400, 60:404], frames=2)
    monkeypatch.chdir(tmp_path)
    os.mkdir("in")
    source, driver = Path("in") / f"{stem}.png", Path("in") / f"{stem}.mp4"
    photo.rename(source)
    Path("driver.mp4").rename(driver)
    _, text = run(source, driver, Path(f"{stem}.mp4"), size="128x128")
    assert "2 frames" in text and "is signed" in text
    assert set(os.listdir()) == {"in", f"{stem}.mp4"} | ({"home"} & set(os.listdir()))


def test_a_part_of_the_clip_is_taken(tmp_path: Path, photo: Path, astronaut: Image) -> None:
    driver = write_driver(tmp_path / "driver.mp4", astronaut[:400, 60:404])
    output = tmp_path / "out.mp4"
    report, _ = run(photo, driver, output, start=0.2, end=0.6, best_frame="3", size="128x128")
    assert report.frames == 10 and report.reference == 3 and report.without_face == 0
    with pytest.raises(UserError, match="no frame 12"):
        run(photo, driver, tmp_path / "other.mp4", start=0.2, end=0.6, best_frame="12")
    for start, end in ((-1.0, None), (2.0, 1.0), (float("nan"), None), (0.0, float("nan"))):
        with pytest.raises(UserError, match="--(from|to)"):
            AnimateChoices(driving=driver, output=output, start=start, end=end)


def test_a_canvas_can_be_chosen(tmp_path: Path, photo: Path, astronaut: Image) -> None:
    driver = write_driver(tmp_path / "driver.mp4", astronaut[:400, 60:404], frames=3)
    output = tmp_path / "out.mp4"
    run(photo, driver, output, size="640x360", mirror=True, motion="absolute")
    with av.open(str(output)) as result:
        video = result.streams.video[0]
        assert (video.width, video.height) == (640, 360)


def test_the_person_is_put_before_another_background(
    tmp_path: Path, photo: Path, astronaut: Image
) -> None:
    driver = write_driver(tmp_path / "driver.mp4", astronaut[:400, 60:404], frames=3)
    output = tmp_path / "out.mp4"
    report, _ = run(photo, driver, output, background="green", badge=False, size="640x360")
    assert report.faults == 0
    with av.open(str(output)) as result:
        for frame in result.decode(video=0):
            picture = frame.to_ndarray(format="rgb24").astype(int)
            assert np.abs(picture[:, :150] - GREEN).max() < 12, "the canvas around the picture"
            assert np.abs(picture[:20, 180:220] - GREEN).mean() < 20, "the flag behind her"
            assert np.abs(picture[90:140, 290:340] - GREEN).mean() > 60, "her face"


def test_a_backend_that_knows_no_person_says_so(
    tmp_path: Path, photo: Path, astronaut: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = write_driver(tmp_path / "driver.mp4", astronaut[:400, 60:404], frames=3)
    monkeypatch.setattr(making, "create_animator", lambda name: FakeAnimator())
    with pytest.raises(UserError, match="does not tell the person .* leave out --background"):
        run(photo, driver, tmp_path / "out.mp4", background="blur")


def test_a_clip_that_lies_on_its_side_is_turned(
    tmp_path: Path, photo: Path, astronaut: Image
) -> None:
    sideways = np.ascontiguousarray(np.rot90(astronaut[:400, 60:404]))
    driver = write_driver(tmp_path / "driver.mp4", sideways, frames=2)
    report, _ = run(photo, driver, tmp_path / "out.mp4", rotate="90")
    assert (report.frames, report.without_face) == (2, 0)


def test_a_drawing_moves_by_the_points_beside_it(tmp_path: Path, astronaut: Image) -> None:
    driver = write_driver(tmp_path / "driver.mp4", astronaut[:400, 60:404], frames=3)
    photo, output = tmp_path / "drawing.png", tmp_path / "out.mp4"
    PIL.Image.fromarray(drawing()).save(photo)
    options = {"motion": "absolute", "badge": False}
    with pytest.raises(UserError, match="No face was found in .*drawing.png"):
        run(photo, driver, output, **options)
    path = write_face(photo, drawing(), placed(400, 300))
    report, _ = run(photo, driver, output, **options)
    assert report.frames == 3 and report.faults == 0
    with av.open(str(output)) as result:
        first = next(result.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(first.astype(int) - drawing()).max() > 60, "it is moved to the driver's pose"
    path.write_text("{}")
    with pytest.raises(UserError, match="drawing.png.face.json cannot be used"):
        run(photo, driver, output, **options)


def test_a_failed_job_leaves_an_older_result_alone(
    tmp_path: Path, photo: Path, astronaut: Image
) -> None:
    driver = write_driver(tmp_path / "driver.mp4", astronaut[:400, 60:404], 3, blank=range(3))
    output = tmp_path / "out.mp4"
    output.write_bytes(b"older")
    with pytest.raises(UserError, match="No face was found in the driving clip"):
        run(photo, driver, output)
    assert output.read_bytes() == b"older" and not list(tmp_path.glob(".*part*"))


def test_the_driving_clip_is_never_replaced(tmp_path: Path, photo: Path, astronaut: Image) -> None:
    driver = write_driver(tmp_path / "driver.mp4", astronaut[:400, 60:404], 3)
    with pytest.raises(UserError, match="is the driving clip; choose another file"):
        run(photo, driver, driver)


def test_a_motion_is_kept_under_a_name_of_its_own(
    tmp_path: Path, photo: Path, astronaut: Image
) -> None:
    driver = write_driver(tmp_path / "driver.mp4", astronaut[:400, 60:404], frames=2)
    with pytest.raises(UserError, match=r"ends in \.npz"):
        run(photo, driver, tmp_path / "out.mp4", save_motion=tmp_path / "motion.mp4")
    motion = tmp_path / "motion.npz"
    motion.write_bytes(b"PK")
    with pytest.raises(UserError, match="is the driving motion"):
        run(photo, motion, tmp_path / "out.mp4", save_motion=motion)
    assert motion.read_bytes() == b"PK"
