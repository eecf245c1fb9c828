"""Choosing a device, with ONNX Runtime itself where it can be had, else with made-up providers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime as ort
import pytest

from models import onnx_build, runtime
from models.errors import UserError
from models.runtime import Precision, compute_threads, next_runtime, open_runtime, probe

Files = dict[str, dict[Precision, Path | bytes]]
TINY: Files = {"tiny": {"fp32": runtime.TINY}}
PIXEL = {"tiny": {"x": np.full((1, 1, 1, 1), 3, np.float32)}}


@pytest.fixture(autouse=True)
def no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(runtime.DEVICE_VARIABLE, raising=False)


def test_the_cpu_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = open_runtime(TINY, PIXEL, wanted="cpu", threads=1)
    assert made.sessions["tiny"].run(PIXEL["tiny"], ["y"])[0].item() == 3
    assert made.summary == "CPU fp32, 1 thread"
    monkeypatch.setenv(runtime.DEVICE_VARIABLE, "CPU")
    assert probe().device.key == "cpu"


def test_outputs_that_are_kept_feed_the_next_run() -> None:
    session = open_runtime(TINY, PIXEL, wanted="cpu").sessions["tiny"]
    (kept,) = session.run(PIXEL["tiny"], ["y"], keep=True)
    assert isinstance(kept, ort.OrtValue)
    assert session.run({"x": kept}, ["y"])[0].item() == 3


def test_a_silent_fallback_of_onnxruntime_is_named() -> None:
    """ONNX Runtime itself is asked for a provider that it does not have: it only warns."""
    absent = "CoreMLExecutionProvider"
    if absent in ort.get_available_providers():
        pytest.skip("CoreML is there")
    made = open_runtime(TINY, PIXEL, available=[absent, "CPUExecutionProvider"])
    assert made.device.key == "cpu"
    assert [refusal.label for refusal in made.refusals] == ["CoreML"]
    assert "left it for the CPU" in made.summary


class _Fake:
    """A session on `provider` that may fail in the trial."""

    def __init__(self, provider: str, run: Callable[[], Any], nodes: str = "") -> None:
        self._provider, self._run, self._nodes = provider, run, nodes
        self._real = ort.InferenceSession(runtime.TINY, providers=["CPUExecutionProvider"])

    def get_providers(self) -> list[str]:
        return [self._provider, "CPUExecutionProvider"]

    def get_outputs(self) -> Any:
        return self._real.get_outputs()

    def io_binding(self) -> Any:
        return self._real.io_binding()

    def run_with_iobinding(self, binding: Any) -> None:
        self._run()
        self._real.run_with_iobinding(binding)

    def end_profiling(self) -> str:
        return self._nodes


def _made_up(monkeypatch: pytest.MonkeyPatch, **fakes: _Fake) -> None:
    real = ort.InferenceSession

    def create(source: Any, options: Any, providers: Any) -> Any:
        name = providers[0][0].removesuffix("ExecutionProvider")
        return fakes.get(name) or real(source, options, providers=providers)

    monkeypatch.setattr(ort, "InferenceSession", create)


def _fails() -> None:
    raise RuntimeError("no kernel image is available\nstack of many lines")


def test_a_provider_that_fails_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    _made_up(monkeypatch, CoreML=_Fake("CoreMLExecutionProvider", _fails))
    offered = ["CoreMLExecutionProvider", "CPUExecutionProvider"]
    made = open_runtime(TINY, PIXEL, available=offered)
    assert made.device.key == "cpu"
    assert str(made.refusals[0]) == "CoreML is not used: no kernel image is available"


LOST = RuntimeError(
    "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 719: unspecified launch failure ; GPU=0\nmore"
)


def test_a_device_that_fails_in_mid_run_is_left_for_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text("[]")
    failing = [False]

    def run() -> None:
        if failing[0]:
            raise LOST

    _made_up(monkeypatch, CoreML=_Fake("CoreMLExecutionProvider", run, str(profile)))
    monkeypatch.setenv(runtime.DEVICE_VARIABLE, "coreml")
    offered = ["CoreMLExecutionProvider", "CPUExecutionProvider"]
    first = open_runtime(TINY, PIXEL, available=offered)
    assert first.device.key == "coreml"
    failing[0] = True
    with pytest.raises(RuntimeError, match="CUDA failure 719") as caught:
        first.sessions["tiny"].run(PIXEL["tiny"], ["y"])
    error = caught.value
    assert isinstance(error, RuntimeError)
    second = next_runtime(TINY, PIXEL, first, error, offered)
    assert second.device.key == "cpu"
    assert second.sessions["tiny"].run(PIXEL["tiny"], ["y"])[0].item() == 3
    assert "CoreML is not used: it failed in mid-run" in second.summary
    assert "CUDA failure 719" in second.summary and "more" not in second.summary
    with pytest.raises(RuntimeError, match="broken for good"):
        next_runtime(TINY, PIXEL, second, RuntimeError("broken for good"))


def test_heavy_nodes_that_stay_on_the_cpu_are_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    profile = tmp_path / "profile.json"
    event = '{"cat": "Node", "args": {"op_name": "Conv", "provider": "%sExecutionProvider"}}'
    offered = ["CoreMLExecutionProvider", "CPUExecutionProvider"]
    fake = _Fake(offered[0], lambda: None, str(profile))
    _made_up(monkeypatch, CoreML=fake)
    profile.write_text(f"[{event % 'CoreML'}, {event % 'CPU'}]")
    made = open_runtime(TINY, PIXEL, available=offered)
    assert made.device.key == "cpu"
    assert "1 of its 2 heavy nodes ran on the CPU" in made.summary
    profile.write_text(f"[{event % 'CoreML'}]")
    made = open_runtime(TINY, PIXEL, available=offered)
    assert made.device.key == "coreml" and made.refusals == ()
    assert made.summary == "CoreML fp32"


def _lacks(problem: str) -> Callable[[runtime.ComputeDevice], str]:
    return lambda device: problem if device.memory == "cuda" else ""


def test_libraries_that_cannot_be_loaded_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_load_libraries", _lacks("libcudnn.so.9: no such file"))
    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    with pytest.raises(UserError, match="CUDA is not used: libcudnn.so.9") as caught:
        open_runtime(TINY, PIXEL, wanted="cuda", available=offered)
    sentence, command = str(caught.value).splitlines()
    assert "AVATARIFY_DEVICE=cpu" in sentence
    assert command.endswith('install "onnxruntime-gpu[cuda,cudnn]"') and "uninstall" not in command
    made = open_runtime(TINY, PIXEL, available=offered)
    assert made.device.key == "cpu" and [one.remedy for one in made.refusals] == [command]


def test_what_mends_a_device_that_is_wanted_is_for_that_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnx_build, "installed", lambda: {"onnxruntime": "1.26.0"})
    commands = {}
    for wanted in ("cuda", "tensorrt", "openvino", "coreml", "cpu"):
        with pytest.raises(UserError, match="run on no device") as caught:
            open_runtime(TINY, PIXEL, wanted=wanted, available=["OtherExecutionProvider"])
        commands[wanted] = str(caught.value).splitlines()[1:]
    assert 'install "onnxruntime-gpu[cuda,cudnn]"' in commands["cuda"][0]
    assert commands["tensorrt"][0].endswith(' "tensorrt-cu12"')
    assert commands["openvino"][0].endswith('install "onnxruntime-openvino"')
    assert commands["coreml"] == [], "no package brings it"
    assert commands["cpu"][0].endswith("--force-reinstall --no-deps onnxruntime==1.26.0")


def test_a_driver_that_is_missing_is_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = "libcuda.so.1: cannot open shared object file"
    monkeypatch.setattr(runtime, "_load_libraries", _lacks(problem))
    made = open_runtime(TINY, PIXEL, available=["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert problem in made.summary and made.refusals[0].remedy == ""


def test_what_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no device called 'gpu'.*cuda"):
        open_runtime(TINY, PIXEL, wanted="gpu")
    with pytest.raises(UserError, match="run on no device"):
        open_runtime(TINY, PIXEL, wanted="cuda", available=["CPUExecutionProvider"])


@pytest.mark.parametrize("key", ["cuda", "tensorrt", "directml"])
def test_one_of_several_graphics_cards_is_chosen_by_its_number(
    key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The provider is made up; what it is told is what ONNX Runtime's providers take."""
    profile = tmp_path / "profile.json"
    profile.write_text("[]")
    (device,) = runtime._candidates(key)
    asked: list[dict[str, str]] = []
    fake = _Fake(device.provider, lambda: None, str(profile))

    def create(source: Any, options: Any, providers: Any) -> Any:
        asked.append(providers[0][1])
        return fake

    monkeypatch.setattr(runtime, "_load_libraries", lambda device: "")
    monkeypatch.setattr(runtime, "_graphics_cards", lambda: 2)
    monkeypatch.setattr(ort, "InferenceSession", create)
    offered = [device.provider, "CPUExecutionProvider"]
    for wish, number in ((key, None), (f"{key}:0", None), (f"{key.upper()}:1", "1")):
        monkeypatch.setenv(runtime.DEVICE_VARIABLE, wish)
        made = open_runtime(TINY, PIXEL, available=offered)
        assert made.device.key == key and asked[-1].get("device_id") == number
        assert made.summary == f"{device.label}{' 1' if number else ''} fp32"
    assert asked[-1].items() > asked[0].items(), "all else is as for the first card"


