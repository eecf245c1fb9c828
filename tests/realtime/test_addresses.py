"""Addresses of cameras: what may be told of them, and which cannot be read."""

from __future__ import annotations

import pytest

from models.errors import UserError
from realtime import cameras
from realtime.addresses import hide_logins, hide_secrets, is_address, parse

SECRETS = ("anna", "geheim", "hunter2", "tok3n", "kamera7")


@pytest.mark.parametrize(
    ("choice", "host", "port", "label"),
    [
        ("rtsp://anna:geheim@10.0.0.2/kamera7", "10.0.0.2", 554, "rtsp://10.0.0.2"),
        ("RTSP://anna:g%40@h:8554/x?tok3n", "h", 8554, "rtsp://h:8554"),
        ("http://h/video?token=tok3n&mail=a@b", "h", 80, "http://h"),
        ("http://h:80/video#tok3n", "h", 80, "http://h"),
        ("https://anna:ge@heim@h", "h", 443, "https://h"),
        ("rtsp://[fe80::1]:554/x", "fe80::1", 554, "rtsp://[fe80::1]"),
        ("rtsps://h", "h", 322, "rtsps://h"),
    ],
)
def test_what_is_told_of_an_address_is_where_it_leads(
    choice: str, host: str, port: int, label: str
) -> None:
    assert is_address(choice)
    address = parse(choice)
    url = choice.replace("RTSP:", "rtsp:")  # FFmpeg knows no others.
    assert (address.host, address.port, address.label, address.url) == (host, port, label, url)
    for text in (repr(address), f"{address}", label, hide_secrets(f"error at '{choice}' now")):
        assert not any(secret in text for secret in SECRETS)
    assert label in hide_secrets(f"error at '{choice}' now")


@pytest.mark.parametrize(
    "choice",
    [
        "rtmp://anna:geheim@h/tok3n",
        "rtsp:/anna:geheim@h/tok3n",
        "http:anna:geheim@h",
        "file:///etc/geheim",
        "rtsp://anna:gehe/im@h/hunter2",
        "rtsp://anna:12/geheim@h/",
        "rtsp://anna:1?geheim@h",
        "rtsp://anna:ge#heim@h/",
        "rtsp://anna:geheim@/hunter2",
        "rtsp://anna:geheim@h:port/hunter2",
        "rtsp://anna:geheim@h:99999/hunter2",
        "rtsp://anna:geheim@[::1/hunter2",
        "rtsp://anna:ge heim@h/hunter2",
        "rtsp://",
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(choice: str) -> None:
    with pytest.raises(UserError) as error:
        cameras.open_camera(choice)
    text = str(error.value)
    assert "rtsp://" in text and text.endswith(".")
    assert not any(secret in text for secret in (*SECRETS, "gehe", "heim"))


def test_a_login_without_a_scheme_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "list_devices", lambda: [])
    with pytest.raises(UserError) as error:
        cameras.open_camera("anna:geheim@kamera")
    assert "geheim" not in str(error.value) and "kamera" in str(error.value)


@pytest.mark.parametrize(
    "choice", ["anna:geheim@h/video", "10.0.0.2:8080/video?t=tok3n", "h:81/kamera7.mp4"]
)
def test_an_address_without_a_scheme_is_told_from_a_file_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    monkeypatch.setattr(cameras, "list_devices", lambda: [])
    with pytest.raises(UserError, match="begins with rtsp://") as error:
        cameras.open_camera(choice)
    assert not any(secret in str(error.value) for secret in SECRETS)


def test_files_and_devices_are_no_addresses() -> None:
    for choice in ("clip.mp4", "/dev/video0", "C:\\clips\\a.mp4", "12:30 talk.mp4", "demo", "2"):
        assert not is_address(choice)


def test_logins_are_hidden_and_files_are_told_as_they_are() -> None:
    assert hide_logins("no file http:/anna:geheim@10.0.0.2/x") == "no file ...@10.0.0.2/x"
    for text in (
        r"C:\Users\a@b.example\x.jpg",
        "d:/a@b/x.jpg",
        "take:2.mp4",
        "a@b.mp4",
        "12:30 a@b",
    ):
        assert hide_logins(text) == text
    hide_logins(":" * 1_000_000 + "a" * 1_000_000)  # At once, or the test never ends.
