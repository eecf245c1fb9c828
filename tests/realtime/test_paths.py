"""Where files are kept on each system, and which places a video cannot be written to."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from models.errors import UserError
from realtime import paths
from realtime.paths import (
    HOME_VARIABLE,
    asset_path,
    avatars_folder,
    beside,
    camera_file,
    check_writable,
    config_folder,
    free_video,
    log_file,
    move_earlier_files,
    settings_file,
    signing_file,
)
from realtime.session.settings import load


def kept() -> list[Path]:
    """Every place where something is kept."""
    return [settings_file(), camera_file(), avatars_folder(), signing_file(), log_file()]


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder for the data of programs on Windows, as `platformdirs` finds it there."""
    folder = tmp_path / "Local"
    folder.mkdir()
    system = {"CSIDL_LOCAL_APPDATA": str(folder)}
    monkeypatch.setattr("platformdirs.windows.get_win_folder", system.__getitem__)
    monkeypatch.setattr(platformdirs, "PlatformDirs", Windows)
    monkeypatch.delenv(HOME_VARIABLE)
    return folder


def test_one_folder_can_be_named_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    assert all(tmp_path in path.parents for path in kept())
    assert settings_file().parent == config_folder() == tmp_path


def test_on_windows_the_name_stands_once_in_every_path(local: Path) -> None:
    for path in kept():
        assert path.parts.count("avatarify-like") == 1 and local / "avatarify-like" in path.parents
    assert settings_file().parent == camera_file().parent


def test_on_a_mac_nothing_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "PlatformDirs", MacOS)
    monkeypatch.delenv(HOME_VARIABLE)
    assert settings_file().parent.parts[-2:] == ("Application Support", "avatarify-like")
    assert log_file().parent.parts[-2:] == ("Logs", "avatarify-like")
    before = MacOS("avatarify-like").user_config_path
    assert before == config_folder(), "earlier versions named no author there either"


def test_settings_of_an_earlier_version_on_windows_are_moved(local: Path) -> None:
    old = local / "avatarify-like" / "avatarify-like"
    (old / "avatars").mkdir(parents=True)
    (old / "avatars" / "me.jpg").write_bytes(b"photo")
    (old / "settings.toml").write_text("overlay = 0.5\n")
    (local / "avatarify-like" / "camera.json").write_text("{}")
    move_earlier_files()
    assert load(settings_file()).overlay == 0.5
    assert (avatars_folder() / "me.jpg").read_bytes() == b"photo"
    assert camera_file().read_text() == "{}" and not old.exists()
    settings_file().write_text("overlay = 0.25\n")
    move_earlier_files()
    assert load(settings_file()).overlay == 0.25


def test_newer_settings_are_not_replaced_by_earlier_ones(local: Path) -> None:
    old = local / "avatarify-like" / "avatarify-like"
    old.mkdir(parents=True)
    (old / "settings.toml").write_text("overlay = 0.5\n")
    (old / "panel-key.pem").write_text("key")
    settings_file().write_text("overlay = 0.25\n")
    move_earlier_files()
    assert load(settings_file()).overlay == 0.25
    assert (config_folder() / "panel-key.pem").read_text() == "key"
    assert (old / "settings.toml").exists(), "nothing is thrown away"


def test_a_named_folder_takes_nothing_from_the_usual_one(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = local / "avatarify-like" / "avatarify-like"
    old.mkdir(parents=True)
    (old / "settings.toml").write_text("overlay = 0.5\n")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    move_earlier_files()
    assert (old / "settings.toml").exists() and not settings_file().exists()


def test_where_the_folders_are_one_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(HOME_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(platformdirs, "PlatformDirs", Unix)
    config_folder().mkdir()
    settings_file().write_text("overlay = 0.5\n")
    move_earlier_files()
    assert load(settings_file()).overlay == 0.5


def test_embedded_files_are_found_or_named(tmp_path: Path) -> None:
    assert asset_path("face.jpg").is_file()
    with pytest.raises(UserError, match=r"nothing\.mp4 is missing"):
        asset_path("nothing.mp4")


def test_where_a_video_cannot_be_written(tmp_path: Path) -> None:
    check_writable(tmp_path / "out.mp4")
    with pytest.raises(UserError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        check_writable(tmp_path / "missing" / "out.mp4")
    check_writable(tmp_path / "OUT.MP4")
    for name in ("out.txt", "out.mov", "out.m4v", "out.mkv", "out"):
        with pytest.raises(UserError, match=r"ends in \.mp4"):
            check_writable(tmp_path / name)
    check_writable(tmp_path / "motion.npz", suffix=".npz")
    with pytest.raises(
        UserError, match=r"kept as numbers; give 'out.pkl' a name that ends in \.npz"
    ):
        check_writable(tmp_path / "out.pkl", suffix=".npz")
    assert not list(tmp_path.iterdir()), "looking makes no file"


def test_copies_and_recordings_have_names_that_fit(tmp_path: Path) -> None:
    longest = tmp_path / ("ä" * 125 + "z.mp4")
    check_writable(longest)
    with pytest.raises(UserError, match="is too long for a file"):
        check_writable(tmp_path / ("ä" * 126 + ".mp4"))
    part = beside(longest, "part")
    assert part.parent == tmp_path and part.suffix == ".mp4" and part.name.startswith(".")
    assert part != beside(longest, "part"), "two at a time do not meet"
    part.touch()
    made = []
    for _ in range(3):
        made.append(free_video(tmp_path, longest.stem, "2024-05-06 07.08.09"))
        made[-1].touch(exist_ok=False)
    assert [path.name[-29:] for path in made] == [
        "ä 2024-05-06 07.08.09.mp4"[-29:].rjust(29, "ä"),
        "ä 2024-05-06 07.08.09 (2).mp4",
        "ä 2024-05-06 07.08.09 (3).mp4",
    ]
    assert free_video(tmp_path, "take:1", "now").name == "take:1 now.mp4"


def test_a_place_without_rights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "out.mp4"
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(UserError, match=r"cannot be written to; .* for out\.mp4"):
        check_writable(file)
    file.touch()
    check_writable(file)


def test_a_video_never_replaces_what_it_is_made_from(tmp_path: Path) -> None:
    clip, link = tmp_path / "clip.mp4", tmp_path / "link.mp4"
    clip.touch()
    os.link(clip, link)
    for target in (clip, link):
        with pytest.raises(UserError, match=r"is the driving clip; choose another file"):
            check_writable(target, {"driving clip": clip})
    check_writable(link, {"driving clip": None, "camera's video": Path("demo")})


def test_the_folders_are_looked_up_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from the import."""
    for name in ("one", "two"):
        monkeypatch.setenv(HOME_VARIABLE, name)
        assert paths.config_folder() == Path(name)
