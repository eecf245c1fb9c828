"""A certificate for the panel when others than this computer may reach it."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import UserError
from models.folders import not_kept

_DAYS = 397
"""What the CA/Browser Forum recommended in 2020 for public certificates (Baseline Requirements,
6.3.2); with fewer, browsers would ask about a new one more often."""


@dataclass(frozen=True)
class Certificate:
    """Two PEM files.

    Attributes:
        certificate: may be followed by those above it.
        key: its private key.
        fingerprint: SHA-256 of the certificate in hexadecimal; None if it was not made here.
    """

    certificate: Path
    key: Path
    fingerprint: str | None = None


def given(certificate: Path | None, key: Path | None) -> Certificate | None:
    """The user's own certificate, or None if there is none.

    Raises:
        UserError: only one of the two is named, or a file is missing.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UserError("--tls-cert and --tls-key belong together; name both.")
    for path in (certificate, key):
        if not path.is_file():
            raise UserError(f"There is no file {path}; check the name.")
    return Certificate(certificate, key)


def self_made(folder: Path, names: Sequence[str]) -> Certificate:
    """A certificate that this computer signs itself; kept, so that browsers ask only once.

    Args:
        folder: where it is kept.
        names: host names and addresses that it must hold for.

    Raises:
        UserError: the folder cannot be written to.
    """
    # Most runs need none of this.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    paths = Certificate(folder / "panel-certificate.pem", folder / "panel-key.pem")
    now = datetime.datetime.now(datetime.UTC)
    wanted: list[x509.GeneralName] = []
    for name in names:
        try:
            wanted.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            wanted.append(x509.DNSName(name))
    try:
        known = x509.load_pem_x509_certificate(paths.certificate.read_bytes())
        kept = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        fresh = known.not_valid_after_utc > now + datetime.timedelta(days=7)
        if paths.key.is_file() and fresh and all(name in kept for name in wanted):
            return replace(paths, fingerprint=_hex(known.fingerprint(hashes.SHA256())))
    except (OSError, ValueError, x509.ExtensionNotFound):
        pass  # There is none yet, or it cannot be used any more.
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "avatarify-like panel")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(wanted), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    pem = secret.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths.key.unlink(missing_ok=True)
        with os.fdopen(os.open(paths.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(pem)
        paths.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        instead = "give --tls-cert and --tls-key"
        raise UserError(not_kept("The panel's certificate", folder, error, instead)) from error
    return replace(paths, fingerprint=_hex(made.fingerprint(hashes.SHA256())))


def _hex(digest: bytes) -> str:
    return digest.hex(":").upper()
