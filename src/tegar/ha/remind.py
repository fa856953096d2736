"""Witnesses that restarted are told of every VM, so that what they grant counts again; see ``guard/tally.py``.

Until then a cluster of three with one that restarted lately would have no failover while another is down.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, aliased

from tegar.kernel.db import live
from tegar.saga.env import Env
from tegar.store.hosts import Host
from tegar.store.vms import Vm
from tegar.store.zones import Cluster

AT_ONCE = 200
TIMES = 3  # a VM whose epoch is raised meanwhile is read again so often


class Known(NamedTuple):
    """A VM's epoch as the database has it, and the cluster whose witnesses know it."""

    vm_id: int
    uuid: str
    epoch: int
    name: str
    cluster_id: int | None


def remind(env: Env, blank: Mapping[str, int]) -> int:
    """Tell those witnesses of every VM; return of how many.

    Each must answer for each VM, even for one of which a majority knows a later epoch than the database:
    from then on it knows that it may have forgotten something about that one, and about no other.  VMs
    that are made meanwhile it cannot have forgotten; a last look tells it of them, too.

    Args:
        env: the database and the witnesses.
        blank: names of witnesses, and their incarnations.

    Raises:
        Unavailable: too few witnesses answered; worth trying again.
    """
    last_id, count = _all_after(env, 0, blank)
    for cluster_id in env.db.read(lambda s: s.scalars(select(Cluster.id).where(live(Cluster))).all()):
        env.quorum.say_whole(cluster_id, blank)
    return count + _all_after(env, last_id, blank)[1]


def _all_after(env: Env, last_id: int, blank: Mapping[str, int]) -> tuple[int, int]:
    """Tell of the VMs with higher ids; return the highest there is, and how many there are."""
    count = 0
    while some := env.db.read(partial(_vms, which=Vm.id > last_id)):
        for vm in some:
            _tell(env, vm, blank)
        last_id, count = some[-1].vm_id, count + len(some)
    return last_id, count


def _tell(env: Env, vm: Known, blank: Mapping[str, int]) -> None:
    for _ in range(TIMES):
        if vm.cluster_id is None or env.quorum.remind(vm.cluster_id, vm.uuid, vm.epoch, vm.name, blank):
            return
        again = env.db.read(partial(_vms, which=Vm.id == vm.vm_id))
        if not again or again[0] == vm:
            return  # in dispute: the database has lost commits
        vm = again[0]


def _vms(s: Session, which: ColumnElement[bool]) -> list[Known]:
    """Return VMs by id; one without a host belongs to the first cluster of its zone, as for a restart."""
    first = aliased(Cluster)
    of_zone = select(func.min(first.id)).where(first.zone_id == Vm.zone_id).scalar_subquery()
    stmt = (
        select(Vm.id, Vm.uuid, Vm.epoch, Vm.epoch_name, func.coalesce(Host.cluster_id, of_zone))
        .outerjoin(Host, Host.id == func.coalesce(Vm.host_id, Vm.last_host_id))
        .where(live(Vm), or_(Vm.epoch == 0, Vm.epoch_name != ""), which)
    )
    return [Known(*row) for row in s.execute(stmt.order_by(Vm.id).limit(AT_ONCE))]
