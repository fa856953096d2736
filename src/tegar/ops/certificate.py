"""TLS certificates: checked when they come, their keys sealed, given to load balancers."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import Exists, InUse
from tegar.ops import rule as rules
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.saga.rule_change import write
from tegar.store import routers
from tegar.store.accounts import Account
from tegar.store.balancers import LoadBalancer
from tegar.store.certificates import SslCert
from tegar.store.networks import Network

_END = "-----END CERTIFICATE-----"


def upload(
    ctx: Ctx, owner: Account, *, name: str, certificate: str, key: str, chain: str, password: str
) -> SslCert:
    """Keep a certificate with its key; the key is sealed, and nobody is ever shown it.

    Raises:
        BadParameter: not PEM, expired, the key is not its own, or the chain does not lead from it.
        Exists: the account has one of that name.
    """
    found = _read("certificate", certificate)
    if len(found) != 1:
        raise BadParameter("certificate", "it must be one certificate; the others belong into certchain")
    leaf, above = found[0], _read("certchain", chain) if chain.strip() else []
    _must_be_valid(ctx, leaf, above)
    plain = _open_key(key, password)
    if plain.public_key() != leaf.public_key():
        raise BadParameter("privatekey", "it is not the key of the certificate")
    named = select(SslCert.id).where(SslCert.account_id == owner.id, SslCert.name == name, live(SslCert))
    if ctx.s.scalars(named).first():
        raise Exists("certificate", name)
    pem = plain.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    row = SslCert(
        name=name, account_id=owner.id, domain_id=owner.domain_id, certificate=_pem([leaf]), chain=_pem(above),
        key_sealed=ctx.world.vault.seal(pem), fingerprint=leaf.fingerprint(hashes.SHA256()).hex(":").upper(),
    )  # fmt: skip
    ctx.s.add(row)
    ctx.s.flush()
    ctx.note("SSLCERT.UPLOAD", f"Certificate {name} uploaded", row)
    return row


def _pem(found: list[x509.Certificate]) -> str:
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in found)


def _read(name: str, text: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise BadParameter(name, f"it is no PEM text that ends with {_END}") from None


def _open_key(text: str, password: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """Return a private key; what is wrong with it is never told in the library's words, which might quote it."""
    try:
        found = serialization.load_pem_private_key(text.encode(), password.encode() if password else None)
    except (ValueError, TypeError):
        raise BadParameter("privatekey", "it is no PEM key that opens with the password given") from None
    if not isinstance(found, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise BadParameter("privatekey", "it must be an RSA or an elliptic curve key")
    return found


def _must_be_valid(ctx: Ctx, leaf: x509.Certificate, above: list[x509.Certificate]) -> None:
    """Refuse certificates that are not valid now, and a chain of which one did not sign the one before."""
    now = datetime.fromtimestamp(ctx.now_s, UTC)
    for name, cert in (("certificate", leaf), *(("certchain", c) for c in above)):
        if not cert.not_valid_before_utc <= now <= cert.not_valid_after_utc:
            raise BadParameter(
                name,
                f"it is valid from {cert.not_valid_before_utc:%Y-%m-%d} to {cert.not_valid_after_utc:%Y-%m-%d}",
            )
    for below, signer in zip([leaf, *above], above, strict=False):
        try:
            below.verify_directly_issued_by(signer)
        except (ValueError, TypeError, InvalidSignature):
            raise BadParameter(
                "certchain",
                "each certificate must have signed the one before it, the first the certificate itself",
            ) from None


def delete(ctx: Ctx, row: SslCert) -> None:
    """Forget a certificate.

    Raises:
        InUse: a load balancer has it.
    """
    must_operate(ctx, row)
    used = select(LoadBalancer).where(LoadBalancer.cert_id == row.id, live(LoadBalancer))
    balancer = ctx.s.scalars(used.limit(1)).first()
    if balancer is not None:
        raise InUse(f"Certificate {row.name}", f"load balancer {balancer.name} has it")
    row.removed_s, row.key_sealed = ctx.now_s, ""
    ctx.note("SSLCERT.DELETE", f"Certificate {row.name} deleted", row)


def assign(ctx: Ctx, row: SslCert, balancer: LoadBalancer, *, forced: bool) -> SagaRow:
    """Ask for a load balancer to show a certificate.

    Raises:
        Refused: it is not of protocol ssl, has another, or is of another account.
    """
    must_operate(ctx, row)
    network = _begin(ctx, balancer)
    if row.account_id != balancer.account_id:
        raise Refused(f"Certificate {row.name} and load balancer {balancer.name} are not of the same account")
    if balancer.protocol != "ssl":
        raise Refused(f"Load balancer {balancer.name} is of protocol {balancer.protocol}; it must be ssl")
    if balancer.cert_id is not None and not forced:
        raise Refused(f"Load balancer {balancer.name} has a certificate; forced=true gives it another")
    ctx.note(
        "LB.CERT.ASSIGN",
        f"Certificate {row.name} for load balancer {balancer.name}",
        balancer,
        state="Started",
    )
    return rules.change(ctx, [network], [write(balancer, "balancer", cert_id=row.id)], balancer)


def withdraw(ctx: Ctx, balancer: LoadBalancer) -> SagaRow:
    """Ask for a load balancer to show no certificate; it serves nobody until it has another.

    Raises:
        Refused: it has none.
    """
    network = _begin(ctx, balancer)
    if balancer.cert_id is None:
        raise Refused(f"Load balancer {balancer.name} has no certificate")
    ctx.note("LB.CERT.REMOVE", f"No certificate for load balancer {balancer.name}", balancer, state="Started")
    return rules.change(ctx, [network], [write(balancer, "balancer", cert_id=None)], balancer)


def _begin(ctx: Ctx, balancer: LoadBalancer) -> Network:
    must_operate(ctx, balancer)
    network = ctx.s.get_one(Network, balancer.network_id)
    routers.want_again(ctx.s, network.group_id)
    rules.must_be_active(balancer)
    return network
