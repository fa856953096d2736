"""Capacity."""

from __future__ import annotations

from tegar.api.commands.base import List
from tegar.api.views.capacity import CapacityView, capacities, percent
from tegar.kernel.command import ADMIN, param
from tegar.kernel.page import Page, paging
from tegar.model.capacity import NAMES
from tegar.ops import capacity as ops
from tegar.ops.capacity import Line
from tegar.ops.ctx import Ctx
from tegar.store.zones import Cluster, Pod, Zone


class ListCapacity(List):
    """List what there is and what is promised, by zone, or of a pod or cluster."""

    name = "listCapacity"
    roles = ADMIN
    response = CapacityView
    view = staticmethod(capacities)

    zone_id: Zone | None = param("of this zone", default=None)
    pod_id: Pod | None = param("of this pod", default=None)
    cluster_id: Cluster | None = param("of this cluster", default=None)
    type: int | None = param("0 memory, 1 CPU, 2 storage, 3 storage allocated, 8 addresses", default=None)
    fetch_latest: bool = param("always true here: nothing is cached", default=True)
    sort_by: str | None = param("usage: fullest first", default=None, choices=("usage",))

    def run(self, ctx: Ctx) -> Page[Line]:
        if self.pod_id or self.cluster_id:
            rows = [r for r in ops.lines(ctx) if self._here(r)]
        else:
            rows = ops.by_zone(ctx, self.zone_id)
        rows = [r for r in rows if self.type is None or int(r.kind) == self.type]
        if self.keyword:
            rows = [r for r in rows if self.keyword.lower() in NAMES[r.kind].lower()]
        if self.sort_by:
            rows.sort(key=lambda r: -float(percent(r.amount.used, r.amount.total)))
        want = paging(self.page, self.pagesize)
        last = None if want.size is None else want.first + want.size
        return Page(rows[want.first : last], len(rows))

    def _here(self, line: Line) -> bool:
        at = line.amount
        return (
            (self.zone_id is None or at.zone_id == self.zone_id.id)
            and (self.pod_id is None or at.pod_id == self.pod_id.id)
            and (self.cluster_id is None or at.cluster_id == self.cluster_id.id)
        )


COMMANDS = (ListCapacity,)
