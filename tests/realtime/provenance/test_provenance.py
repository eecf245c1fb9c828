"""Signed provenance: what is written, what survives, what is noticed, and what it costs."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from models.errors import UserError
from realtime.boxes import top_boxes
from realtime.frames import AvatarFrame
from realtime.paths import HOME_VARIABLE, signing_file
from realtime.provenance import credentials as keys
from realtime.provenance import signing
from realtime.provenance.signer import Signer, prepare, sign_later
from realtime.provenance.signing import LIVE, SOURCE_TYPE, Claim, SigningError, sign
from realtime.provenance.verify import Trust, Verdict, describe, examine
from realtime.sinks.recording.recorder import Recorder
from realtime.sinks.recording.video_writer import VideoWriter
from tests.paths import ROOT

CLAIM = Claim(LIVE, badge=True)


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own."""
    folder = tmp_path / "data"
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    return folder


def record(path: Path, frames: int = 40, *, live: bool = True) -> Path:
    noise = np.random.default_rng(len(path.name)).integers(0, 255, (90, 160, 3), np.uint8)
    with VideoWriter(path, (160, 90), 30, live=live) as writer:
        for index in range(frames):
            writer.write(np.roll(noise, 3 * index, 1))
    return path


def decoded(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def box(path: Path, kind: str) -> tuple[int, int]:
    """Where the first box of this kind begins, and its size."""
    at = 0
    with open(path, "rb") as file:
        for found, size in top_boxes(file):
            if found == kind:
                return at, size
            at += size
    raise AssertionError(f"no {kind}")


def flip(path: Path, at: int) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x40]))


def issued(
    folder: Path, *, key: Any = None, days: int = 30, name: str = "Ada"
) -> tuple[Path, Path, Path]:
    """A user's key, certificate chain, and the issuer, as files."""
    made = keys._make()
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    import datetime

    own = key or ec.generate_private_key(ec.SECP256R1())
    template = x509.load_pem_x509_certificates(made.chain)
    now = datetime.datetime.now(datetime.UTC)
    chain = []
    for old, public in ((template[0], own.public_key()), (template[1], issuer_key.public_key())):
        subject = old.subject
        if old is template[0]:
            subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(
            subject_name=subject,
            issuer_name=old.issuer,
            public_key=public,
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(days=60),
            not_valid_after=now + datetime.timedelta(days=days),
        )
        for extension in old.extensions:
            if isinstance(extension.value, x509.SubjectKeyIdentifier):
                value: Any = x509.SubjectKeyIdentifier.from_public_key(public)
            elif isinstance(extension.value, x509.AuthorityKeyIdentifier):
                value = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
            else:
                value = extension.value
            builder = builder.add_extension(value, extension.critical)
        chain.append(builder.sign(issuer_key, hashes.SHA256()))
    paths = folder / "key.pem", folder / "cert.pem", folder / "issuer.pem"
    paths[0].write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    paths[1].write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    paths[2].write_bytes(chain[1].public_bytes(Encoding.PEM))
    return paths


@pytest.mark.parametrize("live", [True, False])
def test_a_signed_recording_plays_as_before_and_says_what_it_is(tmp_path: Path, live: bool) -> None:
    path = record(tmp_path / "out.mp4", live=live)
    before = decoded(path)
    sign(path, keys.of_this_computer(), CLAIM)
    assert decoded(path) == before and len(before) == 40
    if shutil.which("ffmpeg"):
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", str(path), "-f", "null", "-"], capture_output=True
        )
        assert (done.returncode, done.stderr) == (0, b"")
    finding = examine(path)
    assert finding.verdict is Verdict.UNCHANGED and finding.faults == ()
    assert finding.trust is Trust.OWN and "no proven identity" in finding.signer
    assert finding.tool.startswith("avatarify-like")
    assert finding.source_types == (SOURCE_TYPE,)
    assert [action.partition(":")[0] for action in finding.actions] == [
        "c2pa.created",
        "c2pa.edited",
    ]
    text = "\n".join(describe(finding))
    for word in ("unchanged", "self-made", "compositeWithTrained", "AI avatar", "own clock"):
        assert word in text
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(os.name == "nt", reason="Windows allows few odd names")
@pytest.mark.parametrize(
    "name",
    [os.fsdecode(b"\xff\xfe.mp4"), "take:2.mp4", "a\nb %d.mp4", "-x.mp4", "ä" * 125 + "z.mp4"],
    ids=lambda name: ascii(name[:20]),
)
def test_a_recording_is_signed_whatever_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = record(Path(name), 5)
    said: list[str] = []
    with Signer(prepare(None, None, said.append), CLAIM, said.append) as signer:
        signer.add(path)
    assert len(said) == 1 and "is signed" in said[0]
    assert examine(path).verdict is Verdict.UNCHANGED
    assert sorted(os.listdir()) == sorted([name, "data"]), "nothing else is left"


