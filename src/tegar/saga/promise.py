"""The promise to survive the loss of hosts: what it is for a cluster, and which places of a VM keep it.

It is made for clusters whose hosts have leases, for only those are answered when they fail, and not while the
operator has disabled HA there.  Placement holds its reserve back, also from VMs without HA.  Those who place at
once in one cluster come one after the other: each looks at the cluster after its row is locked.

Besides what is promised there is what is *held*: while a host is suspect, and until what ran on a dead one runs again,
the room that those VMs need is given to nobody else, whatever the promise is.  No row says so: it follows from the
leases and from the restarts that wait, so that it ends with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import exists, func, literal, select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.affinity import STRICT, Kind
from tegar.model.errors import PromiseBroken, RoomHeld
from tegar.model.host import Resource, State
from tegar.model.settings import HA_ADMISSION_OVERRIDE, HA_HOSTS_TOLERATED
from tegar.model.vm import State as VmState
from tegar.saga.hold import NO_TAGS, Choice, host_views, words
from tegar.scheduler import plan
from tegar.scheduler.board import Board
from tegar.scheduler.picture import NOWHERE, Guest, Picture, tolerated, without
from tegar.scheduler.plan import Shortfall
from tegar.scheduler.view import Placement
from tegar.store import hosts
from tegar.store.affinity import AffinityGroup, AffinityMember
from tegar.store.hosts import Hold, Host
from tegar.store.leases import HostLease
from tegar.store.offerings import ServiceOffering
from tegar.store.restarts import Restart
from tegar.store.vms import Vm
from tegar.store.zones import Cluster, Zone


def promised(s: Session, cluster: Cluster) -> int:
    """Return how many hosts a cluster promises to survive; 0 where no host has a lease, or HA is disabled."""
    wanted = HA_HOSTS_TOLERATED.of(s, "cluster", cluster.id)
    if wanted <= 0 or not cluster.ha_enabled or not s.get_one(Zone, cluster.zone_id).ha_enabled:
        return 0
    leases = select(HostLease.host_id).join(Host, Host.id == HostLease.host_id)
    found = s.scalars(leases.where(Host.cluster_id == cluster.id, live(Host)).limit(1)).first()
    return 0 if found is None else wanted


def enforced(s: Session, cluster: Cluster) -> int:
    """Return as ``promised``, but 0 while what breaks the promise is allowed."""
    return 0 if HA_ADMISSION_OVERRIDE.of(s, "cluster", cluster.id) else promised(s, cluster)


def holds(s: Session, cluster: Cluster) -> bool:
    """Return whether room is held in a cluster: a host of it is suspect or dead, or VMs of one wait for a restart."""
    if not cluster.ha_enabled or not s.get_one(Zone, cluster.zone_id).ha_enabled:
        return False
    fallen = select(HostLease.host_id).join(Host, Host.id == HostLease.host_id)
    fallen = fallen.where(Host.cluster_id == cluster.id, live(Host), HostLease.state.in_(["suspect", "dead"]))
    waits = select(Restart.vm_id).join(Host, Host.id == Restart.from_host_id)
    waits = waits.where(Host.cluster_id == cluster.id, Restart.running_s.is_(None))
    return s.scalars(fallen.limit(1)).first() is not None or s.scalars(waits.limit(1)).first() is not None


def kept(shown: Picture, asked: int) -> tuple[int, str]:
    """Return how many losses of the asked ones can be promised, and why it is not so many, empty when it is."""
    most = tolerated(shown, asked)
    found = plan.survive(shown, asked) if most else None
    if not shown.guarded:
        return most, "none of its hosts has a lease with HA enabled: no failure is answered"
    if found is not None:
        return most, str(found)
    if most < asked:
        return most, f"it has too few hosts that take VMs of others to promise more than {most}"
    return most, ""


def settle(s: Session, cluster_id: int) -> None:
    """Wait for those who place in a cluster with a promise, and keep others out until this transaction ends."""
    s.execute(select(Cluster.id).where(Cluster.id == cluster_id).with_for_update())


def picture(s: Session, cluster: Cluster, now_s: float) -> Picture:
    """Return a cluster as the proof sees it; a fixed number of queries."""
    stmt = select(HostLease.host_id, HostLease.state, HostLease.quarantined_until_s)
    stmt = stmt.join(Host, Host.id == HostLease.host_id)
    leases = s.execute(stmt.where(Host.cluster_id == cluster.id, Host.ha_enabled.is_(True), live(Host))).all()
    guests = tuple(_guests(s, cluster))
    lost = {lease.host_id for lease in leases if lease.state == "dead"}
    if any(NOWHERE in guest.host_ids for guest in guests):
        lost.add(NOWHERE)
    return Picture(
        hosts=tuple(host_views(s, cluster.zone_id, cluster.id, now_s=now_s)),
        guests=guests,
        mates=_mates(s, cluster),
        guarded=frozenset(lease.host_id for lease in leases),
        lost=frozenset(lost),
        closed=frozenset(lease.host_id for lease in leases if lease.quarantined_until_s > now_s),
        suspect=frozenset(lease.host_id for lease in leases if lease.state == "suspect"),
    )


def reserves(s: Session) -> dict[int, tuple[int, int]]:
    """Return how much CPU (MHz) and memory (bytes) each cluster keeps for VMs of failed hosts, by cluster id.

    That is what the HA VMs of its fullest hosts hold, of as many as it promises to survive.  The proof itself
    is by packing; this sum is what operators are shown.
    """
    stmt = select(Host).join(HostLease, HostLease.host_id == Host.id)
    guarded = s.scalars(stmt.where(live(Host), Host.ha_enabled.is_(True))).all()
    held: dict[int, tuple[int, int]] = {}
    sums = select(Hold.host_id, func.sum(Hold.cpu_mhz), func.sum(Hold.memory_bytes))
    sums = sums.join(Vm, Vm.id == Hold.vm_id).where(Vm.ha.is_(True)).group_by(Hold.host_id)
    if guarded:
        held = {host_id: (int(mhz), int(size)) for host_id, mhz, size in s.execute(sums)}
    found = {}
    for cluster_id in {h.cluster_id for h in guarded}:
        mine = [h for h in guarded if h.cluster_id == cluster_id]
        usable = sum(h.state == State.UP and h.resource_state == Resource.ENABLED for h in mine)
        n = max(0, min(promised(s, s.get_one(Cluster, cluster_id)), usable - 1))
        amounts = [held.get(h.id, (0, 0)) for h in mine]
        found[cluster_id] = (
            sum(sorted((a[0] for a in amounts), reverse=True)[:n]),
            sum(sorted((a[1] for a in amounts), reverse=True)[:n]),
        )
    return found


def guest(s: Session, vm: Vm, host_ids: tuple[int, ...]) -> Guest:
    """Return a VM as a guest of hosts."""
    groups = _groups(s, [vm.id])[vm.id]
    return Guest(
        vm.id, vm.name, host_ids, vm.cpus, vm.cpu_mhz, vm.memory_bytes, vm.hypervisor, vm.ha_priority,
        words(s.get_one(ServiceOffering, vm.offering_id).host_tags), groups[Kind.APART], groups[Kind.TOGETHER],
    )  # fmt: skip


def _guests(s: Session, cluster: Cluster) -> Iterator[Guest]:
    """Give the HA VMs that hold room in a cluster, and those that wait there to be restarted and hold none."""
    what = (
        Vm.id, Vm.name, Vm.cpus, Vm.cpu_mhz, Vm.memory_bytes, Vm.hypervisor, Vm.ha_priority, Vm.offering_id,
    )  # fmt: skip
    holds = select(*what, Hold.host_id).join(Hold, Hold.vm_id == Vm.id).join(Host, Host.id == Hold.host_id)
    rows = list(s.execute(holds.where(Host.cluster_id == cluster.id, Vm.ha.is_(True)).order_by(Hold.id)))
    waits = (
        select(*what, literal(NOWHERE).label("host_id"))
        .join(Restart, Restart.vm_id == Vm.id)
        .join(Host, Host.id == Restart.from_host_id)
        .where(Host.cluster_id == cluster.id, Vm.state == VmState.STARTING, Restart.running_s.is_(None))
        .where(~exists().where(Hold.vm_id == Vm.id))
    )
    rows += s.execute(waits.order_by(Vm.id))
    places: dict[int, tuple[int, ...]] = {}
    for row in rows:
        places[row[0]] = (*places.get(row[0], ()), row[-1])
    tagged = select(ServiceOffering.id, ServiceOffering.host_tags).where(ServiceOffering.host_tags != "")
    tags = {id: words(text) for id, text in s.execute(tagged)}
    groups, seen = _groups(s, None), set()
    for id, name, cpus, cpu_mhz, memory_bytes, hypervisor, priority, offering_id, _ in rows:
        if id not in seen:
            seen.add(id)
            own = groups.get(id, NO_GROUPS)
            yield Guest(id, name, places[id], cpus, cpu_mhz, memory_bytes, hypervisor, priority,
                        tags.get(offering_id, NO_TAGS), own[Kind.APART], own[Kind.TOGETHER])  # fmt: skip


NO_GROUPS: dict[Kind, frozenset[int]] = {Kind.APART: frozenset(), Kind.TOGETHER: frozenset()}


def _groups(s: Session, vm_ids: list[int] | None) -> dict[int, dict[Kind, frozenset[int]]]:
    """Return the strict groups of VMs (None: all), by kind."""
    stmt = select(AffinityMember.vm_id, AffinityGroup.id, AffinityGroup.kind).join(
        AffinityGroup, AffinityGroup.id == AffinityMember.group_id
    )
    stmt = stmt.where(AffinityGroup.kind.in_(STRICT), live(AffinityGroup))
    if vm_ids is not None:
        stmt = stmt.where(AffinityMember.vm_id.in_(vm_ids))
    found: dict[int, dict[Kind, frozenset[int]]] = defaultdict(lambda: dict(NO_GROUPS))
    for vm_id, group_id, kind in s.execute(stmt):
        found[vm_id][kind] |= {group_id}
    return found


def _mates(s: Session, cluster: Cluster) -> dict[int, frozenset[tuple[int, int]]]:
    stmt = (
        select(AffinityMember.group_id, AffinityMember.vm_id, Hold.host_id)
        .join(AffinityGroup, AffinityGroup.id == AffinityMember.group_id)
        .join(Hold, Hold.vm_id == AffinityMember.vm_id)
        .join(Host, Host.id == Hold.host_id)
        .where(Host.cluster_id == cluster.id, AffinityGroup.kind.in_(STRICT), live(AffinityGroup))
    )
    found: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for group_id, vm_id, host_id in s.execute(stmt):
        found[group_id].add((vm_id, host_id))
    return {group_id: frozenset(mates) for group_id, mates in found.items()}


@dataclass(frozen=True)
class Refusal:
    """Why a VM had better not be on a host; ``held``: not for a promise, but for VMs that may need the room now."""

    cluster: Cluster
    shortfall: Shortfall
    held: bool

    def error(self, what: str) -> PromiseBroken | RoomHeld:
        """Return the error that says so."""
        kind = RoomHeld if self.held else PromiseBroken
        return kind(what, self.cluster.name, str(self.shortfall))


@dataclass(frozen=True)
class Watched:
    """A cluster in which places are looked at, as if the VM were nowhere.

    Args:
        cluster: its row.
        board: its room.
        losses: how many losses it must survive; None: it promises nothing.
        homeless: for how many VMs of suspect and dead hosts there is no room already.
    """

    cluster: Cluster
    board: Board
    losses: int | None
    homeless: int


class Keeper:
    """Looks at places of one VM: would the promise of the host's cluster be kept, and held room left, if it were there?"""

    def __init__(self, s: Session, vm: Vm, now_s: float, *, locks: bool) -> None:
        """Begin; *locks* keeps others from placing in the clusters that are looked at."""
        self._s, self._ha, self._now_s, self._locks = s, vm.ha, now_s, locks
        self._me = guest(s, vm, tuple(hosts.held_by(s, vm.id)))
        self._clusters: dict[int, Watched | None] = {}
        self._failed: dict[int, frozenset[int]] = {}

    def refuses(self, host_id: int) -> Refusal | None:
        """Return why the VM had better not be there; None: it may."""
        seen = self._look(self._s.get_one(Host, host_id).cluster_id)
        if seen is None:
            return None
        cluster, after = seen.cluster, seen.board.holding(self._me, host_id, ha=self._ha)
        short = plan.homeless(after)
        if short is not None and short.left_over > seen.homeless:
            return Refusal(cluster, short, held=True)
        if seen.losses is None:
            return None
        first = [self._failed[cluster.id]] if cluster.id in self._failed else []
        bad = plan.check(after, seen.losses, first=first)
        if bad is None:
            return None
        self._failed[cluster.id] = bad.lost  # the next host fails at the same loss, most likely
        return Refusal(cluster, bad, held=False)

    def _look(self, cluster_id: int) -> Watched | None:
        if cluster_id not in self._clusters:
            self._clusters[cluster_id] = self._watched(self._s.get_one(Cluster, cluster_id))
        return self._clusters[cluster_id]

    def _watched(self, cluster: Cluster) -> Watched | None:
        n = enforced(self._s, cluster)
        if not n and not holds(self._s, cluster):
            return None
        if self._locks:
            settle(self._s, cluster.id)
        shown = without(picture(self._s, cluster, self._now_s), self._me)
        losses = tolerated(shown, n) if n else None
        if not losses and not shown.awaited:
            return None
        board = Board(shown)
        short = plan.homeless(board)
        return Watched(cluster, board, losses, short.left_over if short else 0)


def keeping(s: Session, vm: Vm, now_s: float) -> Choice:
    """Return the choice of those places that keep the promise, and leave the room that is held.

    Raises (the choice, when it is asked):
        PromiseBroken, RoomHeld: there are places, and none of them does.
    """

    def choice(places: Iterable[Placement]) -> Iterator[Placement]:
        keeper, bad, tried = Keeper(s, vm, now_s, locks=True), None, False
        for placement in places:
            refused = keeper.refuses(placement.host_id)
            if refused is None:
                tried = True
                yield placement
            bad = bad or refused
        if bad is not None and not tried:
            raise bad.error(f"Starting VM {vm.name}")

    return choice


def rather(s: Session, vm: Vm, now_s: float) -> Choice:
    """Return the choice that prefers places which keep the promise, and takes others when there are none.

    For a VM that must leave where it is.
    """

    def choice(places: Iterable[Placement]) -> Iterator[Placement]:
        keeper, worse = Keeper(s, vm, now_s, locks=True), []
        for placement in places:
            if keeper.refuses(placement.host_id) is None:
                yield placement
            else:
                worse.append(placement)
        yield from worse

    return choice
