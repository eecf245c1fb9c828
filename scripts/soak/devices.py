"""Hours of unplugging on real devices, in a virtual machine: starts `scripts.soak.guest` there.

    python -m scripts.soak.devices --minutes 60 --json soak.json

With `--chromium` pages in Chromium read the virtual camera too; needs Debian's package
chromium-headless-shell. On an emulated processor such a page takes a few minutes.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from models.errors import UserError
from scripts.paths import ROOT
from scripts.soak.vm import cache_folder, prepare, run

BOOT = 600
"""Seconds that starting and stopping may take."""


def main() -> None:
    """Run it and say how it went; the exit status is 1 if anything failed."""
    parser = argparse.ArgumentParser(description="Hours of unplugging on real devices.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chromium", action="store_true")
    parser.add_argument("--accelerator", choices=("tcg", "kvm"), default="tcg")
    parser.add_argument("--json", type=Path, help="a file for the events and the resources")
    arguments = parser.parse_args()
    seconds = arguments.minutes * 60
    words = [sys.executable, "-m", "scripts.soak.guest", "--seconds", str(seconds)]
    words += ["--seed", str(arguments.seed), "--json", "/mnt/soak.json"]
    words += ["--chromium"] if arguments.chromium else []
    with tempfile.TemporaryDirectory() as folder:
        try:
            guest = prepare(cache_folder())
        except UserError as error:
            sys.exit(str(error))
        status, printed = run(
            guest,
            f"PYTHONPATH=. {shlex.join(words)}",
            Path(folder),
            folder=ROOT,
            timeout=seconds * 1.2 + BOOT,
            memory=4096 if arguments.chromium else 2048,
            accelerator=arguments.accelerator,
        )
        print(printed, end="")
        path = Path(folder) / "soak.json"
        if not path.exists():
            sys.exit(f"The guest came to no result (status {status}).")
        if arguments.json is not None:
            shutil.copy(path, arguments.json)
        result = json.loads(path.read_text())
    first, last = result["resources"][0], result["resources"][-1]
    print(f"events: {result['events']}")
    for name in ("memory", "files", "threads"):
        print(f"{name}: {first[name]} -> {last[name]}")
    for line in result["failures"]:
        print(line)
    sys.exit(bool(result["failures"] or status))


if __name__ == "__main__":
    main()
