"""Which cameras can be chosen on the page, and whether two choices are one device."""

from __future__ import annotations

from models.errors import UserError
from realtime.addresses import hide_secrets, is_address, lacks_scheme, parse
from realtime.cameras import CAMERA_KINDS, Camera, chosen_device
from realtime.cameras.memory import preferred
from realtime.cameras.webcam import Webcam
from realtime.devices.discovery import list_devices, real_cameras
from realtime.session.chosen import NOWHERE

BROWSER = "browser"
"""What `--camera` says for the webcam of the panel's page."""


def check_camera(choice: str, allowed: str) -> None:
    """Make sure that a page may choose a camera: no file of this computer, but for one.

    Args:
        choice: what it chooses.
        allowed: what the run has begun with.

    Raises:
        UserError: it may not, or there is no such camera; says nothing secret.
    """
    if choice in (NOWHERE, BROWSER, "auto", allowed) or choice.partition(":")[0] in CAMERA_KINDS:
        return
    if is_address(choice) or lacks_scheme(choice):
        parse(choice)
        return
    if chosen_device(choice) is None:
        raise UserError(
            f"There is no camera {hide_secrets(choice)!r}; plug it in and choose again."
        )


def same_camera(choice: str, now: Camera | None) -> bool:
    """Whether a choice is the webcam that is open."""
    if not isinstance(now, Webcam) or choice == NOWHERE:
        return False
    if choice == "auto":
        device = next(iter(preferred(real_cameras(list_devices()))), None)
    else:
        device = chosen_device(choice)
    known = now.device
    if device is None or known is None:
        return False
    if device.identity and known.identity:
        return device.identity == known.identity
    return (device.path or device.name) == (known.path or known.name)
