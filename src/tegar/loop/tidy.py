"""Remove what nobody needs any more: old sessions, marks of old transactions, spent tokens."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from tegar.kernel.db import TxMark
from tegar.kernel.lease import Lease
from tegar.model.settings import SESSION_TIMEOUT_S
from tegar.saga.env import Env
from tegar.store.accounts import Login
from tegar.store.keys import JoinToken


def round(env: Env) -> None:
    """Delete them."""
    env.db.tx(lambda s: _delete(s, env.clock.now_s()))


def _delete(s: Session, now_s: float) -> None:
    s.execute(delete(TxMark).where(TxMark.created_s < now_s - 3600))
    s.execute(delete(Login).where(Login.seen_s < now_s - 2 * SESSION_TIMEOUT_S.of(s)))
    s.execute(delete(JoinToken).where(JoinToken.expires_s < now_s - 86400))
    s.execute(delete(Lease).where(Lease.holder == "", Lease.name.startswith("server:")))