def test_without_the_badge_nothing_is_said_about_one(tmp_path: Path) -> None:
    path = record(tmp_path / "out.mp4")
    sign(path, keys.of_this_computer(), Claim(LIVE, badge=False))
    assert len(examine(path).actions) == 1


def test_every_change_is_noticed(tmp_path: Path) -> None:
    path = record(tmp_path / "out.mp4")
    sign(path, keys.of_this_computer(), CLAIM)
    copy = tmp_path / "copy.mp4"
    start, size = box(path, "mdat")
    index, _ = box(path, "moov")
    random = np.random.default_rng(0)
    places = [start + 8, start + size - 1, index + 20, *random.integers(start + 8, start + size, 9)]
    for at in places:
        shutil.copy(path, copy)
        flip(copy, int(at))
        finding = examine(copy)
        assert finding.verdict is Verdict.TAMPERED, at
        assert "CHANGED" in describe(finding)[0] and "bmffHash" in " ".join(finding.faults)
    shutil.copy(path, copy)
    os.truncate(copy, start + size // 2)
    assert examine(copy).verdict is Verdict.TAMPERED
    with open(path, "ab") as file:
        file.write(bytes.fromhex("0000000c6d6f6f6600000000"))
    assert examine(path).verdict is Verdict.TAMPERED


def test_a_changed_manifest_is_never_taken_for_the_signed_one(tmp_path: Path) -> None:
    path = record(tmp_path / "out.mp4")
    sign(path, keys.of_this_computer(), CLAIM)
    original = examine(path)
    start, size = box(path, "uuid")
    copy = tmp_path / "copy.mp4"
    noticed = 0
    random = np.random.default_rng(1)
    for at in random.integers(start + 32, start + size, 80):
        shutil.copy(path, copy)
        flip(copy, int(at))
        finding = examine(copy)
        noticed += finding.verdict is Verdict.TAMPERED
        if finding.verdict is Verdict.UNCHANGED:  # The signature's box has empty space at its end.
            assert (finding.tool, finding.actions) == (original.tool, original.actions)
    assert noticed > 40


def test_a_manifest_of_another_file_is_noticed(tmp_path: Path) -> None:
    one, two = record(tmp_path / "one.mp4"), record(tmp_path / "second.mp4")
    for path in (one, two):
        sign(path, keys.of_this_computer(), CLAIM)
    parts = []
    for path in (one, two):
        at, size = box(path, "uuid")
        data = path.read_bytes()
        parts.append((data[:at], data[at : at + size], data[at + size :]))
    swapped = tmp_path / "swapped.mp4"
    swapped.write_bytes(parts[0][0] + parts[1][1] + parts[0][2])
    assert examine(swapped).verdict is Verdict.TAMPERED
    stripped = tmp_path / "stripped.mp4"
    stripped.write_bytes(parts[0][0] + parts[0][2])
    assert examine(stripped).verdict in (Verdict.NO_MANIFEST, Verdict.TAMPERED)


def test_files_without_a_manifest_and_files_that_are_none(tmp_path: Path) -> None:
    path = record(tmp_path / "out.mp4")
    assert examine(path).verdict is Verdict.NO_MANIFEST
    assert "no manifest" in describe(examine(path))[0]
    assert examine(ROOT / "assets" / "face.jpg").verdict is Verdict.NO_MANIFEST
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    assert examine(tmp_path / "clip.mkv").verdict is Verdict.NO_MANIFEST
    text = tmp_path / "text.mp4"
    for content in (b"", b"hello " * 99, b"\0\0\0\x18ftypisom"):
        text.write_bytes(content)
        with pytest.raises(UserError, match="no video, picture or sound"):
            examine(text)
    with pytest.raises(UserError, match="no file"):
        examine(tmp_path / "missing.mp4")
    with pytest.raises(UserError, match="is a folder"):
        examine(tmp_path)


def test_the_command_says_it_by_its_exit_code(tmp_path: Path) -> None:
    path = record(tmp_path / "out.mp4")
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "xdg"), "PYTHONPATH": str(ROOT)}

    def call(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "realtime.cli", *words],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    assert call("verify", str(path))[0] == 3
    code, out, _ = call("sign", str(path))
    assert code == 0 and "made on this computer" in out
    code, out, _ = call("verify", str(path))
    assert code == 0 and "compositeWithTrainedAlgorithmicMedia" in out
    code, _, err = call("sign", str(path))
    assert code == 2 and "signed already" in err
    flip(path, box(path, "mdat")[0] + 99)
    assert call("verify", str(path))[0] == 1
    code, _, err = call("verify", str(ROOT / "README.md"))
    assert code == 2 and len(err.splitlines()) == 1


