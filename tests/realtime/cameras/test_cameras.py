"""Cameras: choosing one, playing clips in real time, webcams that die."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import cv2
import numpy as np
import pytest

from models.errors import UserError
from models.types import Image
from realtime import cameras
from realtime.cameras import chosen
from realtime.cameras import webcam as webcams
from realtime.cameras.base import CameraLost
from realtime.cameras.clip import ClipCamera, ClipReader
from realtime.cameras.webcam import Webcam, open_webcam
from realtime.devices import discovery
from realtime.frames import CameraFrame


def picture(shade: int, width: int = 64, height: int = 48) -> Image:
    return np.full((height, width, 3), shade, np.uint8)


def write_clip(
    path: Path,
    shades: list[int],
    fps: int = 25,
    times: list[float] | None = None,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        stream.time_base = Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, shade in enumerate(shades):
            frame = av.VideoFrame.from_ndarray(picture(shade, *size), format="rgb24")
            frame.pts = round(1000 * (times[index] if times else index / fps))
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shade_of(image: Image) -> int:
    return round(float(image.mean()))


# --- reading clips -------------------------------------------------------------------------------


def test_reader_gives_every_frame_with_its_time(tmp_path: Path) -> None:
    shades = list(range(20, 220, 10))
    reader = ClipReader(write_clip(tmp_path / "a.mp4", shades))
    frames = list(reader.frames())
    assert reader.size == (64, 48)
    assert reader.fps == pytest.approx(25, abs=0.1)
    assert reader.frame_count == len(shades) == len(frames)
    assert [at for _, at in frames] == pytest.approx([i / 25 for i in range(20)], abs=2e-3)
    assert [shade_of(image) for image, _ in frames] == pytest.approx(shades, abs=4)
    assert all(image.flags.c_contiguous and image.dtype == np.uint8 for image, _ in frames)
    assert len(list(reader.frames())) == len(shades), "a second pass starts anew"


def test_reader_keeps_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.2, 0.24, 0.7]
    reader = ClipReader(write_clip(tmp_path / "v.mp4", [30, 60, 90, 120, 150], times=times))
    assert [at for _, at in reader.frames()] == pytest.approx(times, abs=2e-3)


def test_reader_reads_gif(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.gif", [0, 255, 0], fps=10, codec="gif")
    frames = list(ClipReader(path).frames())
    assert [shade_of(image) for image, _ in frames] == pytest.approx([0, 255, 0], abs=3)
    assert [at for _, at in frames] == pytest.approx([0.0, 0.1, 0.2], abs=0.011)


def test_reader_shrinks_to_fit(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "big.mp4", [99, 99], size=(320, 240))
    assert ClipReader(path, (160, 160)).size == (160, 120)
    assert ClipReader(path, (1280, 720)).size == (320, 240), "it never enlarges"


def test_reader_reads_real_clips(shared: Path) -> None:
    reader = ClipReader(shared / "real" / "d0.mp4")
    frames = list(reader.frames())
    assert (reader.size, len(frames)) == ((512, 512), 78)
    assert frames[-1][1] == pytest.approx(77 / 25, abs=1e-3)
    gif = ClipReader(shared / "real" / "head-pose-face-detection-female.gif")
    assert len(list(gif.frames())) == 23


def test_reader_turns_rotated_video_upright(tmp_path: Path) -> None:
    """A phone held upright stores a lying picture and the angle to turn it by."""
    upright = np.zeros((64, 48, 3), np.uint8)
    upright[:20, :, 0] = 255  # red on top
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        lying = np.ascontiguousarray(np.rot90(upright, 1))
        container.mux(stream.encode(av.VideoFrame.from_ndarray(lying, format="rgb24")))
        container.mux(stream.encode(None))
    # The track's matrix, clockwise by 90 degrees, as phones write it: 16.16 fixed point.
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    quarter = np.array([0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000], ">i4")
    data[at : at + 36] = quarter.tobytes()
    path.write_bytes(bytes(data))

    image, _ = next(ClipReader(path).frames())
    assert image.shape == (64, 48, 3)
    assert image[:14, :, 0].mean() > 200 > 60 > image[30:, :, 0].mean()


def test_bad_clips_are_one_sentence_each(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(os.urandom(5000))
    whole = write_clip(tmp_path / "whole.mp4", [50] * 30).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])  # its index is at the end
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    wanted = {
        "missing.mp4": "no file",
        "": "directory",
        "empty.mp4": "empty",
        "noise.mp4": "cannot be read as a video",
        "cut.mp4": "cannot be read as a video",
        "sound.wav": "holds no video",
    }
    for name, words in wanted.items():
        with pytest.raises(UserError, match=words) as caught:
            cameras.open_camera(str(tmp_path / name))
        assert str(caught.value).count(". ") == 0 and str(caught.value).endswith(".")


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.97])
def test_an_mp4_without_its_whole_index_is_told_so(tmp_path: Path, kept: float) -> None:
    """A recording that was interrupted, or a copy that was."""
    whole = write_clip(tmp_path / "whole.mp4", [50] * 30).read_bytes()
    index = whole.index(b"moov") - 4
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: index + round(kept * (len(whole) - index))])
    try:
        frames = list(ClipReader(path).frames())
    except UserError as error:
        assert "its index is missing" in str(error) and str(error).count(". ") == 0
        assert kept < 0.9
    else:
        assert len(frames) == 30 and kept > 0.9, "only what nobody needs is missing"


def test_what_is_there_of_a_cut_clip_is_read(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mp4", list(range(20, 220, 2)))
    for flags in ("faststart", "frag_keyframe+empty_moov"):
        path = tmp_path / "cut.mp4"
        with (
            av.open(str(whole)) as given,
            av.open(str(path), "w", options={"movflags": flags}) as out,
        ):
            target = out.add_stream_from_template(given.streams.video[0])
            for packet in given.demux(video=0):
                if packet.size:
                    packet.stream = target
                    out.mux(packet)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 3 // 4])
        assert 10 < len(list(ClipReader(path).frames())) < 100


def test_what_is_no_file_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no file"):
        ClipReader(tmp_path / ("x" * 300 + ".mp4"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        with pytest.raises(UserError, match="is no ordinary file"):
            ClipReader(tmp_path / "pipe.mp4")


ODD_NAMES = [
    "take:2.mp4",
    "http:x.mp4",
    "concat:a|b.mp4",
    "100%d%03d.gif",
    "-y.mp4",
    " a b .mp4",
    "a\nb.mp4",
    os.fsdecode(b"\xff\xfe.mp4"),
    "[a]*?#&.mp4",
    "\x1b[31m.mp4",
    "x" * 251 + ".mp4",
    "ä" * 125 + "z.mp4",
    "demo:2.mp4",
]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows few odd names")
@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: ascii(name[:20]))
def test_a_clip_may_have_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also where nothing of a path stands before it."""
    monkeypatch.setattr(cameras, "list_devices", lambda: [])
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "plain.mp4", [77] * 3).rename(name)
    with cameras.open_camera(name, full_pace=True) as camera:
        assert shade_of(camera.read().image) == pytest.approx(77, abs=3)
    assert len(list(ClipReader(name).frames())) == 3


