"""Writes a software bill of materials (CycloneDX 1.6, JSON) of what a release consists of.

    .venv-test/bin/python -m scripts.release.sbom --output dist/avatarify-like.cdx.json

Packages come from the lock with all hashes they may have, weights and assets from the checkout.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import re
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

from scripts.paths import ROOT

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_MODELS = (".npz", ".onnx")
_APACHE = ("models/face/weights/", "models/face/topology.npz")
"""What is MediaPipe's, by the beginning of its path: under Apache-2.0, unlike the rest."""


def locked(text: str) -> list[dict[str, Any]]:
    """The packages of a lock file (requirements with hashes) as CycloneDX's components."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        if (pin := _PIN.match(line)) is not None:
            name, version, condition = pin.groups()
            purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
            entry: dict[str, Any] = {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
                "hashes": [],
            }
            if condition:
                entry["properties"] = [{"name": "python:marker", "value": condition}]
            found.append(entry)
        elif found and (value := _HASH.search(line)) is not None:
            found[-1]["hashes"].append({"alg": "SHA-256", "content": value[1]})
    return found


def embedded() -> list[dict[str, Any]]:
    """The weights and assets that the release carries itself: those under version control.

    Raises:
        subprocess.CalledProcessError: this is no checkout.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", "models", "assets"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    found = []
    for name in sorted(filter(None, listed.stdout.decode().split("\0"))):
        path = ROOT / name
        if path.suffix in (".py", ".md") or not path.is_file():
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        part: dict[str, Any] = {
            "type": "machine-learning-model" if path.suffix in _MODELS else "file",
            "bom-ref": f"file:{name}",
            "name": name,
            "version": digest[:12],
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }
        if name.startswith(_APACHE):
            part["licenses"] = [{"license": {"id": "Apache-2.0"}}]
        found.append(part)
    return found


def bill() -> dict[str, Any]:
    """The whole bill; the same for the same checkout but for its time."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lock = (ROOT / "requirements" / "run.txt").read_text("utf-8")
    parts = [*locked(lock), *embedded()]
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    content = json.dumps([own, parts], sort_keys=True)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": now.replace("+00:00", "Z"),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "description": project["description"],
                "purl": own,
                "licenses": [{"expression": project["license"]}],
            },
        },
        "components": parts,
        "dependencies": [{"ref": own, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def main() -> int:
    """Write the bill."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    output: Path = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    made = bill()
    output.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    print(f"{output}: {len(made['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
