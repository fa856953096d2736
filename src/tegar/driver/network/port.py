"""What a provider of network services does for sagas: one call with the whole desired state, never a delta."""

from __future__ import annotations

from typing import Protocol

from tegar.kernel.wire import Link
from tegar.model.router import RouterSpec


class RouterProvider(Protocol):
    """Gives a network DHCP, DNS and user data."""

    services: frozenset[str]

    def apply(self, spec: RouterSpec, on: Link) -> int:
        """Make the router as the spec says; return the version it runs now."""
        ...

    def remove(self, uuid: str, on: Link) -> None:
        """Take it away."""
        ...
