"""Audit events, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import date, load, path_of
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain, User
from tegar.store.events import Event

RESOURCE_TYPES = {
    "Vm": "VirtualMachine",
    "SshKey": "SSHKeyPair",
    "Pool": "StoragePool",
    "SettingRow": "Configuration",
}


class EventView(TypedDict, total=False):
    """Something that was done or happened, and to what."""

    id: str
    type: str
    level: str
    state: str
    description: str
    created: str | None
    username: str | None
    account: str | None
    domainid: str | None
    domain: str | None
    domainpath: str | None
    resourceid: str | None
    resourcetype: str | None
    parentid: str | None
    archived: bool


def events(ctx: Ctx, rows: Sequence[Event]) -> list[EventView]:
    """Return events."""
    accounts = load(ctx.s, Account, (e.account_id for e in rows))
    users = load(ctx.s, User, (e.user_id for e in rows))
    domains = load(ctx.s, Domain, (a.domain_id for a in accounts.values()))
    views: list[EventView] = []
    for e in rows:
        account, user = accounts.get(e.account_id), users.get(e.user_id)
        domain = domains[account.domain_id] if account else None
        kind = e.resource_type
        views.append(
            {
                "id": e.uuid,
                "type": e.type,
                "level": e.level,
                "state": e.state,
                "description": e.description,
                "created": date(e.created_s),
                "username": user.username if user else None,
                "account": account.name if account else None,
                "domainid": domain.uuid if domain else None,
                "domain": domain.name if domain else None,
                "domainpath": path_of(domain) if domain else None,
                "resourceid": e.resource_uuid,
                "resourcetype": RESOURCE_TYPES.get(kind, kind) if kind else None,
                "parentid": e.start_uuid,
                "archived": False,
            }
        )
    return views
