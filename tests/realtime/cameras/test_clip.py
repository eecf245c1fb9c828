"""What a clip says of its pictures is honoured: how they lie, their shape, and that they change."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from models.errors import UserError
from models.types import Image
from realtime.cameras.clip import ClipCamera, ClipReader
from tests.clips import set_matrix, shade, write_pictures

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (235, 235, 235)


def quarters(width: int = 96, height: int = 64) -> Image:
    """Red, green, blue and white in the corners, from the left and from the top."""
    image = np.zeros((height, width, 3), np.uint8)
    for (row, column), colour in zip(
        ((0, 0), (0, 1), (1, 0), (1, 1)), (RED, GREEN, BLUE, WHITE), strict=True
    ):
        image[row * height // 2 :, column * width // 2 :] = colour
        if column == 0:
            image[row * height // 2 :, width // 2 :] = 0
    image[: height // 2, width // 2 :] = GREEN
    image[height // 2 :, width // 2 :] = WHITE
    return image


def corners(image: Image) -> tuple[str, ...]:
    """The colours from the left and from the top."""
    height, width = image.shape[:2]
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE, "black": (0, 0, 0)}
    found = []
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            pixel = image[y, x].astype(int)
            found.append(min(names, key=lambda name: int(np.abs(pixel - names[name]).sum())))
    return tuple(found)


def first(path: Path, most: tuple[int, int] | None = None) -> Image:
    reader = ClipReader(path, most)
    image = next(iter(reader.frames()))[0]
    assert reader.size == (image.shape[1], image.shape[0])
    assert image.flags.c_contiguous and image.dtype == np.uint8
    return image


@pytest.mark.parametrize(
    ("matrix", "stored"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
        ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
        ((0, 1, -1, 0), lambda image: np.rot90(image, 1)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, -1)),
        ((0, -1, -1, 0), lambda image: np.rot90(image.swapaxes(0, 1), 2)),
    ],
    ids=["as it is", "hflip", "vflip", "180", "transpose", "90", "270", "anti-transpose"],
)
def test_all_eight_orientations_are_shown_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], stored: Any
) -> None:
    upright = quarters()
    lying = np.ascontiguousarray(stored(upright))
    path = set_matrix(write_pictures(tmp_path / "a.mp4", [lying] * 2), matrix)
    image = first(path)
    assert image.shape == (64, 96, 3)
    assert corners(image) == ("red", "green", "blue", "white")
    assert first(path, (48, 48)).shape == (32, 48, 3), "it is shrunk to fit upright"
    with ClipCamera(path, full_pace=True) as camera:
        assert corners(camera.read().image) == ("red", "green", "blue", "white")


def test_a_clip_that_is_turned_in_the_middle_is_upright_throughout(tmp_path: Path) -> None:
    """H.264 says it at the first picture of each group alone."""
    path = tmp_path / "a.ts"
    parts = [(quarters(), "rotate=0"), (np.rot90(quarters(), -1), "rotate=90"), (quarters(), "")]
    data = b""
    for number, (image, says) in enumerate(parts):
        part = tmp_path / f"{number}.ts"
        write_pictures(part, [np.ascontiguousarray(image)] * 5)
        if says:
            option = f"h264_metadata=display_orientation=insert:{says}"
            part = filtered(part, option, tmp_path / f"{number}f.ts")
        data += part.read_bytes()
    path.write_bytes(data)
    found = [corners(image) for image, _ in ClipReader(path).frames()]
    assert len(found) == 15
    assert found[:5] == found[10:] == [("red", "green", "blue", "white")] * 5
    assert found[5:10] == [("red", "green", "blue", "white")] * 5


def filtered(path: Path, option: str, to: Path) -> Path:
    """The first video of a file through one of FFmpeg's filters of packets."""
    with av.open(str(path)) as source, av.open(str(to), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        through = BitStreamFilterContext(option, stream)
        for packet in [*source.demux(stream), None]:
            if packet is None or packet.size:
                for one in through.filter(packet):
                    one.stream = copy
                    out.mux(one)
    return to


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize(
    ("stored", "aspect", "shown"),
    [
        ((64, 64), Fraction(2), (128, 64)),
        ((64, 64), Fraction(1, 2), (64, 128)),
        ((80, 64), Fraction(64, 45), (114, 64)),
        ((64, 64), Fraction(1000), (64, 64)),
    ],
)
def test_pixels_that_are_not_square_are_made_so(
    tmp_path: Path, name: str, stored: tuple[int, int], aspect: Fraction, shown: tuple[int, int]
) -> None:
    codec = "mpeg4" if name == "a.avi" else "libx264"
    if aspect == 1000 and codec == "mpeg4":
        pytest.skip("MPEG-4 has no such shape")
    path = write_pictures(tmp_path / name, [quarters(*stored)], codec=codec, aspect=aspect)
    assert ClipReader(path).size == shown
    assert corners(first(path)) == ("red", "green", "blue", "white")


def test_a_lying_clip_with_pixels_that_are_not_square_is_turned_after_it_is_widened(
    tmp_path: Path,
) -> None:
    lying = np.ascontiguousarray(np.rot90(quarters(64, 64), 1))
    path = write_pictures(tmp_path / "a.mp4", [lying], aspect=Fraction(2))
    assert first(set_matrix(path, (0, 1, -1, 0))).shape == (128, 64, 3)


def join(path: Path, *parts: Path) -> Path:
    """One transport stream of several, with a clock that goes on."""
    with av.open(str(path), "w") as out:
        target: Any = None
        begin = 0
        for part in parts:
            with av.open(str(part)) as given:
                stream = given.streams.video[0]
                target = target or out.add_stream_from_template(stream)
                start = int(stream.start_time or 0)
                for packet in given.demux(stream):
                    if packet.size and packet.pts is not None and packet.dts is not None:
                        packet.pts += begin - start
                        packet.dts += begin - start
                        packet.stream = target
                        out.mux(packet)
                begin += int(stream.duration or 0)
    return path


def changing(tmp_path: Path, *parts: tuple[tuple[int, int], Fraction]) -> list[Image]:
    """The pictures of a clip in which size and shape of the pixels change, 15 of each."""
    paths = [
        write_pictures(tmp_path / f"{number}.ts", [quarters(*size)] * 15, aspect=aspect)
        for number, (size, aspect) in enumerate(parts)
    ]
    images = [image for image, _ in ClipReader(join(tmp_path / "a.ts", *paths)).frames()]
    assert len(images) == 15 * len(parts)
    return images


def test_where_the_size_changes_the_picture_keeps_its_place(tmp_path: Path) -> None:
    """It is as large as the largest, or as the first where it is to be shrunk anyway."""
    square = Fraction(1)
    images = changing(tmp_path, ((96, 64), square), ((48, 32), square), ((192, 128), square))
    assert {image.shape for image in images} == {(128, 192, 3)}
    for image in images:
        assert corners(image) == ("red", "green", "blue", "white")
        assert np.abs(image.astype(int) - images[0]).mean() < 8
    with ClipCamera(tmp_path / "a.ts", size=(100, 100), full_pace=True) as camera:
        images = [camera.read().image for _ in range(45)]
    assert {image.shape for image in images} == {(64, 96, 3)}
    assert {corners(image) for image in images} == {("red", "green", "blue", "white")}


def test_where_the_shape_changes_the_whole_picture_is_kept_unsqueezed(tmp_path: Path) -> None:
    square = Fraction(1)
    images = changing(tmp_path, ((96, 64), square), ((64, 96), square))
    tall = images[-1]
    assert tall.shape == (64, 96, 3)
    assert tall[:, :25].max() < 20 and tall[:, -25:].max() < 20, "borders at the sides"
    assert corners(np.ascontiguousarray(tall[:, 27:70])) == ("red", "green", "blue", "white")


def test_pixels_that_change_their_shape_within_the_clip_are_square_throughout(
    tmp_path: Path,
) -> None:
    """Each picture has the shape that was said for it, also those that the decoder held back."""
    images = changing(tmp_path, ((64, 64), Fraction(2)), ((128, 64), Fraction(1)))
    for image in images:
        assert image.shape == (64, 128, 3) and image[:, 2:10].max() > 150, "no borders"
        assert corners(image) == ("red", "green", "blue", "white")


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as out:
        cover: Any = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound: Any = out.add_stream("aac", rate=48000, layout="mono")
        out.mux(cover.encode(av.VideoFrame.from_ndarray(shade(9, (32, 32)), format="rgb24")))
        wave = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.float32), "fltp", "mono")
        wave.sample_rate, wave.time_base = 48000, Fraction(1, 48000)
        out.mux([*cover.encode(None), *sound.encode(wave), *sound.encode(None)])
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1, "FFmpeg takes it for one"
    with pytest.raises(UserError, match="holds no video"):
        ClipReader(path)


