"""The live tool and its page know of backends only what the contract says."""

from __future__ import annotations

import re

import pytest

from tests.paths import ROOT

WORDS = re.compile(r"\b(?:mesh|fomm|liveportrait|warp|generator|jacobians|First Order Motion)\b")
NUMBERS = re.compile(r"\b(?:478|468|473)\b|landmarks\[\s*\d|surface\[\s*\d")


def told(text: str) -> list[str]:
    """The lines that name a backend, what is inside one, or a landmark."""
    return [line for line in text.splitlines() if WORDS.search(line) or NUMBERS.search(line)]


@pytest.mark.parametrize("kind", ["py", "js", "html", "css"])
def test_no_backend_is_named_and_no_landmark(kind: str) -> None:
    files = sorted((ROOT / "realtime").rglob(f"*.{kind}"))
    assert files
    found = {str(path.relative_to(ROOT)): told(path.read_text("utf-8")) for path in files}
    assert not {name: lines for name, lines in found.items() if lines}


@pytest.mark.parametrize(
    "line",
    [
        'backend: str = "mesh"',
        "points = face.landmarks[10]",
        "face.landmarks[:468]",
        'stages = ("warp",)',
        "run --backend fomm",
    ],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert told(line) == [line]
