"""Guests that hang: their agent fell silent, or their watchdog fired.  What is done is said by ``ha.guest.action``.

A guest hangs when its agent has answered since the VM's last start, stop or move, and then no more for a while:
so a guest is acted upon once, and again only after it came up and answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel import log
from tegar.kernel.db import fire, live
from tegar.kernel.errors import TegarError
from tegar.model.host import State as HostState
from tegar.model.settings import HA_GUEST_SILENT_S
from tegar.model.vm import Event, GuestAction, State
from tegar.saga.env import Env
from tegar.saga.vm_reboot import REBOOT_VM
from tegar.saga.vm_replace import REPLACE_VM
from tegar.saga.vm_stop import StopVm
from tegar.store import events
from tegar.store.hosts import Host
from tegar.store.vms import Vm
from tegar.wire.virt import PingGuests

AT_ONCE = 16
FRESH_S = 30.0  # a watchdog's news about a guest that came up later than this ago is old news


def round(env: Env) -> None:
    """Look at the guests of every host that is up."""
    up, silent_s = env.db.read(lambda s: (_hosts(s), HA_GUEST_SILENT_S.of(s)))
    if up:
        with ThreadPoolExecutor(min(AT_ONCE, len(up)), thread_name_prefix="guests") as pool:
            list(pool.map(lambda host: look(env, host, float(silent_s)), up))


def _hosts(s: Session) -> Sequence[Host]:
    watched = select(Vm.host_id).where(Vm.state == State.RUNNING, Vm.guest_action != GuestAction.NONE)
    return s.scalars(select(Host).where(live(Host), Host.state == HostState.UP, Host.id.in_(watched))).all()


def look(env: Env, host: Host, silent_s: float) -> None:
    """Look at one host's guests.  The rows are read before the host is asked, and must be unchanged after."""
    rows = env.db.read(lambda s: _watched(s, host.id))
    try:
        said = env.links.to(host.url).ask(PingGuests(), timeout_s=30)
    except TegarError as e:
        log.get("loop").warning("cannot ask guests", host=host.name, error=str(e))
        return
    ago_s, now_s = {g.uuid: g.answered_ago_s for g in said.guests}, env.clock.now_s()
    for vm in rows:
        silence_s = ago_s.get(vm.uuid, -1.0)
        if silence_s >= silent_s and now_s - silence_s >= (vm.updated_s or vm.created_s):
            act(env, vm, f"its agent has been silent for {silence_s:.0f} s")


def _watched(s: Session, host_id: int) -> Sequence[Vm]:
    mine = (Vm.host_id == host_id, Vm.state == State.RUNNING, Vm.guest_action != GuestAction.NONE)
    return s.scalars(select(Vm).where(*mine).order_by(Vm.id)).all()


def hung(env: Env, host: Host, uuid: str) -> None:
    """Take a host's report that a guest's watchdog fired."""
    vm = next((vm for vm in env.db.read(lambda s: _watched(s, host.id)) if vm.uuid == uuid), None)
    if vm is not None and env.clock.now_s() - (vm.updated_s or vm.created_s) >= FRESH_S:
        act(env, vm, "its watchdog fired")


def act(env: Env, seen: Vm, why: str) -> None:
    """Do what is to be done about a VM that hangs, unless somebody has been at work on it since it was seen."""
    env.db.tx(lambda s: _act(s, seen.id, seen.version, why))


def _act(s: Session, vm_id: int, version: int, why: str) -> None:
    vm = s.get_one(Vm, vm_id)
    if vm.version != version or vm.state != State.RUNNING or vm.host_id is None:
        return
    elsewhere = vm.guest_action == GuestAction.RESTART and vm.ha
    fire(s, vm, Event.STOP)
    what = "restarted on another host" if elsewhere else "reset"
    log.get("loop").warning("guest hangs", vm=vm.uuid, host_id=vm.host_id, why=why, then=what)
    (REPLACE_VM if elsewhere else REBOOT_VM).submit(s, StopVm(vm.id, vm.host_id, 0.0))
    events.note(
        s,
        "VM.GUEST.HUNG",
        f"VM {vm.name} hangs, {why}: it is {what}",
        account_id=vm.account_id,
        user_id=vm.user_id,
        resource_type="Vm",
        resource_uuid=vm.uuid,
        level="WARN",
    )
