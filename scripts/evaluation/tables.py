"""What an evaluation found, as tables in the terminal, and which of our goals it reaches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from scripts.evaluation import measures

Figures: TypeAlias = dict[str, Any]
"""As `evaluate` gives them and as they stand in its JSON."""


def number(value: float | None, places: int = 2) -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None else f"{value:.{places}f}"


def short(name: str) -> str:
    """A long name without its middle."""
    return name if len(name) <= 12 else f"{name[:4]}..{name[-6:]}"


def follow(cell: Figures, met: Callable[[Figures], bool]) -> str:
    """Correlation and gain of one motion, marked where they miss the goals."""
    correlation, gain = cell["correlation"], cell["gain"]
    if correlation is None:
        return "still"
    text = f"{correlation:.2f} x{gain:.2f}"
    return text if met(cell) else f"[red]{text}[/red]"


def goals(figures: Figures) -> dict[str, tuple[int, int]]:
    """What the figures reach of what we want.

    Args:
        figures: from `evaluate`.

    Returns:
        How many are met, and of how many, by name.

        - follows: correlation and gain of every motion that the driver makes within the limits,
          of photos other than the driver's own.
        - expressions: likewise of every expression, at least 0.8 and 0.7 to 1.3.
        - skin tones: landmarks no more than 1.2 times as far off as in the best.
        - still: jitter under 0.1 px at 512.
        - corners: mean change under 1 of 255.
        - faces: none lost.
    """
    rows = [
        row
        for source, clips in figures["cross"].items()
        if source != "itself"
        for row in clips.values()
    ]
    moving, expressive = (
        [row[name] for row in rows for name in names if row[name]["correlation"] is not None]
        for names in (measures.MOTIONS, measures.EXPRESSIONS)
    )
    tones = figures["skin_tones"]
    tones = [] if isinstance(tones, str) else list(tones.values())
    still = list(figures["still_driver"].values())
    judged = {
        "follows": [follows(cell) for cell in moving],
        "expressions": [expresses(cell) for cell in expressive],
        "skin tones": [row["times_best"] <= 1.2 for row in tones],
        "still": [row["jitter_px"] < 0.1 for row in still],
        "corners": [row["corners"] < 1 for row in rows],
        "faces": [row["lost"] == 0 for row in rows],
    }
    return {name: (sum(hits), len(hits)) for name, hits in judged.items()}


def follows(cell: Figures) -> bool:
    """Whether a motion follows as far as we want."""
    return bool(cell["correlation"] >= 0.9 and 0.8 <= cell["gain"] <= 1.2)


def expresses(cell: Figures) -> bool:
    """The same for an expression."""
    return bool(cell["correlation"] >= 0.8 and 0.7 <= cell["gain"] <= 1.3)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are figures."""
    from rich.console import Console
    from rich.table import Table

    view = Table(title=title, title_justify="left")
    for column in columns:
        view.add_column(column, justify="left" if column == columns[0] else "right")
    for row in rows:
        view.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 150).print(view)


_SELF_COLUMNS = {
    "px all": "landmarks_all_px",
    "mouth": "landmarks_mouth_px",
    "eyes": "landmarks_eyes_px",
    "AKD": "akd",
    "perceptual": "perceptual_whole",
    "in mouth": "perceptual_mouth",
    "sharpness": "sharpness_face",
    "in mouth ": "sharpness_mouth",
    "contrast": "contrast_inside",
    "tooth": "brightest_tooth",
    "identity": "identity",
    "lost": "lost",
}


def _self_row(name: str, row: Figures) -> list[str]:
    cells = [
        str(row[key]) if key == "lost" else number(row.get(key)) for key in _SELF_COLUMNS.values()
    ]
    return [name, *cells]


