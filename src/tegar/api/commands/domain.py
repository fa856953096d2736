"""Domains."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.views.domain import DomainView, domains
from tegar.kernel.command import ADMINS, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops import access
from tegar.ops import domain as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Domain


class CreateDomain(Command):
    """Create a domain below another."""

    name = "createDomain"
    roles = ADMINS
    response = DomainView
    view = staticmethod(domains)

    name_: str = param("its name, unique in its parent", wire="name")
    parent_domain_id: Domain | None = param("its parent; by default the caller's domain", default=None)
    network_domain: str | None = param("DNS domain of its guest networks", default=None)
    domain_id: str | None = param("the uuid that it shall have", default=None)

    def run(self, ctx: Ctx) -> Domain:
        parent = self.parent_domain_id or ctx.domain
        return ops.create(ctx, self.name_, parent, network_domain=self.network_domain, uuid=self.domain_id)


class ListDomains(List):
    """List the caller's domain and those below it."""

    name = "listDomains"
    roles = ADMINS
    response = DomainView
    view = staticmethod(domains)

    id: Domain | None = param("the domain", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    level: int | None = param("those so many steps below ROOT", default=None)
    list_all: bool = param("everything the caller may see, which is the default", default=False)
    details: list[str] | None = param("which totals to show; limits are always shown", default=None)

    def run(self, ctx: Ctx) -> Page[Domain]:
        stmt = select(Domain).where(live(Domain), access.visible(ctx, Domain)).order_by(Domain.path)
        if self.id:
            stmt = stmt.where(Domain.id == self.id.id)
        if self.name_:
            stmt = stmt.where(Domain.name == self.name_)
        if self.level is not None:
            stmt = stmt.where(Domain.level == self.level)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Domain.name))
        return self.fetch(ctx, stmt)


COMMANDS = (CreateDomain, ListDomains)
