"""Virtual private clouds."""

from __future__ import annotations

from sqlalchemy import false, select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.vpc import VpcView, vpcs
from tegar.kernel.command import Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, MissingParameter, NoSuchEntity
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import access, job
from tegar.ops import vpc as ops
from tegar.ops.ctx import Ctx
from tegar.ops.zone import ip
from tegar.store.accounts import Domain
from tegar.store.vpcs import Vpc, VpcOffering
from tegar.store.zones import Zone


class CreateVPC(Command):
    """Create a VPC: a CIDR for tiers, which share a router or a pair of routers."""

    name = "createVPC"
    is_async = True
    response = VpcView
    entity = Vpc
    view = staticmethod(vpcs)

    name_: str = param("its name, unique in the account", wire="name")
    display_text: str | None = param("what it is for; the name by default", default=None, max_length=1024)
    zone_id: Zone = param("the zone")
    vpc_offering_id: VpcOffering = param("its offering")
    cidr: str | None = param("private network that holds all its tiers, such as 10.0.0.0/16", default=None)
    network_domain: str | None = param("DNS domain of its guests", default=None)
    dns1: str | None = param("first name server; the zone's by default", default=None)
    dns2: str | None = param("second name server", default=None)
    source_nat_ip_address: str | None = param(
        "the public address that its guests go out by; any free one by default", default=None
    )
    start: bool = param("routers stand with the first tier, whatever is said", default=True)
    for_display: bool = param("whether users see it", default=True, wire="fordisplay")
    account: str | None = param("the account that has it; with domainid", default=None)
    domain_id: Domain | None = param("the account's domain", default=None)
    project_id: str | None = param("there are no projects", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        if self.project_id:
            raise NoSuchEntity(self.name.lower(), "projectid", self.project_id)
        if not self.cidr:
            raise MissingParameter(self.name.lower(), "cidr")
        if not self.name_.strip():
            raise BadParameter("name", "it must not be empty")
        wish = ops.Wish(
            owner=access.owner(ctx, self.account, self.domain_id),
            zone=self.zone_id,
            offering=self.vpc_offering_id,
            name=self.name_,
            display_text=self.display_text or self.name_,
            cidr=self.cidr,
            network_domain=self.network_domain,
            dns1=ip("dns1", self.dns1),
            dns2=ip("dns2", self.dns2),
            shown=self.for_display,
            source_nat_ip=self.source_nat_ip_address or "",
        )
        return job.done(ctx, ops.create(ctx, wish))


class UpdateVPC(Command):
    """Change what a VPC is called."""

    name = "updateVPC"
    is_async = True
    response = VpcView
    entity = Vpc
    view = staticmethod(vpcs)

    id: Vpc = param("the VPC")
    name_: str | None = param("its new name", default=None, wire="name")
    display_text: str | None = param("its new description", default=None, max_length=1024)
    for_display: bool | None = param("whether users see it", default=None, wire="fordisplay")

    def run(self, ctx: Ctx) -> SagaRow:
        found = ops.change(ctx, self.id, name=self.name_, text=self.display_text, shown=self.for_display)
        return job.done(ctx, found)


class DeleteVPC(Command):
    """Delete a VPC without tiers, with its ACL lists, gateways, routes and public addresses."""

    name = "deleteVPC"
    is_async = True

    id: Vpc = param("the VPC")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.delete(ctx, self.id)


class RestartVPC(Command):
    """Tell a VPC's routers anew all that they should do."""

    name = "restartVPC"
    is_async = True

    id: Vpc = param("the VPC")
    cleanup: bool = param("build the routers from nothing", default=False)
    make_redundant: bool = param("give it a pair of routers", default=False, wire="makeredundant")
    live_patch: bool = param("routers are always up to date: as without it", default=False, wire="livepatch")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.restart(ctx, self.id, cleanup=self.cleanup, make_redundant=self.make_redundant)


class ListVPCs(OwnedList):
    """List VPCs with their tiers."""

    name = "listVPCs"
    response = VpcView
    view = staticmethod(vpcs)

    id: Vpc | None = param("the VPC", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    display_text: str | None = param("its exact description", default=None)
    cidr: str | None = param("with this CIDR", default=None)
    state: str | None = param("Enabled or Inactive", default=None)
    zone_id: Zone | None = param("in this zone", default=None)
    vpc_offering_id: VpcOffering | None = param("of this offering", default=None)
    supported_services: list[str] | None = param("with these services", default=None)
    restart_required: bool = param("true: those to restart; there are none", default=False)
    for_display: bool | None = param("false: hidden ones", default=None, wire="fordisplay")
    show_icon: bool = param("with icons; there are none", default=False)

    def run(self, ctx: Ctx) -> Page[Vpc]:
        row = Vpc
        stmt = select(row).where(live(row), self.scope(ctx, row, by_id=self.id is not None)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.display_text, self.display_text),
            (row.cidr, self.cidr),
            (row.state, (self.state or "").capitalize()),
            (row.zone_id, self.zone_id),
            (row.offering_id, self.vpc_offering_id),
            (row.shown, self.for_display if ctx.is_admin else True),
        )
        if self.restart_required:
            stmt = stmt.where(false())
        for service in self.supported_services or ():
            offered = select(VpcOffering.id).where(matches(f"{service}=", VpcOffering.services))
            stmt = stmt.where(row.offering_id.in_(offered))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name, row.display_text))
        return self.fetch(ctx, stmt)


COMMANDS = (CreateVPC, UpdateVPC, DeleteVPC, RestartVPC, ListVPCs)
