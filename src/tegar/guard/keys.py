"""Keys of datagrams: all follow from one secret of the cloud, so a witness needs to be told only that.

A host is given its own key and nothing from which another could be computed.
"""

from __future__ import annotations

import hmac

KEPT = 20_001  # every host a witness has room for, and the manager


def key_of(secret: bytes, name: str) -> bytes:
    """Return the key of a name as :func:`tegar.guard.datagram.key_name` gives it."""
    return hmac.digest(secret, f"tegar-guard/{name}".encode(), "sha256")


def host_key(secret: bytes, host: str) -> bytes:
    """Return the key with which a host speaks of itself."""
    return key_of(secret, f"host:{host}")


def manager_key(secret: bytes) -> bytes:
    """Return the key of management servers."""
    return key_of(secret, "manager")


class Keyring:
    """Keys by name, those in use at hand.

    A name comes from the network before anybody knows who sent it, so a key is kept only when
    :meth:`keep` says that it has proven good: strangers cost no memory.
    """

    def __init__(self, secret: bytes) -> None:
        """Begin empty."""
        self._secret = secret
        self._kept: dict[str, bytes] = {}

    def get(self, name: str) -> bytes:
        """Return the key of a name."""
        return self._kept.get(name) or key_of(self._secret, name)

    def keep(self, name: str) -> bytes:
        """Return the key of a name, and have it at hand from now on."""
        key = self._kept.get(name)
        if key is None:
            key = key_of(self._secret, name)
            if len(self._kept) < KEPT:
                self._kept[name] = key
        return key
