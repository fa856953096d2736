"""Witnesses: the machines that hosts' leases are renewed at.

The set of a cluster must not change while hosts hold leases by it: a majority of the old set and one of the new
need not share a witness, so that the old could still renew a lease that the new has promised away.
"""

from __future__ import annotations

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.model.errors import Exists, InUse
from tegar.ops.ctx import Ctx
from tegar.store.hosts import Host
from tegar.store.leases import HostLease, Witness, witnesses_of
from tegar.store.serial import alone
from tegar.store.zones import Cluster


def create(ctx: Ctx, witness: Witness) -> Witness:
    """Add a witness, of one cluster or of all that have none of their own.

    Raises:
        Exists: one of that name is there.
        Refused: one is at that address already.
        InUse: hosts hold leases by the set that would change.
    """
    alone(ctx.s)
    for other in ctx.s.scalars(select(Witness).where(live(Witness))):
        if other.name == witness.name:
            raise Exists("witness", witness.name)
        if (other.address, other.port) == (witness.address, witness.port):
            raise Refused(f"Witness {other.name} is at {other.address}:{other.port} already")
    _must_be_free(ctx, witness.cluster_id, f"Witness {witness.name}")
    ctx.s.add(witness)
    ctx.s.flush()
    ctx.note(
        "HA.WITNESS.CREATE", f"Witness {witness.name} at {witness.address}:{witness.port} added", witness
    )
    return witness


def delete(ctx: Ctx, witness: Witness) -> None:
    """Forget a witness.

    Raises:
        InUse: hosts hold leases by the set that would change.
    """
    alone(ctx.s)
    _must_be_free(ctx, witness.cluster_id, f"Witness {witness.name}")
    witness.removed_s = ctx.now_s
    ctx.note("HA.WITNESS.DELETE", f"Witness {witness.name} deleted", witness)


def _must_be_free(ctx: Ctx, cluster_id: int | None, what: str) -> None:
    """Refuse when a host holds a lease by the witnesses of that cluster, or, with None, by those of all."""
    stmt = select(Host).join(HostLease, HostLease.host_id == Host.id).where(live(Host)).order_by(Host.id)
    if cluster_id is not None:
        stmt = stmt.where(Host.cluster_id == cluster_id)
    for host in ctx.s.scalars(stmt):
        own = any(w.cluster_id is not None for w in witnesses_of(ctx.s, host.cluster_id))
        if cluster_id is None and own:
            continue  # a change of the common set is none for this cluster
        name = ctx.s.get_one(Cluster, host.cluster_id).name
        raise InUse(
            what,
            f"host {host.name} of cluster {name} holds a lease by these witnesses; a majority of the set as it is "
            "and one of the set as it would be need not share a witness, so leases could be both renewed and "
            "promised away",
        )
