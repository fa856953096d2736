"""Domains.  Everything that touches one VM waits for its turn."""

from __future__ import annotations

from dataclasses import replace

import structlog

from tegar.agent.host import Host
from tegar.kernel.errors import AgentRefused, TegarError
from tegar.kernel.wire import Handlers
from tegar.model.spec import DomainSpec
from tegar.wire.virt import (
    AllStats,
    AttachDisk,
    DetachDisk,
    DomainGone,
    Domains,
    DomainState,
    DomainUp,
    Done,
    DropWaiting,
    FindDomain,
    GetStats,
    GuestPulses,
    ListDomains,
    MigrateDomain,
    PingGuests,
    PrepareMigration,
    ResumeDomain,
    StartDomain,
    StopDomain,
)

table: Handlers[Host] = Handlers()
log = structlog.get_logger(__name__)


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
    ask must find the first one's domain and not start a twin.  One that was never let
    run is not that: it arrived once, and its memory may be older than its disks by now.
    """
    uuid = ask.spec.uuid
    with host.locks.of(uuid):
        host.hands.check(uuid, ask.permit)
        if host.hands.waits(uuid):
            host.virt.destroy(uuid)
        found = host.virt.find(uuid)
        if found is None:
            return DomainUp(uuid, _start(host, ask))
        if found.state is DomainState.PAUSED:  # by an earlier try that got no further
            host.filters.set(uuid, ask.spec.nics)
        host.hands.resume(uuid, ask.permit)
        return DomainUp(uuid, host.virt.vnc_port(uuid))


def _start(host: Host, ask: StartDomain) -> int:
    """Make the domain, and let it run if the gate is still open; else nothing was made."""
    _ready(host, ask.spec)
    port = host.virt.create(ask.spec, unlocked=ask.unlocked)
    try:
        host.filters.set(ask.spec.uuid, ask.spec.nics)
        host.hands.resume(ask.spec.uuid, ask.permit)
    except TegarError:
        host.virt.destroy(ask.spec.uuid)
        _left(host, ask.spec.uuid)
        raise
    return port


def _left(host: Host, uuid: str) -> None:
    """Take away what a domain stood on; that it is gone counts more than what is left of it."""
    try:
        host.filters.forget(uuid)
        host.net.tidy()
    except TegarError as e:
        log.warning("something of a domain is left", uuid=uuid, why=str(e))


@table.handles
def resume_domain(host: Host, ask: ResumeDomain) -> Done:
    """Let a domain run that arrived."""
    with host.locks.of(ask.uuid):
        host.hands.check(ask.uuid, ask.permit)
        if host.virt.find(ask.uuid) is None:
            raise AgentRefused("The host", "ResumeDomain", "the domain is not here")
        host.filters.enforce(ask.uuid)
        host.hands.resume(ask.uuid, ask.permit)
        return Done()


@table.handles
def stop_domain(host: Host, ask: StopDomain) -> DomainGone:
    """Shut the guest down within its grace, or destroy it."""
    with host.locks.of(ask.uuid):
        host.hands.ends(ask.uuid, ask.vm_epoch)
        if host.virt.find(ask.uuid) is None:
            _left(host, ask.uuid)
            return DomainGone(ask.uuid, was_running=False)
        if ask.grace_s <= 0 or not host.virt.shutdown(ask.uuid, ask.grace_s):
            host.virt.destroy(ask.uuid)
        _left(host, ask.uuid)
        return DomainGone(ask.uuid, was_running=True)


@table.handles
def drop_waiting(host: Host, ask: DropWaiting) -> DomainGone:
    """End a domain that was never let run."""
    with host.locks.of(ask.uuid):
        if not host.hands.waits(ask.uuid):
            return DomainGone(ask.uuid, was_running=False)
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
    found = tuple(replace(d, waits=host.hands.waits(d.uuid)) for d in host.virt.all())
    return Domains(found, host.virt.ended())


@table.handles
def get_stats(host: Host, ask: GetStats) -> AllStats:
    """Report the counters."""
    return host.virt.stats()


@table.handles
def ping_guests(host: Host, ask: PingGuests) -> GuestPulses:
    """Report when guest agents answered."""
    return GuestPulses(host.virt.ping())


@table.handles
def prepare_migration(host: Host, ask: PrepareMigration) -> Done:
    """Build what the arriving domain will stand on."""
    _ready(host, ask.spec)
    host.filters.prepare(ask.spec.uuid, ask.spec.nics)
    return Done()


@table.handles
def migrate_domain(host: Host, ask: MigrateDomain) -> Done:
    """Move a domain away; one that is not here has left already."""
    with host.locks.of(ask.uuid):
        if host.virt.find(ask.uuid) is not None:
            host.hands.may_end(ask.uuid, ask.vm_epoch)
            with host.hands.moving(ask.uuid):
                host.virt.migrate(ask.uuid, ask.to)
            _left(host, ask.uuid)
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
