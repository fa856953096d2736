"""Who is calling: signatures in all the forms that clients make, and sessions (protocol.md, sections 2 and 3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import product
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.errors import Unauthorized
from tegar.kernel.secret import Vault, digest, same, token
from tegar.model.settings import SESSION_TIMEOUT_S
from tegar.ops.password import check_password, hash_password
from tegar.store.accounts import Account, Domain, Login, User, by_api_key, who_is

Caller = tuple[User, Account, Domain]


def _texts(params: Mapping[str, str]) -> Iterator[str]:
    """Give the texts that clients may have signed, CloudStack's own form first."""
    named = [(k, v) for k, v in params.items() if k.lower() != "signature"]
    for lower_sort, raw_tilde, raw_brackets in product((False, True), repeat=3):
        safe = "*" + ("[]" if raw_brackets else "")
        pairs = sorted(named, key=lambda kv: kv[0].lower() if lower_sort else kv[0])
        text = "&".join(f"{k}={quote(v, safe=safe)}" for k, v in pairs)
        # Python leaves ~ alone; Java's encoder does not.
        yield (text if raw_tilde else _encode_tilde(pairs, safe)).lower()


def _encode_tilde(pairs: list[tuple[str, str]], safe: str) -> str:
    return "&".join(f"{k}={quote(v, safe=safe).replace('~', '%7E')}" for k, v in pairs)


def signed_by(params: Mapping[str, str], secret: str) -> bool:
    """Return whether the signature among the parameters was made with the secret (HMAC-SHA1 or -SHA512)."""
    given = next((v for k, v in params.items() if k.lower() == "signature"), "").replace(" ", "+")
    tried: set[str] = set()
    for text in _texts(params):
        if text in tried:
            continue
        tried.add(text)
        for algorithm in (hashlib.sha1, hashlib.sha512):
            made = hmac.new(secret.encode(), text.encode(), algorithm).digest()
            if hmac.compare_digest(base64.b64encode(made), given.encode()):
                return True
    return False


_MOMENT = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)$")


def expired(text: str, now_s: float) -> bool:
    """Return whether the moment is past; both ``…Z`` and ``…+0000`` are understood.

    Raises:
        Unauthorized: it is no moment.
    """
    found = _MOMENT.match(text.strip().replace(" ", "+"))
    if not found:
        raise Unauthorized()
    try:
        at = datetime.fromisoformat(found[1] + ("+00:00" if found[2] == "Z" else found[2]))
    except ValueError:
        raise Unauthorized() from None
    return at < datetime.fromtimestamp(now_s, UTC)


def by_signature(s: Session, vault: Vault, params: Mapping[str, str], now_s: float) -> Caller:
    """Return the caller whose key signed the request.

    Raises:
        Unauthorized: unknown key, wrong signature, or past its ``expires``; never says which.
    """
    lower = {k.lower(): v for k, v in params.items()}
    if lower.get("signatureversion") == "3" and ("expires" not in lower or expired(lower["expires"], now_s)):
        raise Unauthorized()
    caller = by_api_key(s, lower.get("apikey", ""))
    if caller is None or not caller[0].secret_key_sealed:
        raise Unauthorized()
    if not signed_by(params, vault.open(caller[0].secret_key_sealed).reveal()):
        raise Unauthorized()
    return caller


def open_session(s: Session, user: User, now_s: float) -> tuple[str, str]:
    """Begin a session; return its cookie's value and its key."""
    session, key = token(), token(20)
    s.add(Login(session_digest=digest(session), key_digest=digest(key), user_id=user.id, seen_s=now_s))
    return session, key


def find_session(
    s: Session, cookie: str, cookie_key: str, param_key: str, now_s: float
) -> tuple[Login, Caller]:
    """Return the session that both cookies and the ``sessionkey`` parameter belong to.

    Raises:
        Unauthorized: no such session, a key that does not match, or too long silent.
    """
    if not (cookie and cookie_key and param_key) or not same(cookie_key, param_key):
        raise Unauthorized()
    login = s.scalars(select(Login).where(Login.session_digest == digest(cookie))).one_or_none()
    if login is None or not same(login.key_digest, digest(param_key)):
        raise Unauthorized()
    if now_s - login.seen_s > SESSION_TIMEOUT_S.of(s):
        raise Unauthorized()
    caller = who_is(s, login.user_id)
    if caller is None:
        raise Unauthorized()
    return login, caller


__all__ = [
    "Caller",
    "by_signature",
    "check_password",
    "expired",
    "find_session",
    "hash_password",
    "open_session",
    "signed_by",
]