def test_what_a_card_keeps_is_kept_on_that_card() -> None:
    bound: list[tuple[Any, ...]] = []

    class Binding:
        def bind_cpu_input(self, *words: Any) -> None: ...
        def bind_output(self, *words: Any) -> None:
            bound.append(words)

        def get_outputs(self) -> list[Any]:
            return []

    class Session:
        def get_outputs(self) -> list[Any]:
            return []

        def io_binding(self) -> Any:
            return Binding()

        def run_with_iobinding(self, binding: Any) -> None: ...

    (device,) = runtime._candidates("cuda:0")
    session = runtime.RuntimeSession(cast(Any, Session()), replace(device, number=1))
    session.run(PIXEL["tiny"], ["y"], keep=True)
    session.run(PIXEL["tiny"], ["y"])
    assert bound == [("y", "cuda", 1), ("y", "cpu")]


@pytest.mark.parametrize(
    ("wish", "visible", "words"),
    [
        ("cuda:2", "0,1", "There is no cuda:2: CUDA sees 2 graphics cards, counted from 0 here;"),
        ("tensorrt:1", "GPU-5d3", "There is no tensorrt:1: CUDA sees 1 graphics card, counted"),
        ("cuda:0", "", "There is no cuda:0: CUDA sees no graphics card here"),
        ("cuda:1", "0,-1,1", "There is no cuda:1: CUDA sees 1 graphics card,"),
        ("cpu:1", None, "a number, from 0 on, follows tensorrt, cuda, directml alone"),
        ("cuda:", None, "such as cuda:1"),
        ("cuda:-1", None, "such as cuda:1"),
        ("cuda:one", None, "such as cuda:1"),
        ("gpu:1", None, "no device called 'gpu:1'.*cuda:1"),
    ],
)
def test_a_card_that_does_not_exist_is_one_sentence(
    wish: str, visible: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(runtime.DEVICE_VARIABLE, wish)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(UserError, match=words) as error:
        open_runtime(TINY, PIXEL, available=["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert str(error.value).count(". ") == 0 and "\n" not in str(error.value)


def test_a_graphics_card_without_its_build_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/nvidia-smi")
    made = open_runtime(TINY, PIXEL, available=["CPUExecutionProvider"])
    assert "CUDA is not used: the installed onnxruntime is built without it" in made.summary
    assert "`avatarify-like doctor` gives the command" in made.summary
    (remedy,) = [refusal.remedy for refusal in made.refusals]
    assert "uninstall -y onnxruntime &&" in remedy
    assert remedy.endswith('install "onnxruntime-gpu[cuda,cudnn]"')
    assert remedy not in made.summary, "a status line is no place to copy from"


def test_precision_follows_the_device() -> None:
    both: Files = {"tiny": {"fp16": b"not read", "fp32": runtime.TINY}}
    assert open_runtime(both, PIXEL, wanted="cpu").precision == "fp32"


def test_threads_leave_a_core_for_the_rest() -> None:
    assert [compute_threads(n) for n in (1, 2, 4, 8, 64)] == [1, 2, 3, 7, 8]
