"""SSH key pairs: public keys by name; private ones are made and forgotten."""

from __future__ import annotations

import base64
import binascii
import hashlib
from urllib.parse import unquote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account
from tegar.store.keys import SshKey

_RSA_BITS = 2048
_KINDS = frozenset(
    {"ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}
)


def make(ctx: Ctx, name: str, owner: Account) -> tuple[SshKey, str]:
    """Make an RSA key pair; return its row and the private key as PEM, which is kept nowhere.

    Raises:
        Refused: the account has a key of that name.
    """
    private = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    return _add(ctx, name, owner, public), pem


def register(ctx: Ctx, name: str, owner: Account, public_key: str) -> SshKey:
    """Keep a public key.

    Raises:
        BadParameter: it is no SSH public key, or of a kind that is not safe.
        Refused: the account has a key of that name, or this key under another.
    """
    return _add(ctx, name, owner, public(public_key))


def public(text: str) -> str:
    """Return a public key as one line of ``authorized_keys``; URL-encoded and base64 forms are understood.

    Raises:
        BadParameter: it is no SSH public key, or of a kind that is not safe.
    """
    line = " ".join((unquote(text) if "%" in text else text).split())
    if " " not in line:
        try:
            line = " ".join(base64.b64decode(line, validate=True).decode().split())
        except (binascii.Error, UnicodeDecodeError):
            raise _no_key() from None
    if not line.isprintable():
        raise _no_key()
    if line.split(" ")[0] not in _KINDS:
        raise _no_key()
    try:
        load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _no_key() from None
    return line


def _no_key() -> BadParameter:
    return BadParameter("publickey", "it is not an SSH public key of type RSA, ECDSA or Ed25519")


def fingerprint(public_key: str) -> str:
    """Return the MD5 fingerprint in its colon form, 47 characters, as the protocol shows it."""
    raw = hashlib.md5(base64.b64decode(public_key.split()[1]), usedforsecurity=False).hexdigest()
    return ":".join(raw[i : i + 2] for i in range(0, len(raw), 2))


def _add(ctx: Ctx, name: str, owner: Account, public_key: str) -> SshKey:
    if not name.strip():
        raise BadParameter("name", "it must not be empty")
    ctx.s.execute(select(Account.id).where(Account.id == owner.id).with_for_update())  # names stay unique
    print_ = fingerprint(public_key)
    mine = select(SshKey.id).where(SshKey.account_id == owner.id, live(SshKey))
    if ctx.s.scalars(mine.where(SshKey.name == name)).first():
        raise Refused(f"A key pair with name '{name}' already exists.")
    if ctx.s.scalars(mine.where(SshKey.fingerprint == print_)).first():
        raise Refused(f"A key pair with fingerprint '{print_}' already exists.")
    key = SshKey(
        name=name,
        account_id=owner.id,
        domain_id=owner.domain_id,
        public_key=public_key,
        fingerprint=print_,
    )
    ctx.s.add(key)
    ctx.s.flush()
    ctx.note("REGISTER.SSH.KEYPAIR", f"SSH key pair {name} registered", key)
    return key


def delete(ctx: Ctx, name: str, owner: Account, domain_uuid: str) -> None:
    """Forget a key; VMs that have it keep it.

    Raises:
        Refused: the account has no key of that name.  Terraform matches on the sentence.
    """
    found = select(SshKey).where(SshKey.account_id == owner.id, SshKey.name == name, live(SshKey))
    key = ctx.s.scalars(found).first()
    if key is None:
        raise Refused(
            f"A key pair with name '{name}' does not exist for account {owner.name} in domain id {domain_uuid}"
        )
    key.removed_s = ctx.now_s
    ctx.note("SSH.KEYPAIR.DELETE", f"SSH key pair {name} deleted", key)
