"""A VM's places: under which lease it may run where, and whether a place is proven dead.

A place is a ``Hold`` row.  Whoever asks a VM's host and hears nothing asks here next: once the place is
proven dead the VM's copy there is gone for good, and nobody needs to wait for the host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from tegar.driver.registry import HYPERVISORS
from tegar.kernel.errors import TegarError, Unavailable
from tegar.kernel.saga import Run
from tegar.kernel.wire import Link
from tegar.model.lease import Permit, Proof
from tegar.model.spec import DomainSpec
from tegar.saga import nic_filters
from tegar.saga.env import Env, link
from tegar.store import vms
from tegar.store.hosts import Hold, Host
from tegar.store.leases import Death, HostLease, proof_of
from tegar.store.vms import Vm
from tegar.store.zones import Cluster

P = TypeVar("P")
T = TypeVar("T")


@dataclass(eq=False)
class Disputed(TegarError):
    """The database is older than what the witnesses know: where the VM runs is not in it."""

    code = 533
    says = (
        "The witnesses know of a later start of VM {vm} than the database, which has lost commits:"
        " a copy may run that it does not know of"
    )

    vm: str


@dataclass(eq=False)
class HostLost(TegarError):
    """The VM's host died, which is proven: nothing that ran there can write any more."""

    says = "Host {host} died meanwhile ({proof})"

    host: str
    proof: str


def dead(s: Session, vm_id: int, host_id: int) -> Death | None:
    """Return the proof that a VM's copy on a host cannot write, None while there is none."""
    held = s.scalars(select(Hold).where(Hold.vm_id == vm_id, Hold.host_id == host_id)).one_or_none()
    return proof_of(s, host_id, held.boot, held.epoch) if held and held.boot else None


def permit(s: Session, vm: Vm, host_id: int, *, anew: bool = False) -> Permit | None:
    """Return the right to run a VM on a host, None on a host without leases.

    *Anew*: with an epoch of its own, for the one before was told to end there.  A place whose lease is proven dead
    moves to the host's present lease: nothing runs under the old one.

    Raises:
        Unavailable: the host holds no lease now, or the end of the one before is not proven yet.
    """
    held = s.scalars(select(Hold).where(Hold.vm_id == vm.id, Hold.host_id == host_id)).one()
    lease = s.get(HostLease, host_id)
    if lease is None:
        return None
    if (held.boot, held.epoch) != (lease.boot, lease.epoch):
        if held.boot and proof_of(s, host_id, held.boot, held.epoch) is None:
            raise Unavailable("The host", "the end of its lease before is not proven yet")
        if lease.state != "live":
            raise Unavailable("The host", "it holds no lease at the moment")
        held.boot, held.epoch, anew = lease.boot, lease.epoch, True
    if anew:
        vms.raise_epoch(vm)
        s.flush()
    return Permit(held.boot, held.epoch, vm.epoch)


def locks_linger(s: Session, zone_id: int) -> bool:
    """Return whether a host of the zone is proven dead by its silence alone, and was not heard since.

    Copies that hang on there, paused for ever, may still hold locks on images.
    """
    by_silence = exists().where(
        Death.host_id == HostLease.host_id,
        Death.boot == HostLease.boot,
        Death.kind == Proof.LEASE,
    )
    stmt = select(HostLease.host_id).join(Host, Host.id == HostLease.host_id)
    stmt = stmt.where(Host.zone_id == zone_id, HostLease.state == "dead", by_silence)
    return s.scalars(stmt.limit(1)).first() is not None


def ask(run: Run[Env, P], vm_id: int, host_id: int, question: Callable[[Link], T]) -> T:
    """Ask a VM's host.

    Raises:
        HostLost: it does not answer, and the VM's place there is proven dead.
        TegarError: as the link raises it.
    """
    try:
        return question(link(run, host_id))
    except TegarError as e:
        if not e.retry:
            raise
        found = run.env.db.read(lambda s: (dead(s, vm_id, host_id), s.get_one(Host, host_id).name))
        if found[0] is None:
            raise
        raise HostLost(found[1], found[0].kind) from e


