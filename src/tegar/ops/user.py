"""Users and their keys."""

from __future__ import annotations

from dataclasses import dataclass

from tegar.kernel.errors import BadParameter
from tegar.kernel.secret import token
from tegar.model.access import Role
from tegar.model.errors import Denied, Exists
from tegar.ops import domain as domains
from tegar.ops.ctx import Ctx
from tegar.ops.password import hash_password
from tegar.store.accounts import Account, Domain, User, user_named

KEY_BYTES = 64


@dataclass(frozen=True)
class Person:
    """A user to be made."""

    username: str
    password: str
    firstname: str
    lastname: str
    email: str
    timezone: str | None = None
    uuid: str | None = None


def create(ctx: Ctx, account: Account, person: Person) -> User:
    """Make another user of an account.

    Raises:
        Denied: the account is one that the caller must not speak for.
        Exists: the domain has a user of that name.
    """
    if not manages(ctx, account):
        raise Denied(f"Account {ctx.account.name} may not create users of account {account.name}")
    domain = ctx.s.get_one(Domain, account.domain_id)
    domains.lock(ctx, domain)
    return add(ctx, account, domain, person)


def add(ctx: Ctx, account: Account, domain: Domain, person: Person) -> User:
    """Make a user; the domain is locked by the caller.

    Raises:
        BadParameter: an empty name or password.
        Exists: the domain has a user of that name.
    """
    if not person.username.strip():
        raise BadParameter("username", "it must not be empty")
    if not person.password:
        raise BadParameter("password", "it must not be empty")
    if user_named(ctx.s, domain.id, person.username):
        raise Exists("user", person.username)
    user = User(
        uuid=domains.free_uuid(ctx, User, "userid", person.uuid),
        account_id=account.id,
        username=person.username,
        password_hash=hash_password(person.password),
        firstname=person.firstname,
        lastname=person.lastname,
        email=person.email,
        timezone=person.timezone or None,
    )
    ctx.s.add(user)
    ctx.s.flush()
    ctx.note("USER.CREATE", f"User {person.username} created in account {account.name}", user)
    return user


def manages(ctx: Ctx, account: Account) -> bool:
    """Return whether the caller may act as users of an account that they see: never upwards."""
    if ctx.is_admin:
        return True
    return ctx.role == Role.DOMAIN_ADMIN and account.role != Role.ADMIN


def must_hold_keys(ctx: Ctx, user: User) -> None:
    """Refuse a caller who may see a user but not the user's keys.

    Raises:
        Denied: another user's, or an administrator's.
    """
    if user.id != ctx.user.id and not manages(ctx, ctx.s.get_one(Account, user.account_id)):
        raise Denied(f"User {ctx.user.username} may not use the keys of user {user.username}")


def new_keys(ctx: Ctx, user: User) -> User:
    """Give a user new keys; the old ones end at once.

    Raises:
        Denied: another user's, or an administrator's.
    """
    must_hold_keys(ctx, user)
    user.api_key, user.secret_key_sealed = token(KEY_BYTES), ctx.world.vault.seal(token(KEY_BYTES))
    ctx.s.flush()
    ctx.note("REGISTER.USER.KEY", f"New keys for user {user.username}", user)
    return user
