"""Telling the user what goes wrong in a run, in one line each, and when it is over."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from realtime.frames import CameraFrame
from realtime.latency import Series
from realtime.lines import Line

_BLACK = 12
"""Brightest of the pixels looked at, 0..255, of a picture that counts as black: more would call a
dark room covered, less would miss a covered camera with some noise."""

_SMALLEST = 16
"""Sides of a picture worth looking at: of 16 pixels one is looked at."""

_DARK = 30
"""Mean, 0..255, of a picture in which a face is hardly found; told only where none was found."""

_DIM = 16
"""Mean, 0..255, of a picture that is too dark whatever was found in it: without a camera's noise a
face is followed down to 5, but nobody would call such a picture good."""

_SLOW = 12.0
"""Frames per second below which the avatar visibly stutters; cameras in the dark give 5, 7.5 or 10,
and nobody minds 15."""

_HANGS = {"The camera": 3.0}
"""Seconds that a stage may take for one frame; 1 where nothing is said. A webcam that is unplugged
notices that by itself after 2."""

_STOPPED = 1.0
"""Seconds between two looks after which the program was stopped: they come every 0.1 to 0.3, on a
busy computer too."""

_TURNED = 2.0
"""Seconds for which a face must be turned to be told so: nobody holds the head like that so long
before a camera that stands upright."""

_LATE = 3.0
"""Frames per second that an output may leave out: of 30 hardly anybody misses so few."""


_DELAY_MISSED = 10.0
"""Milliseconds above the delay that was asked for which are worth a line: with sound, nobody hears
less."""


@dataclass
class _Alert:
    """One thing that can be wrong.

    Attributes:
        since: when it began; None: it is not wrong.
        told: the user knows.
        quiet_until: when it may be told again.
    """

    since: float | None = None
    told: bool = False
    quiet_until: float = -np.inf


class Alerts:
    """Decides which changes are worth a line: what lasts, once, and its end.

    Safe to use from several threads.
    """

    def __init__(self, say: Callable[[str], None], quiet: float = 15.0) -> None:
        """Know of nothing wrong.

        Args:
            say: called with each line.
            quiet: seconds after its end in which the same is not told again.
        """
        self._say = say
        self._quiet = quiet
        self._lock = threading.Lock()
        self._known: dict[str, _Alert] = {}

    def update(
        self, name: str, wrong: bool, now: float, lasts: float, begins: str, ends: str
    ) -> None:
        """Take note of a state.

        Args:
            name: what it is about.
            wrong: whether it is wrong at the moment.
            now: seconds of any steady clock.
            lasts: seconds after which it is told.
            begins: the line for what is wrong.
            ends: the line for when it is over.
        """
        with self._lock:
            alert = self._known.setdefault(name, _Alert())
            if not wrong:
                if alert.told:
                    self._say(Line(ends, name, over=True))
                    alert.quiet_until = now + self._quiet
                alert.since, alert.told = None, False
                return
            if alert.since is None:
                alert.since = now
            if not alert.told and now >= max(alert.since + lasts, alert.quiet_until):
                alert.told = True
                self._say(Line(begins, name, alarm=True))


class PictureAlerts:
    """Looks at the camera's frames for what a user can mend: covered, dark, frozen, slow.

    Attributes:
        dark: the last frame was black, or too dark.
    """

    def __init__(self, alerts: Alerts) -> None:
        """Tell by `alerts`."""
        self._alerts = alerts
        self.dark = False
        self._sample: bytes = b""
        self._shape: tuple[int, ...] = ()
        self._interval = 0.0
        self._seen: tuple[float, int] | None = None

    def look(self, frame: CameraFrame, now: float, face: bool) -> None:
        """Look at one frame.

        Args:
            frame: of the camera; frames between this one and the last were not looked at.
            now: when it was taken over, seconds of `time.perf_counter()`.
            face: whether a face was found in it.
        """
        image = frame.image
        if not isinstance(image, np.ndarray) or min(image.shape[:2], default=0) < _SMALLEST:
            return
        sample = image[4::16, 4::16]
        same = sample.tobytes() == self._sample and image.shape == self._shape
        self._sample, self._shape = sample.tobytes(), image.shape
        if self._seen is not None and frame.index > self._seen[1]:
            interval = (now - self._seen[0]) / (frame.index - self._seen[1])
            self._interval += 0.2 * (interval - self._interval)
        self._seen = now, frame.index
        black = int(sample.max(initial=0)) <= _BLACK
        mean = float(sample.mean())
        dim = not face and mean < _DARK
        self.dark = black or dim or mean < _DIM
        tell = self._alerts.update
        tell(
            "black", black, now, 1.0,
            "The camera's picture is black; open its shutter or take the cover off.",
            "The camera shows a picture again.",
        )  # fmt: skip
        tell(
            "dark", not black and dim, now, 2.0,
            "It is too dark for the camera to see a face; turn on a light.",
            "The camera sees enough again.",
        )  # fmt: skip
        tell(
            "frozen", same and not black, now, 2.0,
            "The camera's picture has not changed for 2 seconds; it may hang.",
            "The camera's picture moves again.",
        )  # fmt: skip
        tell(
            "slow", self._interval > 1 / _SLOW, now, 3.0,
            f"The camera gives only {1 / max(self._interval, 1e-3):.0f} frames per second; more "
            "light often helps, or other pictures of it: --camera-size "
            f"{_other_size(image.shape)} --camera-fps 30.",
            "The camera is fast again.",
        )  # fmt: skip


def _other_size(shape: tuple[int, ...]) -> str:
    """A size that a slow camera may be faster at: smaller, or one that it compresses."""
    return "640x480" if min(shape[:2]) > 480 else "1280x720"


class TurnAlert:
    """Tells once that the face in the camera's picture is turned, as by a camera that hangs askew.

    A head that somebody lays on a pillow is not turned for long, or soon once more.

    Attributes:
        turned: degrees clockwise by which the picture should be turned, for a while; 0: by none.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """Tell by `say`."""
        self._say = say
        self._since: tuple[int, float] | None = None
        self._told = False
        self.turned = 0

    def start_over(self) -> None:
        """Know of nothing: the pictures are of another camera, or turned otherwise."""
        self._since, self._told, self.turned = None, False, 0

    def look(self, now: float, turn: int, before: int = 0) -> None:
        """Look at one frame.

        Args:
            now: when it was taken over, seconds of `time.perf_counter()`.
            turn: degrees clockwise by which it should be turned; 0 without a face.
            before: degrees by which it was turned already.
        """
        if not turn:
            self._since, self.turned = None, 0
            return
        if self._since is None or self._since[0] != turn:
            self._since = turn, now
        self.turned = turn if now - self._since[1] >= _TURNED else 0
        if self.turned and not self._told:
            self._told = True
            lies = "is upside down" if turn == 180 else "lies on its side"
            whole = (turn + before) % 360
            how = f"with --rotate {whole}" if whole else "without --rotate"
            self._say(f"The camera's picture {lies}: turn the camera, or start {how}.")


