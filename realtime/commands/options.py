"""The options of `run` and `animate`: each is written once, as a field of what its command gets.

The fields hold what was typed; properties say what it means. Nothing heavy is imported here, so
that --help answers at once.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from models.backends import DEFAULT
from models.errors import UserError
from models.modes import Motion
from realtime.canvas.fit import Fit
from realtime.commands.log import Log
from realtime.paths import asset_path

T = TypeVar("T")


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in pixels from a text such as "1280x720".

    Raises:
        UserError: it is not two even numbers from 64 to 3840.
    """
    match = re.fullmatch(r"\s*(\d{1,5})\s*[xX×]\s*(\d{1,5})\s*", text)
    sides = tuple(int(side) for side in match.groups()) if match else ()
    if len(sides) != 2 or any(side % 2 or not 64 <= side <= 3840 for side in sides):
        raise UserError(
            f"The size {text!r} cannot be used: give width x height in even numbers "
            "from 64 to 3840, such as 1280x720."
        )
    return sides[0], sides[1]


def parse_camera_size(text: str) -> tuple[int, int]:
    """Width and height in pixels of a camera's pictures from a text such as "640x480".

    Raises:
        UserError: it is not two numbers from 32 to 7680.
    """
    match = re.fullmatch(r"\s*(\d{1,5})\s*[xX×]\s*(\d{1,5})\s*", text)
    sides = tuple(int(side) for side in match.groups()) if match else ()
    if len(sides) != 2 or any(not 32 <= side <= 7680 for side in sides):
        raise UserError(
            f"--camera-size {text!r} cannot be used: give width x height in numbers from 32 to "
            "7680, such as 640x480."
        )
    return sides[0], sides[1]


def parse_turn(text: str) -> int:
    """Degrees clockwise: 0, 90, 180 or 270; also -90, which is 270.

    Raises:
        UserError: it is none of these.
    """
    match = re.fullmatch(r"\s*([+-]?\d{1,4})\s*°?\s*", text)
    if match is None or int(match[1]) % 90:
        raise UserError(f"--rotate {text!r} cannot be used: give 0, 90, 180 or 270 (clockwise).")
    return int(match[1]) % 360


def parse_best_frame(text: str) -> int | None:
    """The number of a frame, counted from 0, or None for "auto".

    Raises:
        UserError: it is neither.
    """
    if text.strip().lower() == "auto":
        return None
    if not re.fullmatch(r"\d{1,9}", text.strip()):
        raise UserError(
            f"--best-frame {text!r} cannot be used: give auto or the number of a frame, from 0 on."
        )
    return int(text)


def check_part(start: float, end: float | None) -> None:
    """Make sure that a part of a clip is one.

    Raises:
        UserError: it begins before the clip, or ends before it begins.
    """
    if not 0 <= start < math.inf:
        raise UserError(f"--from {start:g} cannot be used: give a second of the clip, from 0 on.")
    if end is not None and not end > start:
        raise UserError(
            f"--to {end:g} cannot be used: give a second after {start:g}, where the part begins."
        )


def _say_all(context: typer.Context, wanted: bool) -> None:
    log = context.find_root().obj
    if wanted and isinstance(log, Log):
        log.show()


Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        help="Also print what goes to the log file, with the traceback of every fault.",
        callback=_say_all,
        is_eager=True,
    ),
]
"""Obeyed by its callback; see `with_verbose`."""

