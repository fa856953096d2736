"""Asynchronous jobs, which are sagas."""

from __future__ import annotations

from typing import Any

from tegar.kernel.saga import SagaRow, State
from tegar.ops.ctx import Ctx


def done(ctx: Ctx, row: Any = None) -> SagaRow:
    """Return a job that has ended already: the protocol calls the command asynchronous, but it is one transaction."""
    job = ctx.job(row)
    saga = SagaRow(
        name="done",
        params="{}",
        state=State.DONE,
        ended_s=ctx.now_s,
        command=job.command,
        user_id=job.user_id,
        account_id=job.account_id,
        instance_type=job.instance_type or None,
        instance_uuid=job.instance_uuid or None,
    )
    ctx.s.add(saga)
    ctx.s.flush()
    return saga
