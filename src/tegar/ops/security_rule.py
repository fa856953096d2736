"""Rules of security groups: packets let in to their VMs, or out of them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from uuid import uuid4

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused, Stale
from tegar.kernel.saga import SagaRow
from tegar.model.errors import RuleConflict
from tegar.model.rule import Protocol, RuleState
from tegar.ops import rule as rules
from tegar.ops.access import must_operate
from tegar.ops.ctx import Ctx
from tegar.saga.security_apply import APPLY_SECURITY, ApplySecurity
from tegar.store import security_groups
from tegar.store.accounts import named as account_named
from tegar.store.security_groups import SecurityGroup, SecurityRule

NAMES = {p.value: p for p in (Protocol.TCP, Protocol.UDP, Protocol.ICMP, Protocol.ALL)}
NUMBERS = {1: Protocol.ICMP, 6: Protocol.TCP, 17: Protocol.UDP}


@dataclass(frozen=True)
class Wish:
    """What rules shall let through: packets, from or to CIDRs and members of groups (``account``, ``group``)."""

    protocol: str = ""
    first_port: int | None = None
    last_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    cidrs: list[str] = field(default_factory=list)
    groups: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Packets:
    protocol: Protocol
    number: int | None = None
    first_port: int | None = None
    last_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


def authorize(ctx: Ctx, group: SecurityGroup, wish: Wish, *, inbound: bool) -> SagaRow:
    """Ask for rules, one for each CIDR and each group that is named; those that are there already are left out.

    Raises:
        Refused: neither CIDRs nor groups; a group that is not there; ports that do not belong to the protocol.
        BadParameter: a protocol, port or CIDR makes no sense.
        RuleConflict: all of the rules are there already.
    """
    must_operate(ctx, group)
    packets = _packets(wish)
    if not wish.cidrs and not wish.groups:
        raise Refused("Give cidrlist or usersecuritygrouplist: at least one CIDR or one group")
    cidrs = list(dict.fromkeys(_cidr(text) for text in wish.cidrs))
    others = [_other(ctx, group, entry) for entry in wish.groups]
    touched = {group.id, *(other.id for other in others)}
    if security_groups.touch(ctx.s, touched) != len(touched):
        raise Stale  # one was deleted since it was read
    request = str(uuid4())
    places = [(cidr, None) for cidr in cidrs] + [("", other.id) for other in dict.fromkeys(others)]
    rows = [_row(group, packets, inbound, request, cidr, other_id) for cidr, other_id in places]
    new = _new(ctx, group, rows)
    ctx.s.add_all(new)
    ctx.s.flush()
    security_groups.want_again(ctx.s, [group.id])
    event = "SG.AUTH.INGRESS" if inbound else "SG.AUTH.EGRESS"
    ctx.note(
        event, f"Letting packets {'in to' if inbound else 'out of'} {group.name}", group, state="Started"
    )
    params = ApplySecurity(group.id, tuple(row.id for row in new), ends=False)
    return APPLY_SECURITY.submit(ctx.s, params, ctx.job(new[0]))


def revoke(ctx: Ctx, rule: SecurityRule, *, inbound: bool) -> SagaRow:
    """Ask for a rule to end.

    Raises:
        Refused: it is being deleted already, or it is of the other direction.
    """
    if rule.inbound != inbound:
        other = "revokeSecurityGroupIngress" if rule.inbound else "revokeSecurityGroupEgress"
        raise Refused(f"Rule {rule.uuid} is not of that direction: see {other}")
    must_operate(ctx, rule)
    if rule.state == RuleState.REVOKE:
        raise Refused("The rule is being deleted already")
    group = ctx.s.get_one(SecurityGroup, rule.group_id)
    rule.state = RuleState.REVOKE
    ctx.s.flush()
    security_groups.want_again(ctx.s, [group.id])
    event = "SG.REVOKE.INGRESS" if inbound else "SG.REVOKE.EGRESS"
    ctx.note(event, f"Revoking rule {rule.uuid} of {group.name}", group, state="Started")
    return APPLY_SECURITY.submit(ctx.s, ApplySecurity(group.id, (rule.id,), ends=True), ctx.job(rule))


def _packets(wish: Wish) -> _Packets:
    """Return the packets that a caller means; without a protocol: all."""
    protocol, number = _protocol(wish.protocol or Protocol.ALL.value)
    if protocol in (Protocol.TCP, Protocol.UDP):
        first, last = wish.first_port, wish.last_port
        if first is None and last is None:
            raise Refused(f"Protocol {protocol.value} needs startport and endport")
        low, high = (last if first is None else first), (first if last is None else last)
        assert low is not None
        found = rules.ports(protocol.value, low, high, "startport")
        return _Packets(protocol, first_port=found.first, last_port=found.last)
    if wish.first_port is not None or wish.last_port is not None:
        raise Refused("startport and endport are only for protocols tcp and udp")
    if protocol is not Protocol.ICMP:
        return _Packets(protocol, number=number)
    if wish.icmp_type is None or wish.icmp_code is None:
        raise Refused("Protocol icmp needs icmptype and icmpcode; -1 means all")
    kind, code = rules.icmp("icmptype", wish.icmp_type), rules.icmp("icmpcode", wish.icmp_code)
    if kind is None and code is not None:
        raise Refused("icmptype -1 is all kinds of packets: then icmpcode is -1 too")
    return _Packets(protocol, icmp_type=kind, icmp_code=code)


def _protocol(text: str) -> tuple[Protocol, int | None]:
    given = text.strip().lower()
    if given in NAMES:
        return NAMES[given], None
    if not given.isdecimal() or not 1 <= int(given) <= 255:
        raise BadParameter(
            "protocol", f"{text[:20]!r} is none of {', '.join(NAMES)} and no number from 1 to 255"
        )
    number = int(given)
    return (NUMBERS[number], None) if number in NUMBERS else (Protocol.NUMBER, number)


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text.strip()))
    except ValueError:
        raise BadParameter("cidrlist", f"{text[:40]!r} is no IPv4 CIDR, such as 10.1.0.0/16") from None


def _other(ctx: Ctx, group: SecurityGroup, entry: dict[str, str]) -> SecurityGroup:
    """Return a group that a caller names with its account, which is in the domain of the group that gets the rule.

    Any account's may be named: that lets its VMs in, and nobody to them.
    """
    account, name = entry.get("account", ""), entry.get("group", "")
    if not account or not name:
        raise Refused(
            "Name groups as usersecuritygrouplist[0].account=… and usersecuritygrouplist[0].group=…"
        )
    owner = account_named(ctx.s, group.domain_id, account)
    found = security_groups.of_name(ctx.s, owner.id, name) if owner else None
    if found is None:
        raise Refused(f"There is no security group {name} of an account {account} in the domain")
    return found


def _row(
    group: SecurityGroup, packets: _Packets, inbound: bool, request: str, cidr: str, other_id: int | None
) -> SecurityRule:
    return SecurityRule(
        group_id=group.id,
        account_id=group.account_id,
        domain_id=group.domain_id,
        inbound=inbound,
        protocol=packets.protocol,
        number=packets.number,
        first_port=packets.first_port,
        last_port=packets.last_port,
        icmp_type=packets.icmp_type,
        icmp_code=packets.icmp_code,
        cidr=cidr,
        other_id=other_id,
        request=request,
    )


def _new(ctx: Ctx, group: SecurityGroup, rows: list[SecurityRule]) -> list[SecurityRule]:
    """Return the rules that the group does not have; one that is being deleted counts as had."""
    stmt = select(SecurityRule).where(SecurityRule.group_id == group.id, live(SecurityRule))
    known = {_same(rule): rule.uuid for rule in ctx.s.scalars(stmt)}
    new = [row for row in rows if _same(row) not in known]
    if not new:
        raise RuleConflict(
            f"Rule {known[_same(rows[0])]} of security group {group.name} says the same already"
        )
    return new


def _same(rule: SecurityRule) -> tuple[object, ...]:
    return (
        rule.inbound, rule.protocol, rule.number, rule.first_port, rule.last_port, rule.icmp_type, rule.icmp_code,
        rule.cidr, rule.other_id,
    )  # fmt: skip