def start(
    run: Run[Env, P],
    vm_id: int,
    host_id: int,
    spec_of: Callable[[Session, Vm], DomainSpec],
    *,
    anew: bool = False,
) -> int:
    """Run a VM on a host where it has a place; return the port of its display.

    *Anew* is for one that was told to end there: its host starts no epoch that ended.

    Raises:
        HostLost: the host is proven dead.
        AgentRefused: the host would not.
        Disputed: the witnesses know of a later start.
    """
    right = raised(run, vm_id, host_id, anew=anew)

    def what(s: Session) -> tuple[str, DomainSpec, bool]:
        vm = s.get_one(Vm, vm_id)
        return vm.hypervisor, spec_of(s, vm), right is not None and locks_linger(s, vm.zone_id)

    kind, spec, unlocked = run.env.db.read(what)
    port = ask(run, vm_id, host_id, lambda via: HYPERVISORS[kind].start(spec, via, right, unlocked=unlocked))
    nic_filters.started(run, vm_id, host_id, spec)
    return port


def confirmed(run: Run[Env, P], vm_id: int) -> int:
    """Return a VM's epoch, after a majority of witnesses said that it is the latest; they have it now.

    Only then may it be raised.  A database that lost its latest commits knows an older one.  Were it to
    try the next and the next after that, it would reach one that no witness has seen, and with it
    start a second copy.

    Raises:
        Disputed: the witnesses know of a later one, or of one of another name.
        Unavailable: no majority of witnesses answers.
    """
    vm, cluster_id = run.env.db.read(lambda s: circle(s, vm_id))
    if cluster_id is not None and vm.epoch_name:
        _must_be_latest(run, vm, cluster_id)
    return vm.epoch


def circle(s: Session, vm_id: int) -> tuple[Vm, int | None]:
    """Return a VM, and the cluster whose witnesses know its epoch."""
    vm = s.get_one(Vm, vm_id)
    host_id = vm.host_id or vm.last_host_id
    if host_id is not None:
        return vm, s.get_one(Host, host_id).cluster_id
    return vm, s.scalars(select(Cluster.id).where(Cluster.zone_id == vm.zone_id).limit(1)).first()


def _must_be_latest(run: Run[Env, P], vm: Vm, cluster_id: int) -> None:
    if not run.env.quorum.record(cluster_id, vm.uuid, vm.epoch, vm.epoch_name or run.fence.saga):
        raise Disputed(vm.name)


def raised(run: Run[Env, P], vm_id: int, host_id: int, *, anew: bool = False) -> Permit | None:
    """Return the right to run a VM on a host, its epoch raised at the witnesses.

    That comes before the host is asked, so that a database that lost its latest commits cannot start a
    second copy.

    Raises:
        HostLost: the host is proven dead.
        Disputed: the witnesses know of a later start.
        Unavailable: the host holds no lease now, or no majority of witnesses answers.
    """
    known = confirmed(run, vm_id)

    def prepare(s: Session) -> tuple[Vm, Permit | None, int]:
        vm, host = s.get_one(Vm, vm_id), s.get_one(Host, host_id)
        found, lease = dead(s, vm_id, host_id), s.get(HostLease, host_id)
        if found is not None and lease is not None and lease.state == "dead":
            raise HostLost(host.name, found.kind)
        if vm.epoch != known:
            raise Unavailable(f"VM {vm.name}", "its epoch has changed meanwhile")
        return vm, permit(s, vm, host_id, anew=anew), host.cluster_id

    vm, right, cluster_id = run.env.db.tx(prepare)
    if right is not None:
        _must_be_latest(run, vm, cluster_id)
    return right


def resume(run: Run[Env, P], vm: Vm, host_id: int) -> None:
    """Let a VM that arrived by migration run; one that runs already goes on.

    Raises:
        HostLost: the host is proven dead.
    """
    right = raised(run, vm.id, host_id)
    ask(run, vm.id, host_id, lambda via: HYPERVISORS[vm.hypervisor].resume(vm.uuid, via, right))
    nic_filters.arrived(run, vm.id, host_id)


def runs(run: Run[Env, P], vm: Vm, host_id: int) -> bool:
    """Return whether a VM's copy is on a host; a host that is proven dead has none."""
    try:
        return ask(run, vm.id, host_id, lambda via: HYPERVISORS[vm.hypervisor].runs(vm.uuid, via))
    except HostLost:
        return False


def stop(run: Run[Env, P], vm: Vm, host_id: int, grace_s: float) -> None:
    """End a VM's copy on a host; one that is proven gone has ended.

    Raises:
        AgentRefused: a later epoch of the VM runs there than the row has.
    """
    try:
        ask(run, vm.id, host_id, lambda via: HYPERVISORS[vm.hypervisor].stop(vm.uuid, grace_s, via, vm.epoch))
    except HostLost:
        return
