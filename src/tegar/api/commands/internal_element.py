"""The element of the provider of load balancers inside of tiers."""

from __future__ import annotations

from tegar.api.commands.network_provider import Elements
from tegar.api.views.physical_network import ElementView, elements
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.errors import Refused
from tegar.kernel.saga import SagaRow
from tegar.model.service import INTERNAL_LB
from tegar.ops import physical_network as ops
from tegar.ops.ctx import Ctx
from tegar.store.zones import Provider, RouterElement


class _Element(Command):
    roles = ADMIN
    is_async = True
    response = ElementView
    entity = RouterElement
    view = staticmethod(elements)


class CreateInternalLoadBalancerElement(_Element):
    """Make the element of a provider InternalLbVm that has none."""

    name = "createInternalLoadBalancerElement"

    nsp_id: Provider = param("the provider")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.make_element(ctx, self.nsp_id)


class ConfigureInternalLoadBalancerElement(_Element):
    """Allow or forbid load balancers inside of tiers."""

    name = "configureInternalLoadBalancerElement"

    id: RouterElement = param("the element")
    enabled: bool = param("whether it may be used")

    def run(self, ctx: Ctx) -> SagaRow:
        if ctx.s.get_one(Provider, self.id.provider_id).name != INTERNAL_LB:
            raise Refused("That element is a virtual router's: call configureVirtualRouterElement")
        return ops.enable_element(ctx, self.id, enabled=self.enabled)


class ListInternalLoadBalancerElements(Elements):
    """List the elements of providers InternalLbVm."""

    name = "listInternalLoadBalancerElements"
    internal = True


COMMANDS = (
    CreateInternalLoadBalancerElement,
    ConfigureInternalLoadBalancerElement,
    ListInternalLoadBalancerElements,
)
