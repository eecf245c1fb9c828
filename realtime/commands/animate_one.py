"""One job of `animate-jobs`, as a process of its own, with the options of `animate`.

So a job that takes the process down with it harms no other.
"""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from models.errors import UserError
from realtime.commands.animate import animate_clip
from realtime.commands.options import AnimateChoices, options_of

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@options_of(AnimateChoices)
def animate(choices: AnimateChoices) -> None:
    """As the program's own command, but never with a question."""
    try:
        animate_clip(choices, Console(force_terminal=False))
    except UserError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(error.exit_code) from error


if __name__ == "__main__":
    app()
