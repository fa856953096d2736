"""What the agent needs from the machine it runs on.

The handlers work on these ports; ``agent.real`` fills them with libvirt, qemu-img, namespaces
and mounts, the simulator with a simulated machine.  Both pass the same conformance tests.
Every call is safe to repeat, and removing what is gone is a success.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tegar.agent.fences import Fences, Locks
from tegar.agent.segment.plan import Segment
from tegar.model.lease import Permit
from tegar.model.router import RouterSpec
from tegar.model.spec import DiskSpec, DomainSpec, NetworkSpec, NicSpec, PoolSpec, StoreSpec
from tegar.wire.disk import DiskFacts, PoolFacts, SeedFacts
from tegar.wire.guard import GuardFacts, SetGuard
from tegar.wire.host import HostFacts, HostLoad
from tegar.wire.image import ImageFacts, StoreFacts
from tegar.wire.router import RouterCounters, RouterUp
from tegar.wire.virt import AllStats, Domain, Ended, GuestPulse


class Hypervisor(Protocol):
    """Domains."""

    def find(self, uuid: str) -> Domain | None:
        """Return the domain, or None when there is none."""
        ...

    def vnc_port(self, uuid: str) -> int:
        """Return the port of the domain's display, 0 when it has none."""
        ...

    def all(self) -> tuple[Domain, ...]:
        """Return all of Tegar's domains."""
        ...

    def ended(self) -> tuple[Ended, ...]:
        """Return the domains that ended by themselves lately and did not start again here."""
        ...

    def create(self, spec: DomainSpec, *, unlocked: bool = False) -> int:
        """Make a transient domain, paused until the hands resume it; return the port of its display.

        Args:
            spec: what to run.
            unlocked: do not mind locks that a proven dead copy still holds on images.

        Raises:
            AgentRefused: the hypervisor would not, with its words.
        """
        ...

    def shutdown(self, uuid: str, grace_s: float) -> bool:
        """Ask the guest to power off; return whether it was gone within *grace_s* seconds."""
        ...

    def destroy(self, uuid: str) -> None:
        """End the domain at once."""
        ...

    def migrate(self, uuid: str, to: str) -> None:
        """Move the domain live; returns when it is there, paused, and gone here."""
        ...

    def attach(self, uuid: str, disk: DiskSpec) -> None:
        """Plug a disk in."""
        ...

    def detach(self, uuid: str, disk: DiskSpec) -> None:
        """Unplug a disk; returns when the guest let go."""
        ...

    def plug_nic(self, uuid: str, nic: NicSpec, *, cable: bool) -> None:
        """Plug a NIC in, or into another segment; without its cable the guest sees no carrier."""
        ...

    def unplug_nic(self, uuid: str, nic: NicSpec) -> None:
        """Take a NIC out; returns when the guest let go."""
        ...

    def stats(self) -> AllStats:
        """Return the counters of all running domains."""
        ...

    def ping(self) -> tuple[GuestPulse, ...]:
        """Ask every guest agent for a sign of life, all at once and within a deadline."""
        ...


class Hands(Protocol):
    """What lets guests run, or does not; see ``agent.gate`` and ``agent.hands``."""

    def check(self, uuid: str, permit: Permit | None) -> None:
        """Raise unless the VM may start now.

        Raises:
            Unavailable: the host has no lease at the moment; ask again.
            AgentRefused: the permit is none, or of another boot, lease or placement.
        """
        ...

    def resume(self, uuid: str, permit: Permit | None) -> None:
        """Let a domain that is here, and paused, run; one that runs already is success.

        Raises:
            Unavailable: as above; or it is still arriving, or its QEMU does not answer.
            AgentRefused: as above; or it is in no state to run.
        """
        ...

    def waits(self, uuid: str) -> bool:
        """Return whether a domain is here that was made, or arrived, and was never let run."""
        ...

    def retry(self, uuid: str) -> None:
        """Let a guest go on that stopped on an I/O error; one that did not is left alone."""
        ...

    def may_end(self, uuid: str, vm_epoch: int | None) -> None:
        """Raise if a later epoch of the VM was let start here; None: whoever asks knows no epochs.

        Raises:
            AgentRefused: it was.
        """
        ...

    def ends(self, uuid: str, vm_epoch: int | None) -> None:
        """Let no start of the VM of this epoch or an earlier one through any more.

        Raises:
            AgentRefused: a later one was let through.
        """
        ...

    def moving(self, uuid: str) -> AbstractContextManager[None]:
        """Say that the domain is being sent to another host."""
        ...


