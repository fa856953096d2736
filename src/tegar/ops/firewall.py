"""Firewall rules: what may come in to addresses, and what may go out of networks."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import RuleConflict
from tegar.model.rule import Protocol, RuleState
from tegar.ops import rule as rules
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.store import routers
from tegar.store.addresses import PublicAddress
from tegar.store.firewall import FirewallRule
from tegar.store.networks import Network

PROTOCOLS = (Protocol.TCP, Protocol.UDP, Protocol.ICMP, Protocol.ALL)


@dataclass(frozen=True)
class Wish:
    """What a rule shall let through; None: all."""

    protocol: str
    sources: list[str] | None = None
    destinations: list[str] | None = None
    first_port: int | None = None
    last_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


def open_address(ctx: Ctx, address: PublicAddress, wish: Wish, *, shown: bool) -> SagaRow:
    """Ask for packets to be let in to an address.

    Raises:
        Refused: the address leads into no network, or one without a firewall.
        RuleConflict: a rule lets some of them in already.
    """
    rules.held(ctx, address)
    network = rules.network_for(ctx, address, None, "Firewall")
    row = _row(address.account_id, address.domain_id, network, wish, shown)
    row.address_id = address.id
    _must_be_new(ctx, row, FirewallRule.address_id == address.id)
    return _add(ctx, network, row, "FIREWALL.OPEN", f"Opening {address.ip}")


def open_network(ctx: Ctx, network: Network, wish: Wish, *, shown: bool) -> SagaRow:
    """Ask for packets out of a network to be let through; or held back, where its offering lets others through.

    Raises:
        Refused: the network has no firewall, or a source is not in it.
        RuleConflict: there is such a rule already.
    """
    must_operate(ctx, network)
    if network.vpc_id is not None:
        raise Refused(f"Network {network.name} is a tier of a VPC: use network ACLs")
    rules.must_be_ready(ctx, network, "Firewall")
    row = _row(network.account_id, network.domain_id, network, wish, shown)
    for cidr in filter(None, row.cidrs.split(",")):
        if not ipaddress.ip_network(cidr).subnet_of(ipaddress.ip_network(network.cidr)):  # type: ignore[arg-type]
            raise BadParameter("cidrlist", f"{cidr} is not within {network.cidr}, the CIDR of the network")
    routers.want_again(ctx.s, network.group_id)
    _must_be_new(ctx, row, (FirewallRule.network_id == network.id) & FirewallRule.address_id.is_(None))
    return _add(ctx, network, row, "FIREWALL.EGRESS.OPEN", f"Egress rule of {network.name}")


def _add(ctx: Ctx, network: Network, row: FirewallRule, event: str, text: str) -> SagaRow:
    ctx.s.add(row)
    ctx.s.flush()
    ctx.note(event, text, row, state="Started")
    return rules.apply(ctx, network, [row], row)


def _row(
    account_id: int | None, domain_id: int | None, network: Network, wish: Wish, shown: bool
) -> FirewallRule:
    assert account_id is not None
    assert domain_id is not None
    protocol = rules.protocol_of(wish.protocol, PROTOCOLS)
    row = FirewallRule(
        account_id=account_id,
        domain_id=domain_id,
        network_id=network.id,
        protocol=protocol,
        cidrs=rules.cidrs("cidrlist", wish.sources),
        destinations=rules.cidrs("destcidrlist", wish.destinations),
        shown=shown,
    )
    if protocol in (Protocol.TCP, Protocol.UDP):
        if wish.icmp_type is not None or wish.icmp_code is not None:
            raise Refused("icmptype and icmpcode are only for protocol icmp")
        if wish.first_port is not None or wish.last_port is not None:
            first = wish.first_port if wish.first_port is not None else wish.last_port
            found = rules.ports(protocol.value, first or 0, wish.last_port, "startport")
            row.first_port, row.last_port = found.first, found.last
        return row
    if wish.first_port is not None or wish.last_port is not None:
        raise Refused("startport and endport are only for protocols tcp and udp")
    if protocol == Protocol.ICMP:
        row.icmp_type = rules.icmp("icmptype", wish.icmp_type)
        row.icmp_code = rules.icmp("icmpcode", wish.icmp_code)
        if row.icmp_code is not None and row.icmp_type is None:
            raise Refused("icmpcode needs icmptype")
    elif wish.icmp_type is not None or wish.icmp_code is not None:
        raise Refused("icmptype and icmpcode are only for protocol icmp")
    return row


def _must_be_new(ctx: Ctx, row: FirewallRule, place: object) -> None:
    """Refuse a rule that lets through what another of the same place does, for a source that both name."""
    others = select(FirewallRule).where(place, live(FirewallRule))  # type: ignore[arg-type]
    for other in ctx.s.scalars(others.where(FirewallRule.protocol == row.protocol)):
        if _same_packets(row, other):
            raise RuleConflict(f"Rule {other.uuid} is about some of the same packets already")


def _same_packets(one: FirewallRule, other: FirewallRule) -> bool:
    if not (_common(one.cidrs, other.cidrs) and _common(one.destinations, other.destinations)):
        return False
    if one.protocol == Protocol.ICMP:
        return (one.icmp_type, one.icmp_code) == (other.icmp_type, other.icmp_code)
    first, last = one.first_port or 0, one.last_port or rules.LAST_PORT
    return first <= (other.last_port or rules.LAST_PORT) and (other.first_port or 0) <= last


def _common(one: str, other: str) -> bool:
    """Return whether two lists name the same CIDR; an empty one is a list of anywhere."""
    return bool(set(one.split(",")) & set(other.split(",")))


def for_ports(
    ctx: Ctx, address: PublicAddress, network: Network, wanted: rules.Ports, cidrs: str
) -> FirewallRule | None:
    """Open ports for a rule that needs them; None when the network has no firewall, or a rule lets all of it in.

    The opening is ``automatic``: it goes when its rule goes.
    """
    if not rules.offering_of(ctx, network).offers("Firewall"):
        return None
    stmt = select(FirewallRule).where(
        FirewallRule.address_id == address.id, FirewallRule.protocol == wanted.protocol, live(FirewallRule)
    )
    for there in ctx.s.scalars(stmt):
        spans = (there.first_port or 0) <= wanted.first and (
            there.last_port or rules.LAST_PORT
        ) >= wanted.last
        if spans and there.cidrs in ("", cidrs) and not there.automatic:
            return None
    assert address.account_id is not None
    assert address.domain_id is not None
    row = FirewallRule(
        account_id=address.account_id,
        domain_id=address.domain_id,
        network_id=network.id,
        address_id=address.id,
        protocol=wanted.protocol,
        first_port=wanted.first,
        last_port=wanted.last,
        cidrs=cidrs,
        automatic=True,
    )
    ctx.s.add(row)
    ctx.s.flush()
    return row


def opening_of(ctx: Ctx, opening_id: int | None) -> list[FirewallRule]:
    """Return the firewall rule that came with a rule, now being deleted, unless it is gone or going already."""
    found = ctx.s.get(FirewallRule, opening_id) if opening_id else None
    if found is None or found.removed_s or found.state == RuleState.REVOKE:
        return []
    found.state = RuleState.REVOKE
    return [found]


def close(ctx: Ctx, row: FirewallRule, *, egress: bool) -> SagaRow:
    """Ask for a rule to end.

    Raises:
        Refused: it is being deleted already, or it is of the other direction.
    """
    _must_be(row, egress=egress)
    rules.end(ctx, row)
    network = ctx.s.get_one(Network, row.network_id)
    event = "FIREWALL.EGRESS.CLOSE" if egress else "FIREWALL.CLOSE"
    ctx.note(event, f"Closing rule {row.uuid}", row, state="Started")
    return rules.apply(ctx, network, [row], row)


def _must_be(row: FirewallRule, *, egress: bool) -> None:
    if (row.address_id is None) != egress:
        other = "deleteFirewallRule" if egress else "deleteEgressFirewallRule"
        raise Refused(f"Rule {row.uuid} is not of that direction: see {other}")


def show(ctx: Ctx, row: FirewallRule, *, shown: bool | None, egress: bool) -> FirewallRule:
    """Show a rule to users, or hide it."""
    _must_be(row, egress=egress)
    must_operate(ctx, row)
    if shown is not None:
        row.shown = shown
    return row
