"""What `setup-camera` finds missing, says, runs and leaves alone, on systems made of folders."""

from __future__ import annotations

import os
import platform
import stat
import sys
from pathlib import Path

import pytest

from models.errors import UserError
from realtime.commands import setup_camera
from realtime.commands.setup_camera import Plan, Step, perform, plan
from realtime.devices.discovery import VideoDevice
from realtime.devices.host import Host
from tests.realtime.sinks.test_sinks import loopback

UBUNTU = 'NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'
DEBIAN = "ID=debian\nVERSION_ID=12\n"
FEDORA = "ID=fedora\nVERSION_ID=42\n"
ARCH = "NAME='Arch Linux'\nID=arch\n"
TUMBLEWEED = 'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n'
NIXOS = "# a comment\nID=nixos\n"
ALPINE = "ID=alpine\n"
CAMERA = loopback("/dev/video9")


def computer(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    kernel: str = "6.8.0-45-generic",
    module: bool = False,
) -> Host:
    """A Linux computer whose files lie below `root`."""
    (root / "etc/modprobe.d").mkdir(parents=True)
    (root / "etc/modules-load.d").mkdir()
    (root / "etc/os-release").write_text(release)
    if module:
        folder = root / "lib/modules" / kernel / "updates/dkms"
        folder.mkdir(parents=True)
        (folder / "v4l2loopback.ko.zst").touch()
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "release", lambda: kernel)
    return Host.this(root)


def commands(todo: Plan) -> list[str]:
    return [" ".join(step.words) for step in todo.steps]


@pytest.mark.parametrize(
    ("release", "kernel", "install"),
    [
        (
            UBUNTU,
            "6.8.0-45-generic",
            [
                "sudo apt-get update",
                "sudo apt-get install -y v4l2loopback-dkms linux-headers-6.8.0-45-generic",
            ],
        ),
        (
            DEBIAN,
            "6.1.0-18-amd64",
            [
                "sudo apt-get update",
                "sudo apt-get install -y v4l2loopback-dkms linux-headers-6.1.0-18-amd64",
            ],
        ),
        (
            ARCH,
            "6.12.1-lts",
            ["sudo pacman -S --needed --noconfirm v4l2loopback-dkms linux-lts-headers"],
        ),
        (
            ARCH,
            "6.12.1-arch1-1",
            ["sudo pacman -S --needed --noconfirm v4l2loopback-dkms linux-headers"],
        ),
        (
            TUMBLEWEED,
            "6.12.6-1-default",
            ["sudo zypper --non-interactive install v4l2loopback-kmp-default"],
        ),
    ],
)
def test_a_bare_computer_gets_the_module_for_good(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str, kernel: str, install: list[str]
) -> None:
    host = computer(tmp_path, monkeypatch, release, kernel)
    todo = plan(host, [], tmp_path)
    etc = tmp_path / "etc"
    assert commands(todo) == [
        *install,
        f"sudo tee {etc}/modprobe.d/avatarify-like.conf",
        f"sudo tee {etc}/modules-load.d/avatarify-like.conf",
        "sudo modprobe v4l2loopback",
    ]
    texts = [step.text for step in todo.steps if step.text]
    assert texts == [
        'options v4l2loopback exclusive_caps=1 card_label="AI avatar"\n',
        "v4l2loopback\n",
    ]
    assert not todo.by_hand and not todo.blocked
    assert ("were tried on Debian 12 only" in todo.note) == (release != DEBIAN)
    assert not any(line.startswith("sudo") for line in commands(plan(host, [], tmp_path, True)))


def test_fedora_needs_its_second_repository_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = computer(tmp_path, monkeypatch, FEDORA, "6.11.4-301.fc42.x86_64")
    blocked = plan(host, [], tmp_path).blocked
    assert "RPM Fusion" in blocked and blocked.count(". ") == 0
    (tmp_path / "etc/yum.repos.d").mkdir()
    (tmp_path / "etc/yum.repos.d/rpmfusion-free.repo").touch()
    todo = plan(host, [], tmp_path)
    assert not todo.blocked
    assert commands(todo)[:2] == [
        "sudo dnf install -y akmod-v4l2loopback kernel-devel-6.11.4-301.fc42.x86_64",
        "sudo akmods --force",
    ]


