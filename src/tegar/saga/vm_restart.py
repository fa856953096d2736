"""Restart a VM whose host or process died.  Only forward: it is tried until it runs, wherever that is.

The proof was recorded and consumed before this began, so the VM has no living copy.  Should the new
host die as well, its place is given up on the next proof and another one taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Update, delete, select, update
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
HELD_CHARACTERS = 255


@dataclass(frozen=True)
class RestartVm:
    """Which VM, the proof that its copy is dead, and where to try first (None: where there is room).

    ``not_host_id``: there only if there is room nowhere else.
    """

    vm_id: int
    death_id: int
    host_id: int | None = None
    not_host_id: int | None = None


Again = Run[Env, RestartVm]


def bring_up(run: Again) -> int:
    """Take a place if there is none that lives, and start the VM there; return its display's port."""
    try:
        return _brought_up(run)
    except Disputed as e:
        why = str(e)
        run.env.db.tx(lambda s: _held(s, run, why))
        raise Unavailable("The VM", why) from e


def _brought_up(run: Again) -> int:
    place.confirmed(run, run.params.vm_id)
    try:
        host_id = run.env.db.tx(lambda s: _placed(s, run))
    except Unavailable as e:
        why = str(e)
        run.env.db.tx(lambda s: _held(s, run, why))
        raise
    if host_id is None:
        return 0
    try:
        return place.start(run, run.params.vm_id, host_id, domain_spec)
    except HostLost as e:
        raise Unavailable(f"Host {e.host}", "it died as well") from e
    except AgentRefused as e:
        vm, why = run.env.db.read(lambda s: s.get_one(Vm, run.params.vm_id)), str(e)
        try:
            place.stop(run, vm, host_id, 0)
        except AgentRefused as later:  # a copy runs there that the database does not know of
            raise Unavailable(f"VM {vm.name}", str(later)) from later
        run.env.db.tx(lambda s: _given_up(s, run, host_id, why))
        raise Unavailable(f"VM {vm.name}", why) from e


def _placed(s: Session, run: Again) -> int | None:
    """Return where the VM is to run: a place it has that is not proven dead, or a new one; None: it is over.

    Raises:
        Unavailable: no host has room now.
    """
    vm = s.get_one(Vm, run.params.vm_id)
    if vm.state != State.STARTING or not _is_mine(s, run):
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
    vm.host_id = _take(s, vm, run.params, run.env.clock.now_s())
    s.execute(_mine(run).values(held="", started_s=run.env.clock.now_s()))
    s.flush()
    return vm.host_id


def _take(s: Session, vm: Vm, params: RestartVm, now_s: float) -> int:
    """Take the room where it is wanted first, then elsewhere, then on hosts that are not to be relied on."""
    wanted = hold.request(s, vm, only_host_id=None, not_host_id=params.not_host_id)
    ways = [wanted, replace(wanted, shaky=True)]
    if params.host_id is not None:
        ways.insert(0, replace(wanted, only_host_id=params.host_id))
    if params.not_host_id is not None:
        ways.append(replace(wanted, not_host_id=None, shaky=True))
    for way in ways[:-1]:
        try:
            return hold.take(s, vm, way, now_s=now_s).host_id
        except NoCapacity:
            continue
    try:
        return hold.take(s, vm, ways[-1], now_s=now_s).host_id
    except NoCapacity as e:
        raise Unavailable(f"Room for VM {vm.name}", e.detail()) from e


def _given_up(s: Session, run: Again, host_id: int, why: str) -> None:
    hosts.release(s, vm_id=run.params.vm_id, host_id=host_id)
    s.get_one(Vm, run.params.vm_id).host_id = None
    _held(s, run, why)


def _is_mine(s: Session, run: Again) -> bool:
    """Return whether the VM still waits for this saga: nobody withdrew it, and it was not lost again since."""
    return s.scalar(select(Restart.saga_id).where(Restart.vm_id == run.params.vm_id)) == run.saga_id


def _mine(run: Again) -> Update:
    """Return an update of the row of this restart; one that was lost again since has another."""
    mine = update(Restart).where(Restart.vm_id == run.params.vm_id, Restart.saga_id == run.saga_id)
    return mine.execution_options(synchronize_session=False)


def _held(s: Session, run: Again, why: str) -> None:
    why = why[:HELD_CHARACTERS]
    s.execute(_mine(run).where(Restart.held != why).values(held=why))


def say_running(run: Again) -> None:
    """The VM is Running; others may still wait for it to be ready."""

    def work(s: Session) -> None:
        vm, now_s = s.get_one(Vm, run.params.vm_id), run.env.clock.now_s()
        if not _is_mine(s, run):
            return
        if vm.state == State.STARTING and vm.host_id is None:  # the database has lost commits
            again = RESTART_VM.submit(s, run.params)
            s.execute(_mine(run).values(saga_id=again.id, held="the database has lost its place"))
            return
        if vm.state == State.STARTING and vm.ha_ready:
            s.execute(_mine(run).values(running_s=now_s, held=""))
        elif vm.state != State.RUNNING:
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
    network_implement.obey_later(run, network_implement.groups_of(run.env.db, run.params.vm_id))


RESTART_VM = Saga[Env, RestartVm](
    "vm.restart",
    RestartVm,
    Step(bring_up, patience_s=FOREVER_S),
    Step(say_running),
    Step(reconnect),
    forward_only=True,
    urgent=True,
)
