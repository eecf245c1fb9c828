"""The camera's and the virtual camera's tests with real devices; run inside the virtual machine.

`tests/scripts/soak/test_devices.py` boots the machine and runs this file there, as root; the
devices are those of `scripts/rigs/guest.py`.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from models.errors import UserError
from models.types import Image
from realtime.cameras import open_camera
from realtime.cameras.base import CameraLost
from realtime.cameras.chosen import ChosenCamera
from realtime.commands.doctor import assess
from realtime.commands.setup_camera import setup_camera
from realtime.devices.discovery import VideoDevice, list_devices, real_cameras, virtual_outputs
from realtime.devices.host import Host
from realtime.frames import AvatarFrame
from realtime.sinks.base import SinkError
from realtime.sinks.registry import SinkChoice
from scripts.rigs.guest import (
    FPS,
    OWN,
    SHARED,
    SIZE,
    WEBCAM,
    Run,
    Writer,
    assert_colours,
    card,
    eventually,
    load_devices,
    load_loopback,
    number_of,
    pictures,
    plug_in,
    plugged_in_at_the_end,
    reader,
    rising,
    shell,
    shown,
    through_pyav,
    unplug,
)


def reload_loopback() -> None:
    shell("modprobe -r v4l2loopback")
    load_loopback()


@pytest.fixture(scope="session", autouse=True)
def devices() -> None:
    load_devices()


@pytest.fixture
def fresh(devices: None) -> None:
    """Loopback devices that nobody has written to yet; also proof that no handle was left open."""
    reload_loopback()


def assert_in_order(numbers: list[int]) -> None:
    """No frame comes twice or late, and a reader as slow as here misses at most every second."""
    assert all(one < other for one, other in zip(numbers, numbers[1:], strict=False)), numbers
    assert numbers[-1] - numbers[0] <= 2 * (len(numbers) - 1), numbers


def through_ffmpeg(device: str, count: int) -> list[Image]:
    words = ["ffmpeg", "-v", "error", "-f", "v4l2", "-i", device, "-frames:v", str(count)]
    words += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    data = subprocess.run(words, capture_output=True, check=True).stdout
    return list(np.frombuffer(data, np.uint8).reshape(-1, SIZE[1], SIZE[0], 3))


# --- the virtual camera --------------------------------------------------------------------------


@pytest.mark.parametrize("device", [OWN, SHARED])
def test_pixels_order_and_rate(fresh: None, device: str) -> None:
    with shown(device) as writer:
        format_now = Path(f"/sys/class/video4linux/{Path(device).name}/format")
        eventually(lambda: format_now.read_text().strip() == f"YU12:320x240@{FPS:g}")
        with reader(device) as capture:
            # The first one may be from before the reader came.
            seen = pictures(capture, 12, skip=1)
        numbers = [number_of(image) for image in seen]
        assert_in_order(numbers)
        assert_colours(seen[-1])
        # It keeps the first one from when it looked what there is to read.
        seen = through_pyav(device, 9)[1:]
        assert_in_order([number_of(image) for image in seen])
        assert_colours(seen[-1])
    assert writer.error is None


def test_the_range_is_limited_and_nothing_is_lost_of_it() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8), 2)[None, :, None]
    ramp = np.ascontiguousarray(np.broadcast_to(ramp, (240, 512, 3)))
    sink = SinkChoice(OWN, (512, 240), FPS)()
    stop = threading.Event()

    def feed() -> None:
        while not stop.wait(1 / FPS):
            sink.write(AvatarFrame(ramp, None, True))

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        words = f"v4l2-ctl -d {OWN} --stream-mmap --stream-count=3 --stream-to=/tmp/raw"
        shell(words)
        with reader(OWN) as capture:
            seen = pictures(capture, 1, skip=1)[0]
    finally:
        stop.set()
        thread.join()
        sink.close()
    luma = np.fromfile("/tmp/raw", np.uint8)[-512 * 360 :][: 512 * 240].reshape(240, 512)
    assert (luma.min(), luma.max()) == (16, 235), "what programs take for black and white"
    row = seen[120, ::2].astype(int)
    assert np.abs(row - np.arange(256)[:, None]).max() <= 3, "decoded, it is the full range again"


@pytest.mark.parametrize("layout", ["rgb", "i420", "nv12", "yuyv", "uyvy", "gray"])
def test_every_layout(layout: str) -> None:
    with shown(f"{OWN}@{layout}") as writer:
        with reader(OWN) as capture:
            seen = pictures(capture, 3, skip=1)
        assert_colours(seen[-1], grey=layout == "gray")
        assert_colours(through_pyav(OWN, 2)[-1], grey=layout == "gray")
        assert number_of(seen[-1]) > number_of(seen[0])
    assert writer.error is None


def test_a_loopback_works_more_than_once(fresh: None) -> None:
    """Version 0.12 with exclusive_caps hides its side for writing after the first writer."""
    for _ in range(3):
        with shown(OWN), reader(OWN) as capture:
            assert_colours(pictures(capture, 1, skip=1)[0])


def test_a_loopback_works_again_while_it_is_shown() -> None:
    """The program restarts during a call: Zoom still holds the device."""
    first = Writer(SinkChoice(OWN, SIZE, FPS)())
    with first, reader(OWN) as capture:
        pictures(capture, 1)
        first.__exit__()
        with shown(OWN):
            eventually(lambda: number_of(pictures(capture, 1)[0]) < 3)
            assert_colours(pictures(capture, 1)[0])
        first.sink.close()


def test_a_reader_fixes_the_size() -> None:
    with shown(OWN) as writer, reader(OWN) as capture:
        pictures(capture, 1)
        writer.__exit__()
        with pytest.raises(SinkError, match="held at 320x240.*--size 320x240"):
            SinkChoice(OWN, (640, 480), FPS)()
    with SinkChoice(OWN, (640, 480), FPS)() as sink:
        sink.write(AvatarFrame(card(0, (640, 480)), None, True))


@pytest.mark.parametrize("device", [OWN, SHARED])
def test_a_device_that_another_program_feeds_is_left_alone(device: str) -> None:
    words = "ffmpeg -v error -re -f lavfi -i testsrc=size=320x240:rate=10 -pix_fmt yuv420p -f v4l2"
    other = subprocess.Popen([*words.split(), device])
    try:
        path = Path(f"/sys/class/video4linux/{Path(device).name}/format")
        eventually(lambda: "320x240" in path.read_text(), 120)
        with pytest.raises(SinkError, match="taken by another program") as caught:
            SinkChoice(device, SIZE, FPS)()
        assert str(caught.value).count(". ") == 0
    finally:
        other.terminate()
        other.wait()
    with shown(device), reader(device) as capture:
        assert_colours(pictures(capture, 1, skip=2)[0])


def test_wrong_missing_and_forbidden_devices() -> None:
    wrong = {
        WEBCAM: "/dev/video20 is not a virtual camera .vivid.*--output",
        "/dev/video77": "There is no /dev/video77",
    }
    for device, words in wrong.items():
        with pytest.raises(SinkError, match=words):
            SinkChoice(device, SIZE, FPS)()
    os.seteuid(65534)
    try:
        with pytest.raises(SinkError, match="You may not use .*usermod"):
            SinkChoice(OWN, SIZE, FPS)()
    finally:
        os.seteuid(0)
    # One forbidden device of another kind ends pyvirtualcam's own search; not ours.
    os.chmod(OWN, 0o666)
    os.seteuid(65534)
    try:
        with SinkChoice("auto", SIZE, FPS)() as sink:
            assert sink.name == "Avatar A (/dev/video10)"
    finally:
        os.seteuid(0)
        os.chmod(OWN, 0o600)


def test_a_frame_that_the_kernel_refuses_is_noticed() -> None:
    """The library prints to stderr and goes on; here its handle is given to a full device."""
    with SinkChoice(OWN, SIZE, FPS)() as sink:
        sink.write(AvatarFrame(card(), None, True))
        handles = [int(name) for name in os.listdir("/proc/self/fd")]
        (handle,) = [one for one in handles if os.path.realpath(f"/proc/self/fd/{one}") == OWN]
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, handle)
        os.close(full)
        with pytest.raises(SinkError, match="refused a frame"):
            sink.write(AvatarFrame(card(), None, True))


def test_auto_takes_the_device_that_zoom_lists_and_warns_of_the_other() -> None:
    found = {device.path: device for device in list_devices()}
    assert found[OWN].exclusive and not found[SHARED].exclusive
    assert found[OWN].virtual and not found[WEBCAM].virtual
    notes: list[str] = []
    with SinkChoice("auto", SIZE, FPS, notes.append)() as sink:
        assert sink.name == "Avatar A (/dev/video10)"
    assert len(notes) == 1 and notes[0].startswith("Output: Avatar A (/dev/video10)")
    with SinkChoice(SHARED, SIZE, FPS, notes.append)():
        assert "exclusive_caps=1" in notes[1] and "Chrome and Zoom" in notes[1]
    # An open camera does not change what is known of it.
    with shown(OWN), shown(SHARED):
        again = {device.path: device.exclusive for device in list_devices()}
        assert again[OWN] and not again[SHARED]


# --- the webcam ----------------------------------------------------------------------------------


def webcam() -> VideoDevice:
    return real_cameras(list_devices())[0]


def test_the_webcam_is_listed_with_name_format_and_identity() -> None:
    device = webcam()
    assert (device.path, device.name) == (WEBCAM, "vivid-000-vid-cap")
    width, _, height = device.format.split(" ")[0].partition("x")
    assert int(width) > 0 and int(height) > 0 and "fps" in device.format
    assert "also" in device.format, "it has more than one format"
    assert "vivid.0" in device.identity
    report = assess(list_devices(), ("CPU",), (), Host("Linux"))
    assert report.camera.startswith("vivid-000-vid-cap") and report.output.startswith("Avatar A")


def test_the_webcam_says_what_it_really_gives() -> None:
    with open_camera("vivid", size=(640, 360), fps=30) as camera:
        assert "640x360" in camera.name and "fps" in camera.name
        frame = camera.read()
        assert frame.image.shape == (360, 640, 3)
        assert len(np.unique(frame.image[::40, ::8].reshape(-1, 3), axis=0)) > 6, "colour bars"
        later = camera.read()
        assert later.index > frame.index and later.captured_at > frame.captured_at
    # Nothing has this size: the nearest is taken, and said.
    with open_camera(WEBCAM, size=(123, 77), fps=1000) as camera:
        height, width = camera.read().image.shape[:2]
        assert f"{width}x{height}" in camera.name


def test_a_busy_webcam_is_one_sentence() -> None:
    with open_camera("auto", size=SIZE) as camera:
        camera.read()
        with pytest.raises(UserError, match="close other programs") as caught:
            open_camera(WEBCAM, size=(640, 480))
        assert str(caught.value).count(". ") == 0


def test_an_unplugged_webcam_is_lost_and_comes_back() -> None:
    choice = ChosenCamera("20", size=SIZE)
    with plugged_in_at_the_end():
        with choice() as camera:
            camera.read()
            unplug()
            with pytest.raises(CameraLost, match="stopped giving pictures"):
                for _ in range(1000):
                    camera.read()
        with pytest.raises(CameraLost, match="vivid-000-vid-cap is not plugged in"):
            choice()
        plug_in()
        with choice() as camera:
            assert camera.read().image.shape[1] == 320
        with ChosenCamera("auto", size=SIZE)() as camera:
            camera.read()


# --- the whole way -------------------------------------------------------------------------------


def test_from_webcam_to_readers() -> None:
    with Run("auto", "auto") as run:
        with reader(OWN) as capture:
            eventually(lambda: number_of(pictures(capture, 1)[0]) > 0)
            seen = pictures(capture, 20)
            numbers = [number_of(image) for image in seen]
            assert rising(numbers) and len(set(numbers)) > 3, numbers
            for image in seen:
                assert_colours(image)
        seen = through_ffmpeg(OWN, 5)
        numbers = [number_of(image) for image in seen]
        assert rising(numbers) and numbers[0] > 0, numbers
        assert_colours(seen[-1])
        status = run.pipeline.status()
        assert status.camera.startswith("vivid-000-vid-cap (/dev/video20) ")
        assert status.outputs == ("Avatar A (/dev/video10)",) and status.faults == 0


def test_the_way_goes_on_when_the_webcam_is_unplugged() -> None:
    with plugged_in_at_the_end(), Run("20", OWN) as run, reader(OWN) as capture:
        eventually(lambda: number_of(pictures(capture, 1)[0]) > 0)
        for _ in range(2):
            unplug()
            eventually(lambda: run.pipeline.status().camera_lost)
            assert_colours(pictures(capture, 1, skip=4)[0])
            plug_in()
            eventually(lambda: not run.pipeline.status().camera_lost)
            numbers = [number_of(pictures(capture, 1)[0])]
            while len(numbers) < 200 and numbers[-1] <= numbers[0]:
                numbers.append(number_of(pictures(capture, 1)[0]))
            assert numbers[-1] > numbers[0], "it moves again"


def test_the_way_goes_on_when_the_virtual_camera_is_loaded_anew(fresh: None) -> None:
    with Run("20", OWN) as run:
        with reader(OWN) as capture:
            eventually(lambda: number_of(pictures(capture, 1)[0]) > 0)
        for _ in range(2):
            # The module cannot leave while we hold it: first the node goes, and we let go of it.
            os.rename(OWN, "/dev/hidden")
            eventually(lambda: not run.pipeline.status().outputs)
            os.rename("/dev/hidden", OWN)
            os.unlink(OWN)
            eventually(lambda: subprocess.run(["modprobe", "-r", "v4l2loopback"]).returncode == 0)
            time.sleep(2.5)
            load_loopback()
            eventually(lambda: bool(run.pipeline.status().outputs))
            with reader(OWN) as capture:
                assert_colours(pictures(capture, 1, skip=1)[0])
        assert any("is gone" in line for line in run.told())


# --- setting it up -------------------------------------------------------------------------------


def test_setup_camera_loads_the_module_for_good_and_checks_it() -> None:
    shell("modprobe -r v4l2loopback")
    told: list[str] = []
    try:
        setup_camera(True, told.append)
        assert told[-1].startswith("AI avatar (/dev/video")
        assert "read back with its colours" in told[-1]
        (camera,) = virtual_outputs(list_devices())
        assert camera.name == "AI avatar" and camera.exclusive
        # What a restart does: only the files are left.
        shell("modprobe -r v4l2loopback")
        loaded = Path("/etc/modules-load.d/avatarify-like.conf").read_text().split()
        shell(f"modprobe {' '.join(loaded)}")
        (again,) = virtual_outputs(list_devices())
        assert again.name == "AI avatar" and again.exclusive
        # The second time there is nothing to do but the check.
        told.clear()
        setup_camera(True, told.append)
        assert not any(line.startswith("$") for line in told)
        assert "read back with its colours" in told[-1]
    finally:
        Path("/etc/modprobe.d/avatarify-like.conf").unlink(missing_ok=True)
        reload_loopback()