def test_the_default_video_is_taken_of_several(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        streams: list[Any] = [out.add_stream("libx264", rate=25) for _ in range(2)]
        for index, stream in enumerate(streams):
            stream.width, stream.height, stream.pix_fmt = 64 + 32 * index, 48, "yuv420p"
            flag = av.stream.Disposition.default if index else av.stream.Disposition(0)
            stream.disposition = flag
        for index, stream in enumerate(streams):
            frame = av.VideoFrame.from_ndarray(shade(9, (64 + 32 * index, 48)), format="rgb24")
            out.mux([*stream.encode(frame), *stream.encode(None)])
    assert ClipReader(path).size == (96, 48)


def test_of_a_part_only_its_pictures_are_given_and_its_end_is_left_out(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "a.mp4", [shade(10 * number) for number in range(20)])
    reader = ClipReader(path, part=(0.2, 0.4))
    assert reader.frame_count == 5
    frames = list(reader.frames())
    assert [round(image.mean(), -1) for image, _ in frames] == [50, 60, 70, 80, 90]
    assert [at for _, at in frames] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    assert reader.begins == pytest.approx(0.2)
    with pytest.raises(UserError, match="no picture from second 3 to 4"):
        list(ClipReader(path, part=(3, 4)).frames())


def test_the_rate_of_a_recording_that_tells_none_is_measured(tmp_path: Path) -> None:
    """As browsers record: a stream without a rate, on a clock of a thousand ticks a second."""
    path = tmp_path / "a.webm"
    with av.open(str(path), "w", options={"live": "1"}) as out:
        video: Any = out.add_stream("libvpx", rate=1000)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(shade(100), format="rgb24")
            late = 900 if number > 3 else 0
            frame.pts, frame.time_base = 40 * number + late, Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    data = path.read_bytes()
    at = data.index(b"\x23\xe3\x83")  # How long a picture is shown: made void.
    length = data[at + 3] & 0x7F
    void = bytes([0xEC, 0x80 | (length + 2)]) + bytes(length + 2)
    path.write_bytes(data[:at] + void + data[at + 4 + length :])
    assert ClipReader(path).fps == pytest.approx(25, abs=0.5)