# --- playing clips -------------------------------------------------------------------------------


def steps_shown(frames: list[CameraFrame], length: int, first: int, step: int) -> list[int]:
    """Which frame of the endless loop each one is, as they can only go forward."""
    shown: list[int] = []
    for frame in frames:
        number = round((shade_of(frame.image) - first) / step)
        assert 0 <= number < length
        behind = number - (shown[-1] + 1 if shown else 0)
        shown.append(number if not shown else shown[-1] + 1 + behind % length)
    return shown


def test_clip_plays_in_real_time_and_loops(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [40 + 20 * i for i in range(10)])
    begun = time.perf_counter()
    with ClipCamera(path) as camera:
        frames = [camera.read() for _ in range(15)]
    assert [frame.index for frame in frames] == list(range(15))
    shown = steps_shown(frames, 10, 40, 20)
    assert shown[0] == 0 and shown[-1] >= 14, "it went on after the end"
    for frame, number in zip(frames, shown, strict=True):
        # Never early; a busy computer may be late.
        assert number / 25 <= frame.captured_at - begun + 2e-3


def test_late_reader_skips_what_is_over(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [20 + 4 * i for i in range(50)])
    begun = time.perf_counter()
    with ClipCamera(path) as camera:
        first = camera.read()
        time.sleep(0.41)
        late = camera.read()
    number = steps_shown([first, late], 50, 20, 4)[1]
    assert 0.41 * 25 - 1 <= number <= (late.captured_at - begun) * 25 + 0.1


