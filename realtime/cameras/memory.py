"""Which webcam was chosen last, kept between runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import platformdirs

from realtime.devices.discovery import VideoDevice

HOME_VARIABLE = "AVATARIFY_HOME"
"""The folder for what is remembered, as in `realtime.session.settings`."""


def remember(device: VideoDevice | None) -> None:
    """Let `auto` take this webcam from now on; a folder that cannot be written stops nobody."""
    if device is None or not device.identity or device.virtual:
        return
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"identity": device.identity, "name": device.name}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError:
        pass


def preferred(devices: list[VideoDevice]) -> list[VideoDevice]:
    """The same devices, the one that was chosen last first if it is there."""
    try:
        identity = json.loads(_file().read_text(encoding="utf-8"))["identity"]
    except (OSError, ValueError, KeyError, TypeError):
        return devices
    return sorted(devices, key=lambda device: device.identity != identity)


def _file() -> Path:
    folder = os.environ.get(HOME_VARIABLE)
    if folder:
        return Path(folder) / "camera.json"
    return Path(platformdirs.user_config_dir("avatarify-like", appauthor=False)) / "camera.json"
