"""The two small authorities of a cloud, for tests that speak TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def pem(thing: x509.Certificate | ec.EllipticCurvePrivateKey) -> str:
    """Return a certificate or key as text."""
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM).decode()
    return thing.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _builder(name: str, issuer: x509.Name | None) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


@dataclass(frozen=True)
class Authority:
    """Signs certificates."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str) -> Authority:
        """Make an authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        built = _builder(name, None).public_key(key.public_key())
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return cls(key, built.sign(key, hashes.SHA256()))

    def sign(self, public: ec.EllipticCurvePublicKey, name: str, address: str) -> x509.Certificate:
        """Sign a key for a name and an address."""
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]
        built = _builder(name, self.certificate.subject).public_key(public)
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return built.sign(self.key, hashes.SHA256())

    def issue(self, folder: Path, file: str, address: str) -> None:
        """Write ``<file>.key`` and ``<file>.crt``."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        (folder / f"{file}.key").write_text(pem(key))
        (folder / f"{file}.crt").write_text(pem(self.sign(public, file, address)))
