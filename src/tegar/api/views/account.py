"""Accounts, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from tegar.api.views.base import date, load, path_of
from tegar.api.views.limits import Limits, unlimited
from tegar.api.views.user import ROLE_TYPE, UserView, users
from tegar.kernel.db import live
from tegar.model.access import ROLE_NAME, TYPE_OF
from tegar.model.units import GIB, MIB
from tegar.model.vm import State as VmState
from tegar.ops.account import ROLE_IDS
from tegar.ops.bootstrap import is_stock
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain, User
from tegar.store.images import Template
from tegar.store.networks import Network
from tegar.store.vms import Vm
from tegar.store.volumes import Volume


class AccountView(Limits, total=False):
    """An account with its users and what it uses: memory in MiB, storage in GiB."""

    id: str
    name: str
    accounttype: int
    roleid: str
    roletype: str
    rolename: str
    domainid: str
    domain: str
    domainpath: str
    networkdomain: str | None
    state: str
    created: str | None
    isdefault: bool
    iscleanuprequired: bool
    groups: list[str]
    user: list[UserView]
    vmtotal: int
    vmrunning: int
    vmstopped: int
    cputotal: int
    memorytotal: int
    volumetotal: int
    primarystoragetotal: int
    secondarystoragetotal: float
    templatetotal: int
    networktotal: int


@dataclass
class Use:
    """What one account uses."""

    vms: int = 0
    running: int = 0
    stopped: int = 0
    cpus: int = 0
    memory_bytes: int = 0
    volumes: int = 0
    disk_bytes: int = 0
    templates: int = 0
    template_bytes: int = 0
    networks: int = 0
    users: list[UserView] = field(default_factory=list)


def _uses(ctx: Ctx, ids: list[int]) -> dict[int, Use]:
    """Count what accounts use, in one query a kind."""
    uses = {id: Use() for id in ids}
    vms = (
        select(Vm.account_id, Vm.state, func.count(), func.sum(Vm.cpus), func.sum(Vm.memory_bytes))
        .where(Vm.account_id.in_(ids), live(Vm), Vm.state.not_in((VmState.DESTROYED, VmState.EXPUNGING)))
        .group_by(Vm.account_id, Vm.state)
    )
    for id, state, count, cpus, memory_bytes in ctx.s.execute(vms):
        use = uses[id]
        use.vms += count
        use.running += count if state == VmState.RUNNING else 0
        use.stopped += count if state == VmState.STOPPED else 0
        use.cpus += int(cpus or 0)
        use.memory_bytes += int(memory_bytes or 0)
    for id, count, total in _sums(ctx, Volume, Volume.size_bytes, ids):
        uses[id].volumes, uses[id].disk_bytes = count, int(total or 0)
    for id, count, total in _sums(ctx, Template, Template.physical_bytes, ids):
        uses[id].templates, uses[id].template_bytes = count, int(total or 0)
    for id, count, _ in _sums(ctx, Network, Network.id, ids):
        uses[id].networks = count
    return uses


def _sums(ctx: Ctx, kind: Any, column: Any, ids: list[int]) -> Any:
    return ctx.s.execute(
        select(kind.account_id, func.count(), func.sum(column))
        .where(kind.account_id.in_(ids), live(kind))
        .group_by(kind.account_id)
    )


def accounts(ctx: Ctx, rows: Sequence[Account]) -> list[AccountView]:
    """Return accounts."""
    ids = [a.id for a in rows]
    domains = load(ctx.s, Domain, (a.domain_id for a in rows))
    uses = _uses(ctx, ids)
    people = ctx.s.scalars(select(User).where(User.account_id.in_(ids), live(User)).order_by(User.id)).all()
    for person, view in zip(people, users(ctx, people), strict=True):
        uses[person.account_id].users.append(view)
    return [_account(a, domains[a.domain_id], uses[a.id]) for a in rows]


def _account(a: Account, domain: Domain, use: Use) -> AccountView:
    return {
        "id": a.uuid,
        "name": a.name,
        "accounttype": int(TYPE_OF[a.role]),
        "roleid": ROLE_IDS[a.role],
        "roletype": ROLE_TYPE[a.role],
        "rolename": ROLE_NAME[a.role],
        "domainid": domain.uuid,
        "domain": domain.name,
        "domainpath": path_of(domain),
        "networkdomain": a.network_domain,
        "state": a.state,
        "created": date(a.created_s),
        "isdefault": is_stock(a),
        "iscleanuprequired": False,
        "groups": [],
        "user": use.users,
        "vmtotal": use.vms,
        "vmrunning": use.running,
        "vmstopped": use.stopped,
        "cputotal": use.cpus,
        "memorytotal": use.memory_bytes // MIB,
        "volumetotal": use.volumes,
        "primarystoragetotal": use.disk_bytes // GIB,
        "secondarystoragetotal": round(use.template_bytes / GIB, 2),
        "templatetotal": use.templates,
        "networktotal": use.networks,
        **unlimited(),
    }
