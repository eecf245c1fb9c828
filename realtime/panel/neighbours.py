"""The addresses of this computer in its local networks, found without asking anybody."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

_TOWARDS = ("192.0.2.1", "192.168.255.254", "10.255.255.254", "172.31.255.254")
"""Where a packet would leave: the internet (an address that RFC 5737 keeps for documents) and the
private networks of RFC 1918. Nothing is sent."""

_ADDRESS_OF = 0x8915
"""SIOCGIFADDR of <linux/sockios.h>."""

_INNER = ("lo", "docker", "br-", "veth", "virbr", "lxc", "cni", "podman")
"""How interfaces of Linux begin that lead to nothing but this computer."""


def own_addresses() -> list[str]:
    """Addresses (IPv4) that a phone in the same network can reach, the most useful one first."""
    found = [*_by_route(), *_by_interface()]
    return list(dict.fromkeys(address for address in found if _local(address)))


def _local(text: str) -> bool:
    """Whether it leads into a local network: neither to this computer alone nor to the world."""
    address = ipaddress.ip_address(text)
    return not (address.is_global or address.is_loopback or address.is_unspecified)


def _by_route() -> Iterator[str]:
    for target in _TOWARDS:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            yield str(probe.getsockname()[0])


def _by_interface() -> Iterator[str]:
    try:
        import fcntl

        names = [name for _, name in socket.if_nameindex()]
    except (ImportError, OSError):
        with suppress(OSError):
            yield from socket.gethostbyname_ex(socket.gethostname())[2]
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for name in names:
            if name.startswith(_INNER):
                continue
            # Systems other than Linux number this differently and refuse.
            with suppress(OSError):
                asked = struct.pack("256s", name.encode()[:15])
                yield socket.inet_ntoa(fcntl.ioctl(probe, _ADDRESS_OF, asked)[20:24])