@pytest.mark.parametrize("release", [NIXOS, ALPINE])
def test_an_unknown_system_is_told_the_other_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str
) -> None:
    blocked = plan(computer(tmp_path, monkeypatch, release), [], tmp_path).blocked
    assert "--output pipewire" in blocked and "v4l2loopback" in blocked


def test_what_is_there_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    host = computer(tmp_path, monkeypatch, UBUNTU, module=True)
    assert host.has_loopback
    assert commands(plan(host, [], tmp_path))[-1] == "sudo modprobe v4l2loopback"
    assert not any("apt" in line for line in commands(plan(host, [], tmp_path)))
    assert not plan(host, [], tmp_path).note, "loading a module is the same everywhere"
    # Somebody has set it up already, in files of their own.
    options = tmp_path / "etc/modprobe.d/mine.conf"
    options.write_text("# my cameras\noptions v4l2loopback devices=2 exclusive_caps=1,1\n")
    (tmp_path / "etc/modules").write_text("lp\nv4l2loopback\n")
    assert plan(host, [CAMERA], tmp_path) == Plan()
    assert commands(plan(host, [], tmp_path)) == ["sudo modprobe v4l2loopback"]
    # Their file lacks what Zoom asks for: it is named, and what is loaded now is right.
    options.write_text("options v4l2loopback devices=2\n")
    todo = plan(host, [], tmp_path)
    assert todo.steps[-1].words[1:] == (
        *("modprobe", "v4l2loopback", "exclusive_caps=1"),
        "card_label=AI avatar",
    )
    assert len(todo.by_hand) == 1 and "mine.conf" in todo.by_hand[0]


def test_a_camera_that_zoom_misses_is_loaded_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = computer(tmp_path, monkeypatch, UBUNTU, module=True)
    shared = VideoDevice(9, "Dummy", "/dev/video9", virtual=True, output=True, exclusive=False)
    assert commands(plan(host, [shared], tmp_path))[-2:] == [
        "sudo modprobe -r v4l2loopback",
        "sudo modprobe v4l2loopback",
    ]
    closed = VideoDevice(9, "Avatar", "/dev/video9", virtual=True, output=True, readable=False)
    monkeypatch.setenv("SUDO_USER", "ada")
    todo = plan(host, [closed], tmp_path)
    assert commands(todo)[-1] == "sudo usermod -aG video ada" and todo.by_hand == ("Log in again.",)


