"""Host HA: the protocol's words for whether the failure of a host is answered."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.views.high_availability import HaProviderView, HostHaView, changed, hosts_ha, providers
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches, paging
from tegar.kernel.saga import SagaRow
from tegar.ops import high_availability as ops
from tegar.ops import job
from tegar.ops.cluster import HYPERVISORS
from tegar.ops.ctx import Ctx
from tegar.store.hosts import Host
from tegar.store.zones import Cluster, Zone


class _OnHost(Command):
    """What changes one host, as a job that shows what becomes of it."""

    roles = ADMIN
    is_async = True
    response = HostHaView
    entity = Host
    view = staticmethod(changed)


class ConfigureHAForHost(_OnHost):
    """Choose how the failure of a host is answered; the one way is TegarLease."""

    name = "configureHAForHost"

    host_id: Host = param("the host")
    provider: str = param(ops.PROVIDER)

    def run(self, ctx: Ctx) -> SagaRow:
        ops.configure(ctx, self.host_id, self.provider)
        return job.done(ctx, self.host_id)


class EnableHAForHost(_OnHost):
    """Answer the failure of a host: its virtual machines with HA are restarted elsewhere."""

    name = "enableHAForHost"

    host_id: Host = param("the host")

    def run(self, ctx: Ctx) -> SagaRow:
        ops.switch(ctx, self.host_id, enabled=True)
        return job.done(ctx, self.host_id)


class DisableHAForHost(_OnHost):
    """Answer no failure of a host any more, and restart nobody else's virtual machines on it."""

    name = "disableHAForHost"

    host_id: Host = param("the host")

    def run(self, ctx: Ctx) -> SagaRow:
        ops.switch(ctx, self.host_id, enabled=False)
        return job.done(ctx, self.host_id)


class _Switch(Command):
    """Arms or disarms a place, as a job."""

    roles = ADMIN
    is_async = True


class EnableHAForCluster(_Switch):
    """Arm a cluster: failures of its hosts are answered."""

    name = "enableHAForCluster"

    cluster_id: Cluster = param("the cluster")

    def run(self, ctx: Ctx) -> SagaRow:
        ops.switch(ctx, self.cluster_id, enabled=True)
        return job.done(ctx, self.cluster_id)


class DisableHAForCluster(_Switch):
    """Disarm a cluster, for planned work on its network: no failure of its hosts is answered."""

    name = "disableHAForCluster"

    cluster_id: Cluster = param("the cluster")

    def run(self, ctx: Ctx) -> SagaRow:
        ops.switch(ctx, self.cluster_id, enabled=False)
        return job.done(ctx, self.cluster_id)


class EnableHAForZone(_Switch):
    """Arm a zone: failures of its hosts are answered, except in clusters that are disarmed."""

    name = "enableHAForZone"

    zone_id: Zone = param("the zone")

    def run(self, ctx: Ctx) -> SagaRow:
        ops.switch(ctx, self.zone_id, enabled=True)
        return job.done(ctx, self.zone_id)


class DisableHAForZone(_Switch):
    """Disarm a zone, for planned work on its network: no failure of its hosts is answered."""

    name = "disableHAForZone"

    zone_id: Zone = param("the zone")

    def run(self, ctx: Ctx) -> SagaRow:
        ops.switch(ctx, self.zone_id, enabled=False)
        return job.done(ctx, self.zone_id)


class ListHostHAProviders(List):
    """List the ways to answer failures of hosts of a hypervisor."""

    name = "listHostHAProviders"
    roles = ADMIN
    response = HaProviderView
    view = staticmethod(providers)

    hypervisor: str = param("KVM or Simulator")

    def run(self, ctx: Ctx) -> Page[str]:
        known = self.hypervisor.lower() in [name.lower() for name in HYPERVISORS]
        found = [p for p in [ops.PROVIDER] if known and (self.keyword or "").lower() in p.lower()]
        want = paging(self.page, self.pagesize)
        rest = found[want.first :]
        return Page(rest if want.size is None else rest[: want.size], len(found))


class ListHostHAResources(List):
    """List hosts and whether their failures are answered."""

    name = "listHostHAResources"
    roles = ADMIN
    response = HostHaView
    view = staticmethod(hosts_ha)

    host_id: Host | None = param("the host", default=None)

    def run(self, ctx: Ctx) -> Page[Host]:
        stmt = select(Host).where(live(Host)).order_by(Host.id)
        if self.host_id is not None:
            stmt = stmt.where(Host.id == self.host_id.id)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Host.name))
        return self.fetch(ctx, stmt)


COMMANDS = (
    ConfigureHAForHost,
    EnableHAForHost,
    DisableHAForHost,
    EnableHAForCluster,
    DisableHAForCluster,
    EnableHAForZone,
    DisableHAForZone,
    ListHostHAProviders,
    ListHostHAResources,
)
