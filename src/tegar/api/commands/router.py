"""Virtual routers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.router import HealthChecksView, RouterView, health, routers
from tegar.kernel.command import ADMIN, ADMINS, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import NoSuchEntity
from tegar.kernel.page import Page
from tegar.kernel.saga import SagaRow
from tegar.model.host import State as HostState
from tegar.ops import access
from tegar.ops import router as ops
from tegar.ops.ctx import Ctx
from tegar.store.hosts import Host
from tegar.store.networks import Network
from tegar.store.routers import Router, RouterGroup
from tegar.store.vpcs import Vpc
from tegar.store.zones import Cluster, Pod, Zone


class ListRouters(OwnedList):
    """List virtual routers, those that have a host or are wanted."""

    name = "listRouters"
    roles = ADMINS
    response = RouterView
    view = staticmethod(routers)

    id: Router | None = param("the router", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    state: str | None = param("Running, Starting, Stopping, Stopped or Unknown", default=None)
    network_id: Network | None = param("that serves this network", default=None)
    vpc_id: Vpc | None = param("that serves tiers of this VPC", default=None)
    zone_id: Zone | None = param("in this zone", default=None)
    pod_id: Pod | None = param("in this pod", default=None, roles=ADMIN)
    cluster_id: Cluster | None = param("in this cluster", default=None, roles=ADMIN)
    host_id: Host | None = param("on this host", default=None, roles=ADMIN)
    for_vpc: bool | None = param("whether it is a VPC's", default=None)
    health_checks_failed: bool | None = param("whether something is wrong with it", default=None)
    fetch_health_check_results: bool = param("they are always told", default=False)
    version: str | None = param("of this version", default=None)

    def run(self, ctx: Ctx) -> Page[Router]:
        if self.project_id not in (None, "", "-1"):
            raise NoSuchEntity(self.name.lower(), "projectid", self.project_id or "")
        row = Router
        stmt = select(row).where(live(row), access.visible(ctx, row), row.group_id.in_(self._groups(ctx)))
        stmt = stmt.where(or_(row.stopped.is_(False), row.host_id.is_not(None))).order_by(row.id)
        stmt = only(stmt, (row.id, self.id), (row.host_id, self.host_id))
        if self.pod_id:
            stmt = stmt.where(row.host_id.in_(select(Host.id).where(Host.pod_id == self.pod_id.id)))
        if self.cluster_id:
            stmt = stmt.where(row.host_id.in_(select(Host.id).where(Host.cluster_id == self.cluster_id.id)))
        if self.state:
            stmt = stmt.where(_in_state(self.state))
        if self.health_checks_failed is not None:
            ill = _ill()
            stmt = stmt.where(ill if self.health_checks_failed else ~ill)
        for wanted in (self.name_, self.keyword):
            number = (wanted or "").lower().removeprefix("r-").removesuffix("-vm")
            if wanted:
                stmt = stmt.where(row.id == int(number) if number.isdigit() else false())
        return self.fetch(ctx, stmt)

    def _groups(self, ctx: Ctx) -> Any:
        """Return the groups that serve networks of whom the list is about."""
        stmt = select(Network.group_id).where(live(Network), Network.group_id.is_not(None))
        stmt = only(
            stmt,
            (Network.id, self.network_id),
            (Network.vpc_id, self.vpc_id),
            (Network.zone_id, self.zone_id),
        )
        if self.account is not None:
            stmt = stmt.where(Network.account_id == access.owner(ctx, self.account, self.domain_id).id)
        elif self.domain_id is not None and self.is_recursive:
            stmt = stmt.where(access.in_subtree(ctx, Network.domain_id, self.domain_id))
        elif self.domain_id is not None:
            stmt = stmt.where(Network.domain_id == self.domain_id.id)
        if self.for_vpc is not None:
            stmt = stmt.where(Network.vpc_id.is_not(None) if self.for_vpc else Network.vpc_id.is_(None))
        return stmt


def _up() -> ColumnElement[bool]:
    condition: ColumnElement[bool] = Router.host_id.in_(select(Host.id).where(Host.state == HostState.UP))
    return condition


def _in_state(state: str) -> ColumnElement[bool]:
    placed, runs = Router.host_id.is_not(None), and_(Router.stopped.is_(False), _up())
    return {
        "running": and_(runs, Router.applied > 0),
        "starting": and_(runs, Router.applied == 0),
        "stopping": and_(Router.stopped.is_(True), Router.applied > 0),
        "stopped": or_(and_(Router.stopped.is_(True), Router.applied == 0), Router.host_id.is_(None)),
        "unknown": and_(Router.stopped.is_(False), placed, ~_up()),
    }.get(state.lower(), false())


def _ill() -> ColumnElement[bool]:
    behind = select(RouterGroup.id).where(
        RouterGroup.id == Router.group_id, RouterGroup.desired > Router.applied
    )
    wanted = and_(Router.stopped.is_(False), Router.host_id.is_not(None))
    return and_(wanted, or_(Router.trouble != "", ~_up(), behind.exists()))


class _OnRouter(Command):
    roles = ADMINS
    is_async = True
    response = RouterView
    entity = Router
    view = staticmethod(routers)


class StartRouter(_OnRouter):
    """Start a router that was stopped."""

    name = "startRouter"

    id: Router = param("the router")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.start(ctx, self.id)


class StopRouter(_OnRouter):
    """Stop a router; it is started by startRouter, or when a VM starts in its network."""

    name = "stopRouter"

    id: Router = param("the router")
    forced: bool = param("also when its host does not answer", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.stop(ctx, self.id, forced=self.forced)


class RebootRouter(_OnRouter):
    """Build a router from nothing; the primary of a pair lets the other one lead first."""

    name = "rebootRouter"

    id: Router = param("the router")
    forced: bool = param("also when its host does not answer", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.reboot(ctx, self.id, forced=self.forced)


class DestroyRouter(_OnRouter):
    """Take a router away; the next VM that starts in its network brings another."""

    name = "destroyRouter"

    id: Router = param("the router")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.destroy(ctx, self.id)


class GetRouterHealthCheckResults(Command):
    """Tell what is right and wrong with a router: its host, its processes, whether it does what it was told last."""

    name = "getRouterHealthCheckResults"
    roles = ADMIN
    response = HealthChecksView
    writes = False
    view = staticmethod(health)

    router_id: Router = param("the router")
    perform_fresh_checks: bool = param("they are never older than a few seconds", default=False)

    def run(self, ctx: Ctx) -> Router:
        return self.router_id


COMMANDS = (
    ListRouters, StartRouter, StopRouter, RebootRouter, DestroyRouter, GetRouterHealthCheckResults,
)  # fmt: skip
