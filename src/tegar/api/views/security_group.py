"""Security groups and their rules, as the API shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, TypedDict

from sqlalchemy import select

from tegar.api.views.base import load, path_of
from tegar.kernel.db import live
from tegar.model.rule import Protocol
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.security_groups import SecurityGroup, SecurityMember, SecurityRule
from tegar.store.vms import Vm

EVERY = -1  # the protocol's word for all types or codes of ICMP


class SecurityRuleView(TypedDict, total=False):
    """A rule: from or to ``cidr``, or the members of ``account``'s ``securitygroupname``."""

    ruleid: str
    protocol: str
    startport: int | None
    endport: int | None
    icmptype: int | None
    icmpcode: int | None
    cidr: str | None
    account: str | None
    securitygroupname: str | None
    tags: list[dict[str, Any]]


class SecurityGroupOfVm(TypedDict, total=False):
    """A security group, as a VM shows those that it is in."""

    id: str
    name: str
    description: str | None
    account: str
    domainid: str
    domain: str
    ingressrule: list[SecurityRuleView]
    egressrule: list[SecurityRuleView]
    tags: list[dict[str, Any]]


class SecurityGroupView(SecurityGroupOfVm, total=False):
    """A security group with its VMs."""

    domainpath: str | None
    virtualmachinecount: int
    virtualmachineids: list[str]


Rules = dict[int, dict[bool, list[SecurityRuleView]]]


def _rules(ctx: Ctx, rows: Sequence[SecurityRule]) -> Rules:
    """Return rules by group and by whether they are inbound."""
    others = load(ctx.s, SecurityGroup, (r.other_id for r in rows))
    accounts = load(ctx.s, Account, (g.account_id for g in others.values()))
    found: Rules = defaultdict(lambda: {True: [], False: []})
    for r in rows:
        other = others[r.other_id] if r.other_id is not None else None
        icmp = r.protocol is Protocol.ICMP
        found[r.group_id][r.inbound].append(
            {
                "ruleid": r.uuid,
                "protocol": str(r.number) if r.protocol is Protocol.NUMBER else r.protocol.value,
                "startport": r.first_port,
                "endport": r.last_port,
                "icmptype": (EVERY if r.icmp_type is None else r.icmp_type) if icmp else None,
                "icmpcode": (EVERY if r.icmp_code is None else r.icmp_code) if icmp else None,
                "cidr": r.cidr or None,
                "account": accounts[other.account_id].name if other else None,
                "securitygroupname": other.name if other else None,
                "tags": [],
            }
        )
    return found


def _all_rules(ctx: Ctx, group_ids: Collection[int]) -> Rules:
    stmt = select(SecurityRule).where(SecurityRule.group_id.in_(group_ids), live(SecurityRule))
    return _rules(ctx, ctx.s.scalars(stmt.order_by(SecurityRule.id)).all())


def _plain(ctx: Ctx, rows: Sequence[SecurityGroup], rules: Rules) -> dict[int, SecurityGroupOfVm]:
    accounts = load(ctx.s, Account, (g.account_id for g in rows))
    domains = load(ctx.s, Domain, (g.domain_id for g in rows))
    return {
        g.id: {
            "id": g.uuid,
            "name": g.name,
            "description": g.description,
            "account": accounts[g.account_id].name,
            "domainid": domains[g.domain_id].uuid,
            "domain": domains[g.domain_id].name,
            "ingressrule": rules[g.id][True],
            "egressrule": rules[g.id][False],
            "tags": [],
        }
        for g in rows
    }


def security_groups(ctx: Ctx, rows: Sequence[SecurityGroup]) -> list[SecurityGroupView]:
    """Return groups with their rules and VMs."""
    ids = [g.id for g in rows]
    domains = load(ctx.s, Domain, (g.domain_id for g in rows))
    members: dict[int, list[str]] = defaultdict(list)
    stmt = (
        select(SecurityMember.group_id, Vm.uuid)
        .join(Vm, Vm.id == SecurityMember.vm_id)
        .where(SecurityMember.group_id.in_(ids), live(Vm))
        .order_by(SecurityMember.id)
    )
    for group_id, uuid in ctx.s.execute(stmt):
        members[group_id].append(uuid)
    plain = _plain(ctx, rows, _all_rules(ctx, ids))
    return [
        {
            **plain[g.id],
            "domainpath": path_of(domains[g.domain_id]),
            "virtualmachinecount": len(members[g.id]),
            "virtualmachineids": members[g.id],
        }
        for g in rows
    ]


def authorized(ctx: Ctx, rows: Sequence[SecurityRule]) -> list[SecurityGroupOfVm]:
    """Return the group of each rule with the rules that were asked for together with it, and no others.

    Clients that look for one rule take it out of there.
    """
    stmt = select(SecurityRule).where(SecurityRule.request.in_([r.request for r in rows]), live(SecurityRule))
    rules = _rules(ctx, ctx.s.scalars(stmt.order_by(SecurityRule.id)).all())
    groups = load(ctx.s, SecurityGroup, (r.group_id for r in rows))
    plain = _plain(ctx, list(groups.values()), rules)
    return [plain[r.group_id] for r in rows]


def security_groups_of_vms(ctx: Ctx, rows: Sequence[Vm]) -> dict[int, list[SecurityGroupOfVm]]:
    """Return the groups of VMs by VM id, with their rules; a fixed number of queries."""
    found: dict[int, list[SecurityGroupOfVm]] = defaultdict(list)
    stmt = (
        select(SecurityMember.vm_id, SecurityGroup)
        .join(SecurityGroup, SecurityGroup.id == SecurityMember.group_id)
        .where(SecurityMember.vm_id.in_([r.id for r in rows]), live(SecurityGroup))
        .order_by(SecurityGroup.id)
    )
    pairs = [(vm_id, group) for vm_id, group in ctx.s.execute(stmt)]
    if not pairs:
        return found
    groups = {group.id: group for _, group in pairs}
    plain = _plain(ctx, list(groups.values()), _all_rules(ctx, groups))
    for vm_id, group in pairs:
        found[vm_id].append(plain[group.id])
    return found
