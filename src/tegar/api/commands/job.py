"""Asynchronous jobs."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import OwnedList, Plain
from tegar.api.views.job import JobView, jobs
from tegar.kernel.command import Command, param
from tegar.kernel.errors import NoSuchEntity
from tegar.kernel.page import Page
from tegar.kernel.saga import SagaRow
from tegar.ops import access
from tegar.ops.ctx import Ctx


class QueryAsyncJobResult(Command):
    """Ask how a job stands."""

    name = "queryAsyncJobResult"
    response = JobView
    writes = False

    job_id: SagaRow = param("the job")

    def run(self, ctx: Ctx) -> Plain:
        if self.job_id.command is None:
            raise NoSuchEntity(self.name.lower(), "jobid", self.job_id.uuid)
        return Plain(dict(jobs(ctx, [self.job_id])[0]))


class ListAsyncJobs(OwnedList):
    """List jobs that have not ended."""

    name = "listAsyncJobs"
    response = JobView
    view = staticmethod(jobs)

    def run(self, ctx: Ctx) -> Page[SagaRow]:
        shown = access.visible(ctx, SagaRow)
        if self.account is not None:
            shown = SagaRow.account_id == access.owner(ctx, self.account, self.domain_id).id
        elif not self.list_all:
            shown = SagaRow.account_id == ctx.account.id
        stmt = (
            select(SagaRow)
            .where(shown, SagaRow.command.is_not(None))
            .where(SagaRow.state.in_(["PENDING", "RUNNING", "UNWINDING"]))
        )
        return self.fetch(ctx, stmt.order_by(SagaRow.id))


COMMANDS = (QueryAsyncJobResult, ListAsyncJobs)
