"""Witnesses: where hosts renew their leases."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List, Success
from tegar.api.commands.where import only
from tegar.api.views.high_availability import WitnessView, witnesses
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops import witness as ops
from tegar.ops.ctx import Ctx
from tegar.store.leases import Witness
from tegar.store.zones import Cluster


class CreateWitness(Command):
    """Add a witness; not while hosts hold leases by the set that it would change."""

    name = "createWitness"
    roles = ADMIN
    envelope = "witness"
    response = WitnessView
    view = staticmethod(witnesses)

    name_: str = param("its name, as in its configuration", wire="name", max_length=64)
    address: str = param("where hosts and servers reach it", max_length=100)
    port: int = param("its UDP port", low=1, high=65535)
    cluster_id: Cluster | None = param(
        "of this cluster alone; by default of all that have none of their own", default=None
    )

    def run(self, ctx: Ctx) -> Witness:
        cluster_id = self.cluster_id.id if self.cluster_id else None
        return ops.create(
            ctx, Witness(name=self.name_, address=self.address, port=self.port, cluster_id=cluster_id)
        )


class ListWitnesses(List):
    """List witnesses."""

    name = "listWitnesses"
    roles = ADMIN
    envelope = "witness"
    response = WitnessView
    view = staticmethod(witnesses)

    id: Witness | None = param("the witness", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    cluster_id: Cluster | None = param("of this cluster alone", default=None)

    def run(self, ctx: Ctx) -> Page[Witness]:
        stmt = select(Witness).where(live(Witness)).order_by(Witness.id)
        stmt = only(
            stmt, (Witness.id, self.id), (Witness.name, self.name_), (Witness.cluster_id, self.cluster_id)
        )
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Witness.name, Witness.address))
        return self.fetch(ctx, stmt)


class DeleteWitness(Command):
    """Delete a witness; not while hosts hold leases by the set that it would change."""

    name = "deleteWitness"
    roles = ADMIN

    id: Witness = param("the witness")

    def run(self, ctx: Ctx) -> Success:
        ops.delete(ctx, self.id)
        return Success()


COMMANDS = (CreateWitness, ListWitnesses, DeleteWitness)