Backend = Annotated[
    str,
    typer.Option(
        help="What animates the photo: NAME, or NAME:MODEL where a backend has several models; "
        "doctor lists the backends."
    ),
]
AdaptScale = Annotated[
    bool,
    typer.Option(
        "--adapt-scale/--no-adapt-scale", help="Scale the motion by the size of the faces."
    ),
]
Badge = Annotated[
    bool, typer.Option("--badge/--no-badge", help="The small mark that says: AI avatar.")
]
FitOption = Annotated[
    Fit,
    typer.Option(
        help="How the photo fills the frame: a blurred copy of it at the sides, cut off, "
        "or plain borders."
    ),
]
Rotate = Annotated[
    str,
    typer.Option(
        help="Turn the driving pictures clockwise by so many degrees, for a camera that is "
        "mounted askew.",
        metavar="0|90|180|270",
    ),
]
BackgroundOption = Annotated[
    str,
    typer.Option(
        help="What is shown behind the person: keep (the photo's own), blur, green (for chroma "
        "keys, as in OBS), or a photo.",
        metavar="keep|blur|green|PHOTO",
    ),
]
FaceNumber = Annotated[
    int | None,
    typer.Option(
        help="Which face of the photo, from 1 on, largest first. (default: the largest)",
        show_default=False,
        min=1,
    ),
]
"""Counted from 1, as `models.photos.choose_face` does."""


class Faces(StrEnum):
    """How many faces of a photo are animated."""

    ONE = "one"
    ALL = "all"


FacesOption = Annotated[
    Faces,
    typer.Option(
        help="Animate one face of the photo, or all of them: you move all, or, where your camera "
        "sees several people, each of them moves one, from left to right."
    ),
]

