"""Reading and checking the signed provenance of a file, ours or another program's."""

from __future__ import annotations

import enum
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import UserError
from realtime.provenance import credentials as keys
from realtime.provenance.signing import SOURCE_TYPE

_UNTRUSTED = "signingCredential.untrusted"
"""C2PA's code for a signer whom no list names, which is no fault of the file."""

_MAX_ANCHORS = 10_000_000
"""Bytes of a list of issuers; that of all that browsers trust has a quarter of a million."""

_START = 1 << 20
"""Bytes in which a manifest that was not read must begin to be seen: in files of ours it is in the
first kilobyte."""

_LONGEST = 300
"""Letters of a text of the file's that are shown: a line or two of a terminal."""

_log = logging.getLogger(__name__)

_SOURCE_TYPES = {
    SOURCE_TYPE: "put together with media from trained algorithms (AI)",
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia": (
        "made by a trained algorithm (generative AI)"
    ),
    "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia": (
        "made by an algorithm that was not trained"
    ),
    "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture": "taken by a camera",
}
"""IPTC's words for how a medium was made, and what they mean."""


class Verdict(enum.Enum):
    """What the check found; the value is the exit code of `verify`."""

    UNCHANGED = 0
    TAMPERED = 1
    NO_MANIFEST = 3


class Trust(enum.Enum):
    """What is known about who signed."""

    TRUSTED = "trusted: its issuer is in the list you gave"
    OWN = "self-made on this computer; proves no identity"
    UNKNOWN = "not trusted: nobody you named vouches for it, it may be self-made"


@dataclass(frozen=True)
class Finding:
    """What a file says about itself, and whether it is true.

    Attributes:
        path: the file.
        verdict: whether it was changed since it was signed.
        trust: what is known about who signed.
        signer: the name and issuer in the signer's certificate.
        tool: the program that made it.
        moment: when it was signed.
        by_authority: an authority for time stamps says so.
        source_types: IPTC's words for how it was made, explained.
        actions: what was done, in order.
        faults: what does not fit, in C2PA's words.
    """

    path: Path
    verdict: Verdict
    trust: Trust = Trust.UNKNOWN
    signer: str = ""
    tool: str = ""
    moment: str = ""
    by_authority: bool = False
    source_types: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def examine(path: Path, anchors: Path | None = None) -> Finding:
    """Read and check the manifest of a file. Nothing is fetched from the network.

    Args:
        path: a video, picture or sound of any kind that C2PA knows.
        anchors: a PEM file with the certificates of the issuers that are trusted.

    Raises:
        UserError: there is no such file, it is no media file, or the check cannot be made here.
    """
    if os.path.isdir(path):  # `Path.is_dir` raises where a name is too long to be one.
        raise UserError(f"{path} is a folder; name a file in it.")
    if not os.path.isfile(path):
        raise UserError(f"There is no file {path}; check the name.")
    trusted = None if anchors is None else _read_anchors(anchors)
    text = _read(path, trusted)
    if text is None:
        return Finding(path, Verdict.NO_MANIFEST)
    report = json.loads(text)
    active: dict[str, Any] = report.get("manifests", {}).get(report.get("active_manifest"), {})
    signature = active.get("signature_info") or {}
    state = report.get("validation_state")
    codes = [str(entry.get("code")) for entry in report.get("validation_status") or []]
    faults = tuple(dict.fromkeys(code for code in codes if code != _UNTRUSTED))
    verdict = Verdict.UNCHANGED if state in ("Valid", "Trusted") else Verdict.TAMPERED
    trust = Trust.UNKNOWN
    if verdict is Verdict.UNCHANGED and state == "Trusted" and trusted is not None:
        trust = Trust.TRUSTED
    elif verdict is Verdict.UNCHANGED and _is_own(path, str(signature.get("cert_serial_number"))):
        trust = Trust.OWN
    actions = [
        action
        for assertion in active.get("assertions") or []
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in (assertion.get("data") or {}).get("actions") or []
    ]
    stamped = signature.get("time")
    moments = [str(action["when"]) for action in actions if "when" in action]
    return Finding(
        path=path,
        verdict=verdict,
        trust=trust,
        signer=_signer(signature),
        tool=_tool(active),
        moment=str(stamped or (moments[0] if moments else "")),
        by_authority=bool(stamped),
        source_types=tuple(
            dict.fromkeys(str(a["digitalSourceType"]) for a in actions if "digitalSourceType" in a)
        ),
        actions=tuple(_action(action) for action in actions),
        faults=faults,
    )


