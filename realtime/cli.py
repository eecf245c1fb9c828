"""The command line: `avatarify-like run`, `animate`, `verify` and the others."""

from __future__ import annotations

import enum
import io
import math
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models.backends import DEFAULT, built_in
from models.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

# Everything else is imported by the command that needs it, so that --help answers at once.

app = typer.Typer(
    name="avatarify-like",
    help="Animate a photo with your face, live, and show it as a camera.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Start with [bold]avatarify-like doctor[/bold]: it says what was found and what is missing."
    ),
)


class Motion(enum.StrEnum):
    """How the driver's motion is taken."""

    relative = "relative"
    absolute = "absolute"


class Fit(enum.StrEnum):
    """How the avatar is put on the canvas."""

    blur = "blur"
    cover = "cover"
    contain = "contain"


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


def _version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"avatarify-like {metadata.version('avatarify-like')}")
        except metadata.PackageNotFoundError:
            typer.echo("avatarify-like, not installed")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass


_Source = Annotated[
    Path | None,
    typer.Option(
        help="The photo to animate, or a folder of photos (the first one is used; the panel and "
        "the keys switch). "
        "(default: a demo face)",
        show_default=False,
        metavar="PHOTO",
    ),
]
_Backend = Annotated[
    str,
    typer.Option(
        help="What animates the photo: NAME, or NAME:MODEL where a backend has several models; "
        "doctor lists the backends."
    ),
]
_MotionOption = Annotated[
    Motion,
    typer.Option(
        help="relative: your motion since calibration, on the photo's own face. "
        "absolute: your pose as it is."
    ),
]
_AdaptScale = Annotated[
    bool,
    typer.Option(
        "--adapt-scale/--no-adapt-scale", help="Scale the motion by the size of the faces."
    ),
]
_Mirror = Annotated[bool, typer.Option("--mirror", help="Mirror the result.")]
_Badge = Annotated[
    bool, typer.Option("--badge/--no-badge", help="The small mark that says: AI avatar.")
]
_Face = Annotated[
    int | None,
    typer.Option(
        help="Which face of the photo, from 1 on, largest first. (default: the largest)",
        show_default=False,
        min=1,
    ),
]
_Fit = Annotated[
    Fit,
    typer.Option(
        help="How the photo fills the frame: a blurred copy of it at the sides, cut off, "
        "or plain borders."
    ),
]

_SignKey = Annotated[
    Path | None,
    typer.Option(
        help="A private key (PEM) to sign videos with. (default: one made on this computer)",
        envvar="AVATARIFY_SIGN_KEY",
        metavar="KEY.pem",
        show_default=False,
        show_envvar=False,
    ),
]
_SignCert = Annotated[
    Path | None,
    typer.Option(
        help="The certificate of that key (PEM), followed by those above it.",
        envvar="AVATARIFY_SIGN_CERT",
        metavar="CERT.pem",
        show_default=False,
        show_envvar=False,
    ),
]


@app.command(
    epilog="Examples:\n\n"
    "avatarify-like run --source face.jpg\n\n"
    "avatarify-like run --source face.jpg --camera demo --record out.mp4 --seconds 10\n\n"
    "avatarify-like run --source avatars/ --camera 1 --output /dev/video10"
)
def run(
    source: _Source = None,
    camera: Annotated[
        str,
        typer.Option(
            help="The webcam: auto (the one named last, else the first), its number, device or "
            "name, a video file, demo, or the webcam of the browser that shows the panel.",
            metavar="auto|INDEX|DEVICE|FILE|demo|browser",
        ),
    ] = "auto",
    output: Annotated[
        str,
        typer.Option(
            help="The virtual camera: auto, a device, a backend (pyvirtualcam, pipewire, none), or "
            "both as BACKEND:DEVICE.",
            metavar="auto|DEVICE|BACKEND|none",
        ),
    ] = "auto",
    record: Annotated[
        Path | None,
        typer.Option(
            help="Also record into this MP4 file.", metavar="FILE.mp4", show_default=False
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Width x height of the output.", metavar="WxH")
    ] = "1280x720",
    fps: Annotated[
        float, typer.Option(help="Frames per second of the output.", min=1, max=120)
    ] = 30,
    backend: _Backend = DEFAULT,
    motion: Annotated[
        Motion | None,
        typer.Option(
            help="relative: your motion since calibration, on the photo's own face. "
            "absolute: your pose as it is. (default: as set in the panel)",
            show_default=False,
        ),
    ] = None,
    adapt_scale: _AdaptScale = True,
    mirror: Annotated[
        bool | None,
        typer.Option(
            "--mirror/--no-mirror",
            help="Mirror the result. (default: as set in the panel)",
            show_default=False,
        ),
    ] = None,
    badge: _Badge = True,
    fit: _Fit = Fit.blur,
    face: _Face = None,
    panel: Annotated[
        str,
        typer.Option(
            help="The control panel: a free port of this computer, opened in the browser where "
            "there is a screen; or where to serve it.",
            metavar="auto|off|HOST:PORT",
        ),
    ] = "auto",
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="A certificate (PEM) for the panel. (default: self-made, where others than this "
            "computer can reach it)",
            show_default=False,
            metavar="FILE",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(help="Its key (PEM).", show_default=False, metavar="FILE"),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="Stop after this time. (default: Ctrl-C)", show_default=False, min=0.1),
    ] = None,
    sign_key: _SignKey = None,
    sign_cert: _SignCert = None,
) -> None:
    """Animate a photo with your webcam, live, into a virtual camera.

    Look straight at the camera for a moment with your mouth closed: it calibrates by itself.
    Your own picture never leaves the program.
    """
    canvas = parse_size(size)
    if math.isnan(fps) or (seconds is not None and math.isnan(seconds)):
        raise UserError("--fps and --seconds take numbers, such as 30.")
    from realtime.commands.first_run import say_once
    from realtime.commands.run import Choices, run_live
    from realtime.panel.address import has_screen, parse_address
    from realtime.panel.certificate import given
    from realtime.session.settings import settings_file

    address = parse_address(panel)
    choices = Choices(
        source=source or _demo_face(),
        camera=camera,
        output=output,
        record=record,
        size=canvas,
        fps=fps,
        backend=backend,
        motion=None if motion is None else _motion(motion),
        adapt_scale=adapt_scale,
        mirror=mirror,
        badge=badge,
        fit=fit.value,
        face=face,
        sign_key=sign_key,
        sign_cert=sign_cert,
        settings=settings_file(),
        panel=address,
        panel_shows=address is not None and (address.chosen or has_screen()),
        certificate=given(tls_cert, tls_key),
    )
    console = _console()
    say_once(console, settings_file().parent)
    run_live(choices, console, seconds)


