"""Pods."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List, Plain, Success
from tegar.api.commands.where import only
from tegar.api.views.pod import PodView, pods, with_capacity
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops import access
from tegar.ops import pod as ops
from tegar.ops.ctx import Ctx
from tegar.store.zones import Pod, Zone

STATES = ("Enabled", "Disabled")


class CreatePod(Command):
    """Create a pod in a zone."""

    name = "createPod"
    roles = ADMIN
    response = PodView
    view = staticmethod(pods)

    name_: str = param("its name, unique in the zone", wire="name", max_length=100)
    zone_id: Zone = param("the zone")
    gateway: str = param("gateway of its management subnet")
    netmask: str = param("netmask of its management subnet")
    start_ip: str | None = param("first address kept for the cloud", default=None)
    end_ip: str | None = param("last address kept for the cloud", default=None)
    allocation_state: str = param("Enabled or Disabled", default="Enabled", choices=STATES)

    def run(self, ctx: Ctx) -> Pod:
        pod = Pod(
            zone_id=self.zone_id.id,
            name=self.name_,
            gateway=self.gateway,
            netmask=self.netmask,
            start_ip=self.start_ip or None,
            end_ip=self.end_ip or self.start_ip or None,
            allocation=self.allocation_state or "Enabled",
        )
        return ops.create(ctx, pod)


class ListPods(List):
    """List pods."""

    name = "listPods"
    roles = ADMIN
    response = PodView
    view = staticmethod(pods)

    id: Pod | None = param("the pod", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    zone_id: Zone | None = param("of this zone", default=None)
    allocation_state: str | None = param("Enabled or Disabled", default=None, choices=STATES)
    show_capacities: bool = param("with what there is and what is promised", default=False)

    def run(self, ctx: Ctx) -> Page[Pod] | Plain:
        row = Pod
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.zone_id, self.zone_id),
            (row.allocation, self.allocation_state),
        )
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name))
        page = self.fetch(ctx, stmt)
        if self.show_capacities and page.rows:
            return Plain({"count": page.total, "pod": with_capacity(ctx, page.rows)})
        return page


class DeletePod(Command):
    """Delete an empty pod."""

    name = "deletePod"
    roles = ADMIN

    id: Pod = param("the pod")

    def run(self, ctx: Ctx) -> Success:
        ops.delete(ctx, self.id)
        return Success()


COMMANDS = (CreatePod, ListPods, DeletePod)
