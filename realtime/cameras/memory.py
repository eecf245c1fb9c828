"""Which webcam was chosen last, kept between runs."""

from __future__ import annotations

import json

from realtime.devices.discovery import VideoDevice
from realtime.paths import camera_file


def remember(device: VideoDevice | None) -> None:
    """Let `auto` take this webcam from now on; a folder that cannot be written stops nobody."""
    if device is None or not device.identity or device.virtual:
        return
    path = camera_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"identity": device.identity, "name": device.name}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError:
        pass


def preferred(devices: list[VideoDevice]) -> list[VideoDevice]:
    """The same devices, the one that was chosen last first if it is there."""
    try:
        identity = json.loads(camera_file().read_text(encoding="utf-8"))["identity"]
    except (OSError, ValueError, KeyError, TypeError):
        return devices
    return sorted(devices, key=lambda device: device.identity != identity)
