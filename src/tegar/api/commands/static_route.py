"""Static routes of VPCs."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList, named
from tegar.api.commands.where import only
from tegar.api.views.private_gateway import StaticRouteView, static_routes
from tegar.kernel.command import Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.model.rule import RuleState
from tegar.ops import static_route as ops
from tegar.ops.ctx import Ctx
from tegar.store.gateways import PrivateGateway, StaticRoute
from tegar.store.vpcs import Vpc


class CreateStaticRoute(Command):
    """Let a VPC reach a network by a private gateway, or by an address in a tier; done when its routers do."""

    name = "createStaticRoute"
    is_async = True
    response = StaticRouteView
    entity = StaticRoute
    view = staticmethod(static_routes)

    cidr: str = param("the network to reach")
    gateway_id: PrivateGateway | None = param("by this private gateway", default=None)
    vpc_id: Vpc | None = param("or of this VPC, with nexthop", default=None)
    next_hop: str | None = param(
        "by this address in a tier or beside a private gateway", default=None, wire="nexthop"
    )

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.create(
            ctx, self.cidr, gateway=self.gateway_id, vpc=self.vpc_id, next_hop=self.next_hop or None
        )


class DeleteStaticRoute(Command):
    """Delete a static route; done when the routers do without it."""

    name = "deleteStaticRoute"
    is_async = True

    id: StaticRoute = param("the route")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.delete(ctx, self.id)


class ListStaticRoutes(OwnedList):
    """List static routes."""

    name = "listStaticRoutes"
    response = StaticRouteView
    view = staticmethod(static_routes)

    id: StaticRoute | None = param("the route", default=None)
    vpc_id: Vpc | None = param("of this VPC", default=None)
    gateway_id: PrivateGateway | None = param("by this private gateway", default=None)
    state: str | None = param("Add, Active or Deleting", default=None)

    def run(self, ctx: Ctx) -> Page[StaticRoute]:
        row = StaticRoute
        by_id = self.id is not None or self.vpc_id is not None or self.gateway_id is not None
        stmt = select(row).where(live(row), self.scope(ctx, row, by_id=by_id)).order_by(row.id)
        stmt = only(stmt, (row.id, self.id), (row.vpc_id, self.vpc_id), (row.gateway_id, self.gateway_id))
        if self.state:
            stmt = stmt.where(row.state.in_(named(RuleState, self.state)))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.cidr, row.next_hop))
        return self.fetch(ctx, stmt)


COMMANDS = (CreateStaticRoute, DeleteStaticRoute, ListStaticRoutes)