class _Awake:
    """Since when the whole program has not been stopped, as by Ctrl-Z: then nothing hangs."""

    def __init__(self) -> None:
        self._looked = self._since = -np.inf

    def since(self, now: float) -> float:
        """When it was last continued, in seconds of `time.perf_counter()`.

        To be called with every look: long ago was the one before only if the program stood still.
        """
        if now - self._looked > _STOPPED:
            self._since = now
        self._looked = now
        return self._since


class StageAlerts:
    """Looks at the stages for faults and stalls; called a few times a second."""

    def __init__(self, alerts: Alerts) -> None:
        """Tell by `alerts`."""
        self._alerts = alerts
        self._faults = 0
        self._last_fault = -np.inf
        self._awake = _Awake()

    def look(
        self, now: float, faults: int, why: str | None, busy: Mapping[str, float | None]
    ) -> None:
        """Look at the state of a run.

        Args:
            now: seconds of `time.perf_counter()`.
            faults: how many there were so far.
            why: the last one.
            busy: for each stage, what it does, and since when it has been busy with one frame.
        """
        if faults > self._faults:
            self._faults, self._last_fault = faults, now
        self._alerts.update(
            "faults", now - self._last_fault < 1.0, now, 0.0,
            f"A frame failed ({why}); the last avatar picture stays until one succeeds.",
            f"Frames succeed again; {faults} have failed.",
        )  # fmt: skip
        awake = self._awake.since(now)
        for stage, since in busy.items():
            hangs = since is not None and now - max(since, awake) > _HANGS.get(stage, 1.0)
            self._alerts.update(
                stage, hangs, now, 0.0,
                f"{stage} hangs; the last avatar picture stays.",
                f"{stage} goes on.",
            )  # fmt: skip


class OutputAlerts:
    """Looks at the outputs for those that hang or cannot keep up; called a few times a second."""

    def __init__(self, alerts: Alerts) -> None:
        """Tell by `alerts`."""
        self._alerts = alerts
        self._looked = -np.inf
        self._dropped: dict[str, int] = {}
        self._awake = _Awake()

    def look(self, now: float, outputs: Mapping[str, tuple[float | None, int]]) -> None:
        """Look at the outputs.

        Args:
            now: seconds of `time.perf_counter()`.
            outputs: by name, since when each has been busy with one frame, and how many frames it
                was too slow for.
        """
        seconds = now - self._looked
        awake = self._awake.since(now)
        for name, (since, dropped) in outputs.items():
            hangs = since is not None and now - max(since, awake) > 2.0
            self._alerts.update(
                f"hang {name}", hangs, now, 0.0,
                f"The output {name} hangs; the others go on.",
                f"The output {name} goes on.",
            )  # fmt: skip
            if seconds >= 1.0:
                late = dropped - self._dropped.get(name, 0)
                self._dropped[name] = dropped
                self._alerts.update(
                    f"slow {name}", late > _LATE * seconds, now, 1.5,
                    f"The output {name} is slow: it leaves out {late / seconds:.0f} frames a "
                    "second; the others go on.",
                    f"The output {name} keeps up again.",
                )  # fmt: skip
        if seconds >= 1.0:
            self._looked = now


class DelayAlerts:
    """Looks whether frames can be as late as was asked for; called a few times a second."""

    def __init__(self, alerts: Alerts) -> None:
        """Tell by `alerts`."""
        self._alerts = alerts
        self._looked = -np.inf

    def look(self, now: float, delay: float, latency: Series) -> None:
        """Look at the last seconds.

        Args:
            now: seconds of `time.perf_counter()`.
            delay: seconds that were asked for.
            latency: of the frames that went out.
        """
        if now - self._looked < 1.0:
            return
        self._looked = now
        found = latency.recents((50, 95), now)
        if found is None:
            return
        usual, slow = (value * 1e3 for value in found)
        self._alerts.update(
            "delay", usual > delay * 1e3 + _DELAY_MISSED, now, 4.0,
            f"The picture takes {usual:.0f} ms, more than --delay {delay * 1e3:.0f} leaves it; "
            f"with --delay {math.ceil(slow / 10) * 10 + 10} it would be constant.",
            "The picture keeps to its delay again.",
        )  # fmt: skip
