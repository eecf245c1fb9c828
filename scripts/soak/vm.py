"""Runs a command in a throw-away virtual machine that has real camera devices.

The guest boots a stock Debian kernel with v4l2loopback, built from Debian's package, and `vivid`,
the kernel's test webcam. It sees this computer's files read-only, with a scratch layer above them,
so that the program and its Python run there as they are; what the command writes into the folder
`$OUT` comes back. Without hardware virtualisation the guest computes 20 to 50 times slower than
this computer: it is for devices, not for networks.

    python -m scripts.soak.vm --out result 'modprobe vivid && v4l2-ctl --list-devices > $OUT/list'

Needs Debian with qemu-system-x86, kmod, cpio, make, gcc and busybox; the kernel packages are
downloaded, not installed, and kept in the cache.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from models.errors import UserError

PROGRAMS = ("qemu-system-x86_64", "apt-get", "dpkg", "depmod", "modprobe", "cpio", "make")
"""What has to be installed here."""

_BOOT_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
_GUEST_MODULES = ("vivid", "v4l2loopback")

_INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for name in $($b cat /boot-modules/order); do $b insmod /boot-modules/$name; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro host /host
$b mount -t tmpfs scratch /scratch
$b mkdir /scratch/upper /scratch/work
$b mount -t overlay -o lowerdir=/host,upperdir=/scratch/upper,workdir=/scratch/work over /root
for name in proc sys dev; do $b mount --move /$name /root/$name; done
$b mkdir -p /root/dev/shm /root/lib/modules /root/mnt
$b mount -t tmpfs shm /root/dev/shm
$b mount -t tmpfs run /root/run
$b cp -r /lib/modules/* /root/lib/modules/
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576 out /root/mnt
$b ip link set lo up
exec $b switch_root /root /bin/sh /mnt/.start
"""

_START = """export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root OUT=/mnt XDG_CACHE_HOME=/tmp/cache PYTHONDONTWRITEBYTECODE=1
ln -s /proc/self/fd /dev/fd
cd {folder}
( {command} ) >/mnt/.log 2>&1
echo $? >/mnt/.status
sync
echo o >/proc/sysrq-trigger
sleep 60
"""


@dataclass(frozen=True)
class Guest:
    """What QEMU boots.

    Attributes:
        kernel: the file of the kernel.
        initrd: its first file system, with what starts the rest.
    """

    kernel: Path
    initrd: Path


def prepare(cache: Path) -> Guest:
    """Download the kernel, build v4l2loopback for it and pack what the guest starts from.

    Args:
        cache: a folder to keep the result in; the next call takes it from there.

    Raises:
        UserError: a program or a package is missing.
    """
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        raise UserError(f"The virtual machine needs {', '.join(missing)}; install them first.")
    version = _kernel()
    if version is None and os.geteuid() == 0:
        _run("apt-get", "-q", "update")
        version = _kernel()
    if version is None:
        raise UserError("apt-get knows no package linux-image-amd64; run `apt-get update` first.")
    recipe = zlib.crc32(repr((_INIT, _BOOT_MODULES, _GUEST_MODULES)).encode())
    guest = Guest(cache / f"vmlinuz-{version}", cache / f"initrd-{version}-{recipe:08x}.img")
    if guest.kernel.exists() and guest.initrd.exists():
        return guest
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        build = Path(folder)
        root, sources = build / "root", build / "sources"
        _unpack(root, [f"linux-image-{version}", "busybox-static"])
        _unpack(sources, _source_packages(version))
        modules = root / "lib/modules" / version
        _build_loopback(sources, version, modules / "extra")
        _run("depmod", "-b", str(root), version)
        _pack(root, version, build / "initrd.img")
        shutil.copyfile(root / f"boot/vmlinuz-{version}", guest.kernel)
        (build / "initrd.img").rename(guest.initrd)
    return guest


