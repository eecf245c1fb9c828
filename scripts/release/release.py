"""Builds what is published: the wheel, its bill of materials, and the hashes of both.

    .venv-test/bin/python -m scripts.release.release            into dist/

Measures this version too, and adds a row to `benchmarks.csv`, which belongs into the same commit as
the new version; on a machine that does nothing else, please. `--unmeasured` leaves that out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from scripts.benchmarks.history import HISTORY
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
    """Build into dist/, list what was made, measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--unmeasured", action="store_true", help="do not run the benchmark")
    measured = not parser.parse_args().unmeasured
    for path in release(ROOT / "dist"):
        print(path.relative_to(ROOT))
    if measured:
        words = ["scripts.benchmarks.benchmark", "--append", str(HISTORY)]
        subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=True)
        print(f"{HISTORY.relative_to(ROOT)} has the figures of this version; commit it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
