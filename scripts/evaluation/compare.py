"""Two evaluations side by side: what was, what is, and where there are some, published frames.

python -m scripts.evaluation.compare before.json after.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from models.errors import UserError
from scripts.evaluation.tables import COMPARED_GOALS, Figures, number, print_table, short

_SELF = {
    "landmarks all": "landmarks_all_px",
    "landmarks mouth": "landmarks_mouth_px",
    "landmarks eyes": "landmarks_eyes_px",
    "perceptual": "perceptual_whole",
    "perceptual in mouth": "perceptual_mouth",
    "sharpness": "sharpness_face",
    "contrast in mouth": "contrast_inside",
    "brightest tooth": "brightest_tooth",
    "identity": "identity",
}
"""What is shown of self-reenactment, and where it stands in the figures."""


def read_figures(path: Path) -> Figures:
    """The figures that an evaluation wrote with `--json`.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(figures, dict) and {"self", "cross", "goals"} <= figures.keys():
            return figures
    except (OSError, ValueError):
        pass
    raise UserError(
        f"{path} holds no figures of an evaluation; write them with evaluate --json FILE."
    )


def compare(before: Figures, after: Figures) -> None:
    """Print both, before and after in each cell."""
    print_table(
        "Self-reenactment, before -> after",
        ["clip", *_SELF],
        [
            [short(clip), *(_both(before["self"][clip], row, key) for key in _SELF.values())]
            for clip, row in (
                (clip, variants["result"]) for clip, variants in after["self"].items()
            )
            if clip in before["self"]
        ],
    )
    print_table(
        "Photos moved by others' clips, before -> after (cells that meet the goal; mean "
        "correlation; mean distance of the gain from 1)",
        ["motion", "met", "correlation", "gain off by"],
        [
            [name, *(f"{a} -> {b}" for a, b in zip(*pair, strict=True))]
            for name, pair in _motions(before, after)
        ],
    )
    goals = [
        [name, _met(before["goals"].get(name)), _met(goal)] for name, goal in after["goals"].items()
    ]
    print_table("Goals met", ["goal", "before", "after"], goals)


def _both(before: Figures, after: Figures, key: str) -> str:
    old = before["result"].get(key)
    return f"{number(old)} -> {number(after.get(key))}"


def _met(goal: Sequence[int] | None) -> str:
    return "-" if goal is None else f"{goal[0]} of {goal[1]}"


def _motions(before: Figures, after: Figures) -> list[tuple[str, tuple[list[str], list[str]]]]:
    """The three columns of each motion, before and after."""
    rows = []
    for name, met in COMPARED_GOALS.items():
        pair = []
        for figures in (before, after):
            cells = [
                row[name]
                for source, clips in figures["cross"].items()
                if source != "itself"
                for row in clips.values()
                if row.get(name, {}).get("correlation") is not None
            ]
            count = max(len(cells), 1)
            pair.append(
                [
                    f"{sum(met(cell) for cell in cells)} of {len(cells)}",
                    number(sum(cell["correlation"] for cell in cells) / count) if cells else "-",
                    number(sum(abs(cell["gain"] - 1) for cell in cells) / count) if cells else "-",
                ]
            )
        rows.append((name, (pair[0], pair[1])))
    return rows


def main() -> None:
    """Read two files of figures and print them side by side."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("before", type=Path, help="written by evaluate --json")
    parser.add_argument("after", type=Path, help="likewise, later")
    options = parser.parse_args()
    try:
        compare(read_figures(options.before), read_figures(options.after))
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
