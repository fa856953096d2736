"""Primary storage pools."""

from __future__ import annotations

from sqlalchemy import or_, select

from tegar.api.commands.base import List
from tegar.api.commands.where import only
from tegar.api.views.pool import PoolView, pools
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.ops import access
from tegar.ops import pool as ops
from tegar.ops.cluster import HYPERVISORS
from tegar.ops.ctx import Ctx
from tegar.ops.host import tags
from tegar.store.hosts import Host
from tegar.store.pools import Pool
from tegar.store.zones import Cluster, Pod, Zone

SCOPES = ("CLUSTER", "ZONE")


class CreateStoragePool(Command):
    """Add primary storage: every host that is up and is to use it must reach it."""

    name = "createStoragePool"
    roles = ADMIN
    response = PoolView
    entity = Pool
    view = staticmethod(pools)

    name_: str = param("its name, unique in the zone", wire="name", max_length=100)
    url: str = param("nfs://server/path or SharedMountPoint://localhost/path")
    zone_id: Zone = param("the zone")
    pod_id: Pod | None = param("the pod; with clusterid", default=None)
    cluster_id: Cluster | None = param("the cluster whose hosts use it", default=None)
    scope: str | None = param("CLUSTER or ZONE; CLUSTER when clusterid is given", default=None)
    hypervisor: str | None = param(
        "of scope ZONE: of the hosts that use it", default=None, choices=HYPERVISORS
    )
    provider: str | None = param("DefaultPrimary", default=None)
    managed: bool = param("only false", default=False)
    tags: str | None = param("tags, comma separated, for offerings to name", default=None)

    def run(self, ctx: Ctx) -> SagaRow:
        scope = (self.scope or ("CLUSTER" if self.cluster_id else "ZONE")).upper()
        if scope not in SCOPES:
            raise BadParameter("scope", f"this release has {' and '.join(SCOPES)}")
        if (self.provider or "DefaultPrimary").lower() != "defaultprimary":
            raise BadParameter("provider", "this release has DefaultPrimary only")
        if self.managed:
            raise Refused(
                "Managed storage (a volume of its own for each disk) is not supported; leave managed out"
            )
        return ops.create(
            ctx,
            name=self.name_,
            url=self.url,
            zone=self.zone_id,
            pod=self.pod_id,
            cluster=self.cluster_id,
            scope=scope,
            hypervisor=self.hypervisor or "",
            tags=tags((self.tags or "").split(",")),
        )


class ListStoragePools(List):
    """List primary storage."""

    name = "listStoragePools"
    roles = ADMIN
    response = PoolView
    view = staticmethod(pools)

    id: Pool | None = param("the pool", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    zone_id: Zone | None = param("in this zone", default=None)
    pod_id: Pod | None = param("in this pod", default=None)
    cluster_id: Cluster | None = param("of this cluster", default=None)
    host_id: Host | None = param("that this host reaches", default=None)
    ip_address: str | None = param("on this server", default=None, wire="ipaddress")
    path: str | None = param("at this path", default=None)
    scope: str | None = param("CLUSTER or ZONE", default=None, choices=(*SCOPES, "HOST"))
    status: str | None = param("Up, Maintenance or Disabled", default=None)

    def run(self, ctx: Ctx) -> Page[Pool]:
        row = Pool
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.zone_id, self.zone_id),
            (row.pod_id, self.pod_id),
            (row.cluster_id, self.cluster_id),
            (row.server, self.ip_address),
            (row.path, self.path),
            (row.scope, self.scope),
            (row.state, (self.status or "").capitalize()),
        )
        if self.host_id:
            host = self.host_id
            reached = or_(row.cluster_id.is_(None), row.cluster_id == host.cluster_id)
            stmt = stmt.where(row.zone_id == host.zone_id, reached)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name))
        return self.fetch(ctx, stmt)


class DeleteStoragePool(Command):
    """Delete primary storage on which no volume lives."""

    name = "deleteStoragePool"
    roles = ADMIN

    id: Pool = param("the pool")
    forced: bool = param("also when it does not answer; files stay on it", default=False)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.delete(ctx, self.id, forced=self.forced)


COMMANDS = (CreateStoragePool, ListStoragePools, DeleteStoragePool)
