"""Asks pip-audit for known holes in the locked packages; part of `scripts/test --all`.

    .venv-test/bin/python -m scripts.release.audit

Exit code 1 if there are any. Where the advisory service cannot be reached, or does not know the
packages, as with a mirror, it says so and ends with 0: nothing was found out then.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from scripts.paths import ROOT

LOCK = ROOT / "requirements" / "run.txt"
_SECONDS = 120
"""For all packages together; a service that takes longer counts as one that cannot be reached."""


def judge(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Sum up a report of pip-audit.

    Args:
        report: what `pip-audit --format json` prints.

    Returns:
        The exit code, and the lines to print.
    """
    packages = report.get("dependencies", [])
    known = [package for package in packages if "skip_reason" not in package]
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, mended in "
        f"{', '.join(hole['fix_versions']) or 'no version yet'}"
        for package in known
        for hole in package["vulns"]
    ]
    if holes:
        return 1, ["Known holes in locked packages:", *(f"  {hole}" for hole in holes)]
    if not known:
        return 0, ["Audit skipped: no package could be looked up at the advisory service."]
    unknown = len(packages) - len(known)
    more = f"; {unknown} could not be looked up" if unknown else ""
    return 0, [f"No known hole in {len(known)} locked packages{more}."]


def main() -> int:
    """Ask, and say what came out."""
    words = ["--requirement", str(LOCK), "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *words, "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        code, lines = judge(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, ValueError):
        code, lines = 0, ["Audit skipped: the advisory service cannot be reached."]
    print("\n".join(lines), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
