"""Port forwarding."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.forwarding import ForwardingRuleView, forwarding_rules
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import forwarding as ops
from tegar.ops import rule as rules
from tegar.ops.ctx import Ctx
from tegar.store.addresses import PublicAddress
from tegar.store.forwarding import ForwardingRule
from tegar.store.networks import Network
from tegar.store.vms import Vm


class _OnRule(Command):
    """An asynchronous command whose job shows a port forwarding rule."""

    is_async = True
    response = ForwardingRuleView
    entity = ForwardingRule
    view = staticmethod(forwarding_rules)


class CreatePortForwardingRule(_OnRule):
    """Let ports of a public address lead to a virtual machine."""

    name = "createPortForwardingRule"

    ip_address_id: PublicAddress = param("the address")
    protocol: str = param("tcp or udp")
    public_port: int = param("first port of the address")
    public_end_port: int | None = param("last port of the address; one port without it", default=None)
    private_port: int = param("first port of the virtual machine")
    private_end_port: int | None = param("last port of the virtual machine", default=None)
    virtual_machine_id: Vm = param("the virtual machine")
    vm_guest_ip: str | None = param("which of its addresses; the NIC's first by default", default=None)
    network_id: Network | None = param("into this network, of an address of a VPC or zone", default=None)
    cidr_list: list[str] | None = param("from these CIDRs; by default from all", default=None)
    open_firewall: bool | None = param("open the firewall for it; true by default", default=None)
    for_display: bool = param("false: hide it from users", default=True, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        wish = ops.Wish(
            public=rules.ports(self.protocol, self.public_port, self.public_end_port),
            private_first=self.private_port,
            private_last=self.private_end_port,
            sources=self.cidr_list,
            open_firewall=self.open_firewall,
            shown=self.for_display,
        )
        return ops.forward(
            ctx, self.ip_address_id, self.virtual_machine_id, self.network_id, wish, self.vm_guest_ip
        )


class UpdatePortForwardingRule(_OnRule):
    """Let a rule lead to other ports or another virtual machine, or be for other sources."""

    name = "updatePortForwardingRule"

    id: ForwardingRule = param("the rule")
    private_port: int | None = param("first port of the virtual machine", default=None)
    private_end_port: int | None = param("last port of the virtual machine", default=None)
    virtual_machine_id: Vm | None = param("another virtual machine", default=None)
    vm_guest_ip: str | None = param("which of its addresses", default=None)
    cidr_list: list[str] | None = param("from these CIDRs", default=None)
    for_display: bool | None = param("whether users see it", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.move(
            ctx,
            self.id,
            private_first=self.private_port,
            private_last=self.private_end_port,
            vm=self.virtual_machine_id,
            guest_ip=self.vm_guest_ip,
            sources=self.cidr_list,
            shown=self.for_display,
        )


class DeletePortForwardingRule(Command):
    """Let ports of a public address lead nowhere again; the firewall is closed that was opened for it."""

    name = "deletePortForwardingRule"
    is_async = True

    id: ForwardingRule = param("the rule")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.remove(ctx, self.id, static_nat=False)


class ListPortForwardingRules(OwnedList):
    """List port forwarding rules."""

    name = "listPortForwardingRules"
    response = ForwardingRuleView
    view = staticmethod(forwarding_rules)

    id: ForwardingRule | None = param("the rule", default=None)
    ip_address_id: PublicAddress | None = param("of this address", default=None)
    network_id: Network | None = param("into this network", default=None)
    for_display: bool | None = param("shown or hidden ones", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> Page[ForwardingRule]:
        row = ForwardingRule
        shown = self.scope(ctx, row, by_id=self.id is not None)
        stmt = select(row).where(live(row), shown, row.static_nat.is_(False)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.address_id, self.ip_address_id),
            (row.network_id, self.network_id),
            (row.shown, self.for_display if ctx.is_admin else True),
        )
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.guest_ip))
        return self.fetch(ctx, stmt)


COMMANDS: tuple[type[Command], ...] = (
    CreatePortForwardingRule,
    ListPortForwardingRules,
    UpdatePortForwardingRule,
    DeletePortForwardingRule,
)
