"""Which build of ONNX Runtime is installed, whether it is whole, and the command that mends it.

Its builds are packages of different names that write the same files, which pip does not know: the
one that was installed last counts, and removing either one leaves the other in pieces.
"""

from __future__ import annotations

from importlib import metadata

from models.environment import pip_command
from models.errors import UserError

PLAIN = "onnxruntime"
"""The build that comes along, for the processor."""

BUILDS = (PLAIN, "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
"""The plain one and those of other devices, which hold it too."""


def installed() -> dict[str, str]:
    """The builds that pip knows as installed, whole or not, with their versions."""
    found = {}
    for name in BUILDS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def fault() -> str:
    """Why ONNX Runtime cannot be used, a clause, or ""."""
    try:
        import onnxruntime
    except (ImportError, AttributeError, OSError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == PLAIN:
            return "it is not installed"
        return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(". ")
    if not hasattr(onnxruntime, "InferenceSession"):
        return "files of it are missing, as after another build of it was removed"
    return ""


def mending() -> str:
    """The one command that makes ONNX Runtime whole; the build for a device stays."""
    found = installed()
    if not found:
        return pip_command(f"install {PLAIN}")
    wanted = list(found)[-1]
    others = " ".join(name for name in found if name != wanted)
    again = f"install --force-reinstall --no-deps {wanted}=={found[wanted]}"
    removed = f"{pip_command(f'uninstall -y {others}')} && " if others else ""
    return removed + pip_command(again)


def bringing(packages: str) -> str:
    """The command that puts a build in the place of the one that is here.

    Args:
        packages: the build, perhaps with extras, then what it needs besides, split by spaces; "":
            no build is known, and neither is a command.
    """
    if not packages:
        return ""
    build = packages.partition(" ")[0].partition("[")[0]
    others = " ".join(name for name in installed() if name != build)
    removed = f"{pip_command(f'uninstall -y {others}')} && " if others else ""
    return removed + pip_command(_install(packages.split()))


def completing(packages: str) -> str:
    """The command that brings what the installed build lacks of itself; as for `bringing`."""
    first, *more = packages.split()
    build = first.partition("[")[0]
    version = installed().get(build)
    # The very build that is here: another one may want other libraries. Old ones name none.
    if version and "cuda" in (metadata.metadata(build).get_all("Provides-Extra") or ()):
        first = f"{first}=={version}"
    return pip_command(_install([first, *more]))


def _install(packages: list[str]) -> str:
    return "install " + " ".join(f'"{package}"' for package in packages)


def check() -> None:
    """Make sure that it can be used.

    Raises:
        UserError: it cannot; a line of its own gives the command that mends it.
    """
    reason = fault()
    if reason:
        raise UserError(f"ONNX Runtime cannot be loaded ({reason}); run this:\n{mending()}")
