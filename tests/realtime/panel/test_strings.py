"""The tables of the page's words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.paths import ROOT

STATIC = ROOT / "realtime" / "panel" / "static"
TABLES = sorted((STATIC / "strings").glob("*.json"))


def table(path: Path) -> dict[str, str]:
    words: dict[str, str] = json.loads(path.read_text("utf-8"))
    return words


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_language_has_the_same_keys_in_order_and_the_same_gaps(path: Path) -> None:
    words, english = table(path), table(STATIC / "strings" / "en.json")
    assert list(words) == sorted(words)
    assert set(words) == set(english)
    for key, text in words.items():
        assert text.strip(), key
        gaps = re.findall(r"\{\w+\}", text)
        assert sorted(set(gaps)) == sorted(set(re.findall(r"\{\w+\}", english[key]))), key


def test_words_that_the_page_asks_for_by_a_fixed_key_exist() -> None:
    english = table(STATIC / "strings" / "en.json")
    asked = set()
    for path in STATIC.glob("*.js"):
        asked |= set(re.findall(r"(?<![\w.])t\(\"([\w.]+)\"", path.read_text("utf-8")))
    for path in [*STATIC.glob("*.html"), *STATIC.glob("*.js")]:
        text = path.read_text("utf-8")
        asked |= set(re.findall(r"\"?data-t(?:-label|-title)?\"?(?:=|: )\"([\w.]+)\"", text))
    assert asked - set(english) == set()
