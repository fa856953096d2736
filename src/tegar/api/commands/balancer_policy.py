"""How load balancers keep clients at their members, and check those."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.commands.where import only
from tegar.api.views.balancer import HealthView, StickinessView, health_policies, stickiness_policies
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page
from tegar.kernel.saga import SagaRow
from tegar.ops import access, job
from tegar.ops import balancer_policy as ops
from tegar.ops.ctx import Ctx
from tegar.store.balancers import HealthPolicy, LoadBalancer, StickinessPolicy


class _OnStickiness(Command):
    """An asynchronous command whose job shows a policy of stickiness."""

    is_async = True
    response = StickinessView
    entity = StickinessPolicy
    view = staticmethod(stickiness_policies)


class _OnHealth(Command):
    """An asynchronous command whose job shows a policy of health checks."""

    is_async = True
    response = HealthView
    entity = HealthPolicy
    view = staticmethod(health_policies)


class CreateLBStickinessPolicy(_OnStickiness):
    """Let a load balancer keep clients at the member that they met first."""

    name = "createLBStickinessPolicy"

    lb_rule_id: LoadBalancer = param("the load balancer", wire="lbruleid")
    name_: str = param("its name; of the cookie, without cookie-name", wire="name")
    method_name: str = param("LbCookie, AppCookie or SourceBased")
    param_: list[dict[str, str]] | None = param("parameters of the method", default=None, wire="param")
    description: str = param("what it is for", default="", max_length=1024)
    for_display: bool = param("false: hide it from users", default=True, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.stick(
            ctx,
            self.lb_rule_id,
            name=self.name_,
            method=self.method_name,
            params=self._params(),
            description=self.description,
            shown=self.for_display,
        )

    def _params(self) -> dict[str, str]:
        """Return both forms of a parameter: its name and value apart, or the one as the other's key."""
        found: dict[str, str] = {}
        for entry in self.param_ or ():
            if "name" in entry and set(entry) <= {"name", "value"}:
                found[entry["name"]] = entry.get("value", "")
            else:
                found |= entry
        return found


class UpdateLBStickinessPolicy(_OnStickiness):
    """Show a policy of stickiness to users, or hide it."""

    name = "updateLBStickinessPolicy"

    id: StickinessPolicy = param("the policy")
    for_display: bool | None = param("whether users see it", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        return job.done(ctx, ops.show(ctx, self.id, shown=self.for_display))


class DeleteLBStickinessPolicy(Command):
    """Let clients of a load balancer meet any member again."""

    name = "deleteLBStickinessPolicy"
    is_async = True

    id: StickinessPolicy = param("the policy")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.remove(ctx, self.id)


class CreateLBHealthCheckPolicy(_OnHealth):
    """Let a load balancer find out which members serve."""

    name = "createLBHealthCheckPolicy"

    lb_rule_id: LoadBalancer = param("the load balancer", wire="lbruleid")
    ping_path: str = param("path that is asked for; by connecting without it", default="", wire="pingpath")
    interval_time: int = param("seconds between checks", default=5, low=1, high=300)
    response_timeout: int = param("seconds to wait for an answer", default=2, low=1, high=60)
    healthy_threshold: int = param("checks that succeed before a member serves", default=2, low=1, high=10)
    unhealthy_threshold: int = param("checks that fail before it does not", default=2, low=1, high=10)
    description: str = param("what it is for", default="", max_length=1024)
    for_display: bool = param("false: hide it from users", default=True, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.check(
            ctx,
            self.lb_rule_id,
            path=self.ping_path,
            interval_s=self.interval_time,
            timeout_s=self.response_timeout,
            healthy=self.healthy_threshold,
            unhealthy=self.unhealthy_threshold,
            description=self.description,
            shown=self.for_display,
        )


class UpdateLBHealthCheckPolicy(_OnHealth):
    """Show a policy of health checks to users, or hide it."""

    name = "updateLBHealthCheckPolicy"

    id: HealthPolicy = param("the policy")
    for_display: bool | None = param("whether users see it", default=None, roles=ADMIN)

    def run(self, ctx: Ctx) -> SagaRow:
        return job.done(ctx, ops.show(ctx, self.id, shown=self.for_display))


class DeleteLBHealthCheckPolicy(Command):
    """Let a load balancer check its members as it does by itself."""

    name = "deleteLBHealthCheckPolicy"
    is_async = True

    id: HealthPolicy = param("the policy")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.remove(ctx, self.id)


class _Policies(List):
    """A list of policies, of one load balancer or of all that the caller may see."""

    lb_rule_id: LoadBalancer | None = param("of this load balancer", default=None, wire="lbruleid")
    for_display: bool | None = param("shown or hidden ones", default=None, roles=ADMIN)

    def found(self, ctx: Ctx, row: Any, one: Any) -> Page[Any]:
        """Return the policies of a kind."""
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        shown = self.for_display if ctx.is_admin else True
        return self.fetch(
            ctx, only(stmt, (row.id, one), (row.balancer_id, self.lb_rule_id), (row.shown, shown))
        )


class ListLBStickinessPolicies(_Policies):
    """List policies of stickiness."""

    name = "listLBStickinessPolicies"
    response = StickinessView
    view = staticmethod(stickiness_policies)

    id: StickinessPolicy | None = param("the policy", default=None)

    def run(self, ctx: Ctx) -> Page[Any]:
        return self.found(ctx, StickinessPolicy, self.id)


class ListLBHealthCheckPolicies(_Policies):
    """List policies of health checks."""

    name = "listLBHealthCheckPolicies"
    response = HealthView
    view = staticmethod(health_policies)

    id: HealthPolicy | None = param("the policy", default=None)

    def run(self, ctx: Ctx) -> Page[Any]:
        return self.found(ctx, HealthPolicy, self.id)


COMMANDS: tuple[type[Command], ...] = (
    CreateLBStickinessPolicy,
    UpdateLBStickinessPolicy,
    DeleteLBStickinessPolicy,
    ListLBStickinessPolicies,
    CreateLBHealthCheckPolicy,
    UpdateLBHealthCheckPolicy,
    DeleteLBHealthCheckPolicy,
    ListLBHealthCheckPolicies,
)
