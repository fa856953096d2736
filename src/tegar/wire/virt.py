"""Virtual machines on a host."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tegar.kernel.wire import Ask
from tegar.model.lease import Permit
from tegar.model.spec import DiskSpec, DomainSpec


class DomainState(StrEnum):
    """What the hypervisor says of a domain.  A domain it does not list is gone."""

    RUNNING = "running"
    PAUSED = "paused"
    MIGRATING = "migrating"
    SHUTDOWN = "shutting down"
    CRASHED = "crashed"


@dataclass(frozen=True)
class DomainUp:
    """A domain runs."""

    uuid: str
    vnc_port: int


@dataclass(frozen=True)
class DomainGone:
    """No domain of that uuid is on the host any more; ``was_running`` tells whether there was one."""

    uuid: str
    was_running: bool


@dataclass(frozen=True)
class Domain:
    """A domain the host has.  ``waits``: it was made, or arrived, and was never let run."""

    uuid: str
    name: str
    state: DomainState
    waits: bool = False


@dataclass(frozen=True)
class Ended:
    """A domain that ended by itself a while ago; ``reason``: ``shutdown``, ``crashed``, ``failed``, ``destroyed``."""

    uuid: str
    reason: str


@dataclass(frozen=True)
class Domains:
    """All of Tegar's domains on the host, and those that ended by themselves lately."""

    domains: tuple[Domain, ...]
    ended: tuple[Ended, ...] = ()


@dataclass(frozen=True)
class DomainStats:
    """Counters since the domain's start.  ``cpu_ns`` is CPU time used, in nanoseconds, over all CPUs."""

    uuid: str
    cpu_ns: int
    memory_bytes: int
    disk_read_bytes: int
    disk_write_bytes: int
    disk_read_ops: int
    disk_write_ops: int
    net_read_bytes: int
    net_write_bytes: int


@dataclass(frozen=True)
class AllStats:
    """Statistics of all running domains, taken at ``at_s`` on the host's monotonic clock."""

    at_s: float
    domains: tuple[DomainStats, ...]


@dataclass(frozen=True)
class GuestPulse:
    """When a guest's agent last answered, in seconds ago; negative: never since the host's agent runs."""

    uuid: str
    answered_ago_s: float


@dataclass(frozen=True)
class GuestPulses:
    """The pulses of all running domains."""

    guests: tuple[GuestPulse, ...]


@dataclass(frozen=True)
class Done:
    """It is so now."""


@dataclass(frozen=True)
class StartDomain(Ask[DomainUp]):
    """Run the domain, or report the one already running.

    A guarded host wants a permit.  ``unlocked``: a recorded proof says that the old copy cannot write
    any more, so locks that it still holds on images are not waited for.
    """

    spec: DomainSpec
    permit: Permit | None = None
    unlocked: bool = False


@dataclass(frozen=True)
class ResumeDomain(Ask[Done]):
    """Let a domain that arrived by migration run; one that runs already is success."""

    uuid: str
    permit: Permit | None = None


@dataclass(frozen=True)
class StopDomain(Ask[DomainGone]):
    """Ask the guest to shut down, wait up to ``grace_s`` seconds, then destroy it.  0 destroys at once.

    ``vm_epoch``: the VM's epoch as the asker knows it.  A guarded host that let a later one start refuses,
    and starts none of this epoch any more.
    """

    uuid: str
    grace_s: float
    vm_epoch: int | None = None


@dataclass(frozen=True)
class DropWaiting(Ask[DomainGone]):
    """End a domain that was never let run here; one that was is left alone."""

    uuid: str


@dataclass(frozen=True)
class FindDomain(Ask[Domains]):
    """Report the domain of that uuid: one entry, or none."""

    uuid: str


@dataclass(frozen=True)
class ListDomains(Ask[Domains]):
    """Report all domains."""


@dataclass(frozen=True)
class GetStats(Ask[AllStats]):
    """Report the statistics of all running domains."""


@dataclass(frozen=True)
class PingGuests(Ask[GuestPulses]):
    """Ask all guest agents for a sign of life; one that does not answer holds nobody up."""


@dataclass(frozen=True)
class PrepareMigration(Ask[Done]):
    """Ready the destination: pools reachable, segments of the NICs built.  Nothing runs yet."""

    spec: DomainSpec


@dataclass(frozen=True)
class MigrateDomain(Ask[Done]):
    """Move the running domain to another host, live; asked of the source.

    ``to`` is the destination's migration address (a host name or IP on the management network).
    Repeating: joins a migration under way; a domain that is gone here is answered with
    Done, for the caller looks at the destination next.  It arrives paused: see ResumeDomain.
    ``vm_epoch``: as for StopDomain.
    """

    uuid: str
    to: str
    vm_epoch: int | None = None


@dataclass(frozen=True)
class AttachDisk(Ask[Done]):
    """Plug a disk into a running domain; already plugged is success."""

    uuid: str
    disk: DiskSpec


@dataclass(frozen=True)
class DetachDisk(Ask[Done]):
    """Unplug a disk from a running domain and wait until the guest let go; already gone is success."""

    uuid: str
    disk: DiskSpec
