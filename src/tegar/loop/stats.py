"""Keep the latest counters of running VMs and pools."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.driver.registry import PRIMARY
from tegar.kernel.db import live
from tegar.kernel.errors import TegarError
from tegar.model.host import State as HostState
from tegar.saga.env import Env
from tegar.saga.vm_destroy import reach
from tegar.store.hosts import Host
from tegar.store.pools import Pool
from tegar.store.vms import Vm, VmStat
from tegar.wire.virt import AllStats, GetStats


def round(env: Env) -> None:
    """Ask every host that is up for its guests' counters."""
    up = env.db.read(lambda s: s.scalars(select(Host).where(live(Host), Host.state == HostState.UP)).all())
    for host in up:
        try:
            stats = env.links.to(host.url).ask(GetStats(), timeout_s=10)
        except TegarError:
            continue  # host_pulse tells of silent hosts
        if stats.domains:
            env.db.tx(lambda s, a=stats: _keep(s, a))  # type: ignore[misc]


def _keep(s: Session, stats: AllStats) -> None:
    ours = select(Vm.uuid, Vm.id).where(Vm.uuid.in_([d.uuid for d in stats.domains]))
    ids = {row.uuid: row.id for row in s.execute(ours)}
    known = {k.vm_id: k for k in s.scalars(select(VmStat).where(VmStat.vm_id.in_(ids.values())))}
    for d in stats.domains:
        if d.uuid not in ids:
            continue
        row = known.get(ids[d.uuid]) or VmStat(vm_id=ids[d.uuid], at_s=stats.at_s, cpu_ns=d.cpu_ns)
        passed_s = stats.at_s - row.at_s
        if passed_s > 0 and d.cpu_ns >= row.cpu_ns:
            row.cpu_used = (d.cpu_ns - row.cpu_ns) / 1e9 / passed_s
        row.at_s, row.cpu_ns, row.memory_bytes = stats.at_s, d.cpu_ns, d.memory_bytes
        row.disk_read_bytes, row.disk_write_bytes = d.disk_read_bytes, d.disk_write_bytes
        row.disk_read_ops, row.disk_write_ops = d.disk_read_ops, d.disk_write_ops
        row.net_read_bytes, row.net_write_bytes = d.net_read_bytes, d.net_write_bytes
        s.add(row)


def pools(env: Env) -> None:
    """Ask a host of each pool how full it is."""

    def look(s: Session) -> list[tuple[Pool, str]]:
        found = []
        for pool in s.scalars(select(Pool).where(live(Pool))):
            host_id = reach(s, pool)
            if host_id is not None:
                found.append((pool, s.get_one(Host, host_id).url))
        return found

    for pool, url in env.db.read(look):
        try:
            facts = PRIMARY[pool.kind].open(pool.spec(), env.links.to(url))
        except TegarError:
            continue
        env.db.tx(lambda s, i=pool.id, f=facts: _full(s, i, f.capacity_bytes, f.used_bytes))  # type: ignore[misc]


def _full(s: Session, pool_id: int, capacity_bytes: int, used_bytes: int) -> None:
    pool = s.get_one(Pool, pool_id)
    pool.capacity_bytes, pool.used_bytes = capacity_bytes, used_bytes
