"""Delete a host: its routers move elsewhere, then it is forgotten.

The room on it is taken away in the same transaction that looks for VMs, so no VM can come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel.db import fire, live
from tegar.kernel.lease import changed
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.errors import InUse
from tegar.model.host import Event, Resource, State
from tegar.model.vm import Event as VmEvent
from tegar.model.vm import State as VmState
from tegar.saga.env import Env, link
from tegar.saga.network_implement import obey_later
from tegar.store import bmcs, hosts, vms
from tegar.store.hosts import Host, HostUse, Pulse
from tegar.store.routers import Router
from tegar.store.vms import Vm


@dataclass(frozen=True)
class DeleteHost:
    """Which host; ``forced``: it is dead, says the operator, and what ran on it has stopped."""

    host_id: int
    forced: bool


Delete = Run[Env, DeleteHost]


def close(run: Delete) -> None:
    """Let no VM onto the host: its room is taken away."""

    def work(s: Session) -> None:
        host = s.get_one(Host, run.params.host_id)
        if not _may_go(s, host, run.params):
            _take_room(s, host)

    run.env.db.tx(work)


def _may_go(s: Session, host: Host, want: DeleteHost) -> Sequence[Vm]:
    """Return the VMs that end with the host.

    Raises:
        InUse: the host is enabled, or a VM is on it that may be alive.
    """
    if host.resource_state == Resource.ENABLED:
        raise InUse(f"Host {host.name}", "it is enabled; disable it with updateHost first")
    found = vms.on_host(s, host.id)
    for vm in found:
        if host.state == State.UP or not want.forced:
            raise InUse(f"Host {host.name}", f"VM {vm.name} is {vm.state.value} on it")
        if vm.state != VmState.RUNNING:
            raise InUse(f"Host {host.name}", f"VM {vm.name} is {vm.state.value}; wait until that has ended")
    return found


def _take_room(s: Session, host: Host) -> None:
    free = delete(HostUse).where(HostUse.host_id == host.id, HostUse.memory_bytes == 0, HostUse.cpu_mhz == 0)
    if changed(s, free) != 1 and s.scalar(select(HostUse.host_id).where(HostUse.host_id == host.id)):
        raise InUse(f"Host {host.name}", "a VM is coming to it")


def open_again(run: Delete) -> None:
    """Give the host its room back; it stays disabled."""

    def work(s: Session) -> None:
        if s.get(HostUse, run.params.host_id) is None:
            s.add(HostUse(host_id=run.params.host_id, cpu_mhz=0, memory_bytes=0))

    run.env.db.tx(work)


def take_routers(run: Delete) -> None:
    """Take the routers off the host, if it answers; the loop that repairs routers places them anew."""

    def read(s: Session) -> tuple[bool, list[str]]:
        host = s.get_one(Host, run.params.host_id)
        uuids = s.scalars(select(Router.uuid).where(Router.host_id == host.id, live(Router))).all()
        return host.state == State.UP and not host.removed_s, list(uuids)

    is_up, uuids = run.env.db.read(read)
    for uuid in uuids if is_up else ():
        ROUTERS["VirtualRouter"].remove(uuid, link(run, run.params.host_id))


def come_back(run: Delete) -> None:
    """Let routers that were taken run again, if the host answers; if not, the loop that repairs them does."""

    def work(s: Session) -> list[int]:
        mine = s.scalars(select(Router).where(Router.host_id == run.params.host_id, live(Router))).all()
        for router in mine:
            router.applied = 0
        return [router.group_id for router in mine]

    obey_later(run, run.env.db.tx(work))


def gone(run: Delete) -> None:
    """Forget the host."""
    run.env.db.tx(lambda s: _gone(s, run))


def _gone(s: Session, run: Delete) -> None:
    host = s.get_one(Host, run.params.host_id)
    if host.removed_s:
        return
    for vm in _may_go(s, host, run.params):
        fire(s, vm, VmEvent.DIED)
        hosts.release(s, vm_id=vm.id)
        vm.last_host_id, vm.host_id, vm.vnc_port = host.id, None, None
    s.flush()
    _take_room(s, host)
    for router in s.scalars(select(Router).where(Router.host_id == host.id)):
        router.host_id, router.applied = None, 0
    s.execute(delete(Pulse).where(Pulse.host_id == host.id))
    host.report_digest = None
    bmcs.forget(s, host.id)
    fire(s, host, Event.REMOVE)
    host.removed_s = run.env.clock.now_s()


DELETE_HOST = Saga[Env, DeleteHost](
    "host.delete",
    DeleteHost,
    Step(close, undo=open_again),
    Step(take_routers, undo=come_back, patience_s=8),
    Step(gone),
)
