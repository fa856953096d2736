"""Secrets: encrypted at rest, never printed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Secret(str):
    """Text that must not be shown: its repr and format hide it; ``reveal()`` gives it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Hide it."""
        return "Secret(…)"

    def __format__(self, spec: str) -> str:
        """Hide it."""
        return "…"

    __str__ = __repr__

    def reveal(self) -> str:
        """Return the plain text."""
        return str.__add__(self, "")


class Vault:
    """Encrypts what the database keeps with one key that the database never sees (AES-256-GCM)."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    @classmethod
    def at(cls, file: Path) -> Vault:
        """Open the vault whose key is in a file; make the key on first use, readable by its owner only."""
        try:
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(fd, "wb") as f:
                f.write(base64.b64encode(secrets.token_bytes(32)))
                f.flush()
                os.fsync(f.fileno())
        return cls(base64.b64decode(file.read_bytes()))

    def seal(self, text: str) -> str:
        """Return the text encrypted; each call gives another result."""
        nonce = secrets.token_bytes(12)
        return base64.b64encode(nonce + self._aead.encrypt(nonce, text.encode(), None)).decode()

    def open(self, sealed: str) -> Secret:
        """Return the plain text.

        Raises:
            cryptography.exceptions.InvalidTag: another key sealed it, or it was changed.
        """
        raw = base64.b64decode(sealed)
        return Secret(self._aead.decrypt(raw[:12], raw[12:], None).decode())


def token(size_bytes: int = 32) -> str:
    """Return a fresh random token, safe in URLs and, for it never starts with a dash, as an option's value."""
    made = secrets.token_urlsafe(size_bytes)
    return made if made[0] != "-" else token(size_bytes)


def digest(text: str) -> str:
    """Return what is kept of a random token so that it can be recognised but not stolen."""
    return hashlib.sha256(text.encode()).hexdigest()


def same(a: str, b: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(a.encode(), b.encode())
