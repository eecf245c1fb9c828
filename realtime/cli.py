"""The command line: `avatarify-like run`, `animate`, `verify` and the others."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from models.backends import built_in
from models.errors import UserError
from models.streams import lost, reader_ended, secure
from realtime.addresses import hide_logins
from realtime.commands import own_arguments
from realtime.commands.log import Log
from realtime.commands.options import (
    AnimateChoices,
    RunChoices,
    SignCert,
    SignKey,
    Verbose,
    options_of,
    with_verbose,
)
from realtime.paths import asset_path, log_file, move_earlier_files
from realtime.version import version

if TYPE_CHECKING:
    from rich.console import Console

# Everything else is imported by the command that needs it, so that --help answers at once.


class _WithExamples(TyperCommand):
    """A command whose help ends with examples that are never wrapped, for copying."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        examples, self.epilog = self.epilog, None
        super().format_help(ctx, formatter)
        self.epilog = examples
        for line in (examples or "").split("\n\n"):
            print(f" {line}")


app = typer.Typer(
    name="avatarify-like",
    help="Animate a photo with your face, live, and show it as a camera.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Without a command it opens its page, where everything is chosen. "
        "[bold]avatarify-like doctor[/bold] says what was found and what is missing."
    ),
)

_log = logging.getLogger(__name__)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"avatarify-like {version()}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
    verbose: Verbose = False,
) -> None:
    if context.invoked_subcommand is None:
        _start()


def _start() -> None:
    """Open the page, and run with what was chosen last."""
    from realtime.commands.first_run import say_once
    from realtime.commands.job_control import never_stopped
    from realtime.commands.start import start

    console = _console()
    with never_stopped():
        say_once(console)
        start(console)


@app.command(
    cls=_WithExamples,
    epilog="Examples:\n\n"
    "avatarify-like run --source face.jpg\n\n"
    "avatarify-like run --source face.jpg --camera demo --record out.mp4 --seconds 10\n\n"
    "avatarify-like run --source avatars/ --camera 1 --output /dev/video10",
)
@options_of(RunChoices)
def run(choices: RunChoices) -> None:
    """Animate a photo with your webcam, live, into a virtual camera.

    Look straight at the camera for a moment with your mouth closed: it calibrates by itself.
    Your own picture never leaves the program.
    """
    from realtime.commands.first_run import say_once
    from realtime.commands.job_control import never_stopped
    from realtime.commands.overwrite import ask_before_replacing
    from realtime.commands.run import run_live

    console = _console()
    with never_stopped():
        for path in () if choices.overwrite else choices.recordings:
            ask_before_replacing(path, console)
        say_once(console)
        run_live(choices, console)


@app.command(
    cls=_WithExamples,
    epilog="Examples:\n\n"
    "avatarify-like animate --source face.jpg --driving clip.mp4 --output out.mp4\n\n"
    "avatarify-like animate --source face.jpg --driving clip.mp4 --output out.mp4 --best-frame 12\n"
    "\navatarify-like animate --source face.jpg --driving motion.npz --output out.mp4",
)
@options_of(AnimateChoices)
def animate(choices: AnimateChoices) -> None:
    """Animate a photo with a video, every frame, keeping the video's sound."""
    from realtime.commands.animate import animate_clip
    from realtime.commands.job_control import never_stopped
    from realtime.commands.overwrite import ask_before_replacing

    console = _console()
    with never_stopped():
        if not choices.overwrite:
            ask_before_replacing(choices.output, console)
            if choices.save_motion is not None:
                ask_before_replacing(choices.save_motion, console)
        animate_clip(choices, console)


@app.command(
    cls=_WithExamples,
    epilog="Examples:\n\n"
    "avatarify-like animate-jobs jobs.csv\n\n"
    "avatarify-like animate-jobs jobs.csv --ray auto",
)
def animate_jobs(
    jobs: Annotated[
        Path,
        typer.Argument(
            help="A table with the columns source, driving and output; each other column is an "
            "option of `animate`.",
            metavar="JOBS.csv",
        ),
    ],
    results: Annotated[
        Path | None,
        typer.Option(
            help="The table of results. (default: beside the jobs)",
            metavar="FILE.csv",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Clips at once on this machine. (default: by its cores)", show_default=False
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Work on a Ray cluster: its address, auto, or local.",
            metavar="ADDRESS",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Animate many clips, on all cores or many machines; what is there already is not made again.

    Exit code 0: all are there. 1: some failed, as the table of results says.
    """
    from realtime.commands.animate_jobs import animate_jobs as job

    if not job(jobs, results, workers, ray, _console()):
        raise typer.Exit(1)


@app.command(
    cls=_WithExamples,
    epilog="Examples:\n\n"
    "avatarify-like verify out.mp4\n\n"
    "avatarify-like verify out.mp4 --trust issuers.pem",
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
        print(line)
    raise typer.Exit(finding.verdict.value)


@app.command()
def sign(
    file: Annotated[
        Path, typer.Argument(help="A video that this program has recorded.", metavar="FILE.mp4")
    ],
    sign_key: SignKey = None,
    sign_cert: SignCert = None,
) -> None:
    """Sign a recording that was left unsigned, because the program was killed or the disk full."""
    from realtime.provenance.signer import sign_later

    print(sign_later(file, sign_key, sign_cert))


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

    job.setup_camera(yes, print)


@app.command()
def install_shortcut(
    remove: Annotated[bool, typer.Option("--remove", help="Take the entry away again.")] = False,
) -> None:
    """Put the program into the system's menu of programs, from where it starts with its page."""
    from realtime.commands import shortcut

    desktop = shortcut.Desktop()
    if remove:
        gone = shortcut.remove(desktop)
        print("There is no menu entry." if gone is None else f"Removed {gone}.")
        return
    print(f"{shortcut.install(desktop)} starts it; look for avatarify-like in your programs.")


def _console() -> Console:
    from rich.console import Console

    return Console()


def _demo_face() -> Path:
    return asset_path("face.jpg")


for _backend in built_in():
    if _backend.add_commands is not None:
        _backend.add_commands(app, _demo_face)
for _command in app.registered_commands:
    assert _command.callback is not None
    _command.callback = with_verbose(_command.callback)


def main() -> None:
    """Run the command line; a `UserError` is one sentence on stderr and its exit code.

    Any other error is one sentence too, and its traceback is in the log file. Where a full disk
    has swallowed what was printed, that is said, and the exit code is not 0.
    """
    own_arguments.hide()
    secure()
    output = sys.stdout
    try:
        _run()
    except SystemExit as end:
        output.flush()
        error = lost(output)
        if error is None or reader_ended(error):
            raise
        print(f"Not all of this could be printed: {error.strerror}.", file=sys.stderr)
        sys.exit(end.code or 1)


def _run() -> None:
    move_earlier_files()
    with Log(log_file()) as log:
        try:
            app(prog_name="avatarify-like", obj=log)
        except UserError as error:
            _log.debug("ended", exc_info=error)
            print(hide_logins(str(error)), file=sys.stderr)
            sys.exit(error.exit_code)
        except Exception as error:
            print(log.unexpected(error), file=sys.stderr)
            sys.exit(1)


if __name__ == "__main__":
    main()
