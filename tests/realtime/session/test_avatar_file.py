"""Avatars as files that are given on, and files of strangers."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from models.errors import UserError
from models.face.face_file import face_path, write_face
from realtime.session import avatar_file
from realtime.session.avatar_file import read_avatar_file, write_avatar_file
from realtime.session.avatar_library import MAX_PIXELS, MAX_UPLOAD
from realtime.session.avatar_table import Look
from realtime.session.settings import AvatarSettings
from tests.placed_face import placed
from tests.session_rig import Rig, three_avatars


def jpeg(size: tuple[int, int] = (256, 256)) -> bytes:
    data = io.BytesIO()
    PIL.Image.new("RGB", size, (90, 90, 90)).save(data, "JPEG")
    return data.getvalue()


def packed(parts: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return data.getvalue()


ABOUT = json.dumps({"version": 1, "name": "Ada"}).encode()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return three_avatars(tmp_path / "photos")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir(exist_ok=True)


def read(tmp_path: Path, data: bytes) -> avatar_file.AvatarFile:
    path = tmp_path / "given"
    path.write_bytes(data)
    return read_avatar_file(path, "Ada.avatar")


def test_an_avatar_goes_out_and_comes_in_with_all_that_belongs_to_it(
    rig: Rig, tmp_path: Path
) -> None:
    entry = rig.library.entries[0]
    write_face(entry.path, np.zeros((256, 256, 3), np.uint8), placed(256, 256))
    rig.library.rename(entry.id, "Ada L.")
    rig.library.rotate(entry.id)
    settings = AvatarSettings(False, 0.5, 2, {"motion": 0.25, "mouth": 1.5})
    data = write_avatar_file(rig.library.entries[0], settings)
    found = read(tmp_path, data)
    assert found.look == Look("Ada L.", 90)
    assert found.settings == settings
    assert found.image.shape == (256, 256, 3) and abs(int(found.image.mean()) - 60) <= 1
    kept = rig.library.keep(found.image, "Ada L", found.look, found.beside)
    assert kept.path == rig.own / "Ada L.jpg" and kept.name == "Ada L." and kept.turn == 90
    assert face_path(kept.path).read_bytes() == face_path(entry.path).read_bytes()


def test_no_place_and_time_of_a_photo_go_out(rig: Rig) -> None:
    entry = rig.library.entries[0]
    exif = PIL.Image.Exif()
    exif[0x010E] = "a secret"
    PIL.Image.new("RGB", (256, 256), (60, 60, 60)).save(entry.path, exif=exif)
    data = write_avatar_file(entry, AvatarSettings())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert b"a secret" not in archive.read("photo.jpg")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "broken or not an avatar"),
        (b"PK\x03\x04 and nothing else", "broken or not an avatar"),
        (packed({"a.txt": b"x"}), "do not belong"),
        (packed({"photo.jpg": jpeg()}), "not an avatar"),
        (packed({"photo.jpg": jpeg(), "avatar.json": b"{"}), "broken"),
        (packed({"photo.jpg": jpeg(), "avatar.json": b"[" * 40_000}), "broken"),
        (packed({"photo.jpg": jpeg(), "avatar.json": b'{"version": 2}'}), "newer version"),
        (packed({"photo.jpg": b"MZ", "avatar.json": ABOUT}), "not a picture"),
        (packed({"photo.jpg": jpeg((30, 30)), "avatar.json": ABOUT}), "30 x 30"),
        (packed({"photo.jpg": jpeg(), "avatar.json": ABOUT, "../../x.py": b""}), "do not belong"),
        (packed({"photo.jpg": jpeg(), "avatar.json": ABOUT, "/etc/passwd": b""}), "do not belong"),
        (packed({"photo.jpg": jpeg(), "avatar.json": bytes(10_000_000)}), "too large"),
        (packed({"photo.jpg": bytes(60_000_000), "avatar.json": ABOUT}), "too large"),
        (packed({"photo.jpg": jpeg(), "avatar.json": ABOUT, "face.json": bytes(10**7)}), "large"),
    ],
)  # fmt: skip
def test_files_of_strangers_are_refused_in_one_sentence(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    with pytest.raises(UserError, match=reason) as refused:
        read(tmp_path, data)
    assert str(tmp_path) not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] in (["photos", "given"], ["given", "photos"])


def test_a_size_that_is_a_lie_does_not_help(tmp_path: Path) -> None:
    data = packed({"photo.jpg": jpeg(), "avatar.json": bytes(10_000_000)})
    lie = data.replace(struct.pack("<L", 10_000_000), struct.pack("<L", 100))
    assert lie != data
    with pytest.raises(UserError, match="too large|broken"):
        read(tmp_path, lie)


def test_a_file_with_a_part_twice_or_a_password_is_refused(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("photo.jpg", jpeg())
        archive.writestr("avatar.json", ABOUT)
    with pytest.raises(UserError, match="do not belong"):
        read(tmp_path, data.getvalue())
    secret = bytearray(packed({"photo.jpg": jpeg(), "avatar.json": ABOUT}))
    for start, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = secret.find(start)
        while place >= 0:
            secret[place + at] |= 1
            place = secret.find(start, place + 4)
    with pytest.raises(UserError, match="broken"):
        read(tmp_path, bytes(secret))


def test_nonsense_about_an_avatar_is_left_out(tmp_path: Path) -> None:
    about = {
        "version": 1, "name": "\x00" * 5, "turn": 45, "face": ["x", 1],
        "settings": {"smoothing": "much", "motion": 1e999, "ÄÖ": 1, "relative": False},
    }  # fmt: skip
    parts = {"photo.jpg": jpeg(), "avatar.json": json.dumps(about).encode()}
    found = read(tmp_path, packed(parts))
    assert found.look == Look() and found.settings == AvatarSettings(relative=False)


def test_the_limits_are_those_of_photos() -> None:
    assert avatar_file._MOST["photo.jpg"] == MAX_UPLOAD
    assert avatar_file._MAX_PIXELS == MAX_PIXELS
