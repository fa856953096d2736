"""Accounts, which own resources, and their first users."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.model.access import ROLE_OF, AccountType, Role
from tegar.model.errors import Denied, Exists
from tegar.ops import domain as domains
from tegar.ops import user as users
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain

ROLE_IDS = {role: str(uuids.uuid5(uuids.NAMESPACE_DNS, f"{role}.role.tegar")) for role in Role}


@dataclass(frozen=True)
class NewAccount:
    """An account to be made."""

    name: str
    role: Role
    network_domain: str | None = None
    uuid: str | None = None


def role_of(account_type: int | None, role_id: str | None) -> Role:
    """Return the role that ``accounttype`` or ``roleid`` asks for.

    Raises:
        BadParameter: no such role or type.
        Refused: neither was given.
    """
    if role_id:
        for role, id in ROLE_IDS.items():
            if id == role_id:
                return role
        raise BadParameter("roleid", "there is no such role; listAccounts shows the ids of roles")
    if account_type is None:
        raise Refused(
            "Neither account type nor role ID was given; accounttype is 0 user, 1 admin, 2 domain admin"
        )
    try:
        return ROLE_OF[AccountType(account_type)]
    except (ValueError, KeyError):
        raise BadParameter("accounttype", "it is none of 0 (user), 1 (admin), 2 (domain admin)") from None


def create(ctx: Ctx, domain: Domain, new: NewAccount, person: users.Person) -> Account:
    """Make an account with its first user.

    Raises:
        Denied: the caller may not make accounts of that role.
        Refused: an administrator outside ROOT.
        BadParameter: no name.
        Exists: the account's or the user's name is taken in the domain.
    """
    if new.role == Role.ADMIN and not ctx.is_admin:
        raise Denied("Only an administrator can create administrators")
    if new.role == Role.ADMIN and domain.parent_id is not None:
        raise Refused("Administrators live in the ROOT domain; use accounttype 2 for a domain's own")
    if not new.name.strip():
        raise BadParameter("account", "it must not be empty")
    domains.lock(ctx, domain)
    taken = select(Account.id).where(Account.domain_id == domain.id, Account.name == new.name, live(Account))
    if ctx.s.scalars(taken).first():
        raise Exists("account", new.name)
    account = Account(
        uuid=domains.free_uuid(ctx, Account, "accountid", new.uuid),
        name=new.name,
        domain_id=domain.id,
        role=new.role,
        network_domain=domains.dns_name("networkdomain", new.network_domain),
    )
    ctx.s.add(account)
    ctx.s.flush()
    ctx.note("ACCOUNT.CREATE", f"Account {new.name} created in domain {domain.name}", account)
    users.add(ctx, account, domain, person)
    return account
