"""The two lines before the first run."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from realtime import cli
from realtime.commands.first_run import LINES, say_once
from realtime.paths import HOME_VARIABLE
from tests.paths import ROOT


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is remembered; not there yet."""
    folder = tmp_path / "settings"
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    return folder


def said(*, terminal: bool = True) -> list[str]:
    out = io.StringIO()
    say_once(Console(file=out, force_terminal=terminal, width=60))
    return out.getvalue().splitlines()


def test_it_is_said_once_on_a_terminal(folder: Path) -> None:
    assert said(terminal=False) == [] and not folder.exists()
    assert said() == list(LINES) and len(LINES) == 2
    assert said() == []


def test_where_it_cannot_be_remembered_it_is_said_again(folder: Path) -> None:
    folder.write_text("a file")
    assert said() == said() == list(LINES)


def test_run_says_it_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(cli, "_console", lambda: Console(file=out, force_terminal=True, width=60))
    monkeypatch.setattr("realtime.commands.run.run_live", lambda choices, console: None)
    for _ in range(2):
        cli.app(["run", "--output", "none"], standalone_mode=False)
    assert out.getvalue().splitlines() == list(LINES)


def test_the_pages_exist_and_are_linked() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in ("RESPONSIBLE_USE.md", "SECURITY.md"):
        assert f"({name})" in readme and (ROOT / name).is_file()
