"""What a user is told once, before the first run."""

from __future__ import annotations

from contextlib import suppress

from rich.console import Console

from realtime.paths import config_folder

LINES = (
    "Animate only your own face or one that you may use, and tell people that they see an avatar: "
    "badge and signature help.",
    "Deep fakes must be disclosed (EU AI Act, Article 50): see RESPONSIBLE_USE.md. "
    "This is said once.",
)

_FILE = "responsible-use-said"
"""In the configuration folder; it is there once it was said."""


def say_once(console: Console) -> None:
    """Print `LINES` unless a file says that it was done.

    Only on a terminal: in a log nobody who decides would read it, and it would count as said.
    """
    said = config_folder() / _FILE
    if not console.is_terminal or said.exists():
        return
    for line in LINES:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    # Where it cannot be remembered it is said again.
    with suppress(OSError):
        said.parent.mkdir(parents=True, exist_ok=True)
        said.touch()
