"""Restart a VM whose host or process died.  Only forward: it is tried until it runs, wherever that is.

The proof was recorded and consumed before this began, so the VM has no living copy.  Should the new
host die as well, its place is given up on the next proof and another one taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tegar.kernel.db import fire
from tegar.kernel.errors import AgentRefused, Unavailable
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.errors import NoCapacity
from tegar.model.vm import Event, State
from tegar.saga import hold, network_implement, place
from tegar.saga.env import Env
from tegar.saga.place import Disputed, HostLost
from tegar.saga.spec import domain_spec
from tegar.store import events, hosts, volumes
from tegar.store.hosts import Hold, Host
from tegar.store.leases import proof_of
from tegar.store.restarts import Restart
from tegar.store.vms import Vm

FOREVER_S = 7 * 86400.0


@dataclass(frozen=True)
class RestartVm:
    """Which VM, the proof that its copy is dead, and where to try first (None: where there is room)."""

    vm_id: int
    death_id: int
    host_id: int | None = None


Again = Run[Env, RestartVm]


def bring_up(run: Again) -> int:
    """Take a place if there is none that lives, and start the VM there; return its display's port."""
    try:
        return _brought_up(run)
    except Disputed as e:
        why = str(e)
        run.env.db.tx(lambda s: _held(s, run.params.vm_id, why[:255]))
        raise Unavailable("The VM", why) from e


def _brought_up(run: Again) -> int:
    place.confirmed(run, run.params.vm_id)
    host_id = run.env.db.tx(lambda s: _placed(s, run))
    if host_id is None:
        return 0
    try:
        return place.start(run, run.params.vm_id, host_id, domain_spec)
    except HostLost as e:
        raise Unavailable(f"Host {e.host}", "it died as well") from e
    except AgentRefused as e:
        vm, why = run.env.db.read(lambda s: s.get_one(Vm, run.params.vm_id)), str(e)
        place.stop(run, vm, host_id, 0)
        run.env.db.tx(lambda s: _given_up(s, run.params.vm_id, host_id, why))
        raise Unavailable(f"VM {vm.name}", why) from e


def _placed(s: Session, run: Again) -> int | None:
    """Return where the VM is to run: a place it has that is not proven dead, or a new one; None: it is over.

    Raises:
        Unavailable: no host has room now.
    """
    vm = s.get_one(Vm, run.params.vm_id)
    if vm.state != State.STARTING:
        return None
    for held in s.scalars(select(Hold).where(Hold.vm_id == vm.id)).all():
        if held.boot and proof_of(s, held.host_id, held.boot, held.epoch):
            if vm.host_id == held.host_id:
                vm.host_id = None
            hosts.release(s, vm_id=vm.id, host_id=held.host_id)
    living = hosts.held_by(s, vm.id)
    if living:
        vm.host_id = min(living)
        return vm.host_id
    vm.host_id = _take(s, vm, run.params.host_id)
    _held(s, vm.id, "")
    s.flush()
    return vm.host_id


def _take(s: Session, vm: Vm, first_id: int | None) -> int:
    wanted = hold.request(s, vm, only_host_id=None)
    if first_id is not None:
        try:
            return hold.take(s, vm, hold.request(s, vm, only_host_id=first_id)).host_id
        except NoCapacity:
            pass  # it was restarted in place because that is quick, not because it must be there
    try:
        return hold.take(s, vm, wanted).host_id
    except NoCapacity as e:
        raise Unavailable(f"Room for VM {vm.name}", str(e)) from e


def _given_up(s: Session, vm_id: int, host_id: int, why: str) -> None:
    hosts.release(s, vm_id=vm_id, host_id=host_id)
    s.get_one(Vm, vm_id).host_id = None
    _held(s, vm_id, why[:255])


def _held(s: Session, vm_id: int, why: str) -> None:
    s.execute(update(Restart).where(Restart.vm_id == vm_id).values(held=why))


def say_running(run: Again) -> None:
    """The VM is Running, and waits no more."""

    def work(s: Session) -> None:
        vm, now_s = s.get_one(Vm, run.params.vm_id), run.env.clock.now_s()
        s.execute(delete(Restart).where(Restart.vm_id == vm.id))
        if vm.state != State.STARTING:
            return
        vm.vnc_port, vm.last_host_id, vm.updated_s = run.result(bring_up), vm.host_id, now_s
        fire(s, vm, Event.STARTED)
        for volume in volumes.of_vm(s, vm.id):
            volume.attached_s = volume.attached_s or now_s
        host = s.get_one(Host, vm.host_id)
        events.note(
            s,
            "VM.START",
            f"VM {vm.name} was restarted on {host.name} (proof {run.params.death_id})",
            account_id=vm.account_id,
            user_id=vm.user_id,
            resource_type="Vm",
            resource_uuid=vm.uuid,
        )

    run.env.db.tx(work)


def reconnect(run: Again) -> None:
    """Let the routers of its networks be where they should; the loop that repairs them does the rest."""
    network_implement.obey_later(run, network_implement.networks_of(run.env.db, run.params.vm_id))


RESTART_VM = Saga[Env, RestartVm](
    "vm.restart",
    RestartVm,
    Step(bring_up, patience_s=FOREVER_S),
    Step(say_running),
    Step(reconnect),
    forward_only=True,
)
