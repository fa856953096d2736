"""Accounts."""

from __future__ import annotations

from sqlalchemy import false, select

from tegar.api.commands.base import List
from tegar.api.views.account import AccountView, accounts
from tegar.kernel.command import ADMINS, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.model.access import ROLE_OF, AccountType
from tegar.ops import access
from tegar.ops import account as ops
from tegar.ops.ctx import Ctx
from tegar.ops.user import Person
from tegar.store.accounts import Account, Domain


class CreateAccount(Command):
    """Create an account with its first user."""

    name = "createAccount"
    roles = ADMINS
    response = AccountView
    view = staticmethod(accounts)

    username: str = param("name of its first user, unique in the domain", max_length=100)
    password: str = param("the user's password", secret=True)
    email: str = param("the user's mail address")
    firstname: str = param("the user's first name")
    lastname: str = param("the user's last name")
    account: str | None = param("its name; by default the user's", default=None, max_length=100)
    account_type: int | None = param("0 user, 1 admin, 2 domain admin", default=None)
    role_id: str | None = param("its role, instead of accounttype", default=None)
    domain_id: Domain | None = param("its domain; by default the caller's", default=None)
    network_domain: str | None = param("DNS domain of its guest networks", default=None)
    timezone: str | None = param("the user's time zone", default=None, max_length=64)
    account_id: str | None = param("the uuid that the account shall have", default=None)
    user_id: str | None = param("the uuid that the user shall have", default=None)

    def run(self, ctx: Ctx) -> Account:
        new = ops.NewAccount(
            name=self.account or self.username,
            role=ops.role_of(self.account_type, self.role_id),
            network_domain=self.network_domain,
            uuid=self.account_id,
        )
        person = Person(
            username=self.username,
            password=self.password,
            firstname=self.firstname,
            lastname=self.lastname,
            email=self.email,
            timezone=self.timezone,
            uuid=self.user_id,
        )
        return ops.create(ctx, self.domain_id or ctx.domain, new, person)


class ListAccounts(List):
    """List accounts: the caller's own, unless asked for more."""

    name = "listAccounts"
    response = AccountView
    view = staticmethod(accounts)

    id: Account | None = param("the account", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    account_type: int | None = param("0 user, 1 admin, 2 domain admin", default=None)
    state: str | None = param("enabled, disabled or locked", default=None)
    domain_id: Domain | None = param("of this domain", default=None)
    is_recursive: bool = param("of its subdomains too", default=False)
    list_all: bool = param("everything the caller may see", default=False)
    is_cleanup_required: bool | None = param("those whose removal is not complete; none here", default=None)
    details: list[str] | None = param("which totals to show; all are shown", default=None)

    def run(self, ctx: Ctx) -> Page[Account]:
        stmt = select(Account).where(live(Account), access.visible(ctx, Account)).order_by(Account.id)
        if self.id:
            stmt = stmt.where(Account.id == self.id.id)
        elif self.domain_id and self.is_recursive:
            stmt = stmt.where(access.in_subtree(ctx, Account.domain_id, self.domain_id))
        elif self.domain_id:
            stmt = stmt.where(Account.domain_id == self.domain_id.id)
        elif not (self.list_all or self.name_):
            stmt = stmt.where(Account.id == ctx.account.id)
        if self.name_:
            stmt = stmt.where(Account.name == self.name_)
        if self.account_type is not None:
            known = self.account_type in set(AccountType)
            stmt = stmt.where(Account.role == ROLE_OF[AccountType(self.account_type)] if known else false())
        if self.state:
            stmt = stmt.where(Account.state == self.state.lower())
        if self.is_cleanup_required:
            stmt = stmt.where(false())
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Account.name))
        return self.fetch(ctx, stmt)


COMMANDS = (CreateAccount, ListAccounts)
