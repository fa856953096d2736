"""What the proof of the failover promise is shown: the hosts of one cluster, its HA VMs and their strict groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tegar.scheduler.view import HostView

NOWHERE = 0  # as a host's id: where VMs are that wait for their restart and hold no room
PRIORITY = 2  # of five: 0 is restarted first, 4 last


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM that is restarted elsewhere when a host it holds room on is lost.  ``cpu_mhz`` is for each CPU.

    ``apart`` and ``together`` are the ids of its strict affinity groups.
    """

    id: int
    name: str
    host_ids: tuple[int, ...]
    cpus: int
    cpu_mhz: int
    memory_bytes: int
    hypervisor: str
    priority: int = PRIORITY
    host_tags: frozenset[str] = frozenset()
    apart: frozenset[int] = frozenset()
    together: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """One cluster.

    Args:
        hosts: all its hosts, with what is free on them.
        guests: its HA VMs, also those of hosts in ``lost``.
        mates: who is in a strict group, HA or not: pairs of VM id and host id, by group.
        guarded: the hosts with a lease and HA enabled: whose loss is answered, and who take guests.
        lost: hosts proven dead; their guests here have not come back yet.  ``NOWHERE`` is one of them when
            guests wait there.
        closed: hosts that take nothing for now, as those in quarantine.
        suspect: hosts that fell silent and are not proven dead: their guests may have to go elsewhere at any moment.
    """

    hosts: tuple[HostView, ...]
    guests: tuple[Guest, ...]
    mates: Mapping[int, frozenset[tuple[int, int]]] = field(default_factory=dict)
    guarded: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()
    closed: frozenset[int] = frozenset()
    suspect: frozenset[int] = frozenset()

    def takes(self, host: HostView) -> bool:
        """Return whether a host takes guests of another."""
        usable = host.up and host.enabled and host.cluster_enabled
        return usable and host.id in self.guarded and host.id not in self.lost | self.closed

    @property
    def awaited(self) -> frozenset[int]:
        """Return the hosts, and ``NOWHERE``, whose guests need room now or may within seconds."""
        return self.suspect | self.lost

    def name(self, host_id: int) -> str:
        """Return the name of a host."""
        return next((h.name for h in self.hosts if h.id == host_id), str(host_id))


def tolerated(picture: Picture, wanted: int) -> int:
    """Return how many losses can be promised at most: one host must be left, so a cluster of one promises none."""
    return max(0, min(wanted, sum(picture.takes(h) for h in picture.hosts) - 1))


def with_hosts(picture: Picture, hosts: Mapping[int, HostView]) -> Picture:
    """Return the picture with other views of some hosts."""
    return replace(picture, hosts=tuple(hosts.get(h.id, h) for h in picture.hosts))


def without(picture: Picture, vm: Guest) -> Picture:
    """Return the picture as if a VM, HA or not, were nowhere."""
    mates = {group: frozenset(m for m in found if m[0] != vm.id) for group, found in picture.mates.items()}
    kept = tuple(g for g in picture.guests if g.id != vm.id)
    rooms = {h.id: _more(h, vm, -1) for h in picture.hosts if h.id in vm.host_ids}
    return replace(with_hosts(picture, rooms), guests=kept, mates=mates)


def with_vm(picture: Picture, vm: Guest, host_id: int, *, ha: bool) -> Picture:
    """Return the picture as if a VM that is nowhere were on a host."""
    there = replace(vm, host_ids=(host_id,))
    rooms = {h.id: _more(h, vm, 1) for h in picture.hosts if h.id == host_id}
    guests = (*picture.guests, there) if ha else picture.guests
    return replace(with_hosts(picture, rooms), guests=guests, mates=with_mate(picture, vm, host_id))


def with_mate(picture: Picture, vm: Guest, host_id: int) -> Mapping[int, frozenset[tuple[int, int]]]:
    """Return who is in the strict groups when a VM is on a host too."""
    groups = vm.apart | vm.together
    return {**picture.mates, **{g: picture.mates.get(g, frozenset()) | {(vm.id, host_id)} for g in groups}}


def _more(host: HostView, vm: Guest, sign: int) -> HostView:
    return replace(
        host,
        free_memory_bytes=host.free_memory_bytes - sign * vm.memory_bytes,
        free_cpu_mhz=host.free_cpu_mhz - sign * vm.cpus * vm.cpu_mhz,
    )
