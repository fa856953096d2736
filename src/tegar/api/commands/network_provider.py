"""Providers of network services, and the virtual router element."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.commands.where import only
from tegar.api.views.physical_network import ElementView, ProviderView, elements, providers
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.model.service import INTERNAL_LB
from tegar.ops import access
from tegar.ops import physical_network as ops
from tegar.ops.ctx import Ctx
from tegar.store.zones import PhysicalNetwork, Provider, RouterElement

STATES = ("Enabled", "Disabled")


class ListNetworkServiceProviders(List):
    """List the providers of network services."""

    name = "listNetworkServiceProviders"
    roles = ADMIN
    response = ProviderView
    view = staticmethod(providers)

    name_: str | None = param("its exact name", default=None, wire="name")
    physical_network_id: PhysicalNetwork | None = param("on this physical network", default=None)
    state: str | None = param("Enabled or Disabled", default=None, choices=STATES)

    def run(self, ctx: Ctx) -> Page[Provider]:
        row = Provider
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = only(
            stmt,
            (row.name, self.name_),
            (row.physical_network_id, self.physical_network_id),
            (row.state, self.state),
        )
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name))
        return self.fetch(ctx, stmt)


class UpdateNetworkServiceProvider(Command):
    """Enable or disable a provider of network services."""

    name = "updateNetworkServiceProvider"
    roles = ADMIN
    is_async = True
    response = ProviderView
    entity = Provider
    view = staticmethod(providers)

    id: Provider = param("the provider")
    state: str | None = param("Enabled or Disabled", default=None, choices=STATES)
    service_list: list[str] | None = param("its services; only all of them together", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        has = providers(ctx, [self.id])[0]["servicelist"]
        if self.service_list and {x.lower() for x in self.service_list} != {x.lower() for x in has}:
            raise BadParameter("servicelist", f"{self.id.name} provides {', '.join(has)}, and only together")
        return ops.enable_provider(ctx, self.id, self.state or self.id.state)


class Elements(List):
    """A list of elements of providers: internal load balancers', or all others."""

    roles = ADMIN
    response = ElementView
    view = staticmethod(elements)
    internal: ClassVar[bool] = False

    id: RouterElement | None = param("the element", default=None)
    nsp_id: Provider | None = param("of this provider", default=None)
    enabled: bool | None = param("only enabled ones, or only disabled ones", default=None)

    def run(self, ctx: Ctx) -> Page[RouterElement]:
        row = RouterElement
        inside = row.provider_id.in_(select(Provider.id).where(Provider.name == INTERNAL_LB))
        stmt = select(row).where(live(row), access.visible(ctx, row), inside if self.internal else ~inside)
        stmt = only(stmt, (row.id, self.id), (row.provider_id, self.nsp_id), (row.enabled, self.enabled))
        return self.fetch(ctx, stmt.order_by(row.id))


class ListVirtualRouterElements(Elements):
    """List the virtual routers of providers."""

    name = "listVirtualRouterElements"


class ConfigureVirtualRouterElement(Command):
    """Allow or forbid the virtual router of a provider."""

    name = "configureVirtualRouterElement"
    roles = ADMIN
    is_async = True
    response = ElementView
    entity = RouterElement
    view = staticmethod(elements)

    id: RouterElement = param("the element")
    enabled: bool = param("whether it may be used")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.enable_element(ctx, self.id, enabled=self.enabled)


COMMANDS = (
    ListNetworkServiceProviders,
    UpdateNetworkServiceProvider,
    ListVirtualRouterElements,
    ConfigureVirtualRouterElement,
)
