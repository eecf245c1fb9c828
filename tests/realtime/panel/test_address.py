"""Names of tunnels and proxies."""

from __future__ import annotations

import pytest

from models.errors import UserError
from realtime.panel.address import HostName, parse_host


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Studio.Example", HostName("studio.example", None)),
        ("localhost:9000", HostName("localhost", 9000)),
        ("https://studio.example/", HostName("studio.example", None)),
        ("http://127.0.0.1:9000/#key=abc", HostName("127.0.0.1", 9000)),
        ("[::1]:9000", HostName("[::1]", 9000)),
        ("::1", HostName("[::1]", None)),
        ("studio.example.", HostName("studio.example", None)),
        ("büro.example", HostName("xn--bro-hoa.example", None)),
        ("gpu_1", HostName("gpu_1", None)),
    ],
)
def test_names_as_users_give_them(text: str, expected: HostName) -> None:
    assert parse_host(text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "*", "*.example", "a b", "host:", "host:port", "a..b", "host:65536"]
)
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="--panel-host"):
        parse_host(text)