class Guard(Protocol):
    """The lease of the host."""

    def set(self, ask: SetGuard) -> GuardFacts:
        """Be guarded so from now on, also after a boot."""
        ...

    def facts(self) -> GuardFacts:
        """Return how the host is guarded."""
        ...


class Disks(Protocol):
    """Primary storage."""

    def open(self, pool: PoolSpec) -> PoolFacts:
        """Reach the pool and report its size; raises Unavailable when it cannot be reached."""
        ...

    def watch(self, pool: PoolSpec) -> None:
        """Look from now on whether the pool answers: guests here use it."""
        ...

    def create(self, pool: PoolSpec, volume_uuid: str, size_bytes: int, base_uuid: str) -> DiskFacts:
        """Make a disk, or report the one that exists."""
        ...

    def delete(self, pool: PoolSpec, volume_uuid: str) -> None:
        """Remove a disk."""
        ...

    def seed(self, pool: PoolSpec, template_uuid: str, store: StoreSpec) -> SeedFacts:
        """Copy a template to the pool once; raises NotYet while the copy runs."""
        ...

    def delete_seed(self, pool: PoolSpec, template_uuid: str) -> None:
        """Remove a cached template."""
        ...


class Images(Protocol):
    """Secondary storage."""

    def open(self, store: StoreSpec) -> StoreFacts:
        """Reach the store and report its size."""
        ...

    def fetch(
        self, store: StoreSpec, template_uuid: str, *, url: str, format: str, checksum: str, max_bytes: int
    ) -> ImageFacts:
        """Fetch, check and keep an image; raises NotYet while it runs, AgentRefused when it is no good."""
        ...

    def delete(self, store: StoreSpec, template_uuid: str) -> None:
        """Remove an image."""
        ...


class Segments(Protocol):
    """L2 segments."""

    def ensure(self, network: NetworkSpec) -> Segment:
        """Build the segment and return what NICs are plugged into.

        Raises:
            AgentRefused: the bridge of the label is missing, or cannot be cut so here.
        """
        ...

    def plug(self, segment: Segment, device: str) -> None:
        """Make an interface of the host a port of the segment, and bring it up."""
        ...

    def unplug(self, device: str) -> None:
        """Take an interface out of its segment."""
        ...

    def tidy(self) -> None:
        """Remove what was built for segments that nobody is plugged into any more."""
        ...


class Filters(Protocol):
    """What NICs may send and receive."""

    def nics(self, vm_uuid: str) -> tuple[NicSpec, ...]:
        """Return the NICs of a VM as they are known here."""
        ...

    def prepare(self, vm_uuid: str, nics: tuple[NicSpec, ...]) -> None:
        """Know a VM that will arrive."""
        ...

    def enforce(self, vm_uuid: str) -> None:
        """Filter the NICs of a VM that has arrived."""
        ...

    def set(self, vm_uuid: str, nics: tuple[NicSpec, ...]) -> None:
        """Filter the NICs of a VM so from now on; they are all the NICs it has.

        Raises:
            AgentRefused: a NIC is not plugged in, or this host cannot filter so.
        """
        ...

    def set_all(self, vms: Iterable[tuple[str, tuple[NicSpec, ...]]]) -> None:
        """Filter the NICs of many VMs; each bridge changes at once."""
        ...

    def forget(self, vm_uuid: str) -> None:
        """Filter nothing of a VM any more: it is gone."""
        ...


class Routers(Protocol):
    """Virtual routers."""

    def apply(self, spec: RouterSpec) -> int:
        """Make the router as the spec says; return the version that runs (a newer one stays)."""
        ...

    def remove(self, uuid: str) -> None:
        """Take the router away."""
        ...

    def all(self) -> tuple[RouterUp, ...]:
        """Return what runs."""
        ...

    def counters(self) -> tuple[RouterCounters, ...]:
        """Return the traffic of all routers since they were made here."""
        ...

    def knock(self, uuid: str, ip: str, port: int) -> bool:
        """Return whether a TCP port accepts, seen from inside the router's namespace; never waits long.

        Raises:
            AgentRefused: the router is not here.
        """
        ...


class Box(Protocol):
    """The machine as a whole."""

    def facts(self) -> HostFacts:
        """Return what the host is."""
        ...

    def load(self) -> HostLoad:
        """Return how busy it is."""
        ...

    def report_to(self, host_uuid: str, urls: tuple[str, ...], secret: str) -> None:
        """Remember where to post what happens by itself; survives a restart of the agent."""
        ...


@dataclass(frozen=True)
class Host:
    """One machine, as the handlers see it."""

    box: Box
    virt: Hypervisor
    disks: Disks
    images: Images
    net: Segments
    filters: Filters
    routers: Routers
    fences: Fences
    locks: Locks
    hands: Hands
    guard: Guard