def test_full_pace_gives_every_frame_without_waiting(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "slow.mp4", [40, 120, 200], fps=1)
    with cameras.open_camera(str(path), full_pace=True) as camera:
        shades = [shade_of(camera.read().image) for _ in range(7)]
    assert shades == pytest.approx([40, 120, 200, 40, 120, 200, 40], abs=4)


def test_clip_that_vanishes_is_lost(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [40, 80, 120])
    with ClipCamera(path, full_pace=True) as camera:
        camera.read()
        path.unlink()
        with pytest.raises(CameraLost, match="cannot be read"):
            for _ in range(9):
                camera.read()


def test_closed_clip_gives_no_frames(tmp_path: Path) -> None:
    camera = ClipCamera(write_clip(tmp_path / "a.mp4", [40, 80]))
    camera.read()
    camera.close()
    camera.close()
    with pytest.raises(CameraLost):
        camera.read()


# --- webcams -------------------------------------------------------------------------------------


class Unplugged:
    """A real capture on a file, at a webcam's pace: at the end it fails as an unplugged one does.

    There `read()` is False at once while `isOpened()` stays True. (A wrapper: subclasses of
    OpenCV's own class crash when they are collected.)
    """

    def __init__(self, path: Path) -> None:
        self.tries = 0
        self._capture = cv2.VideoCapture(str(path))

    def grab(self) -> bool:
        time.sleep(0.01)
        self.tries += 1
        return self._capture.grab()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._capture, name)


def webcam(capture: Unplugged, label: str, patience: float = 2.0, warm_up: float = 6.0) -> Webcam:
    return Webcam(cast(cv2.VideoCapture, capture), label, patience=patience, warm_up=warm_up)


def test_webcam_gives_newest_frame_then_is_lost(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "cam.mp4", list(range(20, 220, 4)))
    capture = Unplugged(path)
    with webcam(capture, "Test Camera", patience=0.3) as camera:
        assert camera.name.startswith("Test Camera 64x48 25 fps")
        first = camera.read()
        wanted = capture.tries + 8
        while capture.tries < wanted:
            time.sleep(0.01)
        newest = camera.read()
        assert newest.index >= first.index + 5, "frames that nobody took are dropped"
        assert newest.captured_at > first.captured_at
        assert shade_of(newest.image) == pytest.approx(20 + 4 * newest.index, abs=4)
        with pytest.raises(CameraLost, match="Test Camera stopped giving pictures"):
            for _ in range(100):
                camera.read()
        assert capture.tries < 50 + 40, "it must not spin when the device is gone"
        with pytest.raises(CameraLost):
            camera.read()


def test_webcam_turns_bgr_into_rgb(tmp_path: Path) -> None:
    path = tmp_path / "red.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for _ in range(5):
        writer.write(np.full((48, 64, 3), (0, 0, 250), np.uint8))
    writer.release()
    with webcam(Unplugged(path), "Red") as camera:
        assert camera.read().image[24, 32].tolist() == pytest.approx([250, 0, 0], abs=8)


def test_webcam_without_any_frame_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "one.mp4", [40])
    capture = Unplugged(path)
    capture.read()
    with pytest.raises(CameraLost, match="gives no pictures"):
        webcam(capture, "Dead", patience=0.1, warm_up=0.3)


def test_closing_wakes_a_waiting_reader(tmp_path: Path) -> None:
    camera = webcam(Unplugged(write_clip(tmp_path / "one.mp4", [40])), "Cam", patience=60)
    camera.read()
    camera.close()
    camera.close()
    with pytest.raises(CameraLost):
        camera.read()


def test_missing_device_is_one_sentence() -> None:
    with pytest.raises(UserError, match="no /dev/video987"):
        open_webcam(discovery.VideoDevice(987, "x", "/dev/video987"), (640, 480), 30)


