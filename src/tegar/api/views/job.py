"""Asynchronous jobs, as the API shows them (protocol.md, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api import render
from tegar.api.views.base import date, load, path_of, uuid_of
from tegar.kernel.saga import OPEN, SagaRow, State
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain, User


class JobView(TypedDict, total=False):
    """A job: ``jobstatus`` 0 runs, 1 is done, 2 has failed."""

    accountid: str | None
    userid: str | None
    account: str | None
    domainid: str | None
    domainpath: str | None
    cmd: str
    jobstatus: int
    jobprocstatus: int
    jobresultcode: int
    jobresulttype: str | None
    jobresult: dict[str, Any] | None
    jobinstancetype: str | None
    jobinstanceid: str | None
    created: str | None
    completed: str | None
    jobid: str


def _result(ctx: Ctx, saga: SagaRow) -> dict[str, Any] | None:
    if saga.state in OPEN and saga.ended_s is None:
        return None
    if saga.state == State.DONE:
        from tegar.api import registry  # the registry lists this module's command too

        command = registry.COMMANDS.get(saga.command or "")
        return render.outcome(ctx, command, saga) if command else {"success": True}
    text = (saga.detail if ctx.is_admin else saga.error) or "The work failed"
    if (saga.code, saga.cs_code) == (530, 4250) and not ctx.is_admin:
        text = render.INTERNAL
    if saga.state == State.STUCK:
        text += " (what it had begun could not be undone yet; an operator was told)"
    return {"errorcode": saga.code or 530, "cserrorcode": saga.cs_code or 4250, "errortext": text}


def jobs(ctx: Ctx, rows: Sequence[SagaRow]) -> list[JobView]:
    """Return jobs with the outcome of those that ended."""
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    users = load(ctx.s, User, (r.user_id for r in rows))
    domains = load(ctx.s, Domain, (a.domain_id for a in accounts.values()))
    views: list[JobView] = []
    for r in rows:
        account = accounts.get(r.account_id or 0)
        over = (
            r.state not in OPEN or r.ended_s is not None
        )  # a stuck one that is tried again has failed all the same
        views.append(
            {
                "accountid": uuid_of(accounts, r.account_id),
                "userid": uuid_of(users, r.user_id),
                "account": account.name if account else None,
                "domainid": domains[account.domain_id].uuid if account else None,
                "domainpath": path_of(domains[account.domain_id]) if account else None,
                "cmd": r.command or r.name,
                "jobstatus": 0 if not over else 1 if r.state == State.DONE else 2,
                "jobprocstatus": 0,
                "jobresultcode": 0 if not over or r.state == State.DONE else (r.code or 530),
                "jobresulttype": "object" if over else None,
                "jobresult": _result(ctx, r),
                "jobinstancetype": _TYPES.get(r.instance_type or "", r.instance_type),
                "jobinstanceid": r.instance_uuid,
                "created": date(r.created_s),
                "completed": date(r.ended_s),
                "jobid": r.uuid,
            }
        )
    return views


_TYPES = {"Vm": "VirtualMachine"}