def report(figures: Figures) -> None:
    """Print the tables; `figures` are those of `evaluate`."""
    print_table(
        "Self-reenactment (px at 256; sharpness and contrast inside the mouth 1 = as the real "
        "frame; tooth: the brightest by the brightest skin)",
        ["clip", *_SELF_COLUMNS],
        [
            _self_row(f"{short(clip)}: {name}", row)
            for clip, variants in figures["self"].items()
            for name, row in variants.items()
        ],
    )
    print_table(
        "Cross-reenactment (correlation x gain; still: the driver moves too little to tell, or the "
        "photo has no irises, or its lids are read elsewhere when only its mouth opens; beyond: "
        "frames turned further than is to be followed, not counted)",
        ["photo by clip", *measures.MOTIONS, "identity", "to driver", "corners", "beyond", "lost"],
        [
            [
                f"{source} by {short(clip)}",
                *(follow(row[name], follows) for name in measures.MOTIONS),
                number(row.get("identity")),
                number(row.get("identity_to_driver")),
                number(row["corners"]),
                str(row["beyond"]),
                str(row["lost"]),
            ]
            for source, clips in figures["cross"].items()
            for clip, row in clips.items()
        ],
    )
    print_table(
        "Expressions in the head's own frame (correlation x gain; still: the driver makes too "
        "little of it within 10 degrees of its neutral pose, or the photo's lids cannot be told)",
        ["photo by clip", *measures.EXPRESSIONS],
        [
            [
                f"{source} by {short(clip)}",
                *(follow(row[name], expresses) for name in measures.EXPRESSIONS),
            ]
            for source, clips in figures["cross"].items()
            for clip, row in clips.items()
        ],
    )
    tones = figures["skin_tones"]
    if isinstance(tones, str):
        print(f"Skin tones: {tones}")
    else:
        print_table(
            "Skin tones (self-reenactment of a rendered head)",
            ["skin", *_SELF_COLUMNS, "times best", "px seen twice"],
            [
                [*_self_row(name, row), number(row["times_best"]), number(row["seen_twice_px"])]
                for name, row in tones.items()
            ],
        )
    heads = figures["turned"]
    if isinstance(heads, str):
        print(f"Turned heads: {heads}")
    else:
        print_table(
            "A rendered head's photo, turned, beside the turned head (error: of colours, 0..255; "
            "outline: how far off, % of the face's height)",
            ["degrees", "error", "outline near", "outline far"],
            [
                [angle, number(row["error"]), *(number(100 * row[k], 1) for k in ("near", "far"))]
                for angle, row in heads.items()
            ],
        )
    if figures["published"]:
        report_published(figures["published"])
    met = ", ".join(f"{name} {a} of {b}" for name, (a, b) in figures["goals"].items())
    print(f"Goals met: {met}.")
    keys = list(next(iter(figures["still_driver"].values())))
    print_table(
        "Still driver with webcam noise (px at 512, changes of 255)",
        ["photo", *(key.replace("_", " ") for key in keys)],
        [
            [name, *(number(row[key], 3) for key in keys)]
            for name, row in figures["still_driver"].items()
        ],
    )
    for name, reason in figures["missing"].items():
        print(f"{name}: {reason}")
    print(f"{figures['seconds']:.0f} s")


COMPARED_GOALS: dict[str, Callable[[Figures], bool]] = {
    **dict.fromkeys(measures.MOTIONS, follows),
    **dict.fromkeys(measures.EXPRESSIONS, expresses),
}
"""Everything that is compared between driver and result, and when it is good."""


def report_published(figures: Figures) -> None:
    """Print how ours and the published frames follow the same driver; `figures` by painting."""
    print_table(
        "By the same clip at the same size: ours, and LivePortrait's published frames (correlation "
        "x gain; contrast inside the mouth 1 = the driver's; tooth: the brightest by the brightest "
        "skin)",
        ["painting", *COMPARED_GOALS, "contrast", "tooth", "lost"],
        [
            [
                f"{painting}: {who}",
                *(follow(row[name], met) for name, met in COMPARED_GOALS.items()),
                number(row["contrast"]),
                number(row["tooth"]),
                str(row["lost"]),
            ]
            for painting, rows in figures.items()
            for who, row in rows.items()
        ],
    )
