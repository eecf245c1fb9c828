"""Builds of ONNX Runtime that have damaged each other, and the commands that mend them."""

from __future__ import annotations

import sys
import types
from importlib import metadata

import pytest

from models import onnx_build
from models.errors import UserError
from models.face.network import Network, weights_path


def builds(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    found = {name.replace("_", "-"): version for name, version in versions.items()}
    monkeypatch.setattr(onnx_build, "installed", lambda: found)


def test_the_installed_one_is_whole() -> None:
    assert onnx_build.fault() == "" and onnx_build.installed()
    onnx_build.check()


def test_what_an_uninstalled_build_leaves_behind_is_told_with_one_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An empty folder is left, which Python imports as a package without anything in it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    builds(monkeypatch, onnxruntime_gpu="1.26.0")
    with pytest.raises(UserError, match="another build of it was removed") as caught:
        Network(weights_path("detector"))
    sentence, command = str(caught.value).splitlines()
    assert sentence.endswith("run this:")
    assert command.endswith("install --force-reinstall --no-deps onnxruntime-gpu==1.26.0")
    assert "uninstall" not in command


def test_a_missing_one_and_one_that_does_not_load_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(onnx_build, "installed", dict)
    assert onnx_build.fault() == "it is not installed"
    assert onnx_build.mending().endswith("install onnxruntime")

    class Broken:
        def find_spec(self, name: str, *more: object) -> None:
            if name == "onnxruntime":
                raise ImportError("DLL load failed: a library is missing.\nmore")

    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    assert onnx_build.fault() == "DLL load failed: a library is missing"


def test_of_two_builds_the_one_for_a_device_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    builds(monkeypatch, onnxruntime="1.25.0", onnxruntime_gpu="1.26.0")
    first, second = onnx_build.mending().split(" && ")
    assert first.endswith("uninstall -y onnxruntime")
    assert second.endswith("install --force-reinstall --no-deps onnxruntime-gpu==1.26.0")


def test_a_build_takes_the_place_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = "onnxruntime-gpu[cuda,cudnn] tensorrt-cu12"
    builds(monkeypatch, onnxruntime="1.26.0")
    first, second = onnx_build.bringing(gpu).split(" && ")
    assert first.endswith("uninstall -y onnxruntime")
    assert second.endswith('install "onnxruntime-gpu[cuda,cudnn]" "tensorrt-cu12"')
    builds(monkeypatch, onnxruntime_gpu="1.26.0")
    assert "uninstall" not in onnx_build.bringing(gpu) and onnx_build.bringing("") == ""


def test_libraries_are_brought_for_the_very_build_that_lacks_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    builds(monkeypatch, onnxruntime_gpu="1.26.0")
    extras = {"Provides-Extra": ["cuda", "cudnn"]}

    class Metadata:
        def get_all(self, name: str) -> list[str] | None:
            return extras.get(name)

    monkeypatch.setattr(metadata, "metadata", lambda name: Metadata())
    command = onnx_build.completing("onnxruntime-gpu[cuda,cudnn]")
    assert command.endswith('install "onnxruntime-gpu[cuda,cudnn]==1.26.0"')
    extras.clear()
    command = onnx_build.completing("onnxruntime-gpu[cuda,cudnn]")
    assert command.endswith('install "onnxruntime-gpu[cuda,cudnn]"'), "old ones name no libraries"
