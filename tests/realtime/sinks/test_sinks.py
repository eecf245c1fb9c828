"""Outputs: choosing one, the guard against camera frames, the virtual camera's errors."""

from __future__ import annotations

import platform
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.types import Image
from realtime.devices.discovery import VideoDevice
from realtime.frames import AvatarFrame, CameraFrame
from realtime.sinks import registry
from realtime.sinks.base import Found, Sink, SinkError, SinkKind, SinkRequest
from realtime.sinks.null import NullSink
from realtime.sinks.recording.recorder import Recorder
from realtime.sinks.registry import SinkChoice
from realtime.sinks.virtual import loopback as loopback_device
from realtime.sinks.virtual import virtual_camera
from realtime.sinks.virtual.virtual_camera import LAYOUTS, VirtualCameraSink, explain

SIZE = (64, 36)


def open_output(choice: str, size: tuple[int, int], fps: float) -> Sink:
    return SinkChoice(choice, size, fps)()


def picture(shade: int = 90, size: tuple[int, int] = SIZE) -> Image:
    return np.full((size[1], size[0], 3), shade, np.uint8)


class FakeCamera:
    """Stands in for pyvirtualcam.Camera: what it was asked for, and what it was sent."""

    refuses: dict[str | None, str] = {}
    opened: list[FakeCamera] = []

    def __init__(
        self, width: int, height: int, fps: float, *, fmt: str, device: str | None = None
    ) -> None:
        if device in self.refuses:
            raise RuntimeError(self.refuses[device])
        self.asked = (width, height, fps, fmt)
        self.device = device or "OBS Virtual Camera"
        self.sent: list[Image] = []
        self.closed = 0
        self.opened.append(self)

    def send(self, image: Image) -> None:
        self.sent.append(image)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeCamera]:
    module = types.ModuleType("pyvirtualcam")
    module.Camera = FakeCamera  # type: ignore[attr-defined]
    names = types.SimpleNamespace(**{name.upper(): name.upper() for name in LAYOUTS})
    module.PixelFormat = names  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    monkeypatch.setattr(FakeCamera, "refuses", {})
    monkeypatch.setattr(FakeCamera, "opened", [])
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    # There is no device to ask and no write to count; the tests in the virtual machine have both.
    monkeypatch.setattr(virtual_camera, "make_ready", lambda path, size, fps, code: None)
    monkeypatch.setattr(virtual_camera, "bytes_written", lambda: None)
    only(monkeypatch, virtual_camera.KIND)
    return FakeCamera


def has_devices(monkeypatch: pytest.MonkeyPatch, *devices: VideoDevice) -> None:
    monkeypatch.setattr(virtual_camera, "list_devices", lambda: list(devices))


def loopback(node: Path | str, name: str = "AI avatar") -> VideoDevice:
    return VideoDevice(9, name, str(node), virtual=True, capture=False, output=True)


def test_none_takes_avatar_frames_and_nothing_else() -> None:
    with open_output("none", SIZE, 30) as sink:
        assert isinstance(sink, NullSink)
        sink.write(AvatarFrame(picture(), None, True))
        with pytest.raises(TypeError, match="not CameraFrame"):
            sink.write(CameraFrame(picture(), 0.0, 0))  # type: ignore[arg-type]


def backend(
    name: str, why: str = "", broken: str = "", usable: bool = True
) -> tuple[SinkKind, list[SinkRequest]]:
    """A backend that opens a `NullSink`, or says why not; also what it was asked to open."""
    asked: list[SinkRequest] = []

    def build(request: SinkRequest) -> NullSink:
        asked.append(request)
        if broken:
            raise SinkError(broken)
        return NullSink()

    return SinkKind(name, lambda: Found(usable, why, f"{name} camera"), build), asked


def only(monkeypatch: pytest.MonkeyPatch, *backends: SinkKind) -> None:
    monkeypatch.setattr(registry, "SINK_KINDS", {item.name: item for item in backends})


