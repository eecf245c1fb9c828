"""Which outputs can be chosen on the page, and whether a choice is the one that is open."""

from __future__ import annotations

from models.errors import UserError
from realtime.devices.discovery import find_device, list_devices
from realtime.session.chosen import NOWHERE
from realtime.sinks.base import Sink
from realtime.sinks.registry import AUTO, parse


def check_output(choice: str) -> None:
    """Make sure that a page may choose an output: a virtual camera, or none.

    Raises:
        UserError: it is another kind of output.
    """
    if choice in (AUTO, NOWHERE):
        return
    kind, _ = parse(choice)
    if not kind.camera:
        raise UserError(
            f"{choice!r} is no virtual camera; choose one of the list, or none and record."
        )


def same_output(choice: str, sink: Sink) -> bool:
    """Whether a choice is the virtual camera that is open, which cannot be opened twice."""
    if choice == AUTO:
        return True  # What is open is the best one, or the user's own choice.
    device = getattr(sink, "device", None)
    _, named = parse(choice)
    if device is None or named is None:
        return False
    found = find_device(named.partition("@")[0], list_devices())
    return device in (named, None if found is None else found.path or found.name)
