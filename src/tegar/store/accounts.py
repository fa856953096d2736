"""Domains, accounts and users."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tegar.kernel.db import Row, live
from tegar.model.access import Role


class Domain(Row):
    """A node of the tree of domains.  ``path`` is ``/`` for ROOT and ends with ``/`` below: ``/sales/``."""

    __tablename__ = "domain"

    name: Mapped[str]
    path: Mapped[str] = mapped_column(String(700), index=True)
    level: Mapped[int] = mapped_column(default=0)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("domain.id"), index=True)
    network_domain: Mapped[str | None]


class Account(Row):
    """A tenant: owns resources."""

    __tablename__ = "account"
    __table_args__ = (Index("ix_account_name", "domain_id", "name"), Row.__table_args__)

    name: Mapped[str] = mapped_column(String(100))
    domain_id: Mapped[int] = mapped_column(ForeignKey("domain.id"))
    role: Mapped[Role] = mapped_column()
    state: Mapped[str] = mapped_column(String(20), default="enabled")
    network_domain: Mapped[str | None]


class User(Row):
    """A person or program that logs in; acts for its account.  Secrets are hashed or sealed."""

    __tablename__ = "user"
    __table_args__ = (UniqueConstraint("api_key"), Index("ix_user_name", "username"), Row.__table_args__)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    username: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(300))
    firstname: Mapped[str]
    lastname: Mapped[str]
    email: Mapped[str]
    timezone: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20), default="enabled")
    api_key: Mapped[str | None] = mapped_column(String(100))
    secret_key_sealed: Mapped[str | None] = mapped_column(String(400))


class Login(Row):
    """A session of the web page or of cmk, valid at every server.  Only digests of its tokens are kept."""

    __tablename__ = "login"

    session_digest: Mapped[str] = mapped_column(String(64), unique=True)
    key_digest: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    seen_s: Mapped[float] = mapped_column(index=True)


def by_api_key(s: Session, api_key: str) -> tuple[User, Account, Domain] | None:
    """Return the enabled user of a key with account and domain."""
    stmt = (
        select(User, Account, Domain)
        .join(Account, Account.id == User.account_id)
        .join(Domain, Domain.id == Account.domain_id)
        .where(User.api_key == api_key, live(User), live(Account))
        .where(User.state == "enabled", Account.state == "enabled")
    )
    row = s.execute(stmt).one_or_none()
    return (row[0], row[1], row[2]) if row else None


def who_is(s: Session, user_id: int) -> tuple[User, Account, Domain] | None:
    """Return an enabled user with account and domain."""
    user = s.get(User, user_id)
    if user is None or user.removed_s or user.state != "enabled":
        return None
    account = s.get_one(Account, user.account_id)
    if account.removed_s or account.state != "enabled":
        return None
    return user, account, s.get_one(Domain, account.domain_id)


def named(s: Session, domain_id: int, name: str) -> Account | None:
    """Return the account of that name in a domain."""
    return s.scalars(
        select(Account).where(Account.domain_id == domain_id, Account.name == name, live(Account))
    ).first()


def domain_at(s: Session, path: str) -> Domain | None:
    """Return the domain of a path; ``ROOT`` and missing slashes are understood."""
    clean = "/" + path.strip("/")
    if clean.upper() in ("/", "/ROOT"):
        clean = "/"
    elif not clean.endswith("/"):
        clean += "/"
    return s.scalars(select(Domain).where(Domain.path == clean, live(Domain))).first()


def user_named(s: Session, domain_id: int, username: str) -> User | None:
    """Return the user of that name in a domain."""
    stmt = (
        select(User)
        .join(Account, Account.id == User.account_id)
        .where(Account.domain_id == domain_id, User.username == username, live(User), live(Account))
    )
    return s.scalars(stmt).first()
