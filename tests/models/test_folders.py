"""Folders of users without a home, with a closed one, or with one of their choice."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest

from models import folders
from models.artifacts import CACHE_VARIABLE, cache_folder
from models.folders import HOME_VARIABLE, NOWHERE, kept, not_kept, trouble
from models.fomm.manifest import MODELS_VARIABLE, models_folder


def test_one_named_folder_holds_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    assert kept("config") == kept("data") == tmp_path
    for path in (kept("log"), kept("videos"), cache_folder(), models_folder()):
        assert tmp_path in path.parents
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "other"))
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    assert cache_folder() == tmp_path / "other", "the narrower wish counts"
    assert models_folder() == tmp_path / "models" / "fomm"


@pytest.mark.parametrize("kind", ["config", "data", "cache", "log", "videos"])
@pytest.mark.parametrize("way", ["raises", "relative"])
def test_without_a_home_there_is_a_place_that_cannot_be_written_to(
    kind: folders.Kind, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Releases of `platformdirs` differ in what they do then."""

    class Homeless:
        def __init__(self, *words: object, **more: object) -> None:
            pass

        def __getattr__(self, name: str) -> Path:
            if way == "raises":
                raise RuntimeError("could not determine the home directory")
            return Path("~/.config")

    monkeypatch.delenv(HOME_VARIABLE)
    monkeypatch.setattr(platformdirs, "PlatformDirs", Homeless)
    folder = kept(kind)
    assert folder == NOWHERE and "no home" in trouble(folder / "avatars")
    with pytest.raises(OSError) as caught:
        (folder / "avatars").mkdir(parents=True)
    sentence = not_kept("The photo", folder / "avatars", caught.value)
    assert "no home" in sentence and HOME_VARIABLE in sentence and os.devnull not in sentence


def test_what_stands_in_the_way_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trouble(tmp_path / "not" / "made" / "yet") == ""
    assert not list(tmp_path.iterdir()), "looking makes nothing"
    file = tmp_path / "file"
    file.touch()
    assert trouble(file / "settings") == f"{file} is no folder"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert trouble(tmp_path / "settings") == f"{tmp_path} cannot be written to"
    sentence = not_kept("The key", tmp_path, OSError(28, "No space left on device"), "give --key")
    assert str(tmp_path) in sentence and "No space left" in sentence and "give --key" in sentence


def test_a_home_that_is_closed_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `su` without a login: HOME is still that of root."""
    look = os.stat

    def stat(path: str | Path, **more: bool) -> os.stat_result:
        if tmp_path in Path(path).parents:
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, **more)

    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "stat", stat)
    assert kept("data") == NOWHERE
