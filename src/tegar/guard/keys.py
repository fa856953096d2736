"""Keys of datagrams: all follow from one secret of the cloud, so a witness needs to be told only that.

A host is given its own key and nothing from which another could be computed.
"""

from __future__ import annotations

import hmac


def key_of(secret: bytes, name: str) -> bytes:
    """Return the key of a name as :func:`tegar.guard.datagram.key_name` gives it."""
    return hmac.digest(secret, f"tegar-guard/{name}".encode(), "sha256")


def host_key(secret: bytes, host: str) -> bytes:
    """Return the key with which a host speaks of itself."""
    return key_of(secret, f"host:{host}")


def manager_key(secret: bytes) -> bytes:
    """Return the key of management servers."""
    return key_of(secret, "manager")
