"""Domains.  Everything that touches one VM waits for its turn."""

from __future__ import annotations

from tegar.agent.host import Host
from tegar.kernel.wire import Handlers
from tegar.model.spec import DomainSpec
from tegar.wire.virt import (
    AllStats,
    AttachDisk,
    DetachDisk,
    DomainGone,
    Domains,
    DomainUp,
    Done,
    FindDomain,
    GetStats,
    ListDomains,
    MigrateDomain,
    PrepareMigration,
    StartDomain,
    StopDomain,
)

table: Handlers[Host] = Handlers()


def _ready(host: Host, spec: DomainSpec) -> None:
    """Build what a domain stands on: its segments and its pools."""
    for network in {nic.network for nic in spec.nics}:
        host.net.ensure(network)
    for pool in {disk.pool for disk in spec.disks}:
        host.disks.open(pool)


@table.handles
def start_domain(host: Host, ask: StartDomain) -> DomainUp:
    """Run the domain, or report the one already running.

    The control plane repeats a question whose answer it did not hear, so a second
    ask must find the first one's domain and not start a twin.
    """
    with host.locks.of(ask.spec.uuid):
        if host.virt.find(ask.spec.uuid) is None:
            _ready(host, ask.spec)
            return DomainUp(ask.spec.uuid, host.virt.create(ask.spec))
        return DomainUp(ask.spec.uuid, host.virt.vnc_port(ask.spec.uuid))


@table.handles
def stop_domain(host: Host, ask: StopDomain) -> DomainGone:
    """Shut the guest down within its grace, or destroy it."""
    with host.locks.of(ask.uuid):
        if host.virt.find(ask.uuid) is None:
            return DomainGone(ask.uuid, was_running=False)
        if ask.grace_s <= 0 or not host.virt.shutdown(ask.uuid, ask.grace_s):
            host.virt.destroy(ask.uuid)
        return DomainGone(ask.uuid, was_running=True)


@table.handles
def find_domain(host: Host, ask: FindDomain) -> Domains:
    """Report one domain."""
    found = host.virt.find(ask.uuid)
    return Domains((found,) if found else ())


@table.handles
def list_domains(host: Host, ask: ListDomains) -> Domains:
    """Report all domains."""
    return Domains(host.virt.all())


@table.handles
def get_stats(host: Host, ask: GetStats) -> AllStats:
    """Report the counters."""
    return host.virt.stats()


@table.handles
def prepare_migration(host: Host, ask: PrepareMigration) -> Done:
    """Build what the arriving domain will stand on."""
    _ready(host, ask.spec)
    return Done()


@table.handles
def migrate_domain(host: Host, ask: MigrateDomain) -> Done:
    """Move a domain away; one that is not here has left already."""
    with host.locks.of(ask.uuid):
        if host.virt.find(ask.uuid) is not None:
            host.virt.migrate(ask.uuid, ask.to)
        return Done()


@table.handles
def attach_disk(host: Host, ask: AttachDisk) -> Done:
    """Plug a disk in."""
    with host.locks.of(ask.uuid):
        host.disks.open(ask.disk.pool)
        host.virt.attach(ask.uuid, ask.disk)
        return Done()


@table.handles
def detach_disk(host: Host, ask: DetachDisk) -> Done:
    """Unplug a disk."""
    with host.locks.of(ask.uuid):
        if host.virt.find(ask.uuid) is not None:
            host.virt.detach(ask.uuid, ask.disk)
        return Done()
