"""Load balancers inside of tiers."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.internal_balancer import InternalLbView, LoadBalancerView, internal_lbs, load_balancers
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import internal_balancer as ops
from tegar.ops.ctx import Ctx
from tegar.store.hosts import Host
from tegar.store.internal_balancers import InternalBalancer, InternalLb
from tegar.store.networks import Network
from tegar.store.routers import Router
from tegar.store.vpcs import Vpc
from tegar.store.zones import Zone

SCHEMES = ("Internal",)


class CreateLoadBalancer(Command):
    """Balance a port of an address in a tier over VMs of the tier; done when the VPC's routers do."""

    name = "createLoadBalancer"
    is_async = True
    response = LoadBalancerView
    entity = InternalBalancer
    view = staticmethod(load_balancers)

    name_: str = param("its name, unique in the tier", wire="name")
    description: str | None = param("what it is for", default=None, max_length=1024)
    algorithm: str = param("roundrobin, leastconn or source")
    network_id: Network = param("the tier of its VMs")
    source_ip_address_network_id: Network = param("the tier of its address, the same")
    source_ip_address: str | None = param("its address there; any free one by default", default=None)
    source_port: int = param("the port of its address")
    instance_port: int = param("the port of its VMs")
    scheme: str = param("Internal", choices=SCHEMES)
    for_display: bool = param("whether users see it", default=True, wire="fordisplay")

    def run(self, ctx: Ctx) -> SagaRow:
        if not self.name_.strip():
            raise BadParameter("name", "it must not be empty")
        wish = ops.Wish(
            name=self.name_,
            description=self.description,
            algorithm=self.algorithm.lower(),
            port=self.source_port,
            instance_port=self.instance_port,
            ip=self.source_ip_address or "",
            shown=self.for_display,
        )
        return ops.create(ctx, self.network_id, self.source_ip_address_network_id, wish)


class DeleteLoadBalancer(Command):
    """Delete a load balancer inside of a tier."""

    name = "deleteLoadBalancer"
    is_async = True

    id: InternalBalancer = param("the load balancer")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.delete(ctx, self.id)


class ListLoadBalancers(OwnedList):
    """List load balancers inside of tiers."""

    name = "listLoadBalancers"
    response = LoadBalancerView
    view = staticmethod(load_balancers)

    id: InternalBalancer | None = param("the load balancer", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    network_id: Network | None = param("in this tier", default=None)
    source_ip_address: str | None = param("at this address", default=None)
    source_ip_address_network_id: Network | None = param("at an address of this tier", default=None)
    scheme: str | None = param("Internal", default=None, choices=SCHEMES)
    for_display: bool | None = param("false: hidden ones", default=None, wire="fordisplay")

    def run(self, ctx: Ctx) -> Page[InternalBalancer]:
        row = InternalBalancer
        by_id = self.id is not None or self.network_id is not None
        stmt = select(row).where(live(row), self.scope(ctx, row, by_id=by_id)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.network_id, self.network_id),
            (row.network_id, self.source_ip_address_network_id),
            (row.shown, self.for_display if ctx.is_admin else True),
        )
        if self.source_ip_address:
            stmt = stmt.where(
                row.lb_id.in_(select(InternalLb.id).where(InternalLb.ip == self.source_ip_address))
            )
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name, row.description))
        return self.fetch(ctx, stmt)


class _Instance(Command):
    roles = ADMIN
    is_async = True
    response = InternalLbView
    entity = InternalLb
    view = staticmethod(internal_lbs)


class StartInternalLoadBalancerVM(_Instance):
    """Serve the load balancers at an address again."""

    name = "startInternalLoadBalancerVM"

    id: InternalLb = param("the instance")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.run(ctx, self.id, stopped=False)


class StopInternalLoadBalancerVM(_Instance):
    """Stop serving the load balancers at an address; the routers that serve the tiers go on."""

    name = "stopInternalLoadBalancerVM"

    id: InternalLb = param("the instance")
    forced: bool = param("as without it", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.run(ctx, self.id, stopped=True)


class ListInternalLoadBalancerVMs(OwnedList):
    """List the instances of internal load balancing: one for each address, served by its VPC's routers."""

    name = "listInternalLoadBalancerVMs"
    roles = ADMIN
    response = InternalLbView
    view = staticmethod(internal_lbs)

    id: InternalLb | None = param("the instance", default=None)
    network_id: Network | None = param("in this tier", default=None)
    vpc_id: Vpc | None = param("in this VPC", default=None)
    zone_id: Zone | None = param("in this zone", default=None)
    host_id: Host | None = param("served by a router on this host", default=None)
    for_vpc: bool = param("false: those outside of VPCs, of which there are none", default=True)
    state: str | None = param("Running or Stopped", default=None, choices=("Running", "Stopped"))

    def run(self, ctx: Ctx) -> Page[InternalLb]:
        row = InternalLb
        stmt = select(row).where(live(row), self.scope(ctx, row, by_id=True)).order_by(row.id)
        stmt = only(stmt, (row.id, self.id), (row.network_id, self.network_id))
        where = only(select(Network.id), (Network.vpc_id, self.vpc_id), (Network.zone_id, self.zone_id))
        placed = select(Router.group_id).where(Router.host_id.is_not(None))
        if not self.for_vpc:
            where = where.where(Network.vpc_id.is_(None))
        if self.host_id is not None:
            where = where.where(Network.group_id.in_(placed.where(Router.host_id == self.host_id.id)))
        stmt = stmt.where(row.network_id.in_(where))
        if self.state:
            runs = row.stopped.is_(False) & row.network_id.in_(
                select(Network.id).where(Network.group_id.in_(placed))
            )
            stmt = stmt.where(runs if self.state == "Running" else ~runs)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.ip))
        return self.fetch(ctx, stmt)


COMMANDS = (
    CreateLoadBalancer,
    DeleteLoadBalancer,
    ListLoadBalancers,
    StartInternalLoadBalancerVM,
    StopInternalLoadBalancerVM,
    ListInternalLoadBalancerVMs,
)
