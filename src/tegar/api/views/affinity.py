"""Affinity groups, as the API shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypedDict

from sqlalchemy import select

from tegar.api.views.base import load, path_of
from tegar.kernel.db import live
from tegar.model.affinity import Kind
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.affinity import AffinityGroup, AffinityMember
from tegar.store.vms import Vm


class GroupOfVm(TypedDict, total=False):
    """An affinity group, as a VM shows those that it is in."""

    id: str
    name: str
    description: str | None
    type: str
    account: str
    domainid: str
    domain: str
    domainpath: str | None


class AffinityGroupView(GroupOfVm, total=False):
    """An affinity group and its VMs."""

    virtualmachineIds: list[str]


class AffinityTypeView(TypedDict, total=False):
    """What an affinity group can want."""

    type: str


def _plain(ctx: Ctx, rows: Sequence[AffinityGroup]) -> dict[int, GroupOfVm]:
    accounts = load(ctx.s, Account, (g.account_id for g in rows))
    domains = load(ctx.s, Domain, (g.domain_id for g in rows))
    return {
        g.id: {
            "id": g.uuid,
            "name": g.name,
            "description": g.description,
            "type": g.kind.value,
            "account": accounts[g.account_id].name,
            "domainid": domains[g.domain_id].uuid,
            "domain": domains[g.domain_id].name,
            "domainpath": path_of(domains[g.domain_id]),
        }
        for g in rows
    }


def affinity_groups(ctx: Ctx, rows: Sequence[AffinityGroup]) -> list[AffinityGroupView]:
    """Return groups with their VMs."""
    members: dict[int, list[str]] = defaultdict(list)
    stmt = (
        select(AffinityMember.group_id, Vm.uuid)
        .join(Vm, Vm.id == AffinityMember.vm_id)
        .where(AffinityMember.group_id.in_([g.id for g in rows]), live(Vm))
        .order_by(AffinityMember.id)
    )
    for group_id, uuid in ctx.s.execute(stmt):
        members[group_id].append(uuid)
    plain = _plain(ctx, rows)
    return [{**plain[g.id], "virtualmachineIds": members[g.id]} for g in rows]


def groups_of_vms(ctx: Ctx, rows: Sequence[Vm]) -> dict[int, list[GroupOfVm]]:
    """Return the groups of VMs by VM id; a fixed number of queries."""
    found: dict[int, list[GroupOfVm]] = defaultdict(list)
    stmt = (
        select(AffinityMember.vm_id, AffinityGroup)
        .join(AffinityGroup, AffinityGroup.id == AffinityMember.group_id)
        .where(AffinityMember.vm_id.in_([r.id for r in rows]), live(AffinityGroup))
        .order_by(AffinityGroup.id)
    )
    pairs = [(vm_id, group) for vm_id, group in ctx.s.execute(stmt)]
    plain = _plain(ctx, [group for _, group in pairs])
    for vm_id, group in pairs:
        found[vm_id].append(plain[group.id])
    return found


def affinity_types(ctx: Ctx, rows: Sequence[Kind]) -> list[AffinityTypeView]:
    """Return kinds of groups."""
    return [{"type": kind.value} for kind in rows]
