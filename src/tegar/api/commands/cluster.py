"""Clusters."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List, Plain, Success
from tegar.api.commands.where import only
from tegar.api.views.cluster import ClusterView, clusters, with_capacity
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops import access
from tegar.ops import cluster as ops
from tegar.ops.ctx import Ctx
from tegar.store.zones import Cluster, Pod, Zone

STATES = ("Enabled", "Disabled")


class AddCluster(Command):
    """Add a cluster to a pod."""

    name = "addCluster"
    roles = ADMIN
    response = ClusterView
    view = staticmethod(clusters)

    cluster_name: str = param("its name, unique in the pod", max_length=100)
    cluster_type: str = param("CloudManaged", choices=("CloudManaged",))
    hypervisor: str = param("KVM or Simulator", choices=ops.HYPERVISORS)
    zone_id: Zone = param("the zone")
    pod_id: Pod = param("the pod")
    allocation_state: str = param("Enabled or Disabled", default="Enabled", choices=STATES)
    arch: str = param("x86_64", default="x86_64", choices=("x86_64",))

    def run(self, ctx: Ctx) -> Cluster:
        ops.must_lie_in(self.pod_id, self.zone_id)
        cluster = Cluster(
            zone_id=self.zone_id.id,
            pod_id=self.pod_id.id,
            name=self.cluster_name,
            hypervisor=self.hypervisor,
            cluster_type=self.cluster_type,
            allocation=self.allocation_state or "Enabled",
        )
        return ops.create(ctx, cluster)


class ListClusters(List):
    """List clusters."""

    name = "listClusters"
    roles = ADMIN
    response = ClusterView
    view = staticmethod(clusters)

    id: Cluster | None = param("the cluster", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    zone_id: Zone | None = param("of this zone", default=None)
    pod_id: Pod | None = param("of this pod", default=None)
    hypervisor: str | None = param("KVM or Simulator", default=None)
    cluster_type: str | None = param("CloudManaged", default=None)
    allocation_state: str | None = param("Enabled or Disabled", default=None, choices=STATES)
    managed_state: str | None = param("Managed", default=None, choices=("Managed",))
    arch: str | None = param("x86_64", default=None, choices=("x86_64",))
    show_capacities: bool = param("with what there is and what is promised", default=False)

    def run(self, ctx: Ctx) -> Page[Cluster] | Plain:
        row = Cluster
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.zone_id, self.zone_id),
            (row.pod_id, self.pod_id),
            (row.hypervisor, self.hypervisor),
            (row.cluster_type, self.cluster_type),
            (row.allocation, self.allocation_state),
        )
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name))
        page = self.fetch(ctx, stmt)
        if self.show_capacities and page.rows:
            return Plain({"count": page.total, "cluster": with_capacity(ctx, page.rows)})
        return page


class DeleteCluster(Command):
    """Delete an empty cluster."""

    name = "deleteCluster"
    roles = ADMIN

    id: Cluster = param("the cluster")

    def run(self, ctx: Ctx) -> Success:
        ops.delete(ctx, self.id)
        return Success()


COMMANDS = (AddCluster, ListClusters, DeleteCluster)
