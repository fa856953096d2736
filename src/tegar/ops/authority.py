"""The cloud's certificate authorities and the tokens with which hosts join.

There are two: ``agents`` signs hosts and ``servers`` signs management servers.  An agent trusts only
the second and a server only the first, so one host's certificate is of no use against another host.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.errors import Refused
from tegar.kernel.secret import Vault, digest, token
from tegar.store.keys import Authority, JoinToken

AGENTS, SERVERS = "agents", "servers"
CA_DAYS, CERT_DAYS, TOKEN_S = 3650, 825, 3600
BACKDATED = timedelta(minutes=5)  # clocks of machines differ a little


def found(s: Session, vault: Vault, now_s: float) -> None:
    """Make both authorities, once for the cloud."""
    for name in (AGENTS, SERVERS):
        if s.get(Authority, name) is None:
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _self_signed(key, name, now_s)
            s.add(
                Authority(name=name, certificate_pem=_pem(certificate), key_sealed=vault.seal(_key_pem(key)))
            )
    s.flush()


def certificate_of(s: Session, name: str) -> str:
    """Return an authority's certificate as PEM."""
    return s.get_one(Authority, name).certificate_pem


def fingerprint(pem: str) -> str:
    """Return the SHA-256 of a certificate in hex, which tokens carry to pin it."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def new_token(s: Session, now_s: float) -> str:
    """Return a token with which one host may join within the hour; only its digest is kept."""
    secret = token()
    s.add(JoinToken(digest=digest(secret), expires_s=now_s + TOKEN_S))
    return f"{secret}.{fingerprint(certificate_of(s, SERVERS))}"


def admit(
    s: Session, vault: Vault, *, secret: str, name: str, address: str, csr_pem: str, now_s: float
) -> str:
    """Spend a token on a host; return its certificate.

    The same host may ask again with the same token, should the answer have been lost.

    Raises:
        Refused: the token is unknown, expired or another host's; or the request is malformed.
    """
    row = s.scalars(select(JoinToken).where(JoinToken.digest == digest(secret))).one_or_none()
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode())
    except ValueError:
        raise Refused("csr_pem is no certificate signing request") from None
    if not csr.is_signature_valid:
        raise Refused("the signing request is not signed with its own key")
    key = csr.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refused("a host's key must be an elliptic-curve key")
    used_by = digest(
        key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).hex()
    )
    if row is None or row.expires_s < now_s or row.used_by not in (None, used_by):
        raise Refused("the token is unknown, expired or spent; ask a server for a new one: tegar host token")
    row.used_by = used_by
    return _sign(s, vault, AGENTS, key, name, [address, name], now_s)


def server_identity(
    s: Session, vault: Vault, name: str, addresses: list[str], now_s: float
) -> tuple[str, str]:
    """Return a fresh certificate and key for a management server, both PEM; the key is nowhere kept."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _sign(s, vault, SERVERS, key.public_key(), name, addresses, now_s), _key_pem(key)


def _sign(
    s: Session,
    vault: Vault,
    by: str,
    key: ec.EllipticCurvePublicKey,
    name: str,
    reached: list[str],
    now_s: float,
) -> str:
    authority = s.get_one(Authority, by)
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    issuer_key = serialization.load_pem_private_key(vault.open(authority.key_sealed).reveal().encode(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    at = datetime.fromtimestamp(now_s, UTC)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH] + ([ExtendedKeyUsageOID.CLIENT_AUTH] if by == SERVERS else [])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - BACKDATED)
        .not_valid_after(at + timedelta(days=CERT_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([_reached(r) for r in dict.fromkeys(reached)]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return _pem(certificate)


def _reached(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _self_signed(key: ec.EllipticCurvePrivateKey, name: str, now_s: float) -> x509.Certificate:
    at, subject = datetime.fromtimestamp(now_s, UTC), _name(f"Tegar {name}")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - BACKDATED)
        .not_valid_after(at + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_may_sign(), critical=True)
        .sign(key, hashes.SHA256())
    )


def _may_sign() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
