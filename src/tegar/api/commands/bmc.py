"""Out-of-band management: BMCs of hosts."""

from __future__ import annotations

from tegar.api.views.bmc import BmcView, of_hosts, of_places
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.saga import SagaRow
from tegar.kernel.secret import Secret
from tegar.model.power import DRIVERS, Action
from tegar.ops import bmc as ops
from tegar.ops.ctx import Ctx
from tegar.store.hosts import Host
from tegar.store.zones import Cluster, Zone

ACTION_TIMEOUT_S = 60


class ConfigureOutOfBandManagement(Command):
    """Say how the BMC of a host is reached; it is used once it is enabled."""

    name = "configureOutOfBandManagement"
    roles = ADMIN
    response = BmcView
    entity = Host
    view = staticmethod(of_hosts)

    host_id: Host = param("the host")
    driver: str = param("ipmitool for IPMI, redfish for Redfish", choices=DRIVERS)
    address: str = param(
        "name or IP address; for redfish, #sha256:<hex> after it pins the certificate, #ca:/<file> names who vouches",
        max_length=300,
    )
    port: str = param("623 for IPMI, 443 for Redfish, as a rule", max_length=5)
    username: str = param("of an account that may change power and its own password", max_length=64)
    password: str = param("its password; kept sealed and never shown", secret=True)

    def run(self, ctx: Ctx) -> Host:
        return ops.configure(
            ctx,
            self.host_id,
            driver=self.driver,
            address=self.address,
            port=self.port,
            username=self.username,
            password=self.password,
        )


class _OfHost(Command):
    """An action on a host's BMC, as a job that shows it."""

    roles = ADMIN
    is_async = True
    response = BmcView
    entity = Host
    view = staticmethod(of_hosts)


class _OfPlace(Command):
    """An action on all BMCs of a place, as a job that shows whether they may be used."""

    roles = ADMIN
    is_async = True
    response = BmcView
    view = staticmethod(of_places)


class EnableOutOfBandManagementForHost(_OfHost):
    """Use the BMC of a host."""

    name = "enableOutOfBandManagementForHost"

    host_id: Host = param("the host; its BMC is configured")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.enable(ctx, self.host_id, enabled=True)


class DisableOutOfBandManagementForHost(_OfHost):
    """Use the BMC of a host no more; how it is reached is kept."""

    name = "disableOutOfBandManagementForHost"

    host_id: Host = param("the host")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.enable(ctx, self.host_id, enabled=False)


class EnableOutOfBandManagementForCluster(_OfPlace):
    """Use the BMCs of a cluster's hosts, of each host for which it is enabled."""

    name = "enableOutOfBandManagementForCluster"
    entity = Cluster

    cluster_id: Cluster = param("the cluster")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.enable_all(ctx, self.cluster_id, enabled=True)


class DisableOutOfBandManagementForCluster(_OfPlace):
    """Use no BMC of a cluster's hosts; what each host says is kept."""

    name = "disableOutOfBandManagementForCluster"
    entity = Cluster

    cluster_id: Cluster = param("the cluster")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.enable_all(ctx, self.cluster_id, enabled=False)


class EnableOutOfBandManagementForZone(_OfPlace):
    """Use the BMCs of a zone's hosts, of each host and cluster for which it is enabled."""

    name = "enableOutOfBandManagementForZone"
    entity = Zone

    zone_id: Zone = param("the zone")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.enable_all(ctx, self.zone_id, enabled=True)


class DisableOutOfBandManagementForZone(_OfPlace):
    """Use no BMC of a zone's hosts; what each host and cluster says is kept."""

    name = "disableOutOfBandManagementForZone"
    entity = Zone

    zone_id: Zone = param("the zone")

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.enable_all(ctx, self.zone_id, enabled=False)


class IssueOutOfBandManagementPowerAction(_OfHost):
    """Change or read the power of a host by its BMC; ON and OFF are done when the BMC reads so.  VMs on it are not asked."""

    name = "issueOutOfBandManagementPowerAction"

    host_id: Host = param("the host")
    action: str = param("ON, OFF, CYCLE, RESET, SOFT or STATUS", choices=tuple(Action))
    timeout: int = param("seconds to try", default=ACTION_TIMEOUT_S, low=1, high=3600)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.power(ctx, self.host_id, Action(self.action), self.timeout)


class ChangeOutOfBandManagementPassword(_OfHost):
    """Change the password of a host's BMC, there and here; nobody is shown it."""

    name = "changeOutOfBandManagementPassword"

    host_id: Host = param("the host")
    password: str | None = param("the new password; a random one if left out", default=None, secret=True)

    def run(self, ctx: Ctx) -> SagaRow:
        return ops.change_password(ctx, self.host_id, Secret(self.password) if self.password else None)


COMMANDS = (
    ConfigureOutOfBandManagement,
    EnableOutOfBandManagementForHost,
    DisableOutOfBandManagementForHost,
    EnableOutOfBandManagementForCluster,
    DisableOutOfBandManagementForCluster,
    EnableOutOfBandManagementForZone,
    DisableOutOfBandManagementForZone,
    IssueOutOfBandManagementPowerAction,
    ChangeOutOfBandManagementPassword,
)