# --- finding devices -----------------------------------------------------------------------------


def kernel_list(root: Path, entries: list[tuple[str, str, str, str]]) -> Path:
    """A copy of the kernel's list: (node, place below /devices, name, index)."""
    classes = root / "class"
    classes.mkdir()
    for node, place, name, index in entries:
        real = root / "devices" / place / node
        real.mkdir(parents=True)
        (real / "name").write_text(name + "\n")
        (real / "index").write_text(index + "\n")
        (classes / node).symlink_to(real)
    return classes


def test_linux_list_tells_webcams_from_loopbacks(tmp_path: Path) -> None:
    classes = kernel_list(
        tmp_path,
        [
            ("video10", "virtual/video4linux", "AI avatar", "0"),
            ("video2", "pci0000:00/usb1/video4linux", "Integrated Camera", "0"),
            ("video3", "pci0000:00/usb1/video4linux", "Integrated Camera", "1"),
        ],
    )
    devices = discovery.list_linux_devices(classes, tmp_path / "dev")
    assert [(d.index, d.name, d.virtual) for d in devices] == [
        (2, "Integrated Camera", False),
        (10, "AI avatar", True),
    ]
    assert [d.index for d in discovery.real_cameras(devices)] == [2]
    assert [d.index for d in discovery.virtual_outputs(devices)] == [10]
    assert not devices[0].readable, "there is no node to open"


def test_identity_stays_when_the_number_changes(tmp_path: Path) -> None:
    """Two cameras with serial numbers swap their numbers; two without keep to their sockets."""

    def listed(name: str, order: list[tuple[str, str]]) -> dict[str, str]:
        root = tmp_path / name
        for port, serial in order:
            usb = root / "devices/usb1" / port
            usb.mkdir(parents=True)
            (usb / "idVendor").write_text("046d\n")
            (usb / "idProduct").write_text("0825\n")
            (usb / "serial").write_text(serial + "\n")
        entries = [
            (f"video{number}", f"usb1/{port}/{port}:1.0/video4linux", port, "0")
            for number, (port, _) in enumerate(order)
        ]
        classes = kernel_list(root, entries)
        for number, (port, _) in enumerate(order):
            # As in the kernel's tree, the class entry points back at the interface.
            (classes / f"video{number}").resolve().joinpath("device").symlink_to(
                root / "devices/usb1" / port / f"{port}:1.0"
            )
        found = discovery.list_linux_devices(classes, root / "dev")
        return {device.name: device.identity for device in found}

    before = listed("a", [("1-1", "5E21A0C0"), ("1-2", "5E21A0C1")])
    after = listed("b", [("1-2", "5E21A0C1"), ("1-1", "5E21A0C0")])
    assert before == after
    assert before["1-1"] == "usb:046d:0825:5E21A0C0:0" != before["1-2"]
    cheap = listed("c", [("1-1", "0001"), ("1-2", "0001")])
    assert len(set(cheap.values())) == 2, "a serial number that all copies share tells nothing"


def test_other_systems_identify_by_their_own_ids() -> None:
    def listed(path: str | None, vid: int | None, pid: int | None) -> str:
        return discovery.system_identity(SimpleNamespace(name="C920", path=path, vid=vid, pid=pid))

    usb = r"\\?\usb#vid_046d&pid_0825#6&1f2c3"
    assert listed(usb, 0x46D, 0x825) == f"id:{usb}"
    assert listed(None, 0x46D, 0x825) == "usb:046d:0825:C920"
    assert listed("", None, None) == "name:C920"


@pytest.fixture
def nothing_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home in which no camera was chosen before."""
    monkeypatch.setenv("AVATARIFY_HOME", str(tmp_path))


def has(
    monkeypatch: pytest.MonkeyPatch, *devices: discovery.VideoDevice
) -> list[discovery.VideoDevice]:
    """Let these be the system's devices; also the list of what is opened."""
    opened: list[discovery.VideoDevice] = []

    def open_fake(device: discovery.VideoDevice, size: Any, fps: float) -> Any:
        opened.append(device)
        return _Opened(device)

    for module in (cameras, chosen):
        monkeypatch.setattr(module, "list_devices", lambda: list(devices))
    for module in (webcams, chosen):
        monkeypatch.setattr(module, "open_webcam", open_fake)
    return opened