def test_a_new_output_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    window, asked = backend("window")
    only(monkeypatch, window)
    SinkChoice("window", SIZE, 25)()
    SinkChoice("window:the left one", SIZE, 25)()
    assert [(item.size, item.fps, item.device) for item in asked] == [
        (SIZE, 25, None),
        (SIZE, 25, "the left one"),
    ]


def test_auto_takes_the_best_says_why_and_stays_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    absent, never = backend("kernel", "no module is loaded", usable=False)
    taken, _ = backend("first", "it is fast", broken="The first is taken.")
    second, opened = backend("second", "it needs no root")
    file, _ = backend("file")
    only(monkeypatch, absent, replace(file, camera=False), taken, second)
    notes: list[str] = []
    output = SinkChoice("auto", SIZE, 30, notes.append)
    output()
    assert notes == ["Output: none, it needs no root (The first is taken)."]
    assert output.reopens and not never
    every = registry.candidates()
    assert [candidate.kind.name for candidate in every] == ["first", "second", "kernel"]
    assert registry.explain(every) == "first camera: it is fast (no module is loaded)"
    # The first has come free: the run stays where the others watch it.
    only(monkeypatch, backend("first")[0], second)
    output()
    assert len(opened) == 2 and len(notes) == 1


def test_a_recording_is_an_output_that_is_not_opened_again(tmp_path: Path) -> None:
    output = SinkChoice(f"recorder:{tmp_path / 'a.mp4'}", SIZE, 30)
    assert not output.reopens
    with output() as sink:
        assert isinstance(sink, Recorder)
        sink.write(AvatarFrame(picture(), None, True))
    assert (tmp_path / "a.mp4").stat().st_size > 0
    with pytest.raises(SinkError, match="--record"):
        SinkChoice("recorder", SIZE, 30)()


