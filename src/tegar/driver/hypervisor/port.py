"""What a hypervisor does for sagas."""

from __future__ import annotations

from typing import Protocol

from tegar.kernel.wire import Link
from tegar.model.lease import Permit
from tegar.model.spec import DiskSpec, DomainSpec, NicSpec


class Hypervisor(Protocol):
    """Runs VMs on hosts.  Every call is safe to repeat, and stopping what is gone is a success."""

    def start(
        self, spec: DomainSpec, on: Link, permit: Permit | None = None, *, unlocked: bool = False
    ) -> int:
        """Run the VM, or find it running; return the port of its display.

        Args:
            spec: what to run.
            on: the host.
            permit: the lease it may run under; None on a host without leases.
            unlocked: its old copy is proven dead, so locks of that one do not matter.
        """
        ...

    def resume(self, uuid: str, on: Link, permit: Permit | None = None) -> None:
        """Let a VM that arrived by migration run."""
        ...

    def stop(self, uuid: str, grace_s: float, on: Link, epoch: int | None = None) -> None:
        """Shut the guest down within *grace_s* seconds, else end it; 0 ends it at once.

        Raises:
            AgentRefused: a later *epoch* of the VM runs there.
        """
        ...

    def runs(self, uuid: str, on: Link) -> bool:
        """Return whether the VM is on that host."""
        ...

    def prepare(self, spec: DomainSpec, on: Link) -> None:
        """Build on the destination what an arriving VM stands on."""
        ...

    def move(self, uuid: str, source: Link, to: str, epoch: int | None = None) -> None:
        """Move the running VM live to the host of that migration address.

        Raises:
            AgentRefused: a later *epoch* of the VM runs there.
        """
        ...

    def attach(self, uuid: str, disk: DiskSpec, on: Link) -> None:
        """Plug a disk into the running VM."""
        ...

    def detach(self, uuid: str, disk: DiskSpec, on: Link) -> None:
        """Unplug a disk from the running VM."""
        ...

    def attach_nic(self, uuid: str, nic: NicSpec, on: Link) -> None:
        """Plug a NIC into the running VM."""
        ...

    def filter_nics(self, uuid: str, nics: tuple[NicSpec, ...], on: Link) -> None:
        """Filter the NICs of the running VM as the specs say; they are all it has."""
        ...

    def detach_nic(self, uuid: str, nic: NicSpec, on: Link) -> None:
        """Take a NIC out of the running VM."""
        ...
