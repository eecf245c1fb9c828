"""The bill of materials, the release, and the audit."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts.release import audit, release, sbom
from tests.paths import ROOT

LOCK = (ROOT / "requirements" / "run.txt").read_text("utf-8")


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    return sbom.bill()


def test_the_bill_names_every_package_with_every_hash(bill: dict[str, Any]) -> None:
    pins = re.findall(r"^([\w.-]+)==([^ ;\\]+)", LOCK, re.M)
    packages = [part for part in bill["components"] if part["type"] == "library"]
    assert [(part["name"], part["version"]) for part in packages] == pins and len(pins) > 20
    hashes = [value["content"] for part in packages for value in part["hashes"]]
    assert hashes == re.findall(r"--hash=sha256:([0-9a-f]{64})", LOCK)
    assert all(part["hashes"] for part in packages)
    marked = {
        part["name"]: part["properties"][0]["value"] for part in packages if "properties" in part
    }
    assert marked["colorama"] == "sys_platform == 'win32'"


def test_the_bill_names_weights_and_assets(bill: dict[str, Any]) -> None:
    parts = {part["bom-ref"]: part for part in bill["components"]}
    networks = [f"models/face/weights/{name}.onnx" for name in ("detector", "landmarks")]
    for name in ("assets/demo.mp4", "models/face/topology.npz", *networks):
        digest = hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
        assert parts[f"file:{name}"]["hashes"][0]["content"] == digest
    for name in networks:
        part = parts[f"file:{name}"]
        assert part["type"] == "machine-learning-model"
        assert part["licenses"] == [{"license": {"id": "Apache-2.0"}}]


def test_the_bill_is_cyclonedx(bill: dict[str, Any]) -> None:
    """What the schema of CycloneDX 1.6 asks of the parts that we use."""
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    uuid = r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    assert re.fullmatch(uuid, bill["serialNumber"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", bill["metadata"]["timestamp"])
    own = bill["metadata"]["component"]
    references = [own["bom-ref"], *(part["bom-ref"] for part in bill["components"])]
    assert len(set(references)) == len(references)
    keys = set(
        "type bom-ref name version purl hashes licenses properties externalReferences".split()
    )
    for part in bill["components"]:
        assert set(part) <= keys and part["name"] and part["version"]
        assert part["type"] in ("library", "machine-learning-model", "file")
        for value in part["hashes"]:
            assert value["alg"] == "SHA-256" and re.fullmatch(r"[0-9a-f]{64}", value["content"])
        if "purl" in part:
            assert re.fullmatch(r"pkg:pypi/[a-z0-9.-]+@[\w.!+-]+", part["purl"])
    (edges,) = bill["dependencies"]
    assert edges["ref"] == own["bom-ref"] and set(edges["dependsOn"]) == set(references[1:])
    assert sbom.bill()["serialNumber"] == bill["serialNumber"]


def test_a_release_is_a_wheel_its_bill_and_their_hashes(tmp_path: Path) -> None:
    wheel, materials, sums = release.release(tmp_path / "dist")
    assert materials.name == "avatarify_like-0.1.0.cdx.json"
    with zipfile.ZipFile(wheel) as packed:
        for name in ("detector.onnx", "landmarks.onnx", "LICENSE", "NOTICE"):
            inside = f"models/face/weights/{name}"
            assert packed.read(inside) == (ROOT / inside).read_bytes()
        information = packed.read("avatarify_like-0.1.0.dist-info/METADATA").decode()
    assert "License-Expression: MIT AND Apache-2.0" in information
    for line, path in zip(sums.read_text().splitlines(), (wheel, materials), strict=True):
        assert line == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    brought = {"models/py.typed", "realtime/py.typed", "realtime/_assets/demo.mp4"}
    brought |= {"models/weights/eyes_int8.onnx", "realtime/panel/static/index.html"}
    assert brought <= names
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"models", "realtime", "avatarify_like-0.1.0.dist-info"}
    with pytest.raises(FileExistsError):
        release.release(tmp_path / "dist")


def test_a_release_is_measured_unless_it_is_not_wanted(monkeypatch, capsys) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(release, "release", lambda folder: [])
    monkeypatch.setattr("subprocess.run", lambda words, **options: ran.append(words))
    monkeypatch.setattr("sys.argv", ["release", "--unmeasured"])
    assert release.main() == 0 and not ran
    monkeypatch.setattr("sys.argv", ["release"])
    assert release.main() == 0
    assert ran[0][1:] == [
        *("-m", "scripts.benchmarks.benchmark", "--append"),
        str(ROOT / "benchmarks.csv"),
    ]
    assert "benchmarks.csv has the figures" in capsys.readouterr().out


def test_the_audit_fails_on_holes_and_never_claims_what_it_does_not_know() -> None:
    skipped = {"name": "a", "skip_reason": "not found"}
    sound = {"name": "b", "version": "1", "vulns": []}
    bad = {"name": "c", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3"]}]}
    assert audit.judge({"dependencies": [skipped]})[1][0].startswith("Audit skipped")
    code, lines = audit.judge({"dependencies": [skipped, sound]})
    assert code == 0 and lines == ["No known hole in 1 locked packages; 1 could not be looked up."]
    code, lines = audit.judge({"dependencies": [sound, bad]})
    assert code == 1 and "c 2: X-1, mended in 3" in lines[1]


def test_an_audit_without_an_answer_is_told_as_skipped(monkeypatch, capsys) -> None:
    class Nothing:
        stdout = ""

    monkeypatch.setattr("subprocess.run", lambda *words, **options: Nothing())
    assert audit.main() == 0 and "cannot be reached" in capsys.readouterr().out
