"""The user's named expressions, kept from run to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.errors import UserError
from realtime.session.expressions import Expressions, Named, checked_key, checked_values


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "expressions.json"


def test_they_survive_a_restart(file: Path) -> None:
    first = Expressions(file)
    first.keep("Grand sourire ☺", {"smile": 1.0, "lids": -0.25}, 3)
    first.keep("plain", {"open": 0.5}, None)
    entries = Expressions(file).entries
    assert entries == first.entries
    assert entries[0] == Named("Grand sourire ☺", {"smile": 1.0, "lids": -0.25}, 3)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_name_and_a_key_belong_to_one_alone(file: Path) -> None:
    kept = Expressions(file)
    kept.keep("a", {"smile": 1.0}, 1)
    kept.keep("b", {"open": 1.0}, 1)
    assert [(one.name, one.key) for one in kept.entries] == [("a", None), ("b", 1)]
    kept.keep(" a ", {"smile": 0.5}, 2)
    assert kept.find("a").values == {"smile": 0.5}
    kept.change("b", "c", 2)
    assert [(one.name, one.key) for one in kept.entries] == [("a", None), ("c", 2)]
    with pytest.raises(UserError, match="Another expression"):
        kept.change("c", "a", None)
    kept.remove("a")
    with pytest.raises(UserError, match="no longer"):
        kept.remove("a")
    assert [one.name for one in Expressions(file).entries] == ["c"]


def test_names_are_cleaned_and_must_be_there(file: Path) -> None:
    kept = Expressions(file)
    kept.keep("  big\n\x00 smile " + "x" * 99, {"smile": 1.0}, None)
    assert kept.entries[0].name.startswith("big smile x") and len(kept.entries[0].name) <= 40
    with pytest.raises(UserError, match="name"):
        kept.keep(" \n ", {"smile": 1.0}, None)


def test_there_is_an_end_to_the_list(file: Path) -> None:
    kept = Expressions(file)
    for number in range(40):
        kept.keep(f"e{number}", {"smile": 1.0}, None)
    with pytest.raises(UserError, match="remove one"):
        kept.keep("one more", {"smile": 1.0}, None)
    kept.keep("e3", {"open": 1.0}, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[[[[",
        '"text"',
        '[1, null, {"name": 3}]',
        '[{"name": "x", "values": {"smile": 9}, "key": null}]',
        '[{"name": "x", "values": {"smile": 1e999}, "key": 1}]',
        '[{"name": "x", "values": {}, "key": true}]',
        "[" * 100_000,
    ],
)
def test_what_makes_no_sense_in_the_file_is_left_out(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    assert Expressions(file).entries == ()


def test_what_makes_sense_beside_it_is_read(file: Path) -> None:
    file.parent.mkdir()
    good = {"name": "x", "values": {"smile": 1}, "key": 4}
    file.write_text(json.dumps([{"name": ""}, good, good, {**good, "name": "y"}]))
    entries = Expressions(file).entries
    assert [(one.name, one.key) for one in entries] == [("x", 4), ("y", None)]


def test_a_folder_that_cannot_be_written_is_told_and_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file in the way")
    kept = Expressions(tmp_path / "config" / "expressions.json")
    with pytest.raises(UserError):
        kept.keep("a", {"smile": 1.0}, None)
    assert kept.entries == ()


@pytest.mark.parametrize(
    "values",
    [None, [], {"Smile": 1}, {"smile": "1"}, {"smile": True}, {"smile": 1.01}, {1: 1}]
    + [{"smile": float("nan")}, {f"a{'b' * number}": 0.1 for number in range(101)}],
)
def test_values_that_are_none_are_refused(values: Any) -> None:
    with pytest.raises(UserError):
        checked_values(values)


def test_values_and_keys_that_make_sense_are_taken() -> None:
    assert checked_values({"smile": 1, "lids": -0.5, "open": 0}) == {"smile": 1.0, "lids": -0.5}
    assert [checked_key(key) for key in (None, 1, 9)] == [None, 1, 9]
    for key in (0, 10, "1", True, 1.5):
        with pytest.raises(UserError):
            checked_key(key)
