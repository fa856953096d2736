"""An invariant of the whole cloud: room that VMs of fallen hosts need is not given to others meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tegar.model.vm import State
from tegar.saga import promise
from tegar.saga.hold import limits
from tegar.scheduler import plan
from tegar.scheduler.board import Board
from tegar.store.hosts import Host, HostUse
from tegar.store.offerings import ServiceOffering
from tegar.store.vms import Vm
from tegar.store.zones import Cluster

if TYPE_CHECKING:
    from tegar.sim.ha.cloud import Cloud

Key = tuple[object, ...]
MAY_MOVE = (State.MIGRATING, State.STOPPING)  # who must leave a host may take room that others would need


class Room:
    """Looks, again and again, for how many VMs of suspect and dead hosts there is no room."""

    def __init__(self, cloud: Cloud) -> None:
        """Begin."""
        self._cloud = cloud
        self._seen: tuple[Key, int] | None = None

    def check(self) -> None:
        """Raise if there are more than before, and only others' placing can have made them so.

        Raises:
            Violation: there are.
        """
        before, self._seen = self._seen, self._cloud.db.read(self._look)
        if before is None or self._seen is None or before[0] != self._seen[0]:
            return
        if self._seen[1] > before[1]:
            self._cloud.engine.violate(
                f"room was given away: {before[1]}, then {self._seen[1]} VMs find none"
            )

    def _look(self, s: Session) -> tuple[Key, int] | None:
        cluster = s.scalars(select(Cluster)).one()
        if not promise.holds(s, cluster) or s.scalars(select(Vm.id).where(Vm.state.in_(MAY_MOVE))).first():
            return None
        shown = promise.picture(s, cluster, self._cloud.clock.now_s())
        if not shown.awaited:
            return None
        takers = frozenset(h.id for h in shown.hosts if shown.takes(h))
        awaited = frozenset((g.id, g.host_ids) for g in shown.guests if shown.awaited & set(g.host_ids))
        short = plan.homeless(Board(shown))
        return (shown.awaited, takers, awaited), short.left_over if short else 0


def fill(s: Session, slots: int) -> None:
    """Leave on every host the memory of so many VMs, as if others held the rest."""
    size = s.scalars(select(ServiceOffering.memory_bytes).where(ServiceOffering.name == "one")).one() or 0
    for host in s.scalars(select(Host)):
        used = limits(s, host)[1] - slots * size
        s.execute(update(HostUse).where(HostUse.host_id == host.id).values(memory_bytes=used))
