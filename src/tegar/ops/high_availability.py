"""High availability: what operators switch, ask and see of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import OPEN, SagaRow
from tegar.kernel.saga import State as SagaState
from tegar.model.vm import State
from tegar.ops.ctx import Ctx
from tegar.saga import promise
from tegar.scheduler.plan import Move, Plan, Shortfall, lose
from tegar.store import health
from tegar.store.health import HealthCheck
from tegar.store.hosts import Host
from tegar.store.leases import HostLease, leases_of
from tegar.store.restarts import Restart
from tegar.store.vms import Vm
from tegar.store.zones import Cluster, Zone

PROVIDER = "TegarLease"
RESTART = "vm.restart"  # the saga that restarts a VM of a failed host

STATES = {"joining": "Initializing", "live": "Available", "suspect": "Suspect", "dead": "Fenced"}


@dataclass(frozen=True)
class HostHa:
    """A host and what becomes of its VMs when it fails; ``state`` is the protocol's word."""

    host: Host
    lease: HostLease | None
    enabled: bool
    state: str


def of_hosts(ctx: Ctx, hosts: Sequence[Host]) -> list[HostHa]:
    """Return hosts with their leases; a fixed number of queries."""
    leases = leases_of(ctx.s, [h.id for h in hosts])
    clusters = {c.id: c for c in ctx.s.scalars(select(Cluster))}
    zones = {z.id: z for z in ctx.s.scalars(select(Zone))}
    return [
        _of(
            h,
            leases.get(h.id),
            (h.ha_enabled, clusters[h.cluster_id].ha_enabled, zones[h.zone_id].ha_enabled),
        )
        for h in hosts
    ]


def _of(host: Host, lease: HostLease | None, enabled: Iterable[bool]) -> HostHa:
    on = all(enabled)
    if not on:
        state = "Disabled"
    elif lease is None:
        state = "Ineligible"  # without a lease its failure cannot be proven, so it is not answered
    elif lease.braked:
        state = "Degraded"
    else:
        state = STATES[lease.state]
    return HostHa(host, lease, on, state)


def switch(ctx: Ctx, row: Host | Cluster | Zone, *, enabled: bool) -> None:
    """Enable or disable HA of a host, or disarm or arm a cluster or zone: while disabled, no failure is answered."""
    row.ha_enabled = enabled
    what = f"{type(row).__name__} {row.name}"
    if enabled:
        ctx.note("HA.RESOURCE.ENABLE", f"High availability enabled for {what}", row)
    else:
        ctx.note("HA.RESOURCE.DISABLE", f"High availability disabled for {what}: no failure is answered", row)


def configure(ctx: Ctx, host: Host, provider: str) -> None:
    """Choose how a host's failure is answered: there is one way.

    Raises:
        BadParameter: another way.
    """
    if provider.lower() != PROVIDER.lower():
        raise BadParameter("provider", f"{provider[:40]!r} is not here; the only one is {PROVIDER}")
    ctx.note("HA.RESOURCE.CONFIGURE", f"High availability of Host {host.name} is by {PROVIDER}", host)


@dataclass(frozen=True)
class Verdict:
    """What would happen: to a cluster that loses any n hosts (``host`` None), or when that host is lost."""

    cluster: Cluster
    host: Host | None
    promised: int
    tolerated: int
    survivable: bool
    why: str
    moves: tuple[Move, ...] = ()


def check(
    ctx: Ctx, *, zone: Zone | None, cluster: Cluster | None, host: Host | None, n: int | None
) -> list[Verdict]:
    """Say what would happen if hosts were lost now; nothing is touched.

    Args:
        ctx: the caller.
        zone: only its clusters.
        cluster: only this one.
        host: only the loss of this one.
        n: how many at once; by default as many as each cluster promises.

    Raises:
        Refused: a host and a number at once.
    """
    if host is not None and n is not None:
        raise Refused("Give hostid or n: the loss of that host is the loss of one")
    stmt = select(Cluster).where(live(Cluster)).order_by(Cluster.id)
    if zone is not None:
        stmt = stmt.where(Cluster.zone_id == zone.id)
    if cluster is not None or host is not None:
        ids = {x for x in (cluster and cluster.id, host and host.cluster_id) if x}
        stmt = stmt.where(Cluster.id.in_(ids if len(ids) == 1 else ()))
    return [verdict for found in ctx.s.scalars(stmt).all() for verdict in _verdicts(ctx, found, host, n)]


