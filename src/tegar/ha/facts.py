"""What SQL says about guarded hosts, read for one look of the HA manager."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.ha.decide import NEVER, Facts, HostFacts, LeaseId
from tegar.kernel.db import live
from tegar.model.host import Resource
from tegar.model.timing import DEFAULT
from tegar.store.hosts import Hold, Host, Pulse
from tegar.store.leases import Death, HostLease, Witness
from tegar.store.zones import Cluster, Zone

STALL_KNOWN_S = 30.0  # what a host said of its pools is believed for so long
FLOORS_KEPT = 16  # a machine has one boot at a time; witnesses keep no more either
EVERY_EPOCH = 2**31 - 1  # as a proof's epoch: of the whole boot


@dataclass(frozen=True, slots=True)
class Known:
    """A guarded host by its name in datagrams."""

    host_id: int
    name: str
    url: str
    cluster_id: int


@dataclass(frozen=True, slots=True)
class Picture:
    """The facts, whom names stand for, and where witnesses are."""

    facts: Facts
    hosts: Mapping[str, Known]
    addresses: Mapping[str, tuple[str, int]]


def read(s: Session, *, bmcs: frozenset[int] = frozenset(), stalled: frozenset[int] = frozenset()) -> Picture:
    """Return the picture: a fixed number of queries.

    Args:
        s: a session to read with.
        bmcs: the ids of hosts whose power can be cut.
        stalled: the ids of hosts that reported that their storage hangs.
    """
    stmt = (
        select(
            Host.id, Host.uuid, Host.name, Host.url, Host.cluster_id, Host.ha_enabled, Host.resource_state,
            Cluster.ha_enabled.label("in_cluster"), Zone.ha_enabled.label("in_zone"),
            HostLease.boot, HostLease.epoch, HostLease.dead_s,
        )
        .join(HostLease, HostLease.host_id == Host.id)
        .join(Cluster, Cluster.id == Host.cluster_id)
        .join(Zone, Zone.id == Host.zone_id)
        .where(live(Host))
    )  # fmt: skip
    rows = s.execute(stmt.order_by(Host.id)).all()
    uuids = {row.id: row.uuid for row in rows}
    hosts = {
        row.uuid: HostFacts(
            cluster=row.cluster_id,
            armed=row.ha_enabled and row.in_cluster and row.in_zone,
            bmc=row.id in bmcs,
            force_off_s=_force_off_s(row.dead_s),
            lease=LeaseId(row.uuid, row.boot, row.epoch) if row.boot else None,
            stalled=row.id in stalled,
            given_up=row.resource_state == Resource.DEGRADED,
        )
        for row in rows
    }
    proven, floors = _proofs(s, uuids)
    held = s.execute(select(Hold.host_id, Hold.boot, Hold.epoch).where(Hold.boot != "").distinct())
    leases = {LeaseId(uuids[h.host_id], h.boot, h.epoch) for h in held if h.host_id in uuids}
    leases |= {known.lease for known in hosts.values() if known.lease is not None}
    unproven = frozenset(lease for lease in leases if not _is_proven(lease, proven))
    witnesses, addresses = _witnesses(s, {row.cluster_id for row in rows})
    return Picture(
        Facts(hosts, witnesses, unproven, floors),
        {row.uuid: Known(row.id, row.name, row.url, row.cluster_id) for row in rows},
        addresses,
    )


def stalled(s: Session, now_s: float) -> frozenset[int]:
    """Return the ids of hosts that said lately that a pool hangs."""
    stmt = select(Pulse.host_id).where(Pulse.stalled != "", Pulse.seen_s >= now_s - STALL_KNOWN_S)
    return frozenset(s.scalars(stmt))


def _force_off_s(dead_s: float) -> float:
    """Return W of a host, which follows from its D: silence before W never cuts power."""
    return (dead_s - DEFAULT.pad_s) / (2 * (1 + 4 * DEFAULT.rho)) if dead_s else DEFAULT.force_off_s


def _proofs(
    s: Session, uuids: Mapping[int, str]
) -> tuple[dict[tuple[str, str], int], dict[str, tuple[tuple[str, int], ...]]]:
    """Return the highest proven epoch of each boot, and what witnesses are taught about each host."""
    proven: dict[tuple[str, str], int] = {}
    for death in s.execute(
        select(Death.host_id, Death.boot, Death.epoch).where(Death.vm_id == 0).order_by(Death.id)
    ):
        if death.host_id in uuids:
            key = (uuids[death.host_id], death.boot)
            proven[key] = max(death.epoch, proven.pop(key, 0))
    floors: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for (host, boot), epoch in proven.items():
        floors[host].append((boot, NEVER if epoch >= EVERY_EPOCH else epoch + 1))
    return proven, {host: tuple(known[-FLOORS_KEPT:]) for host, known in floors.items()}


def _is_proven(lease: LeaseId, proven: Mapping[tuple[str, str], int]) -> bool:
    return proven.get((lease.host, lease.boot), -1) >= lease.epoch


def _witnesses(
    s: Session, cluster_ids: set[int]
) -> tuple[dict[int, tuple[str, ...]], dict[str, tuple[str, int]]]:
    rows = s.scalars(select(Witness).where(live(Witness)).order_by(Witness.name)).all()
    of_all = tuple(w.name for w in rows if w.cluster_id is None)
    by: dict[int, tuple[str, ...]] = {}
    for cluster_id in cluster_ids:
        by[cluster_id] = tuple(w.name for w in rows if w.cluster_id == cluster_id) or of_all
    return by, {w.name: (w.address, w.port) for w in rows}
