"""pyvirtualcam's own binary on devices that fail (umockdev), and what the user is told of it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from scripts.rigs.programs import absent, needs_programs
from tests.paths import ROOT

pytestmark = pytest.mark.devices

SYSTEM_PYTHON = "/usr/bin/python3"
LOOPBACK, CAPTURE, OUTPUT = "v4l2 loopback", 1, 2
EBUSY, ENOTTY = 16, 25

DEVICES = [
    {"number": 7, "driver": "uvcvideo", "caps": CAPTURE, "name": "Webcam"},
    {"number": 8, "driver": LOOPBACK, "caps": CAPTURE, "name": "Hidden"},
    {"number": 9, "driver": LOOPBACK, "caps": OUTPUT, "refuse_format": EBUSY, "name": "Busy"},
    {"number": 10, "driver": LOOPBACK, "caps": OUTPUT, "writes": 3, "name": "Good"},
    {"number": 11, "driver": "", "caps": 0, "refuse_query": ENOTTY, "name": "Dumb"},
]

TRY_ALL = """
import json, sys
import numpy as np
from realtime.sinks.base import SinkError
from realtime.sinks.registry import SinkChoice
import pyvirtualcam

found = {"sentences": {}, "library": {}}
for device in sys.argv[1:]:
    try:
        SinkChoice(device, (64, 48), 30, print)().close()
        found["sentences"][device] = "opened"
    except SinkError as error:
        found["sentences"][device] = str(error)
    try:
        pyvirtualcam.Camera(64, 48, 30, device=device).close()
        found["library"][device] = "opened"
    except RuntimeError as error:
        found["library"][device] = str(error)
with SinkChoice("pyvirtualcam", (64, 48), 30)() as sink:
    found["first"] = sink.name
with pyvirtualcam.Camera(64, 48, 30, device="/dev/video10") as camera:
    for _ in range(5):
        camera.send(np.zeros((48, 64, 3), np.uint8))
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def outcome() -> tuple[dict[str, Any], str]:
    """What a program saw of the devices, and what it wrote to its stderr."""
    if sys.platform != "linux":
        absent("needs Linux")
    needs_programs("umockdev-wrapper", SYSTEM_PYTHON)
    bindings = [SYSTEM_PYTHON, "-c", "import gi; gi.require_version('UMockdev', '1.0')"]
    if subprocess.run(bindings, capture_output=True).returncode != 0:
        absent("needs python3-gi and gir1.2-umockdev-1.0")
    words = [
        "umockdev-wrapper",
        SYSTEM_PYTHON,
        "tests/realtime/devices/mock_devices.py",
        json.dumps(DEVICES),
    ]
    words += [sys.executable, "-c", TRY_ALL]
    words += [f"/dev/video{device['number']}" for device in DEVICES] + ["/dev/video12"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    return json.loads(line.removeprefix("FOUND")), done.stderr


@pytest.mark.parametrize(
    ("number", "library", "sentence"),
    [
        (7, "is not a video output device", "is not a virtual camera (uvcvideo)"),
        (8, "is not a video output device", "is not a virtual camera, or another program"),
        (9, "could not be configured: Device or resource busy", "is taken by another program"),
        (10, "opened", "opened"),
        (11, "capabilities of /dev/video11 could not be queried", "is not a virtual camera"),
        (12, "does not exist", "There is no /dev/video12"),
    ],
)
def test_what_the_library_says_becomes_one_sentence(
    outcome: tuple[dict[str, Any], str], number: int, library: str, sentence: str
) -> None:
    found, _ = outcome
    device = f"/dev/video{number}"
    assert library in found["library"][device], "the installed library says something else now"
    assert sentence in found["sentences"][device]
    assert found["sentences"][device].count(". ") == 0


def test_the_first_device_that_works_is_taken(outcome: tuple[dict[str, Any], str]) -> None:
    assert outcome[0]["first"] == "Good (/dev/video10)"


def test_the_library_keeps_failed_writes_to_itself(outcome: tuple[dict[str, Any], str]) -> None:
    """Two of five frames were refused and no error was raised: why our sink counts bytes."""
    assert outcome[1].count("error writing frame: No such device") == 2
