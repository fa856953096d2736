"""KVM hosts (and simulated ones): specs become questions for the agent."""

from __future__ import annotations

from tegar.kernel.errors import AgentRefused
from tegar.kernel.wire import Link
from tegar.model.lease import Permit
from tegar.model.spec import DiskSpec, DomainSpec, NicSpec
from tegar.wire.net import AttachNic, DetachNic, SetNicFilters, VmNics
from tegar.wire.virt import (
    AttachDisk,
    DetachDisk,
    FindDomain,
    MigrateDomain,
    PrepareMigration,
    ResumeDomain,
    StartDomain,
    StopDomain,
)

MOVE_TIMEOUT_S = 3600  # a large busy guest takes its time; the agent bounds it too


class Kvm:
    """The agent's hypervisor."""

    def start(
        self, spec: DomainSpec, on: Link, permit: Permit | None = None, *, unlocked: bool = False
    ) -> int:
        """Run the VM."""
        return on.ask(StartDomain(spec, permit, unlocked)).vnc_port

    def resume(self, uuid: str, on: Link, permit: Permit | None = None) -> None:
        """Let it run."""
        on.ask(ResumeDomain(uuid, permit))

    def stop(self, uuid: str, grace_s: float, on: Link, epoch: int | None = None) -> None:
        """Stop it."""
        on.ask(StopDomain(uuid, grace_s, epoch), timeout_s=grace_s + 60)

    def runs(self, uuid: str, on: Link) -> bool:
        """Look for it."""
        return bool(on.ask(FindDomain(uuid)).domains)

    def prepare(self, spec: DomainSpec, on: Link) -> None:
        """Ready the destination."""
        on.ask(PrepareMigration(spec))

    def move(self, uuid: str, source: Link, to: str, epoch: int | None = None) -> None:
        """Move it."""
        source.ask(MigrateDomain(uuid, to, epoch), timeout_s=MOVE_TIMEOUT_S)

    def attach(self, uuid: str, disk: DiskSpec, on: Link) -> None:
        """Plug a disk in."""
        on.ask(AttachDisk(uuid, disk))

    def detach(self, uuid: str, disk: DiskSpec, on: Link) -> None:
        """Unplug a disk."""
        on.ask(DetachDisk(uuid, disk), timeout_s=90)

    def attach_nic(self, uuid: str, nic: NicSpec, on: Link) -> None:
        """Plug a NIC in."""
        on.ask(AttachNic(uuid, nic))

    def filter_nics(self, uuid: str, nics: tuple[NicSpec, ...], on: Link) -> None:
        """Filter the NICs."""
        if on.ask(SetNicFilters((VmNics(uuid, nics),))).absent:
            raise AgentRefused("The host", "SetNicFilters", "the domain does not run here")

    def detach_nic(self, uuid: str, nic: NicSpec, on: Link) -> None:
        """Take a NIC out."""
        on.ask(DetachNic(uuid, nic), timeout_s=90)
