"""Static NAT: public addresses that stand for a virtual machine."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.forwarding import ForwardingRuleView, forwarding_rules
from tegar.kernel.command import Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import forwarding as ports
from tegar.ops import rule as rules
from tegar.ops import static_nat as ops
from tegar.ops.ctx import Ctx
from tegar.store.addresses import PublicAddress
from tegar.store.forwarding import ForwardingRule
from tegar.store.networks import Network, Nic
from tegar.store.vms import Vm


class EnableStaticNat(Command):
    """Let a public address stand for a virtual machine, also one in another network of the account."""

    name = "enableStaticNat"

    ip_address_id: PublicAddress = param("the address")
    virtual_machine_id: Vm = param("the virtual machine")
    network_id: Network | None = param("the network in which it is meant", default=None)
    vm_guest_ip: str | None = param("which of its addresses; the NIC's first by default", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.enable(ctx, self.ip_address_id, self.virtual_machine_id, self.network_id, self.vm_guest_ip)


class DisableStaticNat(Command):
    """Let a public address stand for nobody; its rules end."""

    name = "disableStaticNat"
    is_async = True

    ip_address_id: PublicAddress = param("the address")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.disable(ctx, self.ip_address_id)


class CreateIpForwardingRule(Command):
    """Open ports of a public address that stands for a virtual machine."""

    name = "createIpForwardingRule"
    is_async = True
    response = ForwardingRuleView
    entity = ForwardingRule
    view = staticmethod(forwarding_rules)

    ip_address_id: PublicAddress = param("the address")
    protocol: str = param("tcp or udp")
    start_port: int = param("first port")
    end_port: int | None = param("last port; one port without it", default=None)
    cidr_list: list[str] | None = param("from these CIDRs; by default from all", default=None)
    open_firewall: bool = param("open the firewall for it", default=True)

    def run(self, ctx: Ctx) -> SagaRow:
        wanted = rules.ports(self.protocol, self.start_port, self.end_port, "startport")
        return ports.open_ports(
            ctx, self.ip_address_id, wanted, self.cidr_list, open_firewall=self.open_firewall
        )


class DeleteIpForwardingRule(Command):
    """Close ports of a public address that stands for a virtual machine."""

    name = "deleteIpForwardingRule"
    is_async = True

    id: ForwardingRule = param("the rule")

    def run(self, ctx: Ctx) -> SagaRow:
        return ports.remove(ctx, self.id, static_nat=True)


class ListIpForwardingRules(OwnedList):
    """List open ports of public addresses that stand for virtual machines."""

    name = "listIpForwardingRules"
    response = ForwardingRuleView
    view = staticmethod(forwarding_rules)

    id: ForwardingRule | None = param("the rule", default=None)
    ip_address_id: PublicAddress | None = param("of this address", default=None)
    virtual_machine_id: Vm | None = param("to this virtual machine", default=None)

    def run(self, ctx: Ctx) -> Page[ForwardingRule]:
        row = ForwardingRule
        shown = self.scope(ctx, row, by_id=self.id is not None)
        stmt = select(row).where(live(row), shown, row.static_nat.is_(True)).order_by(row.id)
        stmt = only(stmt, (row.id, self.id), (row.address_id, self.ip_address_id))
        if self.virtual_machine_id:
            nics = select(Nic.id).where(Nic.vm_id == self.virtual_machine_id.id)
            stmt = stmt.where(row.nic_id.in_(nics))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.guest_ip))
        return self.fetch(ctx, stmt)


COMMANDS: tuple[type[Command], ...] = (
    EnableStaticNat,
    DisableStaticNat,
    CreateIpForwardingRule,
    ListIpForwardingRules,
    DeleteIpForwardingRule,
)
