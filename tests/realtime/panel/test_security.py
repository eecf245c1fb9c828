"""Keys, codes for one use, names of tunnels, and what the user is told of refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from realtime.panel import security
from realtime.panel.address import parse_host
from realtime.panel.security import CodeUse, OneTimeCode
from tests.panel_rig import Served, next_of
from tests.session_rig import three_avatars, wait

NAMES = ("studio.example", "localhost:9000", "[::1]:9000")


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Served]:
    rig = three_avatars(tmp_path)
    rig.start()
    served = Served(rig, named=[parse_host(name) for name in NAMES])
    yield served
    served.panel.close()
    rig.close()


def enter(served: Served, code: str) -> tuple[int, str]:
    status, _, text = served.ask("/enter", "POST", key=False, Authorization=f"Code {code}")
    return status, text.decode()


def code_of(served: Served) -> str:
    address = served.panel.url_for_one_use()
    assert served.panel.key.text not in address
    return address.partition("/#code=")[2]


def test_a_code_opens_once_and_not_for_ever() -> None:
    now = 0.0
    code = OneTimeCode(lambda: now)
    assert len(code.text) >= 43
    assert [code.use(given) for given in ("", "x" * 43, "\udcff")] == [CodeUse.WRONG] * 3
    assert [code.use(code.text) for _ in range(3)] == [CodeUse.FIRST, CodeUse.AGAIN, CodeUse.AGAIN]
    late = OneTimeCode(lambda: now)
    now = security._CODE_LIFE + 1
    assert late.use(late.text) is CodeUse.WRONG


def test_the_page_gets_the_key_for_its_code(served: Served) -> None:
    assert enter(served, "none made yet")[0] == 410
    code = code_of(served)
    assert enter(served, code[:-1])[0] == 410
    assert served.ask("/enter", key=False, Authorization=f"Code {code}")[0] == 405, "no GET"
    assert served.ask("/key", Authorization=f"Bearer {code}")[0] == 401, "a code is no key"
    status, text = enter(served, code)
    assert status == 200 and json.loads(text) == {"key": served.panel.key.text}
    status, text = enter(served, code)
    assert status == 410 and "the one that the program has printed" in text
    older = code_of(served)
    newer = code_of(served)
    assert enter(served, older)[0] == 410 and enter(served, newer)[0] == 200


def test_a_code_that_two_have_used_shuts_both_out_where_accounts_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on systems that do not say whose a connection is."""
    monkeypatch.setattr("realtime.panel.accounts.sys.platform", "darwin")
    rig = three_avatars(tmp_path)
    rig.start()
    renewed: list[bool] = []
    served = Served(rig, renewed=lambda: renewed.append(True))
    try:
        code = code_of(served)
        key = json.loads(enter(served, code)[1])["key"]
        with served.page() as page:
            next_of(page, "state")
            assert enter(served, code)[0] == 410
            with pytest.raises(ConnectionClosed):
                while True:
                    page.recv(20)
        assert served.ask("/key", Authorization=f"Bearer {key}")[0] == 401
        assert served.panel.key.text != key and renewed == [True]
        assert served.ask("/key")[0] == 204
        wait(lambda: any("used twice" in line for line in rig.lines))
        assert not any(served.panel.key.text in line for line in rig.lines)
        newer = served.panel.key.text
        assert enter(served, code)[0] == 410 and served.panel.key.text == newer, "only once"
    finally:
        served.panel.close()
        rig.close()


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("studio.example", "https://studio.example"),  # A proxy that encrypts.
        ("studio.example:8443", "https://studio.example:8443"),
        ("STUDIO.example", "http://studio.example"),
        ("localhost:9000", "http://localhost:9000"),  # ssh -L 9000:...
        ("[::1]:9000", "http://[::1]:9000"),
        ("{own}", "https://studio.example"),  # A proxy that gives the name it asks for itself.
    ],
)
def test_tunnels_and_proxies_that_were_named(named: Served, host: str, origin: str) -> None:
    name = host.format(own=named.host)
    assert named.ask("/", Host=name, Origin="")[0] == 200
    assert named.ask("/key", Host=name, Origin=origin)[0] == 204
    assert named.ask("/avatars", "POST", b"", Host=name, Origin=origin)[0] == 422
    with named.page(host=name, origin=Origin(origin)) as page:
        assert next_of(page, "state")["avatars"]
    assert named.ask("/key", Host=name, Origin=origin, key=False)[0] == 401


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:9001", "http://localhost:9001"),
        ("evil.example", "https://evil.example"),
        ("studio.example.evil.example", "https://studio.example.evil.example"),
        ("studio.example", "https://evil.example"),
        ("studio.example", "null"),
        ("studio.example", "ftp://studio.example"),
        ("studio.example", "https://studio.example/"),
        ("studio.example:x", "https://studio.example:x"),
    ],
)
def test_other_names_stay_refused(named: Served, host: str, origin: str) -> None:
    assert named.ask("/key", Host=host, Origin=origin)[0] in (403, 421)


def test_a_refused_host_is_told_once_and_how_to_allow_it(served: Served) -> None:
    for _ in range(5):
        for path in ("/", "/panel.js", "/key"):
            status, headers, text = served.ask(path, Host="studio.example:8443", Origin="")
            assert status == 421 and headers["content-type"].startswith("text/plain")
    assert "--panel-host studio.example:8443" in text.decode()
    wait(lambda: bool(served.rig.lines))
    assert served.ask("/key", Origin="https://other.example")[0] == 403
    wait(lambda: len(told(served)) == 2)
    assert [line.rpartition(" ")[2] for line in told(served)] == [
        "studio.example:8443.",
        "other.example.",
    ]


def told(served: Served) -> list[str]:
    return [line for line in served.rig.lines if "--panel-host" in line]


def test_names_that_are_meant_for_the_terminal_do_not_reach_it(served: Served) -> None:
    served.ask("/", Host="\x1b[31m evil", Origin="")
    wait(lambda: len(told(served)) == 1)
    assert "\x1b" not in told(served)[0] and "NAME" in told(served)[0]


def test_many_names_are_not_many_lines(served: Served) -> None:
    for number in range(50):
        assert served.ask("/", Host=f"a{number}.example", Origin="")[0] == 421
    wait(lambda: len(told(served)) == security._MOST_TOLD)
    served.rig.session.say("the last line")
    wait(lambda: "the last line" in served.rig.lines)
    assert len(told(served)) == security._MOST_TOLD
