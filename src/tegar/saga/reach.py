"""Which hosts can be asked to reach a storage."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.kernel.errors import AgentRefused, Refused, TegarError, Unavailable
from tegar.model.host import Resource, State
from tegar.store.hosts import Host
from tegar.store.pools import Pool


def up(s: Session, zone_id: int, *, cluster_id: int | None = None, hypervisor: str = "") -> list[Host]:
    """Return the hosts that are up, of a zone or of one cluster of it; those that take work come first."""
    stmt = select(Host).where(Host.zone_id == zone_id, live(Host), Host.state == State.UP)
    if cluster_id is not None:
        stmt = stmt.where(Host.cluster_id == cluster_id)
    if hypervisor:
        stmt = stmt.where(Host.hypervisor == hypervisor)
    found = s.scalars(stmt.order_by(Host.id)).all()
    return sorted(found, key=lambda h: (h.resource_state != Resource.ENABLED, h.id))


def for_pool(s: Session, pool: Pool) -> Host | None:
    """Return a host that reaches a pool, None when none is up."""
    return next(iter(up(s, pool.zone_id, cluster_id=pool.cluster_id)), None)


def cannot(error: TegarError, host: str, what: str) -> TegarError:
    """Return the error that says which host cannot use what, and why; still worth a retry if it was."""
    # What the agent says of itself names the host already; its own words are enough here.
    why = error.why if isinstance(error, (AgentRefused, Unavailable)) else str(error)
    if error.retry:
        return Unavailable(f"{what} on host {host}", why)
    return Refused(f"Host {host} cannot use {what}: {why}")
