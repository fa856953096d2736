"""Sessions: login and logout (protocol.md, section 3).  They come before authentication, so they are no commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tegar.api import auth
from tegar.kernel.db import Db
from tegar.kernel.errors import BadParameter, TegarError, Unauthorized
from tegar.model.access import TYPE_OF
from tegar.model.errors import LoginFailed
from tegar.model.settings import SESSION_TIMEOUT_S
from tegar.ops.ctx import World
from tegar.store import accounts, events
from tegar.store.accounts import Account, Domain, Login, User

Cookies = dict[str, str | None]


class NotByGet(TegarError):
    """Login must not stand in URLs, which logs keep."""

    code = 405
    cs_code = 9999
    says = "Please use HTTP POST to authenticate using this API"


def touch(s: Session, login_id: int, now_s: float) -> None:
    """Remember that a session is in use."""
    s.execute(update(Login).where(Login.id == login_id).values(seen_s=now_s))


def log_in(db: Db, world: World, method: str, params: Mapping[str, str]) -> tuple[dict[str, Any], Cookies]:
    """Check a name and password and begin a session.

    Raises:
        NotByGet: the request was a GET.
        LoginFailed: wrong domain, name or password.
    """
    if method != "POST":
        raise NotByGet()
    username, password = params.get("username", ""), params.get("password", "")
    shown = params.get("domain", "") or "/"

    def look(s: Session) -> tuple[User, Account, Domain] | None:
        domain = _domain(s, params)
        user = accounts.user_named(s, domain.id, username) if domain else None
        return accounts.who_is(s, user.id) if user else None

    caller = db.read(look)
    if not auth.check_password(caller[0].password_hash if caller else "", password) or caller is None:
        raise LoginFailed(username, shown)
    user, account, domain = caller

    def begin(s: Session) -> tuple[str, str, int]:
        session, key = auth.open_session(s, user, world.clock.now_s())
        events.note(s, "USER.LOGIN", f"{username} logged in", account_id=account.id, user_id=user.id)
        return session, key, SESSION_TIMEOUT_S.of(s)

    session, key, timeout_s = db.tx(begin)
    inner = {
        "username": user.username,
        "userid": user.uuid,
        "domainid": domain.uuid,
        "timeout": timeout_s,
        "account": account.name,
        "firstname": user.firstname,
        "lastname": user.lastname,
        "type": str(int(TYPE_OF[account.role])),
        "timezone": user.timezone or "UTC",
        "timezoneoffset": "0.0",
        "registered": "false",
        "sessionkey": key,
        "is2faenabled": "false",
        "is2faverified": "true",
        "managementserverid": world.server_uuid or None,
    }
    return inner, {"JSESSIONID": session, "sessionkey": key}


def _domain(s: Session, params: Mapping[str, str]) -> Domain | None:
    if params.get("domainid"):
        if len(params["domainid"]) != 36:
            raise BadParameter("domainid", "not a uuid")
        return s.scalars(select(Domain).where(Domain.uuid == params["domainid"])).one_or_none()
    return accounts.domain_at(s, params.get("domain", "/") or "/")


def log_out(
    db: Db, cookies: Mapping[str, str], params: Mapping[str, str], now_s: float
) -> tuple[dict[str, Any], Cookies]:
    """End a session.

    Raises:
        Unauthorized: there is none.
    """

    def work(s: Session) -> None:
        login, _ = auth.find_session(
            s,
            cookies.get("JSESSIONID", ""),
            cookies.get("sessionkey", ""),
            params.get("sessionkey", ""),
            now_s,
        )
        s.delete(login)

    db.tx(work)
    return {"description": "success"}, {"JSESSIONID": None, "sessionkey": None}


__all__ = ["Unauthorized", "log_in", "log_out", "touch"]
