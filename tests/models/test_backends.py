from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from models import backends
from models.backends import Backend, backend_names, create_animator, describe_backends, find_backend
from models.errors import UserError


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """What other packages bring; empty at first."""
    points: list[EntryPoint] = []
    monkeypatch.setattr(backends, "entry_points", lambda group: points)
    return points


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, backends.GROUP)


MINE = Backend(lambda choice: choice + "!", lambda: ["needs courage"])  # type: ignore[arg-type, return-value]


def test_what_comes_along_is_there_and_tells_about_itself(installed: list[EntryPoint]) -> None:
    assert backend_names() == ["mesh", "fomm", "liveportrait"]
    told = dict(describe_backends())
    assert "needs nothing" in told["mesh"] and "import-fomm" in told["fomm"]
    assert "download-liveportrait" in told["liveportrait"]


def test_a_package_can_bring_one(installed: list[EntryPoint]) -> None:
    installed.append(point("mine", f"{__name__}:MINE"))
    assert backend_names() == ["mesh", "fomm", "liveportrait", "mine"]
    assert str(create_animator("mine:that")) == "that!"
    assert dict(describe_backends())["mine"] == "needs courage"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("no_such_module:BACKEND", "ModuleNotFoundError"),
        (f"{__name__}:NOTHING", "AttributeError"),
        (f"{__name__}:point", "is not a models.backends.Backend"),
    ],
)
def test_a_broken_package_is_one_sentence_and_stops_nobody_else(
    value: str, sentence: str, installed: list[EntryPoint]
) -> None:
    installed.append(point("broken", value))
    with pytest.raises(UserError, match=sentence):
        find_backend("broken")
    told: dict[str, Any] = dict(describe_backends())
    assert sentence in told["broken"] and "needs nothing" in told["mesh"]


def test_nobody_can_take_the_place_of_what_comes_along(installed: list[EntryPoint]) -> None:
    installed.append(point("mesh", f"{__name__}:MINE"))
    assert backend_names() == ["mesh", "fomm", "liveportrait"]
    assert create_animator("mesh").name == "mesh"


def test_an_unknown_name_is_one_sentence_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match="'cat'; choose one of: mesh, fomm"):
        create_animator("cat:tabby")
    with pytest.raises(UserError, match="no models to choose from"):
        create_animator("mesh:old")