@pytest.mark.skipif(os.name == "nt", reason="users of POSIX")
def test_a_user_without_a_name_is_told_who_can_help(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import pwd

    host = computer(tmp_path, monkeypatch, UBUNTU, module=True)
    closed = VideoDevice(9, "Avatar", "/dev/video9", virtual=True, output=True, readable=False)
    for name in ("SUDO_USER", "USER"):
        monkeypatch.delenv(name, raising=False)
    user = pwd.struct_passwd(("eve", "", 1, 1, "", "/", ""))
    monkeypatch.setattr(pwd, "getpwuid", {os.getuid(): user}.__getitem__)
    assert commands(plan(host, [closed], tmp_path))[-1] == "sudo usermod -aG video eve"
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    todo = plan(host, [closed], tmp_path)
    assert not any("usermod" in line for line in commands(todo))
    assert f"user {os.getuid()}" in todo.by_hand[0] and "/dev/video9" in todo.by_hand[0]


@pytest.mark.parametrize(("system", "words"), [("Windows", "winget"), ("Darwin", "brew")])
def test_other_systems_get_obs(system: str, words: str) -> None:
    host = Host(system)
    todo = plan(host, [])
    assert todo.steps[0].words[0] == words and todo.by_hand and "Debian 12 only" in todo.note
    obs = VideoDevice(1, "OBS Virtual Camera", virtual=True, output=True)
    assert plan(host, [obs]) == Plan()


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> Path:
    """Programs that write down how they were called, then do what their script says."""
    log = folder / "log"
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for name, script in scripts.items():
        path = bin_folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{script}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    return log


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for programs")
def test_the_commands_run_in_order_and_write_the_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    host = computer(root, monkeypatch, DEBIAN)
    sudo = '"$@"'
    names = {"apt-get": "", "modprobe": "", "sudo": sudo}
    log = programs(tmp_path, monkeypatch, **names)
    told: list[str] = []
    perform(plan(host, [], root).steps, told.append)
    called = [line for line in log.read_text().splitlines() if not line.startswith("sudo")]
    assert called == [
        "apt-get update",
        "apt-get install -y v4l2loopback-dkms linux-headers-6.8.0-45-generic",
        "modprobe v4l2loopback",
    ]
    written = (root / "etc/modprobe.d/avatarify-like.conf").read_text()
    assert written == 'options v4l2loopback exclusive_caps=1 card_label="AI avatar"\n'
    assert (root / "etc/modules-load.d/avatarify-like.conf").read_text() == "v4l2loopback\n"
    assert told[0] == "$ sudo apt-get update" and told[2].startswith("$ echo 'options v4l2")
    # The second time, nothing is left but loading it.
    assert commands(plan(host, [], root))[-1] == "sudo modprobe v4l2loopback"
    assert not any("tee" in line for line in commands(plan(host, [], root)))


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for programs")
@pytest.mark.parametrize(
    ("words", "printed", "sentence"),
    [
        (("modprobe", "v4l2loopback"), "ERROR: Key was rejected by service", "Secure Boot"),
        (("modprobe", "v4l2loopback"), "FATAL: Module not found in directory", "newest kernel"),
        (("modprobe", "-r", "v4l2loopback"), "Module v4l2loopback is in use.", "in use"),
        (("apt-get", "update"), "E: Could not get lock.", "Could not get lock"),
    ],
)
def test_a_command_that_fails_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: tuple[str, ...],
    printed: str,
    sentence: str,
) -> None:
    failing = f"echo '{printed}' >&2; exit 1"
    log = programs(tmp_path, monkeypatch, **{words[0]: failing, "never": ""})
    with pytest.raises(UserError, match=sentence) as caught:
        perform([Step("x", words), Step("y", ("never",))], lambda line: None)
    assert str(caught.value).count(". ") == 0 and "never" not in log.read_text()
    with pytest.raises(UserError, match="There is no nothing-of-the-kind"):
        perform([Step("x", ("nothing-of-the-kind",))], lambda line: None)


def test_without_yes_nothing_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    host = computer(tmp_path, monkeypatch, DEBIAN)
    monkeypatch.setattr(Host, "this", lambda: host)
    monkeypatch.setattr(setup_camera, "list_devices", lambda: [])
    monkeypatch.setattr(setup_camera, "candidates", lambda: [])
    ran: list[object] = []
    monkeypatch.setattr(setup_camera, "perform", lambda steps, notify: ran.append(steps))
    told: list[str] = []
    setup_camera.setup_camera(False, told.append)
    text = "\n".join(told)
    assert "v4l2loopback-dkms" in text and "exclusive_caps=1" in text and not ran
    assert "These commands were tried on Debian 12." in told
    # With it, a camera that still does not come is said.
    with pytest.raises(UserError, match="no virtual camera came"):
        setup_camera.setup_camera(True, told.append)
    assert len(ran) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="runs mkdir and tee")
def test_a_small_system_gets_the_folders_that_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian without systemd has no /etc/modules-load.d; writing there failed."""
    host = computer(tmp_path, monkeypatch, DEBIAN, module=True)
    (tmp_path / "etc/modules-load.d").rmdir()
    todo = plan(host, [], tmp_path, as_root=True)
    perform([step for step in todo.steps if step.words[0] in ("mkdir", "tee")], print)
    written = tmp_path / "etc/modules-load.d/avatarify-like.conf"
    assert written.read_text() == "v4l2loopback\n"
    assert sum(step.words[0] == "mkdir" for step in todo.steps) == 1