def _verdicts(ctx: Ctx, cluster: Cluster, host: Host | None, n: int | None) -> Iterator[Verdict]:
    wanted, shown = promise.promised(ctx.s, cluster), promise.picture(ctx.s, cluster, ctx.now_s)
    asked = wanted if n is None else n
    kept, why = promise.kept(shown, asked)
    if host is None:
        yield Verdict(cluster, None, wanted, kept, survivable=not why, why=why)
    stmt = select(Host).where(Host.cluster_id == cluster.id, live(Host)).order_by(Host.id)
    for one in ctx.s.scalars(stmt):
        if host is not None and one.id != host.id:
            continue
        if one.id not in shown.guarded:
            why = "it has no lease, or HA is disabled for it: its failure is not answered"
            yield Verdict(cluster, one, wanted, kept, survivable=False, why=why)
            continue
        found = lose(shown, {one.id})
        moves = tuple(found.moves()) if isinstance(found, Plan) else ()
        why = str(found) if isinstance(found, Shortfall) else ""
        yield Verdict(cluster, one, wanted, kept, survivable=not why, why=why, moves=moves)


@dataclass(frozen=True)
class Pending:
    """A VM that is not running yet after a failure, or is starting; ``why`` says what it waits for."""

    vm: Vm
    since_s: float
    why: str
    restart: bool


def pending(ctx: Ctx) -> list[Pending]:
    """Return the VMs with HA whose start or restart is under way, the urgent first."""
    stmt = select(Vm).where(live(Vm), Vm.state == State.STARTING, Vm.ha.is_(True))
    vms = ctx.s.scalars(stmt.order_by(Vm.ha_priority, Vm.id)).all()
    ids, uuids = [vm.id for vm in vms], [vm.uuid for vm in vms]
    waits = select(Restart).where(Restart.vm_id.in_(ids), Restart.running_s.is_(None))
    restarts = {row.vm_id: row for row in ctx.s.scalars(waits)}
    mine = or_(
        SagaRow.instance_uuid.in_(uuids), SagaRow.id.in_([r.saga_id for r in restarts.values() if r.saga_id])
    )
    sagas = select(SagaRow).where(mine, SagaRow.state.in_([*OPEN, SagaState.STUCK])).order_by(SagaRow.id)
    found = ctx.s.scalars(sagas).all()
    by_vm, by_id = {saga.instance_uuid: saga for saga in found}, {saga.id: saga for saga in found}
    return [_pending(vm, restarts.get(vm.id), by_vm.get(vm.uuid), by_id) for vm in vms]


def _pending(vm: Vm, row: Restart | None, saga: SagaRow | None, sagas: Mapping[int, SagaRow]) -> Pending:
    if row is not None:
        work = sagas.get(row.saga_id or 0)
        why = row.held or (_work(work) if work else "waits for its turn")
        return Pending(vm, row.queued_s, why, restart=True)
    if saga is None:
        return Pending(vm, vm.updated_s or vm.created_s, "waits for its turn", restart=True)
    return Pending(vm, saga.created_s, _work(saga), restart=saga.name == RESTART)


def ask_check(ctx: Ctx) -> HealthCheck:
    """Ask for a check of what failovers stand on; one that is asked for already is that one."""
    row = health.asked(ctx.s)
    if row is None:
        row = HealthCheck(created_s=ctx.now_s)
        ctx.s.add(row)
        ctx.s.flush()
    return row


def _work(saga: SagaRow) -> str:
    return saga.detail or saga.error or f"{saga.name} is {saga.state.value}"
