"""Which VMs that wait for their restart are started now: the urgent first, those that others need before them.

Each cluster by itself.  The plan by which the cluster's promise was proven says where each goes; its room is
tried first, for it may exist where taking the emptiest host for each would not end well.  A restart's row is
read, never an agent: how it went on is written by the saga, and by who asks whether VMs are ready (``ready``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Update, delete, select, update
from sqlalchemy.orm import Session

from tegar.kernel import log
from tegar.kernel.db import live
from tegar.model.lease import Proof
from tegar.model.settings import HA_STARTS_PER_HOST
from tegar.model.vm import State
from tegar.saga import promise
from tegar.saga.vm_restart import RESTART_VM, RestartVm
from tegar.scheduler import order, plan
from tegar.scheduler.order import Started, Waiting
from tegar.scheduler.picture import NOWHERE
from tegar.store import dependencies
from tegar.store.hosts import Host
from tegar.store.leases import Death, HostLease
from tegar.store.restarts import Restart
from tegar.store.vms import Vm
from tegar.store.zones import Cluster

AT_ONCE = 200
NO_GATE = 99  # as a priority: nobody waits for it, but those who need it
HELD_CHARACTERS = 255
LIVES = (State.RUNNING, State.STOPPING, State.MIGRATING)


@dataclass(frozen=True)
class Turn:
    """What one look came to: how many were started, and how many wait still."""

    started: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A restart with what the order asks of its VM."""

    vm_id: int
    death_id: int
    from_host_id: int
    to_host_id: int | None
    queued_s: float
    started_s: float | None
    running_s: float | None
    saga_id: int | None
    held: str
    kind: str
    name: str
    state: State
    host_id: int | None
    priority: int
    patience_s: int
    cluster_id: int

    @property
    def waits(self) -> bool:
        """Whether it is still to be started."""
        return self.saga_id is None

    def over(self, now_s: float) -> bool:
        """Whether it runs and nobody waits for it any more."""
        return self.running_s is not None and (
            self.state not in LIVES or now_s - self.running_s >= self.patience_s
        )

    def as_started(self) -> Started:
        """Return it as one that was started.  A process that died alone is waited for only by who needs it."""
        return Started(
            self.vm_id,
            self.name,
            self.host_id or self.to_host_id or NOWHERE,
            NO_GATE if self.kind == Proof.GONE else self.priority,
            running=self.running_s is not None,
            since_s=self.running_s or self.started_s or self.queued_s,
            patience_s=float(self.patience_s),
        )


@dataclass(frozen=True)
class Known:
    """All restarts, what waits for what, and those that are needed and not among them."""

    rows: Sequence[Row]
    needs: Mapping[int, Sequence[int]]
    unproven: Mapping[int, Waiting]
    lives: frozenset[int]
    by_cluster: Mapping[int, list[Row]] = field(default_factory=dict)


def submit(s: Session, now_s: float) -> Turn:
    """Start what is due, at most ``AT_ONCE``, and write why the others wait, where that changed."""
    rows = _rows(s, now_s)
    waiting = [row for row in rows if row.waits]
    if not waiting:
        return Turn()
    known = _known(s, rows, waiting)
    started = 0
    for cluster_id, mine in sorted(known.by_cluster.items()):
        if any(row.waits for row in mine):
            started += _cluster(s, s.get_one(Cluster, cluster_id), mine, known, now_s, AT_ONCE - started)
    return Turn(started, len(waiting) - started)


def _rows(s: Session, now_s: float) -> list[Row]:
    """Return the restarts; those that are over end here."""
    stmt = (
        select(
            Restart.vm_id, Restart.death_id, Restart.from_host_id, Restart.to_host_id, Restart.queued_s,
            Restart.started_s, Restart.running_s, Restart.saga_id, Restart.held, Death.kind, Vm.name, Vm.state,
            Vm.host_id, Vm.ha_priority, Vm.ha_ready_timeout_s, Host.cluster_id,
        )
        .join(Death, Death.id == Restart.death_id)
        .join(Vm, Vm.id == Restart.vm_id)
        .join(Host, Host.id == Restart.from_host_id)
        .order_by(Restart.queued_s, Restart.vm_id)
    )  # fmt: skip
    rows = [Row(*found) for found in s.execute(stmt)]  # type: ignore[call-arg]
    over = {row.vm_id for row in rows if row.over(now_s)}
    if over:
        s.execute(delete(Restart).where(Restart.vm_id.in_(over), Restart.running_s.is_not(None)))
    return [r for r in rows if r.vm_id not in over and not (r.waits and r.state != State.STARTING)]


def _known(s: Session, rows: Sequence[Row], waiting: Sequence[Row]) -> Known:
    needs = dependencies.needs_of(s, [row.vm_id for row in waiting])
    needed = {other for found in needs.values() for other in found} - {row.vm_id for row in rows}
    lives = s.scalars(
        select(Host.id)
        .outerjoin(HostLease, HostLease.host_id == Host.id)
        .where(live(Host), (HostLease.state.is_(None)) | (HostLease.state == "live"))
    )
    by_cluster: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_cluster[row.cluster_id].append(row)
    return Known(rows, needs, _unproven(s, needed), frozenset(lives), by_cluster)


