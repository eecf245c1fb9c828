"""Writing a signed C2PA manifest into a finished MP4."""

from __future__ import annotations

import datetime
import importlib.util
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from models.errors import UserError
from realtime.boxes import top_boxes
from realtime.paths import beside
from realtime.provenance.credentials import Credentials
from realtime.version import version

TOOL = "avatarify-like"
"""What manifests call this program."""

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's word for what we make. Every picture is put together of a photo and of what trained
networks decide (the motion) or draw (all pixels, with some backends). "trainedAlgorithmicMedia"
would say that no photo is in it, "algorithmicMedia" that nothing was trained."""

MEDIA_TYPES = {".mp4": "video/mp4", ".png": "image/png"}
"""What is signed, by the ending of its name in lower case."""

_SPOOL_MEGABYTES = 8
"""What the library keeps in memory of what it writes; the rest goes to a temporary file. Short
recordings need no file, and long ones little memory."""

_LEAF_KILOBYTES = 8192
"""The media data is hashed in pieces of this size, so that a large file is never in memory."""


class SigningError(UserError):
    """A file could not be signed; it is as it was before."""


@dataclass(frozen=True)
class Claim:
    """What a manifest says about how the video was made.

    Attributes:
        made: one sentence.
        badge: the visible mark is in every frame.
    """

    made: str
    badge: bool


# What a claim says.
LIVE = "A photo was animated live with the face in front of a webcam."
PARTLY_REAL = f"{LIVE} In parts the camera's own picture may be shown."
RECOVERED = "A photo was animated; signed later, from a recording that was left unsigned."
POSED = "A photo was given another pose and expression with sliders."
CLIP = "A photo was animated with the face in a video."


def available() -> bool:
    """Whether the library that signs is there; it has no wheels for some rare systems."""
    return importlib.util.find_spec("c2pa") is not None


def sign(path: Path, credentials: Credentials, claim: Claim) -> None:
    """Replace an MP4 or a PNG by a copy with a signed manifest.

    The copy grows beside it and takes its name only when it is whole, so that an interruption, a
    full disk or any other fault leaves the file as it was. Memory does not grow with the file.

    Args:
        path: the finished file.
        credentials: what to sign with.
        claim: what the manifest says.

    Raises:
        SigningError: it was not signed; one sentence says why.
    """
    part = beside(path, "signing")
    try:
        with open(path, "rb") as source:
            before = os.fstat(source.fileno())
            with open(part, "w+b") as target:
                _embed(source, target, path.name, credentials, claim)
                target.flush()
                os.fsync(target.fileno())
        now = os.stat(path)
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (
            before.st_ino,
            before.st_size,
            before.st_mtime_ns,
        ):
            raise SigningError(f"{path} was not signed: it was changed in the meantime.")
        with suppress(OSError):
            os.chmod(part, before.st_mode & 0o777)
        os.replace(part, path)
    except SigningError:
        raise
    except ImportError as error:
        raise SigningError(
            f"{path} was not signed and is kept as it is: c2pa-python does not load here "
            f"({_short(error)})."
        ) from error
    except Exception as error:  # The library has errors of its own for nearly everything.
        raise SigningError(
            f"{path} was not signed and is kept as it is: {_short(error)}; `{TOOL} sign {path}` "
            "tries again."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def signed_picture(data: bytes, title: str, credentials: Credentials, claim: Claim) -> bytes:
    """A PNG file with a signed manifest.

    Args:
        data: the file.
        title: what it will be called.
        credentials: what to sign with.
        claim: what the manifest says.

    Raises:
        SigningError: it cannot be signed; one sentence says why.
    """
    import io

    signed = io.BytesIO()
    try:
        _builder(title, "image/png", claim).sign(
            _signer(credentials), "image/png", io.BytesIO(data), signed
        )
    except Exception as error:  # The library has errors of its own for nearly everything.
        raise SigningError(f"{title} was not signed: {_short(error)}.") from error
    return signed.getvalue()


def check(credentials: Credentials) -> None:
    """Sign a tiny picture in memory, so that a certificate that cannot sign is found at the start.

    Raises:
        UserError: it cannot; one sentence says why.
    """
    import io

    from PIL import Image

    picture, signed = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    picture.seek(0)
    try:
        _builder("check", "image/png", Claim("", False)).sign(
            _signer(credentials), "image/png", picture, signed
        )
    except Exception as error:
        raise UserError(
            f"The certificate cannot sign ({_short(error)}); give one that is made for C2PA: "
            "version 3, for digital signatures, with an extended key usage such as e-mail "
            "protection, and not signed by itself."
        ) from error


def _embed(
    source: BinaryIO, target: BinaryIO, title: str, credentials: Credentials, claim: Claim
) -> None:
    # The library hashes piece by piece only where all media data is in one box: not in the
    # fragments of a killed recording, which therefore take up to half a gigabyte of memory.
    media_type = MEDIA_TYPES.get(Path(title).suffix.lower(), MEDIA_TYPES[".mp4"])
    video = media_type == MEDIA_TYPES[".mp4"]
    one = video and [kind for kind, _ in top_boxes(source)].count("mdat") == 1
    source.seek(0)
    builder = _builder(title, media_type, claim, by_pieces=one)
    builder.sign(_signer(credentials), media_type, source, target)


def _signer(credentials: Credentials) -> Any:
    import c2pa

    # No time stamp by an authority: that would need the network and tell it about the recording.
    return c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(credentials.algorithm, credentials.chain, credentials.key, None)
    )


def _builder(title: str, media_type: str, claim: Claim, *, by_pieces: bool = False) -> Any:
    import c2pa

    settings: dict[str, Any] = {
        "builder": {"thumbnail": {"enabled": False}},
        "core": {"backing_store_memory_threshold_in_mb": _SPOOL_MEGABYTES},
    }
    if by_pieces:
        settings["core"]["merkle_tree_chunk_size_in_kb"] = _LEAF_KILOBYTES
    context = c2pa.Context(c2pa.Settings.from_dict(settings))
    return c2pa.Builder(manifest(title, media_type, claim), context)


def manifest(title: str, media_type: str, claim: Claim) -> dict[str, Any]:
    """What is signed, in the words of C2PA.

    Args:
        title: of the file.
        media_type: such as "video/mp4".
        claim: what to say about how it was made.
    """
    tool = {"name": TOOL, "version": version()}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    created = {
        "action": "c2pa.created",
        "when": now.replace("+00:00", "Z"),
        "softwareAgent": tool,
        "digitalSourceType": SOURCE_TYPE,
        "description": claim.made,
    }
    actions = [created]
    if claim.badge:
        actions.append(
            {
                "action": "c2pa.edited",
                "softwareAgent": tool,
                "description": 'The visible mark "AI avatar" was put into every frame.',
            }
        )
    return {
        "claim_generator_info": [tool],
        # JSON is in UTF-8; names of files need not be.
        "title": os.fsencode(title).decode("utf-8", "replace"),
        "format": media_type,
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": actions, "allActionsIncluded": True},
            }
        ],
    }


def _short(error: Exception) -> str:
    """One line of an error, without the full stop."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