def test_a_users_certificate_is_used_and_trusted_when_its_issuer_is(tmp_path: Path) -> None:
    for key in (
        None,
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ):
        own, chain, issuer = issued(tmp_path, key=key)
        credentials = prepare(own, chain, pytest.fail)
        assert credentials is not None and not credentials.own
        path = record(tmp_path / "out.mp4", 5)
        sign(path, credentials, CLAIM)
        assert examine(path).trust is Trust.UNKNOWN
        finding = examine(path, issuer)
        assert (finding.verdict, finding.trust) == (Verdict.UNCHANGED, Trust.TRUSTED)
        assert "Ada" in finding.signer
    other = tmp_path / "other.pem"
    other.write_bytes(keys.of_this_computer().top)
    assert examine(path, other).trust is Trust.UNKNOWN
    with pytest.raises(UserError, match="holds no certificates"):
        examine(path, own)


def test_bad_keys_and_certificates_are_told_at_the_start(tmp_path: Path) -> None:
    key, chain, issuer = issued(tmp_path)
    missing = tmp_path / "missing.pem"
    cases: list[tuple[Path | None, Path | None, str]] = [
        (key, None, "give --sign-cert too"),
        (None, chain, "give --sign-key too"),
        (chain, chain, "holds no private key"),
        (key, key, "holds no certificate"),
        (missing, chain, "cannot be read"),
        (key, issuer, "does not belong"),
    ]
    for key_file, chain_file, words in cases:
        with pytest.raises(UserError, match=words):
            prepare(key_file, chain_file, pytest.fail)
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    with pytest.raises(UserError, match="has a password"):
        prepare(tmp_path / "locked.pem", chain, pytest.fail)
    key, chain, _ = issued(tmp_path, days=-1)
    with pytest.raises(UserError, match="ran out"):
        prepare(key, chain, pytest.fail)
    # A certificate that signs itself.
    own = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "me")])
    template = x509.load_pem_x509_certificates(keys._make().chain)[0]
    builder = x509.CertificateBuilder(name, name, own.public_key(), 7)
    builder = builder.not_valid_before(template.not_valid_before_utc)
    builder = builder.not_valid_after(template.not_valid_after_utc)
    key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    chain.write_bytes(builder.sign(own, hashes.SHA256()).public_bytes(Encoding.PEM))
    with pytest.raises(UserError, match="certificate cannot sign"):
        prepare(key, chain, pytest.fail)


def test_the_own_key_is_made_once_and_private(data_folder: Path) -> None:
    first = keys.of_this_computer()
    path = signing_file()
    assert path.parent == data_folder
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.of_this_computer() == first
    for certificate in x509.load_pem_x509_certificates(first.chain):
        words = certificate.subject.rfc4514_string() + certificate.issuer.rfc4514_string()
        assert os.uname().nodename not in words and "self-made" in words
    path.write_bytes(path.read_bytes()[:100])
    second = keys.of_this_computer()
    assert second.key != first.key and keys.existing() == second


def test_a_recording_is_signed_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    notes: list[str] = []
    image = np.full((90, 160, 3), 99, np.uint8)
    with Signer(prepare(None, None, notes.append), CLAIM, notes.append) as signer:
        recorder = Recorder(path, (160, 90), 30, finished=signer.add)
        for _ in range(3):
            recorder.write(AvatarFrame(image, None, True))
        recorder.close()
    assert examine(path).verdict is Verdict.UNCHANGED
    assert len(notes) == 1 and "made on this computer" in notes[0]