SignKey = Annotated[
    Path | None,
    typer.Option(
        help="A private key (PEM) to sign videos with. (default: one made on this computer)",
        envvar="AVATARIFY_SIGN_KEY",
        metavar="KEY.pem",
        show_default=False,
        show_envvar=False,
    ),
]
SignCert = Annotated[
    Path | None,
    typer.Option(
        help="The certificate of that key (PEM), followed by those above it.",
        envvar="AVATARIFY_SIGN_CERT",
        metavar="CERT.pem",
        show_default=False,
        show_envvar=False,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an existing file without a question."),
]
_MOTION = (
    "relative: your motion since calibration, on the photo's own face. "
    "absolute: your pose as it is."
)


@dataclass(frozen=True, kw_only=True)
class _Photo:
    """The option that both commands begin with.

    Attributes:
        source: a photo or a folder of photos; None: the demo face.
    """

    source: Annotated[
        Path | None,
        typer.Option(
            help="The photo to animate, or a folder of photos (the first one is used; in a live "
            "run the panel and the keys switch). (default: a demo face)",
            show_default=False,
            metavar="PHOTO",
        ),
    ] = None

    @property
    def photo(self) -> Path:
        """The photo or the folder of photos."""
        return self.source or asset_path("face.jpg")


@dataclass(frozen=True, kw_only=True)
class RunChoices(_Photo):
    """What the user chose for a live run; `avatarify-like run --help` says more about each.

    Attributes:
        camera: "auto", a kind, a device, a file or an address; see `cameras.open_camera`.
        rotate: degrees clockwise to turn the camera's pictures by.
        camera_size: of the camera's pictures, "WIDTHxHEIGHT"; None: small ones.
        camera_fps: frames per second of the camera, 1..240; None: those of the output.
        output: "auto", a kind, a device, or both; see `sinks.registry.SinkChoice`.
        record: the MP4 file to record into; None: no recording.
        overwrite: replace an existing file without a question.
        size: of the output, "WIDTHxHEIGHT", even numbers from 64 to 3840.
        fps: frames per second of the output, 1..120.
        backend: NAME or NAME:MODEL.
        motion: relative or absolute; None: as set in the panel.
        adapt_scale: scale relative motion by the size of the faces.
        mirror: flip the result; None: as set in the panel.
        badge: put the mark on it.
        fit: how the photo fills the canvas.
        background: "keep", "blur", "green" or a photo, behind the person.
        face: which face of the photo, from 1 on; None: the largest.
        faces: one face of the photo, or all.
        delay: milliseconds from the capture of a picture to its output, 0..1000; None: as few as
            can be.
        panel: "auto", "off" or HOST:PORT.
        panel_host: names of tunnels and proxies by which the panel is asked for, too.
        tls_cert: the panel's certificate, PEM; None: self-made where one is needed.
        tls_key: its key, PEM.
        seconds: how long to run, from 0.1 on; None: until it is stopped.
        sign_key: the key to sign recordings with, PEM; None: this computer's own.
        sign_cert: its certificate, PEM, followed by those above it.

    Raises:
        UserError: a size, a rate or a time is none.
    """

    camera: Annotated[
        str,
        typer.Option(
            help="The webcam: auto (the one named last, else the first with colours), its number, "
            "device or name, a video file, demo, the webcam of the browser that shows the panel, "
            "or the address of a camera (rtsp://, http://, https://). An address with a password "
            "is better given in AVATARIFY_CAMERA: others on this computer can read command lines.",
            metavar="auto|INDEX|DEVICE|FILE|ADDRESS|demo|browser",
            envvar="AVATARIFY_CAMERA",
            show_envvar=False,
        ),
    ] = "auto"
    rotate: Rotate = "0"
    camera_size: Annotated[
        str | None,
        typer.Option(
            help="Width x height to ask the webcam for; the nearest it has is taken. "
            "(default: 640x480)",
            metavar="WxH",
            show_default=False,
        ),
    ] = None
    camera_fps: Annotated[
        float | None,
        typer.Option(
            help="Frames per second to ask the webcam for. (default: those of the output)",
            show_default=False,
            min=1,
            max=240,
        ),
    ] = None
    output: Annotated[
        str,
        typer.Option(
            help="The virtual camera: auto, a device, a backend (pyvirtualcam, pipewire, none), or "
            "both as BACKEND:DEVICE.",
            metavar="auto|DEVICE|BACKEND|none",
        ),
    ] = "auto"
    record: Annotated[
        Path | None,
        typer.Option(
            help="Also record into this MP4 file.", metavar="FILE.mp4", show_default=False
        ),
    ] = None
    overwrite: Overwrite = False
    size: Annotated[str, typer.Option(help="Width x height of the output.", metavar="WxH")] = (
        "1280x720"
    )
    fps: Annotated[float, typer.Option(help="Frames per second of the output.", min=1, max=120)] = (
        30
    )
    backend: Backend = DEFAULT
    motion: Annotated[
        Motion | None,
        typer.Option(help=f"{_MOTION} (default: as set in the panel)", show_default=False),
    ] = None
    adapt_scale: AdaptScale = True
    mirror: Annotated[
        bool | None,
        typer.Option(
            "--mirror/--no-mirror",
            help="Mirror the result. (default: as set in the panel)",
            show_default=False,
        ),
    ] = None
    badge: Badge = True
    fit: FitOption = Fit.BLUR
    background: BackgroundOption = "keep"
    face: FaceNumber = None
    faces: FacesOption = Faces.ONE
    delay: Annotated[
        float | None,
        typer.Option(
            help="Milliseconds after its capture at which every picture goes out, so that a "
            "microphone that is delayed by as much stays in step. (default: as few as can be)",
            show_default=False,
            min=0,
            max=1000,
        ),
    ] = None
    panel: Annotated[
        str,
        typer.Option(
            help="The control panel: a free port of this computer, opened in the browser where "
            "there is a screen; or where to serve it.",
            metavar="auto|off|HOST:PORT",
        ),
    ] = "auto"
    panel_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A name by which browsers reach the panel through a tunnel or a proxy, such as "
            "studio.example or localhost:9000; can be given several times.",
            show_default=False,
            metavar="NAME",
        ),
    ] = None
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="A certificate (PEM) for the panel. (default: self-made, where others than this "
            "computer can reach it)",
            show_default=False,
            metavar="FILE",
        ),
    ] = None
    tls_key: Annotated[
        Path | None, typer.Option(help="Its key (PEM).", show_default=False, metavar="FILE")
    ] = None
    seconds: Annotated[
        float | None,
        typer.Option(help="Stop after this time. (default: Ctrl-C)", show_default=False, min=0.1),
    ] = None
    sign_key: SignKey = None
    sign_cert: SignCert = None

    @property
    def everyone(self) -> bool:
        """Whether all faces of the photo are animated."""
        return self.faces is Faces.ALL

    def __post_init__(self) -> None:
        parse_size(self.size)
        parse_turn(self.rotate)
        if self.camera_size is not None:
            parse_camera_size(self.camera_size)
        if self.camera_fps is not None and math.isnan(self.camera_fps):
            raise UserError("--camera-fps takes a number, such as 30.")
        if self.delay is not None and math.isnan(self.delay):
            raise UserError("--delay takes a number of milliseconds, such as 100.")
        if math.isnan(self.fps) or (self.seconds is not None and math.isnan(self.seconds)):
            raise UserError("--fps and --seconds take numbers, such as 30.")

    @property
    def canvas(self) -> tuple[int, int]:
        """(width, height) of the output in pixels."""
        return parse_size(self.size)

    @property
    def recordings(self) -> list[Path]:
        """The files that are recorded into from the start, also by `--output recorder:FILE`."""
        kind, _, file = self.output.partition(":")
        named = [Path(file)] if kind == "recorder" and file else []
        return named if self.record is None else [*named, self.record]

    @property
    def turn(self) -> int:
        """Degrees clockwise by which the camera's pictures are turned: 0, 90, 180 or 270."""
        return parse_turn(self.rotate)

    @property
    def webcam(self) -> tuple[tuple[int, int] | None, float | None]:
        """Size and rate that the camera is asked for; None where nothing is said."""
        size = None if self.camera_size is None else parse_camera_size(self.camera_size)
        return size, self.camera_fps


