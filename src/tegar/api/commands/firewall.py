"""Firewall rules, in to addresses and out of networks."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList
from tegar.api.commands.where import only
from tegar.api.views.firewall import FirewallRuleView, firewall_rules
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import firewall as ops
from tegar.ops import job
from tegar.ops.ctx import Ctx
from tegar.store.addresses import PublicAddress
from tegar.store.firewall import FirewallRule
from tegar.store.networks import Network

_PROTOCOL = "tcp, udp, icmp or all"


class _OnRule(Command):
    """An asynchronous command whose job shows a firewall rule."""

    is_async = True
    response = FirewallRuleView
    entity = FirewallRule
    view = staticmethod(firewall_rules)


class _Packets(_OnRule):
    """The packets that a rule is about."""

    protocol: str = param(_PROTOCOL)
    start_port: int | None = param("first port, of tcp and udp", default=None)
    end_port: int | None = param("last port; one port without it", default=None)
    icmp_type: int | None = param("type of icmp; -1 or none: all", default=None)
    icmp_code: int | None = param("code of icmp; -1 or none: all", default=None)
    cidr_list: list[str] | None = param("from these CIDRs; by default from all", default=None)
    type: str = param("only user: rules of the system are not made by callers", default="user")
    for_display: bool = param("false: hide it from users", default=True, roles=ADMIN)

    def wish(self, destinations: list[str] | None = None) -> ops.Wish:
        """Return what was asked for."""
        if self.type.lower() != "user":
            raise Refused("Rules of type system are the cloud's own: leave type out")
        return ops.Wish(
            self.protocol,
            self.cidr_list,
            destinations,
            self.start_port,
            self.end_port,
            self.icmp_type,
            self.icmp_code,
        )


class CreateFirewallRule(_Packets):
    """Let packets in to a public address."""

    name = "createFirewallRule"

    ip_address_id: PublicAddress = param("the address")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.open_address(ctx, self.ip_address_id, self.wish(), shown=self.for_display)


class CreateEgressFirewallRule(_Packets):
    """Let packets out of a network; or hold them back, where its offering lets all others out."""

    name = "createEgressFirewallRule"

    network_id: Network = param("the network")
    dest_cidr_list: list[str] | None = param("to these CIDRs; by default to all", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.open_network(ctx, self.network_id, self.wish(self.dest_cidr_list), shown=self.for_display)


class DeleteFirewallRule(Command):
    """Let packets in to a public address no more."""

    name = "deleteFirewallRule"
    is_async = True

    id: FirewallRule = param("the rule")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.close(ctx, self.id, egress=False)


class DeleteEgressFirewallRule(Command):
    """Remove a rule of packets out of a network."""

    name = "deleteEgressFirewallRule"
    is_async = True

    id: FirewallRule = param("the rule")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.close(ctx, self.id, egress=True)


class UpdateFirewallRule(_OnRule):
    """Show a firewall rule to users, or hide it."""

    name = "updateFirewallRule"

    id: FirewallRule = param("the rule")
    for_display: bool | None = param("whether users see it", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        return job.done(ctx, ops.show(ctx, self.id, shown=self.for_display, egress=False))


class UpdateEgressFirewallRule(_OnRule):
    """Show an egress rule to users, or hide it."""

    name = "updateEgressFirewallRule"

    id: FirewallRule = param("the rule")
    for_display: bool | None = param("whether users see it", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        return job.done(ctx, ops.show(ctx, self.id, shown=self.for_display, egress=True))


class _RuleList(OwnedList):
    """A list of firewall rules of one direction."""

    response = FirewallRuleView
    view = staticmethod(firewall_rules)

    id: FirewallRule | None = param("the rule", default=None)
    ip_address_id: PublicAddress | None = param("of this address", default=None)
    network_id: Network | None = param("of this network", default=None)
    for_display: bool | None = param("shown or hidden ones", default=None, roles=ADMIN)

    def found(self, ctx: Ctx, direction: object) -> Page[FirewallRule]:
        """Return the rules."""
        row = FirewallRule
        shown = self.scope(ctx, row, by_id=self.id is not None)
        stmt = select(row).where(live(row), shown, direction).order_by(row.id)  # type: ignore[arg-type]
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.address_id, self.ip_address_id),
            (row.network_id, self.network_id),
            (row.shown, self.for_display if ctx.is_admin else True),
        )
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.cidrs, row.destinations))
        return self.fetch(ctx, stmt)


class ListFirewallRules(_RuleList):
    """List rules of packets in to public addresses."""

    name = "listFirewallRules"

    def run(self, ctx: Ctx) -> Page[FirewallRule]:
        return self.found(ctx, FirewallRule.address_id.is_not(None))


class ListEgressFirewallRules(_RuleList):
    """List rules of packets out of networks."""

    name = "listEgressFirewallRules"

    def run(self, ctx: Ctx) -> Page[FirewallRule]:
        return self.found(ctx, FirewallRule.address_id.is_(None))


COMMANDS: tuple[type[Command], ...] = (
    CreateFirewallRule,
    ListFirewallRules,
    UpdateFirewallRule,
    DeleteFirewallRule,
    CreateEgressFirewallRule,
    ListEgressFirewallRules,
    UpdateEgressFirewallRule,
    DeleteEgressFirewallRule,
)
