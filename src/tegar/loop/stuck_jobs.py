"""Take stuck sagas up again: what could not be undone then may be possible now."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from tegar.kernel.saga import SagaRow, State
from tegar.saga.env import Env


def round(env: Env, retry: Callable[[int], None]) -> None:
    """Hand every stuck saga to the runner."""
    stmt = select(SagaRow.id).where(SagaRow.state == State.STUCK).order_by(SagaRow.id).limit(100)
    for saga_id in env.db.read(lambda s: s.scalars(stmt).all()):
        retry(saga_id)
