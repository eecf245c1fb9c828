"""The two lines before the first run."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from realtime import cli
from realtime.commands.first_run import LINES, say_once
from tests.paths import ROOT


def said(folder: Path, *, terminal: bool = True) -> list[str]:
    out = io.StringIO()
    say_once(Console(file=out, force_terminal=terminal, width=60), folder)
    return out.getvalue().splitlines()


def test_it_is_said_once_on_a_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "settings"
    assert said(folder, terminal=False) == [] and not folder.exists()
    assert said(folder) == list(LINES) and len(LINES) == 2
    assert said(folder) == []


def test_where_it_cannot_be_remembered_it_is_said_again(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("a file")
    assert said(tmp_path / "settings") == said(tmp_path / "settings") == list(LINES)


def test_run_says_it_before_anything_else(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AVATARIFY_HOME", str(tmp_path))
    out = io.StringIO()
    monkeypatch.setattr(cli, "_console", lambda: Console(file=out, force_terminal=True, width=60))
    monkeypatch.setattr("realtime.commands.run.run_live", lambda choices, console, seconds: None)
    for _ in range(2):
        cli.app(["run", "--output", "none"], standalone_mode=False)
    assert out.getvalue().splitlines() == list(LINES)


def test_the_pages_exist_and_are_linked() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in ("RESPONSIBLE_USE.md", "SECURITY.md"):
        assert f"({name})" in readme and (ROOT / name).is_file()
