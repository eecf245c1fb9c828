"""Other accounts of this computer get nothing, whatever they know."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from realtime.panel.accounts import CLOSING, Accounts, account_of
from realtime.panel.address import Address, parse_host
from tests.panel_rig import Served, next_of
from tests.session_rig import three_avatars, wait
from tests.stranger import NOBODY, ask_stranger

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells whose a connection is")
as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another account"
)
REFUSED = [403, 403, 403, 403, "refused"]


@linux
@pytest.mark.parametrize(
    ("listen", "call"),
    [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "::ffff:127.0.0.1"), ("::1", "::1")],
)
def test_the_other_end_is_known(listen: str, call: str) -> None:
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with socket.socket(family) as listener:
        try:
            listener.bind((listen, 0))
        except OSError:
            pytest.skip(f"this computer has no {listen}")
        listener.listen()
        port = listener.getsockname()[1]
        caller = socket.socket(socket.AF_INET6 if ":" in call else socket.AF_INET)
        caller.connect((call, port))
        accepted, theirs = listener.accept()
        with accepted:
            ours = accepted.getsockname()[:2]
            assert account_of(theirs[:2], ours) == os.getuid()
            assert account_of(("192.0.2.7", theirs[1]), ours) is None, "another computer"
            caller.close()
            wait(lambda: account_of(theirs[:2], ours) == CLOSING)


@linux
def test_root_and_who_became_root_count_as_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setenv("SUDO_UID", "77")
    accounts = Accounts()
    assert accounts.own(1234) and accounts.own(0) and accounts.own(None) is None
    assert accounts.own(77) is False, "anybody can set a variable"
    assert accounts.own(CLOSING) is False
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Accounts().own(77)


@as_root
def test_another_account_gets_nothing_whatever_it_knows(served: Served, tmp_path: Path) -> None:
    with served.page() as page:
        page.send(json.dumps({"output_key": "make"}))
        fixed = next_of(page, "output_key")
        code = served.panel.url_for_one_use().partition("#code=")[2]
        found = ask_stranger(served.port, tmp_path, served.panel.key.text, fixed, code)
        secrets = (served.panel.key.text, fixed, code)
        assert found["answers"] == dict.fromkeys(secrets, REFUSED)
        told = [line for line in served.rig.lines if "nobody" in line]
        assert len(told) == 1 and "--panel-host" in told[0], "once, not with each request"
        # It has not used up the code, nor harmed the page.
        status, _, text = served.ask("/enter", "POST", key=False, Authorization=f"Code {code}")
        assert status == 200 and json.loads(text)["key"] == served.panel.key.text
        assert next_of(page, "figures")


@as_root
def test_a_tunnel_may_run_as_another_account_when_it_is_named(tmp_path: Path) -> None:
    rig = three_avatars(tmp_path)
    rig.start()
    served = Served(rig, address=Address(), named=[parse_host("studio.example")])
    try:
        code = served.panel.url_for_one_use().partition("#code=")[2]
        key = served.panel.key.text
        answers = ask_stranger(served.port, tmp_path, key, code)["answers"]
        assert answers[key][1:4] == [204, 200, 200] and "keys" in answers[key][4]
        assert answers[code] == [403, 401, 401, 200, "refused"], "the code is for us alone"
    finally:
        served.panel.close()
        rig.close()


def test_nobody_is_the_number_that_linux_gives() -> None:
    pwd = pytest.importorskip("pwd")
    if sys.platform == "linux":
        assert pwd.getpwuid(NOBODY).pw_name == "nobody" == Accounts().name(NOBODY)
    assert Accounts().name(2**31 - 7) == f"number {2**31 - 7}"
