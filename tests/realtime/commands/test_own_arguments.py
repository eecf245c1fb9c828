"""What lists of processes show of a camera's address."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.paths import HOME_VARIABLE
from tests.paths import ROOT

READ = "; print(open('/proc/self/cmdline').read().replace(chr(0), '|'))"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
@pytest.mark.parametrize("form", [["--camera={}"], ["--camera", "{}"]])
def test_the_command_line_shows_no_password(form: list[str]) -> None:
    secret = "rtsp://anna:geheim@10.0.0.2/pfad7?token=tok3n"
    words = ["run", *(word.format(secret) for word in form), "--fps", "30", "café", "12:30 a.mp4"]
    code = f"from realtime.commands import own_arguments as a; a.hide(){READ}"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, check=True
    )
    shown = done.stdout.decode()
    assert not any(word in shown for word in ("anna", "geheim", "pfad7", "tok3n"))
    assert "rtsp://10.0.0.2" in shown and shown.rstrip().endswith("|--fps|30|café|12:30 a.mp4|")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_the_command_hides_it_first(tmp_path: Path) -> None:
    """Seen while it runs: a camera that never answers keeps it waiting."""
    import socket
    import time

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        address = f"http://anna:geheim@127.0.0.1:{silent.getsockname()[1]}/x"
        words = ["run", "--camera", address, "--output", "none", "--panel", "off"]
        process = subprocess.Popen(
            [sys.executable, "-m", "realtime.cli", *words, "--record", str(tmp_path / "a.mp4")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            silent.settimeout(60)
            connection, _ = silent.accept()
            shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            assert b"http://127.0.0.1" in shown and b"geheim" not in shown
            connection.close()
            time.sleep(0.1)
        finally:
            process.terminate()
            out, _ = process.communicate(timeout=30)
        assert b"geheim" not in out and b"anna" not in out


@pytest.mark.parametrize(
    ("command", "option", "scheme"),
    [
        ("run", "--camera", ""),
        ("run", "--source", "https://"),
        ("animate", "--driving", "rtsp://"),
        ("verify", "", "http://"),
    ],
)
def test_an_address_in_the_place_of_a_file_is_told_without_its_password(
    tmp_path: Path, command: str, option: str, scheme: str
) -> None:
    words = [command, *([option] if option else []), f"{scheme}anna:geheim@10.0.0.2/x"]
    if command == "animate":
        words += ["--output", str(tmp_path / "a.mp4")]
    if option == "--camera":
        words += ["--output", "none", "--panel", "off"]
    done = subprocess.run(
        [sys.executable, "-m", "realtime.cli", *words],
        cwd=ROOT,
        env={**os.environ, HOME_VARIABLE: str(tmp_path)},
        capture_output=True,
        text=True,
    )
    logged = "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    # What an address lacks is told without it.
    named = "10.0.0.2" if scheme else "begins with rtsp://"
    assert done.returncode == 2 and named in done.stderr
    assert "geheim" not in done.stdout + done.stderr + logged
