"""What mends what is missing, on the system the program runs on."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    """What a remedy depends on.

    Attributes:
        system: `platform.system()`.
        distributions: the Linux distribution's ID and those it is like.
        has_loopback: the v4l2loopback kernel module is installed, whether or not it is loaded.
        release: of the kernel that runs, such as "6.1.0-18-amd64".
    """

    system: str
    distributions: tuple[str, ...] = ()
    has_loopback: bool = False
    release: str = ""

    @classmethod
    def this(cls, root: Path = Path("/")) -> Host:
        """The computer the program runs on.

        Args:
            root: where its files are; another folder in tests.
        """
        system = platform.system()
        if system != "Linux":
            return cls(system)
        found: dict[str, str] = {}
        for path in (root / "etc/os-release", root / "usr/lib/os-release"):
            if path.is_file():
                found = _variables(path.read_text(errors="replace"))
                break
        names = (found.get("ID", ""), *found.get("ID_LIKE", "").split())
        release = platform.release()
        modules = root / "lib/modules" / release
        has_loopback = any(modules.glob("**/v4l2loopback.ko*"))
        return cls(system, tuple(name for name in names if name), has_loopback, release)


SET_UP = "avatarify-like setup-camera --yes"
"""Gives the computer a virtual camera, or says what is to be done by hand; see `setup_camera`."""


def missing_virtual_camera(reasons: Sequence[str] = ()) -> str:
    """The sentence for a user who has no virtual camera.

    Args:
        reasons: what each kind of sink said, a clause without a full stop; "" if nothing.
    """
    why = f" ({'; '.join(reason for reason in reasons if reason)})" if any(reasons) else ""
    return (
        f"No virtual camera was found{why}; `{SET_UP}` sets one up, or record with --record "
        "FILE.mp4."
    )


def join_video_group() -> str:
    """The command after which, at the next login, the user may open video devices."""
    return 'sudo usermod -aG video "$(id -un)"'


def _variables(text: str) -> dict[str, str]:
    """The assignments of an os-release file."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[name.strip()] = " ".join(shlex.split(value))
    return found
