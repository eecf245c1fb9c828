"""What the options mean, and that each is written once."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from models.errors import UserError
from realtime.canvas.fit import Fit
from realtime.commands.options import (
    AnimateChoices,
    Faces,
    RunChoices,
    options_of,
    parse_best_frame,
    parse_size,
)
from realtime.paths import asset_path


@pytest.mark.parametrize(
    ("text", "size"), [("1280x720", (1280, 720)), (" 640X480 ", (640, 480)), ("64x64", (64, 64))]
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1280", "1281x720", "0x0", "62x64", "4000x64", "axb", "-2x4"])
def test_sizes_that_cannot_be_used(text: str) -> None:
    with pytest.raises(UserError, match="such as 1280x720"):
        parse_size(text)


def test_best_frames() -> None:
    assert parse_best_frame("auto") is None
    assert parse_best_frame("12") == 12
    for text in ("first", "-1", "1.5", ""):
        with pytest.raises(UserError, match="auto or the number"):
            parse_best_frame(text)


def parsed(kind: Any, *words: str) -> Any:
    """What a command gets for these words."""
    got: list[Any] = []
    app = typer.Typer()
    app.command()(options_of(kind)(got.append))
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return got[0]


def test_without_words_a_command_gets_the_defaults() -> None:
    assert parsed(RunChoices) == RunChoices()
    clip = ("--driving", "a.mp4", "--output", "b.mp4")
    wanted = AnimateChoices(driving=Path("a.mp4"), output=Path("b.mp4"))
    assert parsed(AnimateChoices, *clip) == wanted
    assert RunChoices().photo == wanted.photo == asset_path("face.jpg")


@pytest.mark.parametrize("kind", [RunChoices, AnimateChoices])
def test_every_field_is_an_option(kind: type) -> None:
    app = typer.Typer()
    app.command()(options_of(kind)(lambda choices: None))
    names = {parameter.name for parameter in typer.main.get_command(app).params}
    assert {field.name for field in fields(kind)} <= names


def test_every_word_reaches_its_field() -> None:
    words = (
        "--source a.jpg --camera 2 --output none --record b.mp4 --size 640x360 --fps 25 "
        "--rotate 90 --camera-size 800x600 --camera-fps 15 --background green --delay 100 "
        "--overwrite --backend x:y --motion absolute --no-adapt-scale --no-mirror --no-badge "
        "--fit cover --face 2 --faces all --panel off --panel-host a.example --panel-host b:9 "
        "--tls-cert c.pem --tls-key d.pem --seconds 3 --sign-key e.pem --sign-cert f.pem"
    )
    choices = parsed(RunChoices, *words.split())
    assert choices == RunChoices(
        source=Path("a.jpg"),
        camera="2",
        rotate="90",
        camera_size="800x600",
        camera_fps=15,
        background="green",
        delay=100,
        output="none",
        record=Path("b.mp4"),
        overwrite=True,
        size="640x360",
        fps=25,
        backend="x:y",
        motion="absolute",
        adapt_scale=False,
        mirror=False,
        badge=False,
        fit=Fit.COVER,
        face=2,
        faces=Faces.ALL,
        panel="off",
        panel_host=["a.example", "b:9"],
        tls_cert=Path("c.pem"),
        tls_key=Path("d.pem"),
        seconds=3,
        sign_key=Path("e.pem"),
        sign_cert=Path("f.pem"),
    )
    assert choices.canvas == (640, 360) and choices.photo == Path("a.jpg")
    assert all(getattr(choices, one.name) != one.default for one in fields(RunChoices))


def test_what_makes_no_sense_is_refused_before_anything_is_loaded() -> None:
    clip: dict[str, Any] = {"driving": Path("a.mp4"), "output": Path("b.mp4")}
    wrong: list[tuple[type, dict[str, Any]]] = [
        (RunChoices, {"size": "7x7"}),
        (RunChoices, {"fps": float("nan")}),
        (RunChoices, {"seconds": float("nan")}),
        (RunChoices, {"rotate": "45"}),
        (RunChoices, {"camera_size": "large"}),
        (RunChoices, {"camera_fps": float("nan")}),
        (RunChoices, {"delay": float("nan")}),
        (AnimateChoices, {**clip, "rotate": "left"}),
        (AnimateChoices, {**clip, "size": "7x7"}),
        (AnimateChoices, {**clip, "best_frame": "first"}),
    ]
    for kind, options in wrong:
        with pytest.raises(UserError):
            kind(**options)
    assert AnimateChoices(**clip, best_frame="12").reference == 12
    assert AnimateChoices(**clip).canvas is None
