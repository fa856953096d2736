"""The virtual router: a network namespace on a host, built by the agent from the whole desired state."""

from __future__ import annotations

from tegar.kernel.wire import Link
from tegar.model.router import RouterSpec
from tegar.wire.router import ApplyRouter, RemoveRouter


class VirtualRouter:
    """See ``agent.router`` for what runs in the namespace."""

    services = frozenset({"Dhcp", "Dns", "UserData"})

    def apply(self, spec: RouterSpec, on: Link) -> int:
        """Build or change it."""
        return on.ask(ApplyRouter(spec)).version

    def remove(self, uuid: str, on: Link) -> None:
        """Take it away."""
        on.ask(RemoveRouter(uuid))