def test_auto_without_any_virtual_camera_says_how_to_get_one(
    fake: type[FakeCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    has_devices(monkeypatch, VideoDevice(0, "Webcam", "/dev/video0"))
    with pytest.raises(
        SinkError, match="No virtual camera was found .*no v4l2loopback.*setup-camera --yes"
    ) as error:
        open_output("auto", SIZE, 30)
    assert str(error.value).count(". ") == 0
    assert not fake.opened, "a webcam is never opened for writing"


def test_auto_takes_the_first_that_opens(
    fake: type[FakeCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    has_devices(monkeypatch, loopback("/dev/video987"), loopback("/dev/video988"))
    fake.refuses = {"/dev/video987": "Device /dev/video987 is already in use."}
    with open_output("auto", SIZE, 30) as sink:
        assert sink.name == "AI avatar (/dev/video988)"
    assert fake.opened[0].asked == (64, 36, 30, "RGB") and fake.opened[0].closed == 1
    fake.refuses["/dev/video988"] = "?"
    with pytest.raises(SinkError, match="/dev/video987 is taken by another program"):
        open_output("auto", SIZE, 30)


def test_auto_writes_to_the_device_that_was_made_for_it(
    fake: type[FakeCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one may be a DSLR's, whatever its number."""
    dslr = loopback("/dev/video987", "EOS 80D")
    has_devices(monkeypatch, dslr, replace(loopback("/dev/video988"), exclusive=False))
    with open_output("auto", SIZE, 30) as sink:
        assert sink.name == "AI avatar (/dev/video988)"
    assert virtual_camera.KIND.find().where == "AI avatar (/dev/video988)"
    has_devices(monkeypatch, dslr)
    with open_output("auto", SIZE, 30) as sink:
        assert sink.name == "EOS 80D (/dev/video987)", "better than none"


def test_the_device_that_is_the_camera_is_not_written_to(
    fake: type[FakeCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = loopback("/dev/video987"), loopback("/dev/video988", "EOS 80D")
    has_devices(monkeypatch, own, other)
    with SinkChoice("auto", SIZE, 30, reads=own)() as sink:
        assert sink.name == "EOS 80D (/dev/video988)"
    has_devices(monkeypatch, own)
    for choice in ("auto", "/dev/video987", "AI avatar"):
        with pytest.raises(SinkError, match="is the camera of this run and cannot be its output"):
            SinkChoice(choice, SIZE, 30, reads=VideoDevice(-1, "x", "/dev/video987"))()
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    obs = VideoDevice(1, "OBS Virtual Camera", virtual=True, output=True)
    with pytest.raises(SinkError, match=r"OBS Virtual Camera \(1\) is the camera of this run"):
        SinkChoice("auto", SIZE, 30, reads=obs)()
    with SinkChoice("auto", SIZE, 30, reads=VideoDevice(0, "FaceTime"))():
        pass


@pytest.mark.parametrize("choice", ["/dev/video987", "9", "ai avatar", "avatar"])
def test_device_by_path_number_and_name(
    fake: type[FakeCamera], monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    has_devices(
        monkeypatch, VideoDevice(0, "Avatar webcam", "/dev/video0"), loopback("/dev/video987")
    )
    with open_output(choice, SIZE, 30):
        assert fake.opened[0].device == "/dev/video987"


def test_frames_reach_the_camera_unchanged_and_only_avatar_frames_do(
    fake: type[FakeCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    has_devices(monkeypatch, loopback("/dev/video987"))
    sink = VirtualCameraSink(SIZE, 30)
    image = picture(123)
    sink.write(AvatarFrame(image, None, True))
    with pytest.raises(TypeError, match="avatar frames only"):
        sink.write(CameraFrame(picture(), 0.0, 0))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="promised"):
        sink.write(AvatarFrame(picture(size=(64, 64)), None, True))
    assert len(fake.opened[0].sent) == 1 and np.array_equal(fake.opened[0].sent[0], image)
    sink.close()
    sink.close()
    assert fake.opened[0].closed == 1
    with pytest.raises(SinkError, match="closed"):
        sink.write(AvatarFrame(image, None, True))


def test_device_that_vanishes_is_noticed(
    fake: type[FakeCamera], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = tmp_path / "video9"
    node.touch()
    has_devices(monkeypatch, loopback(node))
    sink = VirtualCameraSink(SIZE, 30)
    # The real library writes into the void; only the missing node tells.
    monkeypatch.setattr(sink, "_node", str(node))
    monkeypatch.setattr(sink, "_identity", virtual_camera._identity(str(node)))
    monkeypatch.setattr(virtual_camera, "_CHECK_EVERY", 0.0)
    sink.write(AvatarFrame(picture(), None, True))
    node.unlink()
    with pytest.raises(SinkError, match="is gone"):
        sink.write(AvatarFrame(picture(), None, True))


@pytest.mark.parametrize(
    ("reason", "device", "words"),
    [
        ("Device /dev/video9 does not exist.", "/dev/video9", "There is no /dev/video9"),
        ("No v4l2 loopback device found at /dev/video[0-99].", None, "setup-camera"),
        ("Device X is not a video output device.", "/dev/x", "is not a virtual camera"),
        ("OBS Virtual Camera device not found! Did you", None, "setup-camera"),
        ("OBS Virtual Camera is not installed in your", None, "setup-camera"),
        ("virtual camera output could not be started", None, "taken by another"),
        ("backend supports only the 'OBS' device.", "Nikon", "'Nikon'"),
        ("something\nnew.", None, "something new."),
    ],
)
def test_reasons_become_one_sentence(reason: str, device: str | None, words: str) -> None:
    sentence = explain(f"'backend' backend: {reason}", device)
    assert words in sentence
    assert sentence.endswith(".") and sentence.count(". ") == 0 and "\n" not in sentence
    assert sentence[0].isupper() or sentence.startswith("/")


def test_real_library_without_any_device() -> None:
    """The installed pyvirtualcam, whatever this computer has, never lets a RuntimeError out."""
    pytest.importorskip("pyvirtualcam")
    with pytest.raises(SinkError, match="987"):
        open_output("/dev/video987", SIZE, 30)


def test_auto_prefers_a_device_that_every_program_lists(
    fake: type[FakeCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = replace(loopback("/dev/video987", "shared"), exclusive=False)
    has_devices(monkeypatch, shared, loopback("/dev/video988", "own"))
    notes: list[str] = []
    with SinkChoice("auto", SIZE, 30, notes.append)() as sink:
        assert sink.name == "own (/dev/video988)"
    assert notes == ["Output: own (/dev/video988), every program lists it."]
    with SinkChoice("shared", SIZE, 30, notes.append)():
        assert "exclusive_caps=1" in notes[1] and "Chrome and Zoom" in notes[1]


def test_a_write_that_the_system_refused_is_noticed(
    fake: type[FakeCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    has_devices(monkeypatch, loopback("/dev/video987"))
    whole = SIZE[0] * SIZE[1] * 3 // 2
    counts = iter([0, whole, whole, whole + 25])
    monkeypatch.setattr(virtual_camera, "bytes_written", lambda: next(counts))
    with VirtualCameraSink(SIZE, 30) as sink:
        sink.write(AvatarFrame(picture(), None, True))
        with pytest.raises(SinkError, match="refused a frame"):
            sink.write(AvatarFrame(picture(), None, True))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what a thread writes")
def test_written_bytes_are_counted(tmp_path: Path) -> None:
    before = loopback_device.bytes_written()
    with (tmp_path / "a").open("wb", buffering=0) as file:
        file.write(bytes(12345))
    after = loopback_device.bytes_written()
    assert before is not None and after is not None and after - before == 12345


@pytest.mark.parametrize("layout", ["i420", "nv12", "yuyv", "uyvy", "gray"])
def test_layouts_carry_the_same_picture(
    fake: type[FakeCamera], monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    has_devices(monkeypatch, loopback("/dev/video987"))
    colour = np.array([200, 90, 30])
    image = np.full((36, 64, 3), colour, np.uint8)
    with SinkChoice(f"/dev/video987@{layout}", SIZE, 30)() as sink:
        sink.write(AvatarFrame(image, None, True))
    camera = fake.opened[0]
    assert camera.asked[3] == layout.upper() and camera.device == "/dev/video987"
    data = camera.sent[0]
    assert data.nbytes == SIZE[0] * SIZE[1] * LAYOUTS[layout].bits // 8
    y = 16 + float(colour @ (65.738, 129.057, 25.064)) / 256
    u = 128 + float(colour @ (-37.945, -74.494, 112.439)) / 256
    v = 128 + float(colour @ (112.439, -94.154, -18.285)) / 256
    flat = data.reshape(-1)
    luma, count = float(colour @ (0.299, 0.587, 0.114)), SIZE[0] * SIZE[1]
    wanted = {
        "i420": [(flat[:count], y), (flat[count : count * 5 // 4], u), (flat[-count // 4 :], v)],
        "nv12": [(flat[:count], y), (flat[count::2], u), (flat[count + 1 :: 2], v)],
        "yuyv": [(flat[::2], y), (flat[1::4], u), (flat[3::4], v)],
        "uyvy": [(flat[1::2], y), (flat[::4], u), (flat[2::4], v)],
        "gray": [(flat, luma)],
    }
    for values, value in wanted[layout]:
        assert np.abs(values.astype(float) - value).max() <= 2


def test_devices_that_are_none_are_one_sentence_each(tmp_path: Path) -> None:
    make_ready = loopback_device.make_ready
    with pytest.raises(SinkError, match="There is no .*doctor"):
        make_ready(str(tmp_path / "video9"), SIZE, 30, "YU12")
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="is not a virtual camera"):
        make_ready(str(tmp_path / "file"), SIZE, 30, "YU12")