@dataclass(frozen=True, kw_only=True)
class AnimateChoices(_Photo):
    """What the user chose for `animate`; `avatarify-like animate --help` says more about each.

    Attributes:
        driving: the video whose face moves the photo, or a motion file.
        output: the MP4 file to write.
        overwrite: replace an existing file without a question.
        start: the second of the clip to begin at, from 0 on.
        end: the second to end before; None: the clip's end.
        best_frame: "auto", or the number of the frame to measure motion against, from 0 on, counted
            from `start`.
        rotate: degrees clockwise to turn the clip's pictures by.
        size: "WIDTHxHEIGHT", even numbers from 64 to 3840; None: that of the photo.
        backend: NAME or NAME:MODEL.
        motion: relative or absolute.
        adapt_scale: scale relative motion by the size of the faces.
        mirror: flip the result.
        badge: put the mark on it.
        fit: how the photo fills the canvas.
        background: "keep", "blur", "green" or a photo, behind the person.
        face: which face of the photo, from 1 on; None: the largest.
        faces: one face of the photo, or all.
        sign_key: the key to sign the video with, PEM; None: this computer's own.
        sign_cert: its certificate, PEM, followed by those above it.
        save_motion: the .npz file to keep the driver's motion in; None: nowhere.

    Raises:
        UserError: a size or a time is none, or the best frame is no number.
    """

    driving: Annotated[
        Path,
        typer.Option(
            help="The video whose face moves the photo, or a motion file of the backend (.npz, or "
            "a .pkl of others).",
            metavar="CLIP",
        ),
    ]
    output: Annotated[Path, typer.Option(help="The MP4 file to write.", metavar="FILE.mp4")]
    overwrite: Overwrite = False
    start: Annotated[
        float,
        typer.Option("--from", help="The second of the clip to begin at.", metavar="SECONDS"),
    ] = 0.0
    end: Annotated[
        float | None,
        typer.Option(
            "--to",
            help="The second of the clip to end before. (default: its end)",
            metavar="SECONDS",
            show_default=False,
        ),
    ] = None
    best_frame: Annotated[
        str,
        typer.Option(
            help="The driving frame to measure motion against: auto (the one most like the "
            "photo) or its number, from 0 on, counted from --from.",
            metavar="auto|N",
        ),
    ] = "auto"
    rotate: Rotate = "0"
    size: Annotated[
        str | None,
        typer.Option(
            help="Width x height of the video. (default: that of the photo)",
            metavar="WxH",
            show_default=False,
        ),
    ] = None
    backend: Backend = DEFAULT
    motion: Annotated[Motion, typer.Option(help=_MOTION)] = "relative"
    adapt_scale: AdaptScale = True
    mirror: Annotated[bool, typer.Option("--mirror", help="Mirror the result.")] = False
    badge: Badge = True
    fit: FitOption = Fit.BLUR
    background: BackgroundOption = "keep"
    face: FaceNumber = None
    faces: FacesOption = Faces.ONE
    sign_key: SignKey = None
    sign_cert: SignCert = None
    save_motion: Annotated[
        Path | None,
        typer.Option(
            help="Also keep the motion in this file, numbers alone, to drive other photos with it "
            "without the video; not every backend can.",
            metavar="FILE.npz",
            show_default=False,
        ),
    ] = None

    @property
    def everyone(self) -> bool:
        """Whether all faces of the photo are animated."""
        return self.faces is Faces.ALL

    def __post_init__(self) -> None:
        parse_best_frame(self.best_frame)
        check_part(self.start, self.end)
        parse_turn(self.rotate)
        if self.size is not None:
            parse_size(self.size)

    @property
    def part(self) -> tuple[float, float]:
        """The part of the clip that is wanted, from which second to which."""
        return self.start, math.inf if self.end is None else self.end

    @property
    def canvas(self) -> tuple[int, int] | None:
        """(width, height) of the video in pixels; None: that of the photo."""
        return None if self.size is None else parse_size(self.size)

    @property
    def turn(self) -> int:
        """Degrees clockwise by which the clip's pictures are turned: 0, 90, 180 or 270."""
        return parse_turn(self.rotate)

    @property
    def reference(self) -> int | None:
        """The number of the frame to measure against; None: of the one most like the photo."""
        return parse_best_frame(self.best_frame)


