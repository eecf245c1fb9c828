"""The one command that mends what is missing, on the system the program runs on."""

from __future__ import annotations

import platform
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

_LOAD = 'sudo modprobe v4l2loopback exclusive_caps=1 card_label="AI avatar"'
"""Chrome and Zoom list a loopback camera only with exclusive_caps=1."""


@dataclass(frozen=True)
class Host:
    """What a remedy depends on.

    system: `platform.system()`. distributions: the Linux distribution's ID and those it is like.
    has_loopback: the v4l2loopback kernel module is installed, whether or not it is loaded.
    """

    system: str
    distributions: tuple[str, ...] = ()
    has_loopback: bool = False

    @classmethod
    def this(cls) -> Host:
        """The computer the program runs on."""
        system = platform.system()
        if system != "Linux":
            return cls(system)
        try:
            release = platform.freedesktop_os_release()
        except OSError:
            release = {}
        names = (release.get("ID", ""), *release.get("ID_LIKE", "").split())
        modules = Path("/lib/modules") / platform.release()
        has_loopback = any(modules.glob("**/v4l2loopback.ko*"))
        return cls(system, tuple(name for name in names if name), has_loopback)


def install_virtual_camera(host: Host) -> str:
    """The command, or on some systems the step, that gives this computer a virtual camera."""
    if host.system == "Windows":
        return "winget install OBSProject.OBSStudio"
    if host.system == "Darwin":
        return "brew install --cask obs"
    if host.system != "Linux":
        return "install OBS Studio 30 or newer"
    if host.has_loopback:
        return _LOAD
    return f"{_install_loopback(host.distributions)} && {_LOAD}"


def virtual_camera_hint(host: Host) -> str:
    """What else the user must do or know after `install_virtual_camera`; "" if nothing."""
    if host.system == "Windows":
        return "OBS Studio need not run; its virtual camera comes with it"
    if host.system == "Darwin":
        return (
            "then click Start Virtual Camera in OBS once, allow the extension in System Settings, "
            "and quit OBS (macOS 13 or newer, OBS 30 or newer)"
        )
    if host.system == "Linux" and "fedora" in host.distributions and not host.has_loopback:
        return "the package comes from RPM Fusion (free), which must be switched on"
    return ""


def missing_virtual_camera(host: Host, reasons: Sequence[str] = ()) -> str:
    """The sentence for a user who has no virtual camera, with what each backend said."""
    hint = virtual_camera_hint(host)
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return (
        f"No virtual camera was found{why}; mend it with `{install_virtual_camera(host)}`"
        f"{f' ({hint})' if hint else ''}, or record with --record FILE.mp4."
    )


def reload_loopback() -> str:
    """The command that loads v4l2loopback anew, so that browsers and Zoom list its camera."""
    return f"sudo modprobe -r v4l2loopback && {_LOAD}"


def join_video_group() -> str:
    """The command after which, at the next login, the user may open video devices."""
    return "sudo usermod -aG video $USER"


def _install_loopback(distributions: Collection[str]) -> str:
    """The package manager's command for the kernel module; the nearest relative decides."""
    headers = "linux-headers-$(uname -r)"  # without them the module is not built
    commands = {
        "debian": f"sudo apt install -y v4l2loopback-dkms {headers}",
        "ubuntu": f"sudo apt install -y v4l2loopback-dkms {headers}",
        "fedora": "sudo dnf install -y akmod-v4l2loopback && sudo akmods",
        "arch": "sudo pacman -S --needed v4l2loopback-dkms linux-headers",
        "suse": "sudo zypper install -y v4l2loopback-kmp-default",
        "opensuse": "sudo zypper install -y v4l2loopback-kmp-default",
        "alpine": "sudo apk add v4l2loopback-lts",
    }
    for name in distributions:
        if name in commands:
            return commands[name]
    return "install your distribution's v4l2loopback package"
