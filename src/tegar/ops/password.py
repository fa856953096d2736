"""Passwords: only a slow hash of each is kept (Argon2id, RFC 9106's second choice scaled to servers)."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

_HASH = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$zxYbrXhrXxJ4WRFkPNPCxaLY9tYI1xb3EwPcCd0Q1vI"


def hash_password(password: str) -> str:
    """Return what is kept of a password.  Takes some 30 ms and 19 MiB, on purpose."""
    return _HASH.hash(password)


def check_password(kept: str, password: str) -> bool:
    """Return whether the password is right; takes equally long when there is none to compare with."""
    try:
        return _HASH.verify(kept or _NOBODY, password) and bool(kept)
    except (VerifyMismatchError, InvalidHashError):
        return False
