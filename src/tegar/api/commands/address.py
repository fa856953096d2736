"""Public addresses and forwarding rules: nobody has any, for shared networks need none.

Clients ask for them beside every list of VMs (libcloud's ``list_nodes``) and read an empty answer
as it is meant.  Ids are refused as those of things that never existed; the commands that would
make such things do not exist, so no client believes it made one.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import false, select

from tegar.api.commands.base import OwnedList
from tegar.api.views.address import ForwardingRuleView, IpAddressView
from tegar.kernel.command import Command, param
from tegar.kernel.errors import NoSuchEntity, Refused
from tegar.kernel.page import Page
from tegar.ops.ctx import Ctx
from tegar.store.networks import Network, VlanRange
from tegar.store.vms import Vm
from tegar.store.zones import PhysicalNetwork, Zone


class _Nothing(OwnedList):
    """A list of things that nobody can have: what is asked is checked as for any list."""

    never: ClassVar[tuple[str, ...]] = ()

    def nothing(self, ctx: Ctx) -> Page[Any]:
        """Check owner, ids and paging, and return no rows."""
        owners = self.scope(ctx, Vm)
        for name in self.never:
            if getattr(self, name):
                raise NoSuchEntity(self.name.lower(), name.replace("_", ""), getattr(self, name))
        return self.fetch(ctx, select(Vm).where(owners, false()))


class ListPublicIpAddresses(_Nothing):
    """List the public addresses that accounts have acquired; in this release none can be."""

    name = "listPublicIpAddresses"
    response = IpAddressView
    never = ("id", "vpc_id")

    id: str | None = param("the address", default=None)
    ip_address: str | None = param("this address", default=None)
    state: str | None = param("in this state", default=None)
    zone_id: Zone | None = param("in this zone", default=None)
    physical_network_id: PhysicalNetwork | None = param("on these wires", default=None)
    vlan_id: VlanRange | None = param("of this range", default=None)
    associated_network_id: Network | None = param("used by this network", default=None)
    network_id: Network | None = param("of this network's subnet", default=None)
    vpc_id: str | None = param("there are no VPCs", default=None)
    allocated_only: bool | None = param("false: free ones too; none can be acquired", default=None)
    for_virtual_network: bool = param("only true: addresses of shared networks are their VMs'", default=True)
    for_load_balancing: bool | None = param("usable for load balancing", default=None)
    is_source_nat: bool | None = param("that networks go out by", default=None)
    is_static_nat: bool | None = param("that stand for one VM", default=None)
    for_display: bool | None = param("shown or hidden ones", default=None)

    def run(self, ctx: Ctx) -> Page[Any]:
        if not self.for_virtual_network:
            raise Refused("Addresses in shared networks are shown with their VMs: see listVirtualMachines")
        return self.nothing(ctx)


class ListPortForwardingRules(_Nothing):
    """List port forwarding rules; there are none without public addresses."""

    name = "listPortForwardingRules"
    response = ForwardingRuleView
    never = ("id", "ip_address_id")

    id: str | None = param("the rule", default=None)
    ip_address_id: str | None = param("of this address", default=None)
    network_id: Network | None = param("into this network", default=None)
    for_display: bool | None = param("shown or hidden ones", default=None)

    def run(self, ctx: Ctx) -> Page[Any]:
        return self.nothing(ctx)


class ListIpForwardingRules(_Nothing):
    """List rules of static NAT; there are none without public addresses."""

    name = "listIpForwardingRules"
    response = ForwardingRuleView
    never = ("id", "ip_address_id")

    id: str | None = param("the rule", default=None)
    ip_address_id: str | None = param("of this address", default=None)
    virtual_machine_id: Vm | None = param("to this virtual machine", default=None)

    def run(self, ctx: Ctx) -> Page[Any]:
        return self.nothing(ctx)


COMMANDS: tuple[type[Command], ...] = (
    ListPublicIpAddresses,
    ListPortForwardingRules,
    ListIpForwardingRules,
)
