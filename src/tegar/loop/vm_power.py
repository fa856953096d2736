"""Compare what hosts run with what rows say: a VM that ended by itself is restarted, or becomes Stopped.

A guest that shut itself down wanted to; one whose process crashed, or nobody knows why it is gone, is
restarted if it has HA.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.ha import lost
from tegar.kernel import log
from tegar.kernel.db import fire, live
from tegar.kernel.errors import TegarError
from tegar.model.host import State as HostState
from tegar.model.vm import Event, State
from tegar.saga.env import Env
from tegar.store import events, hosts
from tegar.store.hosts import Host
from tegar.store.vms import Vm
from tegar.wire.virt import DropWaiting, ListDomains

BY_GUEST = "shutdown"


def round(env: Env) -> None:
    """Look at every host that is up."""
    up = env.db.read(lambda s: s.scalars(select(Host).where(live(Host), Host.state == HostState.UP)).all())
    for host in up:
        look(env, host)


def look(env: Env, host: Host) -> None:
    """Compare one host.  The rows are read before the host is asked, and must be unchanged after."""
    stmt = select(Vm.id, Vm.uuid, Vm.version).where(Vm.host_id == host.id, Vm.state == State.RUNNING)
    rows = env.db.read(lambda s: s.execute(stmt).all())
    if not rows:
        return
    try:
        said = env.links.to(host.url).ask(ListDomains(), timeout_s=10)
    except TegarError as e:
        log.get("loop").warning("cannot look at host", host=host.name, error=str(e))
        return
    there, ended = {d.uuid: d for d in said.domains}, {e.uuid: e.reason for e in said.ended}
    for vm_id, uuid, version in rows:
        if uuid not in there:
            why = ended.get(uuid, "gone")
            env.db.tx(lambda s, i=vm_id, v=version, w=why: _died(s, i, v, w, env.clock.now_s()))  # type: ignore[misc]
        elif there[uuid].waits:
            _drop(env, host, uuid)


def _drop(env: Env, host: Host, uuid: str) -> None:
    """Take away a copy that waits for a migration which nobody remembers: the database lost it in a failover.

    The next round finds the VM gone, and its restart asks the witnesses whether it runs elsewhere.
    """
    log.get("loop").warning("VM waits to be let run, and nobody is at work on it", vm=uuid, host=host.name)
    try:
        env.links.to(host.url).ask(DropWaiting(uuid), timeout_s=10)
    except TegarError as e:
        log.get("loop").warning("cannot end the waiting copy", vm=uuid, host=host.name, error=str(e))


def _died(s: Session, vm_id: int, version: int, why: str, now_s: float) -> None:
    vm = s.get_one(Vm, vm_id)
    if vm.version != version or vm.state != State.RUNNING:
        return  # somebody is at work on it
    log.get("loop").warning("VM ended by itself", vm=vm.uuid, host_id=vm.host_id, why=why)
    if vm.ha and why != BY_GUEST:
        lost.gone(s, vm, f"its host says that the process is gone: {why}", now_s)
        return
    hosts.release(s, vm_id=vm.id)
    vm.host_id, vm.vnc_port, vm.updated_s = None, None, now_s
    fire(s, vm, Event.DIED)
    events.note(
        s,
        "VM.STOP",
        f"VM {vm.name} was found stopped",
        account_id=vm.account_id,
        user_id=vm.user_id,
        resource_type="Vm",
        resource_uuid=vm.uuid,
        level="WARN",
    )
