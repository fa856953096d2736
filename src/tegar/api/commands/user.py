"""Users and their keys."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, false, select

from tegar.api.commands.base import List
from tegar.api.views.user import KeysView, UserView, keys, users
from tegar.kernel.command import ADMINS, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.kernel.page import Page, Paging, fetch, matches, paging
from tegar.model.access import ROLE_OF, AccountType
from tegar.ops import access
from tegar.ops import user as ops
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain, User


class CreateUser(Command):
    """Create another user of an account."""

    name = "createUser"
    roles = ADMINS
    response = UserView
    view = staticmethod(users)

    account: str = param("the account that the user acts for")
    username: str = param("the user's name, unique in the domain", max_length=100)
    password: str = param("the user's password", secret=True)
    email: str = param("the user's mail address")
    firstname: str = param("the user's first name")
    lastname: str = param("the user's last name")
    domain_id: Domain | None = param("the account's domain; by default the caller's", default=None)
    timezone: str | None = param("the user's time zone", default=None, max_length=64)
    user_id: str | None = param("the uuid that the user shall have", default=None)

    def run(self, ctx: Ctx) -> User:
        person = ops.Person(
            username=self.username,
            password=self.password,
            firstname=self.firstname,
            lastname=self.lastname,
            email=self.email,
            timezone=self.timezone,
            uuid=self.user_id,
        )
        return ops.create(ctx, access.owner(ctx, self.account, self.domain_id), person)


class ListUsers(List):
    """List the users that the caller may see, the caller first."""

    name = "listUsers"
    response = UserView
    view = staticmethod(users)

    id: User | None = param("the user", default=None)
    username: str | None = param("the user's exact name", default=None)
    account: str | None = param("of this account; with domainid", default=None)
    account_type: int | None = param("of accounts of this type", default=None)
    state: str | None = param("enabled, disabled or locked", default=None)
    domain_id: Domain | None = param("of this domain", default=None)
    is_recursive: bool = param("of its subdomains too", default=False)
    list_all: bool = param("everything the caller may see, which is the default", default=False)
    user_source: str | None = param("native, the only one here", default=None)

    def run(self, ctx: Ctx) -> Page[User]:
        stmt = (
            select(User)
            .join(Account, Account.id == User.account_id)
            .where(live(User), live(Account), access.visible(ctx, User))
            .order_by(User.id)
        )
        if self.id:
            stmt = stmt.where(User.id == self.id.id)
        if self.username:
            stmt = stmt.where(User.username == self.username)
        if self.account:
            stmt = stmt.where(Account.name == self.account)
        if self.account_type is not None:
            known = self.account_type in set(AccountType)
            stmt = stmt.where(Account.role == ROLE_OF[AccountType(self.account_type)] if known else false())
        if self.state:
            stmt = stmt.where(User.state == self.state.lower())
        if self.domain_id and self.is_recursive:
            stmt = stmt.where(access.in_subtree(ctx, Account.domain_id, self.domain_id))
        elif self.domain_id:
            stmt = stmt.where(Account.domain_id == self.domain_id.id)
        if self.user_source and self.user_source.lower() != "native":
            stmt = stmt.where(false())
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, User.username, User.firstname, User.lastname, User.email))
        return self._me_first(ctx, stmt)

    def _me_first(self, ctx: Ctx, stmt: Select[Any]) -> Page[User]:
        """Return the page with the caller, if listed, before all others; sorting them all would cost more."""
        mine = ctx.s.scalars(stmt.where(User.id == ctx.user.id)).first()
        want = paging(self.page, self.pagesize)
        if mine is None:
            return fetch(ctx.s, stmt, want)
        head = [mine] if want.first == 0 else []
        size = None if want.size is None else want.size - len(head)
        rest = fetch(ctx.s, stmt.where(User.id != mine.id), Paging(max(want.first - 1, 0), size))
        return Page([*head, *rest.rows], rest.total + 1)


class GetUser(Command):
    """Say whose an API key is."""

    name = "getUser"
    response = UserView
    view = staticmethod(users)
    writes = False

    user_api_key: str = param("the API key")

    def run(self, ctx: Ctx) -> User:
        found = select(User).where(User.api_key == self.user_api_key, live(User), access.visible(ctx, User))
        user = ctx.s.scalars(found).one_or_none()
        if user is None:
            raise Refused("User not found with the given API key")
        return user


class RegisterUserKeys(Command):
    """Give a user new API and secret keys; the old ones end at once."""

    name = "registerUserKeys"
    response = KeysView
    view = staticmethod(keys)

    id: User = param("the user")

    def run(self, ctx: Ctx) -> User:
        return ops.new_keys(ctx, self.id)


class GetUserKeys(Command):
    """Show a user's API and secret keys."""

    name = "getUserKeys"
    response = KeysView
    view = staticmethod(keys)
    writes = False

    id: User = param("the user")

    def run(self, ctx: Ctx) -> User:
        ops.must_hold_keys(ctx, self.id)
        return self.id


COMMANDS = (CreateUser, ListUsers, GetUser, RegisterUserKeys, GetUserKeys)
