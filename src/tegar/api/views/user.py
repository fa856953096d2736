"""Users and their keys, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import date, load
from tegar.model.access import ROLE_NAME, TYPE_OF, Role
from tegar.ops import user as ops
from tegar.ops.account import ROLE_IDS
from tegar.ops.bootstrap import is_stock
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain, User

ROLE_TYPE = {Role.ADMIN: "Admin", Role.DOMAIN_ADMIN: "DomainAdmin", Role.USER: "User"}


class UserView(TypedDict, total=False):
    """A user; the secret key is never among the fields."""

    id: str
    username: str
    firstname: str
    lastname: str
    email: str
    created: str | None
    state: str
    account: str
    accountid: str
    accounttype: int
    usersource: str
    roleid: str
    roletype: str
    rolename: str
    domainid: str
    domain: str
    timezone: str | None
    apikey: str | None
    iscallerchilddomain: bool
    isdefault: bool
    is2faenabled: bool
    is2famandated: bool


class KeysView(TypedDict, total=False):
    """A user's keys."""

    apikey: str | None
    secretkey: str | None


def users(ctx: Ctx, rows: Sequence[User]) -> list[UserView]:
    """Return users; an API key is shown to those who may use it."""
    accounts = load(ctx.s, Account, (u.account_id for u in rows))
    domains = load(ctx.s, Domain, (a.domain_id for a in accounts.values()))
    return [_user(ctx, u, accounts[u.account_id], domains[accounts[u.account_id].domain_id]) for u in rows]


def _user(ctx: Ctx, u: User, account: Account, domain: Domain) -> UserView:
    holds = u.id == ctx.user.id or ops.manages(ctx, account)
    below = domain.path.startswith(ctx.domain.path) and domain.id != ctx.domain.id
    return {
        "id": u.uuid,
        "username": u.username,
        "firstname": u.firstname,
        "lastname": u.lastname,
        "email": u.email,
        "created": date(u.created_s),
        "state": u.state,
        "account": account.name,
        "accountid": account.uuid,
        "accounttype": int(TYPE_OF[account.role]),
        "usersource": "native",
        "roleid": ROLE_IDS[account.role],
        "roletype": ROLE_TYPE[account.role],
        "rolename": ROLE_NAME[account.role],
        "domainid": domain.uuid,
        "domain": domain.name,
        "timezone": u.timezone,
        "apikey": u.api_key if holds else None,
        "iscallerchilddomain": below,
        "isdefault": is_stock(u),
        "is2faenabled": False,
        "is2famandated": False,
    }


def keys(ctx: Ctx, rows: Sequence[User]) -> list[KeysView]:
    """Return the keys of users whose keys the caller was allowed."""
    return [
        {
            "apikey": u.api_key,
            "secretkey": ctx.world.vault.open(u.secret_key_sealed).reveal() if u.secret_key_sealed else None,
        }
        for u in rows
    ]