def _unproven(s: Session, vm_ids: Collection[int]) -> dict[int, Waiting]:
    """Return those that run, as far as is known, on a host that fell silent: their restart may come."""
    if not vm_ids:
        return {}
    stmt = (
        select(Vm.id, Vm.name, HostLease.since_s, Vm.ha_ready_timeout_s)
        .join(HostLease, HostLease.host_id == Vm.host_id)
        .where(
            Vm.id.in_(vm_ids),
            Vm.ha.is_(True),
            Vm.state == State.RUNNING,
            HostLease.state.in_(["suspect", "dead"]),
        )
    )
    why = "is on a host that fell silent, and waits for its end to be proven"
    return {
        id: Waiting(id, name, NOWHERE, NO_GATE, since_s=since_s, patience_s=float(patience_s), blocked=why)
        for id, name, since_s, patience_s in s.execute(stmt)
    }


def _cluster(
    s: Session, cluster: Cluster, mine: Sequence[Row], known: Known, now_s: float, at_most: int
) -> int:
    to = _targets(s, cluster, mine, known.lives, now_s)
    waiting = [_waiting(row, to, known.needs) for row in mine if row.waits or _stuck(row)]
    started = [row.as_started() for row in mine if not row.waits and not _stuck(row)]
    ours = {row.vm_id for row in mine}
    for row in known.rows:
        if row.vm_id not in ours and (row.waits or _stuck(row)):
            why = row.held or "is to start in another cluster"
            waiting.append(_blocked(row, why))
        elif row.vm_id not in ours:
            started.append(row.as_started())
    waiting += known.unproven.values()
    found = order.due(waiting, started, now_s, per_host=HA_STARTS_PER_HOST.of(s, "cluster", cluster.id))
    rows = {row.vm_id: row for row in mine if row.waits}
    starting = [rows[vm_id] for vm_id in found.start if vm_id in rows][:at_most]
    for row in starting:
        _start(s, row, to.get(row.vm_id), now_s)
    _hold(s, rows, {row.vm_id for row in starting}, found.held)
    if starting:
        log.get("ha").info("restarts", cluster=cluster.name, started=len(starting), held=len(found.held))
    return len(starting)


def _stuck(row: Row) -> bool:
    """Whether it was started and no host takes it now: until one does it is nobody's gate."""
    return not row.waits and row.running_s is None and bool(row.held)


def _waiting(row: Row, to: Mapping[int, int], needs: Mapping[int, Sequence[int]]) -> Waiting:
    if _stuck(row):
        return _blocked(row, row.held, row.priority)
    return Waiting(
        row.vm_id,
        row.name,
        to.get(row.vm_id, NOWHERE),
        row.priority,
        tuple(needs.get(row.vm_id, ())),
        row.queued_s,
        float(row.patience_s),
    )


def _blocked(row: Row, why: str, priority: int = NO_GATE) -> Waiting:
    return Waiting(
        row.vm_id,
        row.name,
        NOWHERE,
        priority,
        since_s=row.queued_s,
        patience_s=float(row.patience_s),
        blocked=why,
    )


def _targets(
    s: Session, cluster: Cluster, mine: Sequence[Row], lives: frozenset[int], now_s: float
) -> dict[int, int]:
    """Return where each that waits is to go; planned when somebody has no place yet, or one on a host that fell."""
    waiting = [row for row in mine if row.waits]
    to = {row.vm_id: row.to_host_id for row in waiting if row.to_host_id in lives}
    if len(to) == len(waiting):
        return {vm_id: host_id for vm_id, host_id in to.items() if host_id is not None}
    shown = promise.picture(s, cluster, now_s)
    planned = {move.guest.id: move.host_id for move in plan.rather(shown, {NOWHERE})}
    load = {h.id: 0 for h in shown.hosts if shown.takes(h)}
    for row in waiting:
        if row.vm_id not in planned and load:
            planned[row.vm_id] = min(load, key=lambda h: (load[h], h))  # no room in sight: evenly
            load[planned[row.vm_id]] += 1
    by_host: dict[int, list[int]] = defaultdict(list)
    for row in waiting:
        if row.vm_id in planned and planned[row.vm_id] != row.to_host_id:
            by_host[planned[row.vm_id]].append(row.vm_id)
    for host_id, vm_ids in by_host.items():
        s.execute(_of(vm_ids).values(to_host_id=host_id))
    return {row.vm_id: planned[row.vm_id] for row in waiting if row.vm_id in planned}


def _of(vm_ids: Collection[int]) -> Update:
    mine = update(Restart).where(Restart.vm_id.in_(vm_ids), Restart.saga_id.is_(None))
    return mine.execution_options(synchronize_session=False)


def _start(s: Session, row: Row, to_host_id: int | None, now_s: float) -> None:
    saga = RESTART_VM.submit(s, RestartVm(row.vm_id, row.death_id, to_host_id))
    s.execute(_of([row.vm_id]).values(saga_id=saga.id, started_s=now_s, held=""))


def _hold(s: Session, rows: Mapping[int, Row], started: Collection[int], held: Mapping[int, str]) -> None:
    """Write for what each waits that is not started, if that is news."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for vm_id, row in rows.items():
        why = held.get(vm_id, "waits for its turn")[:HELD_CHARACTERS]
        if vm_id not in started and why != row.held:
            by_reason[why].append(vm_id)
    for why, vm_ids in by_reason.items():
        s.execute(_of(vm_ids).values(held=why))