def options_of(choices: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Let a command that takes one of the classes above have its fields as options.

    Args:
        choices: the class.

    Returns:
        A decorator for the command, which gets an object of that class.
    """

    def decorate(command: Callable[[T], None]) -> Callable[..., None]:
        hints = get_type_hints(choices, include_extras=True)
        parameters = [
            one.replace(annotation=hints[one.name])
            for one in inspect.signature(choices).parameters.values()
        ]
        return _signed(command, lambda **options: command(choices(**options)), parameters)

    return decorate


def with_verbose(command: Callable[..., Any]) -> Callable[..., None]:
    """The same command with the option --verbose."""
    parameters = list(inspect.signature(command, eval_str=True).parameters.values())
    verbose = inspect.Parameter(
        "verbose", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Verbose
    )
    return _signed(command, lambda verbose, **options: command(**options), [*parameters, verbose])


def _signed(
    command: Callable[..., Any], call: Callable[..., Any], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """`call` as a command: typer reads names, types and defaults from a function's signature."""
    functools.update_wrapper(call, command)
    signature = inspect.Signature(parameters)
    call.__signature__ = signature  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in parameters}
    return call


def check_faces(choices: RunChoices | AnimateChoices) -> None:
    """Make sure that all faces can be animated, if all are wanted.

    Raises:
        UserError: something else is wanted that does not go with it.
    """
    if not choices.everyone:
        return
    if choices.face is not None:
        raise UserError("--face names one face and --faces all takes all; leave one of them out.")
    if choices.background.strip().lower() != "keep":
        raise UserError("--faces all keeps the photo's own background; leave out --background.")
