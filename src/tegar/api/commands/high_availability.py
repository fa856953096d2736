"""High availability in our own words: leases, proofs, pending restarts, and what would happen."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.commands.where import only
from tegar.api.views.high_availability import (
    CheckRunView,
    LeaseView,
    PendingView,
    ProofView,
    VerdictView,
    check_runs,
    leases,
    pending,
    proofs,
    verdicts,
)
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches, paging
from tegar.ops import high_availability as ops
from tegar.ops.ctx import Ctx
from tegar.ops.high_availability import Pending, Verdict
from tegar.store.health import HealthCheck
from tegar.store.hosts import Host
from tegar.store.leases import Death
from tegar.store.zones import Cluster, Zone

T = TypeVar("T")


class _List(List):
    """A list of what is computed and not kept as rows."""

    def cut(self, found: list[T]) -> Page[T]:
        """Return the page that was asked for."""
        want = paging(self.page, self.pagesize)
        last = None if want.size is None else want.first + want.size
        return Page(found[want.first : last], len(found))


class CheckHighAvailability(_List):
    """Say what would happen if hosts were lost now; nothing is touched.

    The first answer of each cluster is about the loss of any n hosts, the others about the loss of each host:
    which virtual machines would be restarted where, in which order, or what is lacking.
    """

    name = "checkHighAvailability"
    roles = ADMIN
    envelope = "highavailabilitycheck"
    response = VerdictView
    view = staticmethod(verdicts)

    zone_id: Zone | None = param("only clusters of this zone", default=None)
    cluster_id: Cluster | None = param("only this cluster", default=None)
    host_id: Host | None = param("only the loss of this host", default=None)
    n: int | None = param("hosts lost at once; by default as many as promised", default=None, low=1, high=16)

    def run(self, ctx: Ctx) -> Page[Verdict]:
        found = ops.check(ctx, zone=self.zone_id, cluster=self.cluster_id, host=self.host_id, n=self.n)
        if self.keyword:
            word = self.keyword.lower()
            found = [v for v in found if word in (v.host.name if v.host else v.cluster.name).lower()]
        return self.cut(found)


class ListHighAvailability(List):
    """List hosts with their leases."""

    name = "listHighAvailability"
    roles = ADMIN
    envelope = "highavailability"
    response = LeaseView
    view = staticmethod(leases)

    host_id: Host | None = param("the host", default=None)
    cluster_id: Cluster | None = param("in this cluster", default=None)
    zone_id: Zone | None = param("in this zone", default=None)

    def run(self, ctx: Ctx) -> Page[Host]:
        stmt = select(Host).where(live(Host)).order_by(Host.id)
        stmt = only(
            stmt, (Host.id, self.host_id), (Host.cluster_id, self.cluster_id), (Host.zone_id, self.zone_id)
        )
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Host.name))
        return self.fetch(ctx, stmt)


class ListDeathProofs(List):
    """List the recorded proofs that hosts, or single virtual machines on them, were dead; the latest first."""

    name = "listDeathProofs"
    roles = ADMIN
    envelope = "deathproof"
    response = ProofView
    view = staticmethod(proofs)

    host_id: Host | None = param("of this host", default=None)

    def run(self, ctx: Ctx) -> Page[Death]:
        stmt = only(select(Death).order_by(Death.id.desc()), (Death.host_id, self.host_id))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Death.kind, Death.evidence))
        return self.fetch(ctx, stmt)


class ListPendingRestarts(_List):
    """List virtual machines with HA that are being started or restarted, and what each waits for."""

    name = "listPendingRestarts"
    roles = ADMIN
    envelope = "pendingrestart"
    response = PendingView
    view = staticmethod(pending)

    def run(self, ctx: Ctx) -> Page[Pending]:
        word = (self.keyword or "").lower()
        return self.cut([p for p in ops.pending(ctx) if word in p.vm.name.lower()])


class ListHighAvailabilityChecks(List):
    """List the checks of what failovers stand on, each night's and those that were asked for; the latest first."""

    name = "listHighAvailabilityChecks"
    roles = ADMIN
    envelope = "highavailabilitycheckrun"
    response = CheckRunView
    view = staticmethod(check_runs)

    id: HealthCheck | None = param("the check", default=None)

    def run(self, ctx: Ctx) -> Page[HealthCheck]:
        stmt = only(select(HealthCheck).order_by(HealthCheck.id.desc()), (HealthCheck.id, self.id))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, HealthCheck.findings))
        return self.fetch(ctx, stmt)


class RunHighAvailabilityCheck(Command):
    """Ask for a check of what failovers stand on; it hurts nobody, and its answer is listed when it is there."""

    name = "runHighAvailabilityCheck"
    roles = ADMIN
    envelope = "highavailabilitycheckrun"
    response = CheckRunView
    view = staticmethod(check_runs)

    def run(self, ctx: Ctx) -> HealthCheck:
        return ops.ask_check(ctx)


COMMANDS = (
    CheckHighAvailability,
    ListHighAvailability,
    ListDeathProofs,
    ListPendingRestarts,
    ListHighAvailabilityChecks,
    RunHighAvailabilityCheck,
)