@app.command(
    epilog="Examples:\n\n"
    "avatarify-like animate --source face.jpg --driving clip.mp4 --output out.mp4\n\n"
    "avatarify-like animate --source face.jpg --driving clip.mp4 --output out.mp4 --best-frame 12"
)
def animate(
    driving: Annotated[
        Path, typer.Option(help="The video whose face moves the photo.", metavar="CLIP")
    ],
    output: Annotated[Path, typer.Option(help="The MP4 file to write.", metavar="FILE.mp4")],
    source: _Source = None,
    best_frame: Annotated[
        str,
        typer.Option(
            help="The driving frame to measure motion against: auto (the one most like the "
            "photo) or its number, from 0 on.",
            metavar="auto|N",
        ),
    ] = "auto",
    size: Annotated[
        str | None,
        typer.Option(
            help="Width x height of the video. (default: that of the photo)",
            metavar="WxH",
            show_default=False,
        ),
    ] = None,
    backend: _Backend = DEFAULT,
    motion: _MotionOption = Motion.relative,
    adapt_scale: _AdaptScale = True,
    mirror: _Mirror = False,
    badge: _Badge = True,
    fit: _Fit = Fit.blur,
    face: _Face = None,
    sign_key: _SignKey = None,
    sign_cert: _SignCert = None,
) -> None:
    """Animate a photo with a video, every frame, keeping the video's sound."""
    canvas = None if size is None else parse_size(size)
    reference = parse_best_frame(best_frame)
    from realtime.commands.animate import Job, run_job

    job = Job(
        source=source or _demo_face(),
        driving=driving,
        output=output,
        reference=reference,
        size=canvas,
        backend=backend,
        motion=_motion(motion),
        adapt_scale=adapt_scale,
        mirror=mirror,
        badge=badge,
        fit=fit.value,
        face=face,
        sign_key=sign_key,
        sign_cert=sign_cert,
    )
    run_job(job, _console())


@app.command(
    epilog="Examples:\n\n"
    "avatarify-like verify out.mp4\n\n"
    "avatarify-like verify out.mp4 --trust issuers.pem"
)
def verify(
    file: Annotated[Path, typer.Argument(help="A video, picture or sound.", metavar="FILE")],
    trust: Annotated[
        Path | None,
        typer.Option(
            help="Certificates (PEM) of the issuers that you trust.",
            envvar="AVATARIFY_TRUST",
            metavar="ISSUERS.pem",
            show_default=False,
            show_envvar=False,
        ),
    ] = None,
) -> None:
    """Show who signed a file and what made it, and check that it was not changed since.

    Exit code 0: signed and unchanged. 1: changed since. 3: no manifest. 2: it cannot be checked.
    """
    from realtime.provenance.verify import describe, examine

    finding = examine(file, trust)
    for line in describe(finding):
        typer.echo(line)
    raise typer.Exit(finding.verdict.value)


@app.command()
def sign(
    file: Annotated[
        Path, typer.Argument(help="A video that this program has recorded.", metavar="FILE.mp4")
    ],
    sign_key: _SignKey = None,
    sign_cert: _SignCert = None,
) -> None:
    """Sign a recording that was left unsigned, because the program was killed or the disk full."""
    from realtime.provenance.signer import sign_later

    typer.echo(sign_later(file, sign_key, sign_cert))


@app.command()
def doctor() -> None:
    """Say what was found on this computer, what `run` would choose, and what is missing."""
    from realtime.commands.doctor import examine, print_report

    print_report(examine(), _console())


@app.command()
def setup_camera(
    yes: Annotated[
        bool, typer.Option("--yes", help="Run the commands; without it they are only printed.")
    ] = False,
) -> None:
    """Say what this computer needs to have a virtual camera, do it with --yes, and check it."""
    from realtime.commands import setup_camera as job

    job.setup_camera(yes, lambda line: typer.echo(line))


def _motion(choice: Motion) -> Literal["relative", "absolute"]:
    return "relative" if choice is Motion.relative else "absolute"


def _demo_face() -> Path:
    from realtime.assets import asset_path

    return asset_path("face.jpg")


def _console() -> Console:
    from rich.console import Console

    return Console()


for _backend in built_in():
    if _backend.add_commands is not None:
        _backend.add_commands(app, _demo_face)


def main() -> None:
    """Run the command line; a `UserError` is one sentence on stderr and its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Sent to a file, Windows writes in an old code page that lacks most letters of file names.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="avatarify-like")
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
