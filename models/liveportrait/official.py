"""The official files: their names, sizes and hashes, and where they are fetched from.

Nothing else of that place is fetched: the detectors beside these files are for non-commercial use.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from models.artifacts import Artifact, fetch

WHERE = "the model page KwaiVGI/LivePortrait on Hugging Face"
"""Where users find the official files."""

MIRROR_VARIABLE = "AVATARIFY_LIVEPORTRAIT_MIRROR"
"""The environment variable that names another host with the same tree of files."""

_HOST = "https://huggingface.co/KwaiVGI/LivePortrait/resolve/main"

LICENCE = (
    "LivePortrait's code is under the MIT licence, and its makers say that this holds for these "
    "weights too (their repository, issue 193). The recordings that they were trained on have "
    "terms of their own."
)
"""What a user agrees to, in words."""

OFFICIAL: dict[str, Artifact] = {
    path: Artifact(filename=path.rsplit("/", 1)[1], size=size, sha256=sha256)
    for path, size, sha256 in (
        (
            "liveportrait/base_models/appearance_feature_extractor.pth",
            3_387_959,
            "5279bb8654293dbdf327030b397f107237dd9212fb11dd75b83dfb635211ceb5",
        ),
        (
            "liveportrait/base_models/motion_extractor.pth",
            112_545_506,
            "251e6a94ad667a1d0c69526d292677165110ef7f0cf0f6d199f0e414e8aa0ca5",
        ),
        (
            "liveportrait/base_models/warping_module.pth",
            182_180_086,
            "2f61a6f265fe344f14132364859a78bdbbc2068577170693da57fb96d636e282",
        ),
        (
            "liveportrait/base_models/spade_generator.pth",
            221_813_590,
            "4780afc7909a9f84e24c01d73b31a555ef651521a1fe3b2429bd04534d992aee",
        ),
        (
            "liveportrait/retargeting_models/stitching_retargeting_module.pth",
            2_393_098,
            "3652d5a3f95099141a56986aaddec92fadf0a73c87a20fac9a2c07c32b28b611",
        ),
    )
}
"""Path in the official tree to artifact; sizes and hashes as several public repositories pin them
(revision 82a4fa67)."""


def is_official(sha256: str) -> bool:
    """Whether a file's hash is that of an official file."""
    return any(artifact.sha256 == sha256 for artifact in OFFICIAL.values())


def total_size() -> int:
    """Bytes of all files."""
    return sum(artifact.size for artifact in OFFICIAL.values())


def fetch_all(
    progress: Callable[[str, int, int], None] = lambda name, have, size: None,
    cache: Path | None = None,
) -> list[Path]:
    """Download the official files that are not in the cache yet; goes on where it broke off.

    Args:
        progress: told a file's name, the bytes that have come, and its size.
        cache: the folder to keep them in; the program's cache folder if None.

    Returns:
        Their paths in the cache.

    Raises:
        UserError: the host did not give one, or the folder cannot be written to.
    """
    host = (os.environ.get(MIRROR_VARIABLE) or _HOST).rstrip("/")
    paths = []
    for place, artifact in OFFICIAL.items():

        def told(have: int, size: int, name: str = artifact.filename) -> None:
            progress(name, have, size)

        paths.append(fetch(artifact, f"{host}/{place}", progress=told, cache=cache))
    return paths