def describe(finding: Finding) -> list[str]:
    """The finding in words, one line each; the first one is the verdict."""
    path = finding.path
    if finding.verdict is Verdict.NO_MANIFEST:
        return [
            f"{path}: no manifest. Nothing says how this file was made; it may have been removed."
        ]
    if finding.verdict is Verdict.TAMPERED:
        why = ", ".join(finding.faults) or "the check failed"
        lines = [
            f"{path}: CHANGED since it was signed, do not rely on what it says ({_plain(why)})."
        ]
    else:
        lines = [f"{path}: signed, and unchanged since."]
    clock = "a time stamp authority" if finding.by_authority else "the signer's own clock"
    rows = [
        ("signed by", f"{finding.signer or 'unknown'} ({finding.trust.value})"),
        ("made with", finding.tool or "unknown"),
        ("at", f"{finding.moment}, by {clock}" if finding.moment else "not said"),
        *(("source type", _source_type(kind)) for kind in finding.source_types),
        *(("action", action) for action in finding.actions),
    ]
    # A file may be hostile: nothing in it may steer the terminal.
    return lines + [f"  {key:<12} {_plain(value)}" for key, value in rows]


def _read(path: Path, anchors: bytes | None) -> str | None:
    """The library's report as JSON, or None if there is no manifest.

    Raises:
        UserError: the file is none that can hold one, or the library is missing.
    """
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(
            "Checking needs the package c2pa-python, which does not load here "
            f"({str(error).splitlines()[0]}); install it with pip."
        ) from error
    settings: dict[str, Any] = {
        "verify": {
            "verify_trust": True,
            "ocsp_fetch": False,
            "remote_manifest_fetch": False,
        }
    }
    if anchors is not None:
        settings["trust"] = {"trust_anchors": anchors.decode("latin-1")}
    try:
        context = c2pa.Context(c2pa.Settings.from_dict(settings))
        # The kind of file is found by its bytes: names can say anything.
        with open(path, "rb") as file, c2pa.Reader(None, stream=file, context=context) as reader:
            return str(reader.json())
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.RemoteManifest):
        return None
    except (c2pa.C2paError, OSError, UnicodeError) as error:
        if _has_manifest(path):
            return json.dumps({"validation_status": [{"code": _one_line(error)}]})
        if _is_media(path):
            return None
        raise UserError(
            f"{path} is no video, picture or sound that can hold a manifest; name one, such as an "
            "MP4 file."
        ) from error


def _has_manifest(path: Path) -> bool:
    """Whether there are traces of a manifest that could not be read."""
    with open(path, "rb") as file:
        start = file.read(_START)
    return b"jumb" in start and b"c2pa" in start


def _is_media(path: Path) -> bool:
    import av
    import PIL.Image

    from realtime.media import open_media

    try:
        with open_media(path) as container:
            return len(container.streams) > 0
    except (av.FFmpegError, OSError, ValueError):
        pass
    try:
        with PIL.Image.open(path):
            return True
    except Exception as error:  # Pillow raises nearly anything on a broken file.
        _log.debug("no picture", exc_info=error)
        return False


def _is_own(path: Path, serial: str) -> bool:
    """Whether this computer's own certificate signed; its number alone could be imitated."""
    own = keys.existing()
    if own is None or own.serial != serial:
        return False
    text = _read(path, own.top)
    return text is not None and json.loads(text).get("validation_state") == "Trusted"


def _read_anchors(path: Path) -> bytes:
    from cryptography import x509

    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_ANCHORS)
        x509.load_pem_x509_certificates(data)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} holds no certificates that can be read; give a PEM file of trusted issuers."
        ) from error
    return data


def _signer(signature: dict[str, Any]) -> str:
    names = (signature.get("common_name"), signature.get("issuer"))
    return ", ".join(str(name) for name in names if name)


def _tool(manifest: dict[str, Any]) -> str:
    infos = manifest.get("claim_generator_info") or []
    words = [f"{info.get('name', '')} {info.get('version', '')}".strip() for info in infos]
    return ", ".join(word for word in words if word) or str(manifest.get("claim_generator") or "")


def _action(action: dict[str, Any]) -> str:
    said = action.get("description")
    return f"{action.get('action')}: {said}" if said else str(action.get("action"))


def _source_type(kind: str) -> str:
    short = kind.rsplit("/", 1)[-1]
    known = _SOURCE_TYPES.get(kind)
    return f"{short}: {known}" if known else short


def _one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_LONGEST]
