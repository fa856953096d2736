"""Hosts."""

from __future__ import annotations

from sqlalchemy import false, select

from tegar.api.commands.base import List, Plain
from tegar.api.commands.where import only
from tegar.api.views.host import HostView, hosts, suitable
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.page import Page, matches
from tegar.kernel.saga import SagaRow
from tegar.model.host import Resource, State
from tegar.ops import access
from tegar.ops import bmc as bmcs
from tegar.ops import host as ops
from tegar.ops.cluster import HYPERVISORS
from tegar.ops.ctx import Ctx
from tegar.store.hosts import Host
from tegar.store.vms import Vm
from tegar.store.zones import Cluster, Pod, Zone

DETAILS = ("all", "capacity", "events", "stats", "min")


class AddHost(Command):
    """Add a host to a cluster: its agent is asked what it is and must reach the cluster's storage."""

    name = "addHost"
    roles = ADMIN
    response = HostView
    entity = Host
    view = staticmethod(hosts)

    zone_id: Zone = param("the zone")
    pod_id: Pod = param("the pod")
    cluster_id: Cluster | None = param("the cluster", default=None)
    cluster_name: str | None = param("its name instead; made when missing", default=None, max_length=100)
    hypervisor: str = param("KVM or Simulator, as the cluster", choices=HYPERVISORS)
    url: str = param("http://<host>: the agent answers at https://<host>:8250; or http://sim/<name>")
    host_tags: list[str] | None = param("tags, for offerings to name", default=None)
    allocation_state: str = param("Enabled or Disabled", default="Enabled", choices=("Enabled", "Disabled"))
    username: str | None = param("not used: agents join with a token", default=None)
    password: str | None = param("not used: agents join with a token", default=None, secret=True)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.add(
            ctx,
            zone=self.zone_id,
            pod=self.pod_id,
            cluster=self.cluster_id,
            cluster_name=self.cluster_name or "",
            hypervisor=self.hypervisor,
            url=self.url,
            host_tags=ops.tags(self.host_tags),
            enabled=self.allocation_state != "Disabled",
        )


class ListHosts(List):
    """List hosts; with virtualmachineid, those that it can migrate to."""

    name = "listHosts"
    roles = ADMIN
    response = HostView
    view = staticmethod(hosts)

    id: Host | None = param("the host", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    zone_id: Zone | None = param("in this zone", default=None)
    pod_id: Pod | None = param("in this pod", default=None)
    cluster_id: Cluster | None = param("in this cluster", default=None)
    type: str | None = param("Routing; hosts of other types there are none", default=None)
    state: str | None = param("Up, Alert or Disconnected", default=None)
    resource_state: str | None = param(f"{', '.join(Resource)}", default=None)
    hypervisor: str | None = param("KVM or Simulator", default=None)
    virtual_machine_id: Vm | None = param("that this VM can migrate to", default=None)
    ha_host: bool | None = param("true: hosts kept for HA; there are none", default=None, wire="hahost")
    bmc_enabled: bool | None = param(
        "whose BMC may be used, or not", default=None, wire="outofbandmanagementenabled"
    )
    bmc_power: str = param(
        "whose BMC reads On, Off or Unknown, or is Disabled", default="", wire="outofbandmanagementpowerstate"
    )
    details: list[str] | None = param(f"{', '.join(DETAILS)}; all is shown anyway", default=None)

    def run(self, ctx: Ctx) -> Page[Host] | Plain:
        row = Host
        stmt = select(row).where(live(row), access.visible(ctx, row)).order_by(row.id)
        stmt = only(
            stmt,
            (row.id, self.id),
            (row.name, self.name_),
            (row.zone_id, self.zone_id),
            (row.pod_id, self.pod_id),
            (row.cluster_id, self.cluster_id),
            (row.hypervisor, self.hypervisor),
        )
        if (self.type and self.type.lower() != "routing") or self.ha_host:
            stmt = stmt.where(false())
        for column, kind, text in (
            (row.state, State, self.state),
            (row.resource_state, Resource, self.resource_state),
        ):
            if text:
                known = [member for member in kind if member.value.lower() == text.lower()]
                stmt = stmt.where(column.in_(known))
        stmt = bmcs.narrow(stmt, enabled=self.bmc_enabled, power=self.bmc_power)
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, row.name, row.address))
        if not self.virtual_machine_id:
            return self.fetch(ctx, stmt)
        page = self.fetch(ctx, ops.can_take(ctx, stmt, self.virtual_machine_id))
        found = {"count": page.total, "host": suitable(ctx, page.rows)}
        return Plain(found if page.rows else {})


class UpdateHost(Command):
    """Change a host; Disable keeps new VMs away from it."""

    name = "updateHost"
    roles = ADMIN
    response = HostView
    view = staticmethod(hosts)

    id: Host = param("the host")
    allocation_state: str | None = param("Enable or Disable", default=None)
    host_tags: list[str] | None = param("tags, for offerings to name", default=None)
    name_: str | None = param("another name", default=None, wire="name", max_length=100)

    def run(self, ctx: Ctx) -> Host:
        wanted = _WANTED.get((self.allocation_state or "").lower())
        if self.allocation_state and wanted is None:
            raise BadParameter("allocationstate", "it is Enable or Disable")
        return ops.change(
            ctx,
            self.id,
            enabled=wanted,
            name=self.name_,
            host_tags=None if self.host_tags is None else ops.tags(self.host_tags),
        )


_WANTED = {"enable": True, "enabled": True, "disable": False, "disabled": False}


class DeleteHost(Command):
    """Delete a host that is disabled and runs no VMs."""

    name = "deleteHost"
    roles = ADMIN

    id: Host = param("the host")
    forced: bool = param("it is off for certain: what ran on it counts as stopped", default=False)
    force_destroy_local_storage: bool = param(
        "not supported: only false", default=False, wire="forcedestroylocalstorage"
    )

    def run(self, ctx: Ctx) -> SagaRow:
        if self.force_destroy_local_storage:
            raise Refused("deleteHost never destroys disks; delete the volumes of the host first")
        return ops.delete(ctx, self.id, forced=self.forced)


class _Declaration(Command):
    """Change what a host is for, as a job that shows the host."""

    roles = ADMIN
    is_async = True
    response = HostView
    entity = Host
    view = staticmethod(hosts)


class PrepareHostForMaintenance(_Declaration):
    """Empty a host for maintenance: routers leave, VMs migrate live, none come; VMs that cannot are named."""

    name = "prepareHostForMaintenance"

    id: Host = param("the host; it must be up")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.prepare(ctx, self.id)


class CancelHostMaintenance(_Declaration):
    """Enable a host that is in maintenance, or on its way there; VMs that left stay where they are."""

    name = "cancelHostMaintenance"

    id: Host = param("the host")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.cancel_maintenance(ctx, self.id)


class DeclareHostAsDegraded(_Declaration):
    """Keep work away from a host that does not answer; its VMs are left alone until it is proven dead."""

    name = "declareHostAsDegraded"

    id: Host = param("the host; it must be Disconnected or in Alert. No VM of it is restarted elsewhere")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.declare_degraded(ctx, self.id)


class CancelHostAsDegraded(_Declaration):
    """Enable a degraded host again."""

    name = "cancelHostAsDegraded"

    id: Host = param("the host")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.cancel_degraded(ctx, self.id)


COMMANDS = (
    AddHost,
    ListHosts,
    UpdateHost,
    DeleteHost,
    PrepareHostForMaintenance,
    CancelHostMaintenance,
    DeclareHostAsDegraded,
    CancelHostAsDegraded,
)
