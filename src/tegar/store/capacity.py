"""What there is and what is promised, summed by cluster; never used to decide, only to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.kernel.settings import Setting, SettingRow
from tegar.model.host import Resource, State
from tegar.model.settings import CPU_OVERCOMMIT, MEMORY_OVERCOMMIT, STORAGE_OVERCOMMIT
from tegar.store.hosts import Host, HostUse
from tegar.store.networks import GuestAddress, Network
from tegar.store.pools import Pool, PoolUse


@dataclass(frozen=True)
class Amount:
    """One kind of capacity at one place; numbers are bytes, MHz or addresses."""

    zone_id: int
    total: int
    used: int
    promised: int
    pod_id: int | None = None
    cluster_id: int | None = None


def factors(s: Session, setting: Setting[float]) -> dict[int, float]:
    """Return an overcommit factor by the id of its scope; 0 holds the one for all others."""
    found = {0: setting.default}
    for row in s.scalars(select(SettingRow).where(SettingRow.name == setting.name)):
        if row.scope == "global":
            found[0] = setting.parse(row.value)
        elif row.scope == setting.scope:
            found[row.scope_id] = setting.parse(row.value)
    return found


def compute(s: Session) -> tuple[list[Amount], list[Amount]]:
    """Return CPU (MHz) and memory (bytes) of the enabled hosts that are up, by cluster."""
    stmt = (
        select(
            Host.zone_id,
            Host.pod_id,
            Host.cluster_id,
            func.sum(Host.cpus * Host.cpu_mhz),
            func.sum(Host.memory_bytes),
            func.sum(func.coalesce(HostUse.cpu_mhz, 0)),
            func.sum(func.coalesce(HostUse.memory_bytes, 0)),
        )
        .outerjoin(HostUse, HostUse.host_id == Host.id)
        .where(live(Host), Host.state == State.UP, Host.resource_state == Resource.ENABLED)
        .group_by(Host.zone_id, Host.pod_id, Host.cluster_id)
        .order_by(Host.zone_id, Host.pod_id, Host.cluster_id)
    )
    cpu_factor, memory_factor = factors(s, CPU_OVERCOMMIT), factors(s, MEMORY_OVERCOMMIT)
    cpu, memory = [], []
    for zone, pod, cluster, mhz, size, mhz_held, size_held in s.execute(stmt):
        mhz_total = int(int(mhz) * cpu_factor.get(cluster, cpu_factor[0]))
        size_total = int(int(size) * memory_factor.get(cluster, memory_factor[0]))
        cpu.append(Amount(zone, mhz_total, int(mhz_held), int(mhz_held), pod, cluster))
        memory.append(Amount(zone, size_total, int(size_held), int(size_held), pod, cluster))
    return cpu, memory


def storage(s: Session) -> tuple[list[Amount], list[Amount]]:
    """Return what pools hold and what they have promised, in bytes, by cluster."""
    stmt = (
        select(
            Pool.zone_id,
            Pool.pod_id,
            Pool.cluster_id,
            func.sum(Pool.capacity_bytes),
            func.sum(Pool.used_bytes),
            func.sum(func.coalesce(PoolUse.allocated_bytes, 0)),
        )
        .outerjoin(PoolUse, PoolUse.pool_id == Pool.id)
        .where(live(Pool), Pool.state == "Up")
        .group_by(Pool.zone_id, Pool.pod_id, Pool.cluster_id)
        .order_by(Pool.zone_id, Pool.pod_id, Pool.cluster_id)
    )
    factor = factors(s, STORAGE_OVERCOMMIT)
    used, promised = [], []
    for zone, pod, cluster, size, taken, held in s.execute(stmt):
        total = int(int(size) * factor.get(zone, factor[0]))
        used.append(Amount(zone, int(size), int(taken), int(held), pod, cluster))
        promised.append(Amount(zone, total, int(held), int(held), pod, cluster))
    return used, promised


def addresses(s: Session) -> list[Amount]:
    """Return the addresses of shared networks by zone."""
    stmt = (
        select(Network.zone_id, func.count(), func.count(GuestAddress.nic_id))
        .select_from(GuestAddress)
        .join(Network, Network.id == GuestAddress.network_id)
        .where(live(Network))
        .group_by(Network.zone_id)
        .order_by(Network.zone_id)
    )
    return [Amount(zone, total, taken, taken) for zone, total, taken in s.execute(stmt)]


def total(amounts: Sequence[Amount], zone_id: int) -> Amount:
    """Return the sum over a zone."""
    mine = [a for a in amounts if a.zone_id == zone_id]
    return Amount(
        zone_id, sum(a.total for a in mine), sum(a.used for a in mine), sum(a.promised for a in mine)
    )