class _Full:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [0, 5000, 100_000])
def test_a_full_disk_leaves_the_recording_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    path = record(tmp_path / "out.mp4")
    before = path.read_bytes()
    assert len(before) > 100_000
    embed = signing._embed
    monkeypatch.setattr(
        signing,
        "_embed",
        lambda source, target, *rest: embed(source, _Full(target, room), *rest),  # type: ignore[arg-type]
    )
    notes: list[str] = []
    with Signer(keys.of_this_computer(), CLAIM, notes.append) as signer:
        signer.add(path)
    assert len(notes) == 1 and "kept as it is" in notes[0]
    assert path.read_bytes() == before and not list(tmp_path.glob(".*"))


def test_a_file_that_is_replaced_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record(tmp_path / "out.mp4")
    embed = signing._embed

    def slow(*arguments: Any) -> None:
        embed(*arguments)
        path.write_bytes(b"a newer recording")

    monkeypatch.setattr(signing, "_embed", slow)
    with pytest.raises(SigningError, match="changed in the meantime"):
        sign(path, keys.of_this_computer(), CLAIM)
    assert path.read_bytes() == b"a newer recording" and not list(tmp_path.glob(".*"))


def test_where_signing_is_impossible_the_recording_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_folder: Path
) -> None:
    notes: list[str] = []
    data_folder.write_text("a file where the folder should be")
    assert prepare(None, None, notes.append) is None
    assert "cannot be kept" in notes[0]
    with Signer(None, CLAIM, notes.append) as signer:
        signer.add(record(tmp_path / "out.mp4"))
    assert len(notes) == 1
    monkeypatch.setitem(sys.modules, "c2pa", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert prepare(None, None, notes.append) is None
    assert "not be signed" in notes[1]
    with pytest.raises(UserError, match="does not load"):
        examine(tmp_path / "out.mp4")


def test_a_killed_recording_is_marked_and_can_be_signed_later(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    code = (
        "import os, signal, sys\n"
        "import numpy as np\n"
        "from realtime.sinks.recording.video_writer import VideoWriter\n"
        "writer = VideoWriter(sys.argv[1], (160, 90), 30, live=True)\n"
        "for shade in range(100):\n"
        "    writer.write(np.full((90, 160, 3), shade, np.uint8))\n"
        "os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT)
    kinds = [kind for kind, _ in top_boxes(open(path, "rb"))]
    assert "moof" in kinds
    assert examine(path).verdict is Verdict.NO_MANIFEST
    before = decoded(path)
    assert "made on this computer" in sign_later(path, None, None)
    assert decoded(path) == before and len(before) >= 60
    finding = examine(path)
    assert finding.verdict is Verdict.UNCHANGED and "signed later" in finding.actions[0]
    flip(path, box(path, "moof")[0] + 60)
    assert examine(path).verdict is Verdict.TAMPERED


def test_videos_of_others_are_not_signed_as_ours(tmp_path: Path) -> None:
    path = tmp_path / "demo.mp4"
    shutil.copy(ROOT / "assets" / "demo.mp4", path)
    with pytest.raises(UserError, match="was not recorded by this program"):
        sign_later(path, None, None)


def test_a_large_file_is_not_taken_into_memory(tmp_path: Path) -> None:
    path = record(tmp_path / "out.mp4")
    # Media data that no frame uses: 300 MB more, without the time of encoding it.
    at, size = box(path, "mdat")
    data = path.read_bytes()
    block = np.random.default_rng(0).bytes(1 << 20)
    with open(path, "wb") as file:
        file.write(data[:at] + (size + 300 * len(block)).to_bytes(4, "big"))
        file.write(data[at + 4 : at + size])
        for _ in range(300):
            file.write(block)
        file.write(data[at + size :])
    assert len(decoded(path)) == 40
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from realtime.provenance import credentials, signing, verify\n"
        "own = credentials._make()\n"
        "signing.check(own)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "signing.sign(Path(sys.argv[1]), own, signing.Claim(signing.LIVE, True))\n"
        "found = verify.examine(Path(sys.argv[1]))\n"
        "assert found.verdict is verify.Verdict.UNCHANGED, found\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    if sys.platform != "linux":
        pytest.skip("memory is counted in other units elsewhere")
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100_000, "kilobytes"


def test_an_interrupted_run_leaves_a_signed_recording(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    words = ["run", "--camera", "demo", "--output", "none", "--size", "320x180"]
    process = subprocess.Popen(
        [sys.executable, "-m", "realtime.cli", *words, "--record", str(path)],
        cwd=ROOT,
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "xdg")},
        stdout=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (path.exists() and path.stat().st_size > 10_000):
        pass
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert "is signed" in out
    assert examine(path).verdict is Verdict.UNCHANGED and len(decoded(path)) > 0
