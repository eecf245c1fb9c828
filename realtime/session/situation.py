"""The one sentence that says how a run is: what matters most of all that holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["good", "note", "warn", "alarm"]
"""How pages show it: as it should be, worth knowing, to be mended, or dangerous."""


@dataclass(frozen=True)
class Facts:
    """What is known of a run at one moment.

    Attributes:
        real_face: the camera's own picture is let through.
        hidden: the card is shown.
        frozen: the picture stands still.
        camera_lost: the camera gives no pictures and is tried again.
        no_camera: none is chosen, or it has not opened yet.
        dark: the camera's picture is too dark to find a face in.
        face: the driver's face is in view.
        turned: the face stands on its head or lies on its side.
        calibrated: there is a reference that motion is measured against.
        receivers: what the picture goes to and others can see, by name.
        read: whether a program reads them; None where that cannot be told.
        page: somebody has the output's own page open, as OBS does.
    """

    real_face: bool = False
    hidden: bool = False
    frozen: bool = False
    camera_lost: bool = False
    no_camera: bool = False
    dark: bool = False
    face: bool = True
    turned: bool = False
    calibrated: bool = True
    receivers: Sequence[str] = ()
    read: bool | None = None
    page: bool = False


@dataclass(frozen=True)
class Situation:
    """What is said about a run.

    Attributes:
        code: which sentence, `status.CODE` of the page's words.
        params: what stands in its gaps.
        level: how it is shown.
    """

    code: str
    params: Mapping[str, str] = field(default_factory=dict)
    level: Level = "note"


def situation(facts: Facts) -> Situation:
    """The first that holds, by rank: what could harm, what the user did, what must be mended."""
    ranks: tuple[tuple[bool, str, Level], ...] = (
        # The card covers the real face too, but only as long as it is there.
        (facts.real_face, "real_face", "alarm"),
        (facts.hidden, "hidden", "note"),
        (facts.frozen, "frozen", "note"),
        (facts.camera_lost, "camera_lost", "warn"),
        (facts.no_camera, "no_camera", "warn"),
        (facts.dark, "dark", "warn"),
        (not facts.face, "no_face", "warn"),
        (facts.turned, "upside_down", "warn"),
        (not facts.calibrated, "calibrating", "note"),
        (not facts.receivers and not facts.page, "nothing_receives", "note"),
    )
    for holds, code, level in ranks:
        if holds:
            return Situation(code, {}, level)
    names = {"name": " + ".join(facts.receivers)}
    # Of several outputs one may be seen, as a window is, though no program reads the other.
    if len(facts.receivers) == 1 and facts.read is False and not facts.page:
        return Situation("not_read", names, "note")
    return Situation("live", names, "good") if names["name"] else Situation("live_page", {}, "good")
