"""Makes video devices out of nothing (umockdev) and runs a command that sees them.

Run by the system's Python, which has umockdev's bindings, below `umockdev-wrapper`:

    umockdev-wrapper /usr/bin/python3 mock_devices.py '[{"number": 9, ...}]' COMMAND ...

A device is: number; name; driver; caps (V4L2's bits); refuse_query, refuse_format: the error
number that these requests end with, 0 for none; writes: how many frames it takes before each
write fails.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # type: ignore[import-not-found]  # noqa: E402

QUERYCAP, S_FMT = 0x80685600, 0xC0D05605
EINVAL, ENODEV = 22, 19


class Driver(UMockdev.IoctlBase):  # type: ignore[misc]
    """What answers for one device."""

    def __init__(self, device: dict[str, Any]) -> None:
        super().__init__()
        self.device = device
        self.left = device.get("writes", 0)

    def do_handle_ioctl(self, client: Any) -> bool:
        """Answer a request as a driver would."""
        request = client.get_request() & 0xFFFFFFFF
        device = self.device
        if request == QUERYCAP and not device.get("refuse_query"):
            caps = device["caps"]
            answer = struct.pack(
                "=16s32s32sIII12x",
                *(device["driver"].encode(), b"mock", b"platform:mock"),
                *(0x060100, caps | 0x80000000, caps),
            )
            client.get_arg().resolve(0, len(answer)).update(0, answer)
            client.complete(0, 0)
        elif request == QUERYCAP:
            client.complete(-1, device["refuse_query"])
        elif request == S_FMT:
            number = device.get("refuse_format", 0)
            client.complete(-1 if number else 0, number)
        else:
            client.complete(-1, EINVAL)
        return True

    def do_handle_write(self, client: Any) -> bool:
        """Take a frame, or refuse it."""
        size = len(client.get_arg().retrieve())
        if self.left > 0:
            self.left -= 1
            client.complete(size, 0)
        else:
            client.complete(-1, ENODEV)
        return True


def main() -> None:
    """Make the devices, run the command, and end as it ends."""
    bed = UMockdev.Testbed.new()
    drivers = []
    for device in json.loads(sys.argv[1]):
        name = f"video{device['number']}"
        bed.add_from_string(
            f"P: /devices/platform/mock/video4linux/{name}\nN: {name}\n"
            f"E: SUBSYSTEM=video4linux\nE: DEVNAME=/dev/{name}\n"
            f"A: name={device['name']}\\n\nA: index=0\\n\nA: dev=81:{device['number']}\\n\n"
        )
        drivers.append(Driver(device))
        bed.attach_ioctl(f"/dev/{name}", drivers[-1])
    sys.exit(subprocess.run(sys.argv[2:]).returncode)


if __name__ == "__main__":
    main()
