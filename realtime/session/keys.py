"""The keys, the same in the terminal and on the panel; avatarify's users know most of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """What a key does.

    Attributes:
        key: the character that it types, so capitals are with Shift; or Escape or Enter.
        command: one of `Session.commands`.
        value: what the command takes, if anything.
        help: what it does, in a few words.
        hold: on the panel, the command holds as long as the key is down.
    """

    key: str
    command: str
    value: Any
    help: str
    hold: bool = False


KEYS: tuple[Key, ...] = (
    *(Key(str(n), "number", n, f"avatar {n} of the list") for n in range(1, 10)),
    Key("a", "previous", None, "previous avatar"),
    Key("d", "next", None, "next avatar"),
    Key("q", "random", None, "any other avatar of the list"),
    Key("l", "reload", None, "list the folder of avatars again"),
    Key("x", "calibrate", None, "calibrate: measure your motion against your face as it is now"),
    Key("Enter", "calibrate", None, "calibrate"),
    Key("y", "undo_calibration", None, "go back to the calibration before the last one"),
    Key("X", "reset", None, "calibrate by itself, at the next good moment"),
    Key("L", "lock", None, "lock the face that drives: no other one takes over"),
    Key("f", "search", None, "search a better reference: calibrate when you look most like it"),
    Key("m", "relative", None, "motion relative or absolute"),
    Key("w", "zoom", -0.05, "zoom the camera in"),
    Key("s", "zoom", 0.05, "zoom the camera out"),
    Key("W", "zoom", -0.01, "zoom the camera in a little"),
    Key("S", "zoom", 0.01, "zoom the camera out a little"),
    Key("u", "pan", "up", "move the camera's part up"),
    Key("h", "pan", "left", "move the camera's part left"),
    Key("j", "pan", "down", "move the camera's part down"),
    Key("k", "pan", "right", "move the camera's part right"),
    Key("U", "nudge", "up", "move it up by one pixel"),
    Key("H", "nudge", "left", "move it left by one pixel"),
    Key("J", "nudge", "down", "move it down by one pixel"),
    Key("K", "nudge", "right", "move it right by one pixel"),
    Key("Z", "auto_framing", True, "frame the camera automatically again"),
    Key("z", "overlay_by", -0.1, "show the pose of the calibration less"),
    Key("c", "overlay_by", 0.1, "show the pose of the calibration more"),
    Key("o", "landmarks", None, "show the landmarks"),
    Key("v", "blur", None, "blur the camera's picture in the preview"),
    Key("i", "stages", None, "show the milliseconds of every stage"),
    Key("r", "mirror_preview", None, "mirror the preview"),
    Key("t", "mirror_output", None, "mirror the output"),
    Key("p", "freeze", None, "let the picture stand still"),
    Key("b", "hide", None, 'show the card "back soon"; on the panel as long as it is held', True),
    Key("B", "hide", None, 'show the card "back soon", or the avatar again'),
    Key("e", "record", None, "start or stop a recording"),
    Key("n", "badge", None, "the mark that says: AI avatar"),
    Key("0", "pass_through", None, "show your real face, after a question"),
    Key("Escape", "quit", None, "end the program"),
)
"""All keys, in the order of their list. Zooms are in shares of the picture's side, changes of the
overlay in shares of full strength: large enough to get there soon, with Shift small enough to
stop."""


def command_of(pressed: str) -> Key | None:
    """What a key of the terminal does, or None."""
    named = {"\r": "Enter", "\n": "Enter", "\x1b": "Escape"}.get(pressed, pressed)
    return next((key for key in KEYS if key.key == named), None)
