"""A desktop session without a desktop: D-Bus, PipeWire, WirePlumber, the portal, and X; Linux only.

All of it runs as the user of the tests, in a folder of its own, beside any real session.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from realtime.closing import Closing
from scripts.rigs.programs import needs_programs

PROGRAMS = ("Xvfb", "dbus-daemon", "dbus-send", "pipewire", "wireplumber", "pw-dump", "pw-v4l2")

_PATIENCE = 20.0
"""Seconds that a loaded machine may take to start one part."""

_STORE = "org.freedesktop.impl.portal.PermissionStore"
"""Where the desktop's portal keeps what the user allowed, by its name on D-Bus."""


class Desktop(Closing):
    """One session.

    Attributes:
        environment: what a program in it needs.
    """

    def __init__(self, folder: Path) -> None:
        """Start everything; skips the test where a program is missing (fails in CI).

        Args:
            folder: an empty folder with a short path (sockets have no room for a long one).
        """
        needs_programs(*PROGRAMS)
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        places = {
            "HOME": folder,
            "XDG_RUNTIME_DIR": folder / "run",
            "XDG_CONFIG_HOME": folder / "config",
            "XDG_DATA_HOME": folder / "data",
            "XDG_STATE_HOME": folder / "state",
            "XDG_CACHE_HOME": folder / "cache",
        }
        for place in places.values():
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        left_out = ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "PIPEWIRE_REMOTE")
        self.environment = {
            **{key: value for key, value in os.environ.items() if key not in left_out},
            **{key: str(place) for key, place in places.items()},
            "XDG_CURRENT_DESKTOP": "GNOME",
            "NO_AT_BRIDGE": "1",
        }
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise

    def start(
        self,
        *command: str,
        environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a program in the session; it ends with the session at the latest.

        Args:
            command: the program and its arguments; `log` keeps what it says.
            environment: more than that of the session, or other values.
            pass_fds: open files that it inherits.
        """
        with self.log(command[0]).open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**self.environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def run(self, *command: str, patience: float = _PATIENCE) -> str:
        """What a short command in the session prints.

        Args:
            command: the program and its arguments.
            patience: seconds that it may take.

        Raises:
            subprocess.CalledProcessError: it failed.
            subprocess.TimeoutExpired: it took longer.
        """
        done = subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience,
            check=True,
        )
        return done.stdout

    def log(self, program: str) -> Path:
        """Where the output of a program goes."""
        return self._folder / f"{Path(program).name}.log"

    def objects(self) -> list[dict[str, Any]]:
        """Everything that PipeWire knows of, as `pw-dump` prints it.

        Raises:
            RuntimeError: it prints no JSON.
            subprocess.CalledProcessError: PipeWire does not run.
        """
        for _ in range(10):
            # While things change, it may print two lists, or one that is cut.
            with contextlib.suppress(json.JSONDecodeError):
                found: list[dict[str, Any]] = json.loads(self.run("pw-dump"))
                return found
        raise RuntimeError("pw-dump gave no JSON")

    def cameras(self) -> dict[str, int]:
        """The serial number of each camera by its name for people."""
        return {name: int(each["object.serial"]) for name, each in self._cameras().items()}

    def camera_node(self, name: str) -> str:
        """What programs call a camera whose name for people is this.

        Raises:
            KeyError: there is none.
        """
        return str(self._cameras()[name]["node.name"])

    def stop_pipewire(self) -> None:
        """End PipeWire and its session manager, as an update of the system does."""
        for process in self._pipewire:
            process.kill()
            process.wait()

    def start_pipewire(self) -> None:
        """Start PipeWire, and its session manager once it listens.

        Raises:
            RuntimeError: one of them did not start in time.
        """
        run = Path(self.environment["XDG_RUNTIME_DIR"])
        (run / "pipewire-0").unlink(missing_ok=True)
        daemon = self.start("pipewire")
        _until((run / "pipewire-0").exists, "PipeWire did not start")
        self._pipewire = (daemon, self.start("wireplumber"))
        _until(self._is_managed, "WirePlumber did not start")

    def close(self) -> None:
        """End everything that runs in the session; safe to call twice."""
        for deadly in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + 3
            while self._signal(deadly) and time.monotonic() < end:
                time.sleep(0.05)
        for process in self._processes:
            process.wait()
        # The portal for documents shows them as a file system, and may have died with it mounted.
        documents = Path(self.environment["XDG_RUNTIME_DIR"]) / "doc"
        if f" {documents} " in Path("/proc/mounts").read_text():
            subprocess.run(["fusermount3", "-u", "-z", str(documents)], check=False)

    def _cameras(self) -> dict[str, dict[str, Any]]:
        """What PipeWire knows of each camera, by its name for people."""
        found = {}
        for item in self.objects():
            properties = (item.get("info") or {}).get("props") or {}
            if properties.get("media.class") == "Video/Source":
                found[properties.get("node.description", "")] = properties
        return found

    def _start_all(self) -> None:
        self.environment["DISPLAY"] = self._announced(
            "Xvfb", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-displayfd", prefix=":"
        )
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self._announced(
            "dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address"
        )
        # What the user's answer to "may this program use the camera?" would leave behind.
        self.run(
            *("dbus-send", "--session", "--print-reply", f"--dest={_STORE}"),
            *(f"/{_STORE.replace('.', '/')}", f"{_STORE}.SetPermission"),
            *("string:devices", "boolean:true", "string:camera", "string:", "array:string:yes"),
        )
        self.start_pipewire()

    def _announced(self, *command: str, prefix: str = "") -> str:
        """Start a program whose last argument is the descriptor where it says its address."""
        reading, writing = os.pipe()
        last = command[-1]
        words = (
            *command[:-1],
            *((f"{last}={writing}",) if last[1] == "-" else (last, str(writing))),
        )
        self.start(*words, pass_fds=(writing,))
        os.close(writing)
        with os.fdopen(reading) as answer:
            address = answer.readline().strip()
        if not address:
            raise RuntimeError(f"{command[0]}: {self.log(command[0]).read_text()}")
        return prefix + address

    def _signal(self, number: signal.Signals) -> bool:
        """Signal all that runs in the session; whether there was anything."""
        # What D-Bus started on demand is known by its environment.
        marker = f"XDG_RUNTIME_DIR={self.environment['XDG_RUNTIME_DIR']}".encode()
        found = False
        for place in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if place.name.isdecimal() and int(place.name) != os.getpid():
                    if marker in (place / "environ").read_bytes().split(b"\0"):
                        os.kill(int(place.name), number)
                        found = True
        for process in self._processes:
            process.poll()  # What has ended would stay in the list until it is waited for.
        return found

    def _is_managed(self) -> bool:
        try:
            objects = self.objects()
        except (subprocess.CalledProcessError, RuntimeError):
            return False
        names = [
            ((item.get("info") or {}).get("props") or {}).get("application.name")
            for item in objects
        ]
        return "WirePlumber [export]" in names


def _until(came: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not came():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(0.05)