class _Opened(Webcam):
    """A webcam that was opened and does nothing more."""

    def __init__(self, device: discovery.VideoDevice) -> None:
        self.device = device


FRONT = discovery.VideoDevice(0, "Front", "/dev/video0", identity="usb:1")
DESK = discovery.VideoDevice(2, "Desk", "/dev/video2", identity="usb:2")


def test_a_lost_camera_is_opened_again_under_its_new_number(
    nothing_chosen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = has(monkeypatch, FRONT, DESK)
    camera = chosen.ChosenCamera("2")
    camera()
    # Unplugged: another camera has its number now, and is not taken for it.
    has(monkeypatch, replace(FRONT, index=2, path="/dev/video2"))
    with pytest.raises(CameraLost, match="Desk is not plugged in"):
        camera()
    again = replace(DESK, index=5, path="/dev/video5")
    opened = has(monkeypatch, FRONT, again)
    camera()
    assert opened == [again]


def test_the_next_run_takes_the_camera_that_was_chosen(
    nothing_chosen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = has(monkeypatch, FRONT, DESK)
    chosen.ChosenCamera("auto")()
    assert opened == [FRONT], "nothing was chosen before"
    chosen.ChosenCamera("desk")()
    chosen.ChosenCamera("auto")()
    moved = replace(DESK, index=7, path="/dev/video7")
    again = has(monkeypatch, FRONT, moved)
    chosen.ChosenCamera("auto")()
    assert opened[1:] == [DESK, DESK] and again == [moved]
    gone = has(monkeypatch, FRONT)
    chosen.ChosenCamera("auto")()
    assert gone == [FRONT]


def test_names_tell_virtual_cameras_on_other_systems() -> None:
    obs = discovery.named_device(1, "OBS Virtual Camera")
    webcam = discovery.named_device(0, "FaceTime HD Camera")
    assert obs.virtual and obs.output
    assert not webcam.virtual and not webcam.output
    assert discovery.real_cameras([obs, webcam]) == [webcam]


def test_find_device_by_number_path_and_name() -> None:
    loopback = discovery.VideoDevice(0, "HD Webcam copy", "/dev/video0", virtual=True, output=True)
    webcam = discovery.VideoDevice(4, "HD Webcam C920", "/dev/video4")
    devices = [loopback, webcam]
    assert discovery.find_device("4", devices) is webcam
    assert discovery.find_device("/dev/video0", devices) is loopback
    assert discovery.find_device("c920", devices) is webcam
    assert discovery.find_device("webcam", devices) is webcam, "real ones come first"
    assert discovery.find_device("HD Webcam copy", devices) is loopback
    assert discovery.find_device("nikon", devices) is None


def test_auto_skips_virtual_cameras_and_dead_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = discovery.VideoDevice(9, "AI avatar", "/dev/video9", virtual=True)
    dead = discovery.VideoDevice(987, "Dead", "/dev/video987")
    monkeypatch.setattr(cameras, "list_devices", lambda: [loopback])
    with pytest.raises(UserError, match="No webcam was found.*--camera demo"):
        cameras.open_camera("auto")
    monkeypatch.setattr(cameras, "list_devices", lambda: [loopback, dead])
    with pytest.raises(UserError, match="video987.*--camera demo"):
        cameras.open_camera("auto")


def test_unknown_names_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "list_devices", lambda: [])
    with pytest.raises(UserError, match="No camera matches 'nikon'"):
        cameras.open_camera("nikon")
    with pytest.raises(UserError, match=r"no file .*nowhere\.mp4"):
        cameras.open_camera("nowhere.mp4")
    with pytest.raises(UserError, match="987"):
        cameras.open_camera("987")


# --- size and rate of a webcam -------------------------------------------------------------------


class Choosy:
    """A capture that has some sizes only, and keeps the last one when asked for another.

    Given `snaps`, it takes the nearest by itself, as V4L2's drivers for USB do.
    """

    def __init__(self, *sizes: tuple[int, int], fps: float = 30, snaps: bool = False) -> None:
        self.sizes, self.most, self.snaps = sizes, fps, snaps
        self.values: dict[int, float] = {
            cv2.CAP_PROP_FRAME_WIDTH: sizes[0][0],
            cv2.CAP_PROP_FRAME_HEIGHT: sizes[0][1],
            cv2.CAP_PROP_FPS: fps,
        }
        self._wide = 0.0

    def set(self, what: int, value: float) -> bool:
        if what == cv2.CAP_PROP_FRAME_WIDTH:
            self._wide = value
        elif what == cv2.CAP_PROP_FRAME_HEIGHT:
            self._resize((int(self._wide), int(value)))
        elif what == cv2.CAP_PROP_FPS:
            self.values[what] = min(value, self.most)
        else:
            self.values[what] = value
        return True

    def _resize(self, size: tuple[int, int]) -> None:
        if self.snaps:
            size = min(self.sizes, key=lambda one: abs(one[0] - size[0]) + abs(one[1] - size[1]))
        if size in self.sizes:
            self.values[cv2.CAP_PROP_FRAME_WIDTH] = size[0]
            self.values[cv2.CAP_PROP_FRAME_HEIGHT] = size[1]

    def get(self, what: int) -> float:
        return self.values.get(what, 0.0)

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def grab(self) -> bool:
        time.sleep(0.01)
        return True

    def retrieve(self) -> tuple[bool, Image]:
        return True, picture(99)

    def release(self) -> None:
        pass


@pytest.mark.parametrize("snaps", [False, True])
@pytest.mark.parametrize(
    ("wish", "given"),
    [
        ((800, 600), (800, 600)),
        ((1000, 700), (800, 600)),
        ((1200, 800), (1280, 720)),
        ((4000, 3000), (1280, 720)),
        ((40, 40), (640, 480)),
    ],
)
def test_the_nearest_size_is_taken_and_told(
    nothing_chosen: None,
    monkeypatch: pytest.MonkeyPatch,
    snaps: bool,
    wish: tuple[int, int],
    given: tuple[int, int],
) -> None:
    capture = Choosy((640, 480), (800, 600), (1280, 720), snaps=snaps)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: capture)
    monkeypatch.setattr(cameras, "list_devices", lambda: [FRONT])
    monkeypatch.setattr(chosen, "list_devices", lambda: [FRONT])
    told: list[str] = []
    asked = chosen.Wish(wish, 60)
    camera = chosen.ChosenCamera("0", size=wish, fps=60, wish=asked, notify=told.append)
    for _ in range(2):
        with camera() as webcam:
            assert isinstance(webcam, Webcam) and (webcam.size, webcam.fps) == (given, 30)
    size, (line,) = f"{given[0]}x{given[1]}", told
    assert line.endswith(f"gives not 60 but 30 frames per second at {size}.")
    assert (f"no pictures of {wish[0]}x{wish[1]} but of {size}" in line) == (wish != given)


def test_nothing_is_told_where_nothing_was_asked_for(
    nothing_chosen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: Choosy((1280, 720), fps=15))
    monkeypatch.setattr(cameras, "list_devices", lambda: [FRONT])
    told: list[str] = []
    with chosen.ChosenCamera("0", size=(640, 480), fps=30, notify=told.append)() as camera:
        assert isinstance(camera, Webcam) and camera.size == (1280, 720)
    asked = chosen.Wish(None, 15)
    with chosen.ChosenCamera("demo", wish=asked, notify=told.append)():
        pass
    (line,) = told
    assert line.startswith("--camera-fps is for webcams; demo ")


def test_a_virtual_camera_that_nobody_writes_to_is_called_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = tmp_path / "video9"
    node.touch()
    device = discovery.VideoDevice(9, "EOS 80D", str(node), virtual=True)
    with pytest.raises(UserError, match="virtual camera, and no program writes to it now"):
        open_webcam(device, (640, 480), 30)


def test_only_a_choice_that_names_a_device_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "list_devices", lambda: [FRONT, DESK])
    assert cameras.chosen_device("desk") == DESK
    for choice in ("auto", "demo", "clip.mp4", "rtsp://0/desk", "http://desk"):
        assert cameras.chosen_device(choice) is None
