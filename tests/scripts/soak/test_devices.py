"""Runs `tests/vm/guest_devices.py` in a virtual machine with real camera devices."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from models.errors import UserError
from scripts.rigs.programs import absent, needs_programs
from scripts.soak.vm import PROGRAMS, cache_folder, prepare, run
from tests.paths import ROOT

pytestmark = pytest.mark.devices

GUEST = Path("tests/vm/guest_devices.py")
TESTS = re.findall(r"^def (test_\w+)", (ROOT / GUEST).read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What went wrong in the guest, by test; an empty list for one that passed."""
    if sys.platform != "linux":
        absent("needs Linux")
    needs_programs(*PROGRAMS)
    needs_programs("ffmpeg", "v4l2-ctl")
    try:
        guest = prepare(cache_folder())
    except UserError as error:
        absent(str(error))
    out = tmp_path_factory.mktemp("guest")
    words = [sys.executable, "-m", "pytest", str(GUEST), "-p", "no:cacheprovider"]
    words += ["-q", "--tb=short", "--durations=8", "--junitxml=/mnt/report.xml"]
    _, printed = run(guest, shlex.join(words), out, folder=ROOT, timeout=900)
    print(printed)
    report = out / "report.xml"
    assert report.exists(), f"the guest came to no end:\n{printed}"
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        troubles = found.setdefault(case.get("name", "").partition("[")[0], [])
        for kind in ("failure", "error", "skipped"):
            troubles += [f"{case.get('name')}: {item.text}" for item in case.iter(kind)]
    return found


@pytest.mark.parametrize("name", TESTS)
def test_in_the_virtual_machine(name: str, results: dict[str, list[str]]) -> None:
    assert name in results, f"it was not run; ran: {sorted(results)}"
    assert not results[name], "\n".join(results[name])
