"""The secret that keys of leases follow from, and the witnesses of the cloud."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tegar.kernel.secret import Vault, token
from tegar.store.keys import SecretKey

GUARD = "guard"


def found(s: Session, vault: Vault) -> None:
    """Make the secret, once for the cloud."""
    if s.get(SecretKey, GUARD) is None:
        s.add(SecretKey(name=GUARD, sealed=vault.seal(token())))
        s.flush()


def secret(s: Session, vault: Vault) -> bytes:
    """Return the secret.

    Raises:
        NoResultFound: :func:`found` has not run.
    """
    return vault.open(s.get_one(SecretKey, GUARD).sealed).reveal().encode()
