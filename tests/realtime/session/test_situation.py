"""What is said about a run."""

from __future__ import annotations

import itertools
import json
from dataclasses import fields
from typing import Any

import pytest

from realtime.session.situation import Facts, Situation, situation
from tests.paths import ROOT

RANKS: list[tuple[str, dict[str, Any]]] = [
    ("real_face", {"real_face": True}),
    ("hidden", {"hidden": True}),
    ("frozen", {"frozen": True}),
    ("camera_lost", {"camera_lost": True}),
    ("no_camera", {"no_camera": True}),
    ("dark", {"dark": True}),
    ("no_face", {"face": False}),
    ("upside_down", {"turned": True}),
    ("calibrating", {"calibrated": False}),
    ("nothing_receives", {"receivers": ()}),
]
"""Each code with the fact that alone brings it about, the highest rank first."""

WELL: dict[str, Any] = {"receivers": ("Virtual Camera",)}


@pytest.mark.parametrize(("code", "fact"), RANKS, ids=lambda one: str(one))
def test_each_is_said_when_it_alone_holds(code: str, fact: dict[str, Any]) -> None:
    assert situation(Facts(**{**WELL, **fact})).code == code


def test_of_all_combinations_the_highest_rank_is_said() -> None:
    for holds in itertools.product((False, True), repeat=len(RANKS)):
        facts = dict(WELL)
        for (_, fact), one in zip(RANKS, holds, strict=True):
            facts.update(fact if one else {})
        wanted = next((code for (code, _), one in zip(RANKS, holds, strict=True) if one), "live")
        assert situation(Facts(**facts)).code == wanted


def test_every_fact_matters() -> None:
    used = {name for _, fact in RANKS for name in fact} | {"read", "page"}
    assert used == {one.name for one in fields(Facts)}


def test_live_says_to_what() -> None:
    said = situation(Facts(receivers=("Virtual Camera", "Window")))
    assert said == Situation("live", {"name": "Virtual Camera + Window"}, "good")


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (Facts(receivers=("Virtual Camera",), read=True), "live"),
        (Facts(receivers=("Virtual Camera",), read=None), "live"),
        (Facts(receivers=("Virtual Camera",), read=False), "not_read"),
        (Facts(receivers=("Virtual Camera",), read=False, page=True), "live"),
        (Facts(receivers=("Virtual Camera", "Window"), read=False), "live"),
        (Facts(page=True), "live_page"),
        (Facts(page=True, face=False), "no_face"),
    ],
)
def test_who_sees_the_picture_is_told_apart(facts: Facts, code: str) -> None:
    assert situation(facts).code == code


def test_only_live_is_shown_as_good_and_only_the_real_face_as_dangerous() -> None:
    levels = {code: situation(Facts(**{**WELL, **fact})).level for code, fact in RANKS}
    assert "good" not in levels.values()
    assert [code for code, level in levels.items() if level == "alarm"] == ["real_face"]


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_the_page_has_words_for_each(language: str) -> None:
    path = ROOT / "realtime" / "panel" / "static" / "strings" / f"{language}.json"
    words = json.loads(path.read_text("utf-8"))
    for code in [*(code for code, _ in RANKS), "live", "live_page", "not_read"]:
        assert words[f"status.{code}"]
