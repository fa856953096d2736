"""VPC offerings."""

from __future__ import annotations

from sqlalchemy import or_, select

from tegar.api.commands.base import List
from tegar.api.commands.where import only
from tegar.api.views.vpc_offering import VpcOfferingView, vpc_offerings
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import access, job
from tegar.ops import vpc_offering as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain
from tegar.store.vpcs import VpcOffering
from tegar.store.zones import Zone

STATES = ("Enabled", "Disabled")


class _Changes(Command):
    roles = ADMIN
    is_async = True
    response = VpcOfferingView
    entity = VpcOffering
    view = staticmethod(vpc_offerings)


class CreateVPCOffering(_Changes):
    """Create a VPC offering: which services its VPCs have, and whether a pair of routers."""

    name = "createVPCOffering"

    name_: str = param("its name", wire="name")
    display_text: str | None = param("what it is for; the name by default", default=None, max_length=1024)
    supported_services: list[str] | None = param("its services; all by default", default=None)
    service_provider_list: list[dict[str, str]] | None = param("who provides which service", default=None)
    service_capability_list: list[dict[str, str]] | None = param(
        "capabilities; RedundantRouter of SourceNat for a pair of routers", default=None
    )
    enable: bool = param("whether it can be used at once", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        services = ops.services_of(self.supported_services or [], self.service_provider_list or [])
        offering = VpcOffering(
            name=self.name_,
            display_text=self.display_text or self.name_,
            services=services,
            redundant=ops.redundant_of(self.service_capability_list or []),
            state="Enabled" if self.enable else "Disabled",
        )
        return job.done(ctx, ops.create(ctx, offering))


class UpdateVPCOffering(_Changes):
    """Change a VPC offering."""

    name = "updateVPCOffering"

    id: VpcOffering = param("the offering")
    name_: str | None = param("its new name", default=None, wire="name")
    display_text: str | None = param("its new description", default=None, max_length=1024)
    state: str | None = param("Enabled or Disabled", default=None, choices=STATES)
    sort_key: int | None = param("where it comes in lists", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        if self.sort_key is not None:
            self.id.sort_key = self.sort_key
        found = ops.change(ctx, self.id, name=self.name_, text=self.display_text, state=self.state)
        return job.done(ctx, found)


class DeleteVPCOffering(Command):
    """Delete a VPC offering that no VPC has."""

    name = "deleteVPCOffering"
    roles = ADMIN
    is_async = True

    id: VpcOffering = param("the offering")

    def run(self, ctx: Ctx) -> SagaRow:
        return job.done(ctx, ops.delete(ctx, self.id))


class ListVPCOfferings(List):
    """List VPC offerings; every domain and zone has them all."""

    name = "listVPCOfferings"
    response = VpcOfferingView
    view = staticmethod(vpc_offerings)

    id: VpcOffering | None = param("the offering", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    display_text: str | None = param("its exact description", default=None)
    state: str | None = param("Enabled or Disabled", default=None, choices=STATES)
    is_default: bool | None = param("whether it is a stock offering", default=None)
    supported_services: list[str] | None = param("those with all of these services", default=None)
    zone_id: Zone | None = param("those of a zone, which are all", default=None)
    domain_id: Domain | None = param("those of a domain, which are all", default=None)

    def run(self, ctx: Ctx) -> Page[VpcOffering]:
        row = VpcOffering
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.sort_key, row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.display_text, self.display_text),
            (row.state, self.state),
            (row.is_default, self.is_default),
        )
        for service in self.supported_services or ():
            first, later = row.services.startswith(f"{service}=", autoescape=True), f",{service}="
            stmt = stmt.where(or_(first, row.services.contains(later, autoescape=True)))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name, row.display_text))
        return self.fetch(ctx, stmt)


COMMANDS = (CreateVPCOffering, UpdateVPCOffering, DeleteVPCOffering, ListVPCOfferings)
