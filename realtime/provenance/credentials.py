"""The key and certificate that recordings are signed with: the user's, or made on this computer."""

from __future__ import annotations

import datetime
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import UserError
from models.folders import not_kept
from models.locking import exclusive
from realtime.paths import signing_file

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

KEY_VARIABLE = "AVATARIFY_SIGN_KEY"
"""The environment variable that names the user's own key."""

CERTIFICATE_VARIABLE = "AVATARIFY_SIGN_CERT"
"""The one that names its certificate."""

_YEARS = 10
"""How long a self-made certificate holds: longer than a computer lives."""

_MAX_BYTES = 1_000_000
"""Of a key or certificate that is read; real ones have a few thousand."""

_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
"""C2PA's names for what OpenSSL calls the curves."""


@dataclass(frozen=True)
class Credentials:
    """What signs.

    Attributes:
        key: PKCS #8, PEM.
        chain: the signer's certificate and those above it, PEM.
        algorithm: the name that C2PA has for it.
        own: made on this computer, so that it proves no identity.
    """

    key: bytes
    chain: bytes
    algorithm: str
    own: bool

    @property
    def top(self) -> bytes:
        """The last certificate of the chain, PEM: what a reader has to trust."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        return x509.load_pem_x509_certificates(self.chain)[-1].public_bytes(Encoding.PEM)

    @property
    def serial(self) -> str:
        """The serial number of the signer's certificate, decimal."""
        from cryptography import x509

        return str(x509.load_pem_x509_certificates(self.chain)[0].serial_number)


def choose(key: Path | None, certificate: Path | None) -> Credentials:
    """The user's own key and certificate if they are named, else those of this computer.

    Args:
        key: the user's key, PEM, without a password.
        certificate: its certificate, PEM, followed by those above it.

    Raises:
        UserError: only one of the two is named, they cannot be used or do not belong together, or
            those of this computer cannot be made.
    """
    if key is None and certificate is None:
        return of_this_computer()
    if key is None or certificate is None:
        given, lacking = (
            ("--sign-cert", "--sign-key") if key is None else ("--sign-key", "--sign-cert")
        )
        raise UserError(f"{given} alone cannot sign; give {lacking} too, or neither of them.")
    from cryptography import x509

    try:
        chain = x509.load_pem_x509_certificates(_read(certificate))
    except ValueError:
        raise UserError(
            f"{certificate} holds no certificate that can be read; give a PEM file with the "
            "signer's certificate first and those above it after it."
        ) from None
    loaded = _load_key(_read(key), str(key))
    if chain[0].public_key() != loaded.public_key():
        raise UserError(
            f"The key {key} does not belong to the first certificate in {certificate}; give two "
            "files that belong together."
        )
    left = chain[0].not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    if left.total_seconds() <= 0:
        raise UserError(
            f"The certificate {certificate} ran out on {chain[0].not_valid_after_utc:%Y-%m-%d}; "
            "give one that is still valid."
        )
    return _packed(loaded, chain, own=False)


def existing() -> Credentials | None:
    """Those of this computer if they have been made and are still valid."""
    from cryptography import x509

    try:
        data = signing_file().read_bytes()
        chain = x509.load_pem_x509_certificates(data)
        key = _load_key(data, signing_file().name)
    except (OSError, ValueError, UserError):
        return None
    if chain[0].not_valid_after_utc <= datetime.datetime.now(datetime.UTC):
        return None
    return _packed(key, chain, own=True)


def of_this_computer() -> Credentials:
    """Those of this computer, made at the first call and readable by its user alone.

    Raises:
        UserError: they cannot be written.
    """
    path = signing_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.with_suffix(".lock")):
            found = existing()
            if found is not None:
                return found
            made = _make()
            # mkstemp gives mode 600 from the first moment on.
            descriptor, part = tempfile.mkstemp(prefix=".signing-", dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(made.key + made.chain)
                os.replace(part, path)
            finally:
                Path(part).unlink(missing_ok=True)
    except OSError as error:
        instead = "give --sign-key and --sign-cert"
        raise UserError(
            not_kept("This will not be signed: its key", path.parent, error, instead)
        ) from error
    return made


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read ({reason}); check its name and rights.") from None
    if len(data) > _MAX_BYTES:
        raise UserError(f"{path} is too large for a key or a certificate; give a PEM file.")
    return data


def _load_key(data: bytes, name: str) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(data, password=None)
    except TypeError:
        raise UserError(
            f"The key {name} has a password; give a copy without one that only you can read."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UserError(
            f"{name} holds no private key that can be read; give a PEM file with one."
        ) from None


def _packed(key: PrivateKeyTypes, chain: list[x509.Certificate], *, own: bool) -> Credentials:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    algorithm = None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = _CURVES.get(key.curve.name)
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        algorithm = "ed25519"
    elif isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        algorithm = "ps256"
    if algorithm is None:
        raise UserError(
            "C2PA cannot sign with this kind of key; give one of ECDSA (P-256, P-384, P-521), "
            "Ed25519, or RSA of at least 2048 bits."
        )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificates = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    return Credentials(secret, certificates, algorithm, own)


def _make() -> Credentials:
    """A new key with a certificate, signed by an issuer whose key is thrown away at once.

    C2PA refuses a certificate that signs itself. The names say nothing about user or computer.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(words: str) -> x509.Name:
        made_by = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Made by avatarify-like")
        return x509.Name([made_by, x509.NameAttribute(NameOID.COMMON_NAME, words)])

    def usage(*, signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=signs,
            key_cert_sign=not signs,
            crl_sign=not signs,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )

    issuer_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = name("self-made issuer"), name("self-made certificate, no proven identity")
    now = datetime.datetime.now(datetime.UTC)
    certificates = []
    identifier = x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key())
    for who, public, is_issuer in (
        (subject, key.public_key(), False),
        (issuer, issuer_key.public_key(), True),
    ):
        builder = (
            x509.CertificateBuilder()
            .subject_name(who)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            # Clocks of other computers may be behind.
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
            .add_extension(x509.BasicConstraints(is_issuer, 0 if is_issuer else None), True)
            .add_extension(usage(signs=not is_issuer), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        )
        if not is_issuer:
            above = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(above, False).add_extension(purpose, False)
        certificates.append(builder.sign(issuer_key, hashes.SHA256()))
    return _packed(key, certificates, own=True)