def run(
    guest: Guest,
    command: str,
    out: Path,
    *,
    folder: Path,
    timeout: float = 300,
    memory: int = 2048,
    accelerator: str = "tcg",
) -> tuple[int, str]:
    """Boot, run a command as root, and switch off.

    Args:
        guest: from `prepare`.
        command: for the guest's shell.
        out: the guest's `$OUT`; made if it is missing.
        folder: where the command runs.
        timeout: seconds until the guest is switched off; the status is then 124.
        memory: of the guest, in MiB.
        accelerator: tcg (computes everything itself; works everywhere) or kvm.

    Returns:
        The command's exit status, and what it printed.
    """
    out.mkdir(parents=True, exist_ok=True)
    status, log = out / ".status", out / ".log"
    status.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    start = _START.format(folder=shlex.quote(str(folder)), command=command)
    (out / ".start").write_text(start)
    words = ["qemu-system-x86_64", "-M", "q35", "-smp", "2", "-m", str(memory), "-cpu", "max"]
    words += ["-accel", "tcg,thread=multi" if accelerator == "tcg" else accelerator]
    words += ["-nodefaults", "-nographic", "-no-reboot", "-serial", f"file:{out / '.console'}"]
    words += ["-kernel", str(guest.kernel), "-initrd", str(guest.initrd)]
    words += ["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]
    for tag, path, more in (("host", Path("/"), ",readonly=on,multidevs=remap"), ("out", out, "")):
        share = f"local,id={tag},path={path.resolve()},security_model=none{more}"
        words += ["-fsdev", share, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )
        trouble = done.stderr
    except subprocess.TimeoutExpired:
        trouble = f"switched off after {timeout:g} seconds"
    printed = log.read_text(errors="replace") if log.exists() else ""
    if status.exists():
        return int(status.read_text()), printed
    return 124, f"{printed}\n{trouble}\nThe console is in {out / '.console'}."


def _path() -> str:
    """Where programs are looked for; the system's own ones need not be in a user's PATH."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _run(*words: str, folder: Path | None = None, stdin: str | None = None) -> str:
    """Run a program and give what it printed.

    Raises:
        UserError: it failed.
    """
    done = subprocess.run(
        words,
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": _path(), "LC_ALL": "C"},
    )
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise UserError(f"`{' '.join(words)[:120]}` failed: {' '.join(last)}")
    return done.stdout


def _kernel() -> str | None:
    """The release of Debian's present kernel, or None if apt has no list of packages."""
    try:
        return _depends("linux-image-amd64", r"linux-image-(\d\S+)")
    except UserError:
        return None


def _depends(package: str, pattern: str) -> str | None:
    """The part of a dependency's name that a pattern asks for."""
    match = re.search(rf"Depends: {pattern}", _run("apt-cache", "depends", package))
    return match[1] if match else None


def _source_packages(version: str) -> list[str]:
    """What v4l2loopback is built from."""
    headers = f"linux-headers-{version}"
    common = _depends(headers, r"(linux-headers-\S+-common)")
    tools = _depends(headers, r"(linux-kbuild-\S+)")
    return [headers, *(name for name in (common, tools) if name), "v4l2loopback-dkms"]


def _unpack(root: Path, packages: list[str]) -> None:
    """Download packages and unpack them into a folder, without installing anything."""
    root.mkdir()
    debs = root.with_name(f"{root.name}-debs")
    debs.mkdir()
    # apt drops its rights for a download and then may not write here; it need not.
    _run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages, folder=debs)
    for deb in debs.iterdir():
        _run("dpkg", "-x", str(deb), str(root))


def _build_loopback(sources: Path, version: str, target: Path) -> None:
    headers = sources / "usr/src" / f"linux-headers-{version}"
    makefile = headers / "Makefile"
    moved = makefile.read_text().replace("/usr/src/", f"{sources}/usr/src/")
    makefile.write_text(moved)
    module = next((sources / "usr/src").glob("v4l2loopback-*"))
    _run("make", "-C", str(headers), f"M={module}", "modules")
    target.mkdir(parents=True)
    shutil.copy(module / "v4l2loopback.ko", target)


def _pack(root: Path, version: str, target: Path) -> None:
    """Write the guest's first file system: a shell, modules, and what starts the rest."""
    tree = target.with_name("initrd")
    for name in ("bin", "boot-modules", "proc", "sys", "dev", "host", "scratch", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", tree / "bin")
    order: list[str] = []
    for path in _module_files(root, version, _BOOT_MODULES):
        shutil.copy(path, tree / "boot-modules")
        order.append(path.name)
    (tree / "boot-modules/order").write_text("\n".join(order))
    kept = tree / "lib/modules" / version
    for path in _module_files(root, version, _GUEST_MODULES):
        place = kept / path.relative_to(root / "lib/modules" / version)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    for index in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(root / "lib/modules" / version / index, kept)
    _run("depmod", "-b", str(tree), version)
    (tree / "init").write_text(_INIT)
    (tree / "init").chmod(0o755)
    names = "\n".join(["."] + sorted(str(path.relative_to(tree)) for path in tree.rglob("*")))
    _run("cpio", "-o", "-H", "newc", "--quiet", "-F", str(target), folder=tree, stdin=names)


def _module_files(root: Path, version: str, names: tuple[str, ...]) -> list[Path]:
    """The files of modules and of what they need, in the order in which they are loaded."""
    files: dict[Path, None] = {}
    for name in names:
        for line in _run(
            "modprobe", "-d", str(root), "-S", version, "--show-depends", name
        ).splitlines():
            if line.startswith("insmod "):
                files[Path(line.split()[1])] = None
    return list(files)


def main() -> None:
    """Prepare a guest and run one command in it."""
    parser = argparse.ArgumentParser(description="Run a command where there are camera devices.")
    parser.add_argument("command", help="for the guest's shell; it runs as root in this folder")
    parser.add_argument("--out", type=Path, default=Path("vm-out"), help="the guest's $OUT")
    parser.add_argument("--timeout", type=float, default=300, help="seconds (default: 300)")
    parser.add_argument("--memory", type=int, default=2048, help="MiB (default: 2048)")
    parser.add_argument("--accelerator", choices=("tcg", "kvm"), default="tcg")
    arguments = parser.parse_args()
    try:
        guest = prepare(cache_folder())
    except UserError as error:
        sys.exit(str(error))
    status, printed = run(
        guest,
        arguments.command,
        arguments.out,
        folder=Path.cwd(),
        timeout=arguments.timeout,
        memory=arguments.memory,
        accelerator=arguments.accelerator,
    )
    print(printed, end="")
    sys.exit(status)


def cache_folder() -> Path:
    """Where guests are kept."""
    return Path(platformdirs.user_cache_dir("avatarify-like", appauthor=False)) / "vm"


if __name__ == "__main__":
    main()
