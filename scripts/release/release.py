"""Builds what is published: the wheel, its bill of materials, and the hashes of both.

.venv-test/bin/python -m scripts.release.release            into dist/
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from scripts.paths import ROOT
from scripts.release.sbom import bill


def release(folder: Path) -> list[Path]:
    """Write wheel, bill and SHA256SUMS into an empty or missing folder; returns their paths.

    Raises:
        FileExistsError: there is something in the folder.
        subprocess.CalledProcessError: the wheel cannot be built.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; remove what is in it")
    words = [
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    wheel = next(folder.glob("*.whl"))
    materials = wheel.with_name(f"{wheel.name.split('-py3')[0]}.cdx.json")
    materials.write_text(json.dumps(bill(), indent=2) + "\n", encoding="utf-8")
    sums = folder / "SHA256SUMS"
    sums.write_text(
        "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
            for path in (wheel, materials)
        )
    )
    return [wheel, materials, sums]


def main() -> int:
    """Build into dist/ and list what was made."""
    for path in release(ROOT / "dist"):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
