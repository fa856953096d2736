"""Hand what ran on the dead to the sagas: VMs with HA wait for their restart, the others are Stopped."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel import log
from tegar.kernel.db import fire
from tegar.model.host import Event as HostEvent
from tegar.model.host import State as HostState
from tegar.model.lease import Proof
from tegar.model.vm import Event, State
from tegar.saga.router_rebuild import rebuild_routers_of
from tegar.saga.vm_restart import RESTART_VM, RestartVm
from tegar.store import events, hosts, restarts
from tegar.store.hosts import Hold, Host
from tegar.store.leases import Death, HostLease
from tegar.store.restarts import Restart
from tegar.store.vms import Vm

AT_ONCE = 200


def record(s: Session, host_id: int, boot: str, epoch: int, kind: str, evidence: str, now_s: float) -> Death:
    """Record a proof about a lease, once; the host of that lease is Down if it holds no newer one."""
    mine = (Death.host_id == host_id, Death.boot == boot, Death.epoch == epoch, Death.vm_id == 0)
    found = s.scalars(select(Death).where(*mine)).first()
    if found is not None:
        return found
    death = Death(host_id=host_id, boot=boot, epoch=epoch, vm_id=0, kind=kind, evidence=evidence, at_s=now_s)
    s.add(death)
    host, lease = s.get_one(Host, host_id), s.get(HostLease, host_id)
    if lease is not None and lease.boot == boot and lease.epoch <= epoch:
        lease.state, lease.since_s = "dead", now_s
        if host.state in (HostState.UP, HostState.DISCONNECTED, HostState.ALERT):
            fire(s, host, HostEvent.DIED)
            rebuild_routers_of(s, host.id)
            events.alert(s, "ALERT.HOST", f"Host {host.name} is down", f"{kind}: {evidence}")
    s.flush()
    log.get("ha").warning(
        "proven dead", host=host.name, boot=boot, epoch=epoch, proof=kind, evidence=evidence
    )
    return death


def hand_over(s: Session, now_s: float) -> int:
    """Let go of VMs whose host is proven dead, the important first; return how many were found.

    What a saga is at work on is left to it: it meets the proof itself.
    """
    dead = (
        (Death.host_id == Hold.host_id)
        & (Death.boot == Hold.boot)
        & (Death.epoch >= Hold.epoch)
        & (Death.vm_id == 0)
    )
    stmt = (
        select(Vm, Death)
        .join(Hold, (Hold.vm_id == Vm.id) & (Hold.host_id == Vm.host_id))
        .join(Death, dead)
        .where(Vm.state == State.RUNNING, Hold.boot != "")
        .order_by(Vm.ha.desc(), Vm.ha_priority, Vm.id)
        .limit(AT_ONCE)
    )
    found = {vm.id: (vm, death) for vm, death in s.execute(stmt).all()}
    for vm, death in found.values():
        lose(s, vm, death, now_s)
    s.flush()
    return len(found)


def lose(s: Session, vm: Vm, death: Death, now_s: float) -> None:
    """Take a VM's dead place away: with HA it waits for its restart, else it is Stopped."""
    from_host_id = vm.host_id or death.host_id
    hosts.release(s, vm_id=vm.id)
    vm.host_id, vm.vnc_port, vm.updated_s = None, None, now_s
    fire(s, vm, Event.LOST if vm.ha else Event.DIED)
    if vm.ha:
        restarts.queue(s, vm.id, death_id=death.id, from_host_id=from_host_id, now_s=now_s)
    what = "is restarted" if vm.ha else "is stopped: it has no HA"
    events.note(
        s,
        "HA.STATE.TRANSITION",
        f"VM {vm.name} {what}; {death.kind}, proof {death.id}",
        account_id=vm.account_id,
        user_id=vm.user_id,
        resource_type="Vm",
        resource_uuid=vm.uuid,
        level="WARN",
    )


def gone(s: Session, vm: Vm, evidence: str, now_s: float) -> None:
    """Record that a VM's process is gone while its host lives (P5), and restart it at once, in place if possible.

    Nobody else fell with it, so it waits for nobody.
    """
    held = s.scalars(select(Hold).where(Hold.vm_id == vm.id, Hold.host_id == vm.host_id)).first()
    death = Death(
        host_id=vm.host_id or 0,
        boot=held.boot if held else "",
        epoch=held.epoch if held else 0,
        vm_id=vm.id,
        kind=Proof.GONE,
        evidence=evidence,
        at_s=now_s,
    )
    s.add(death)
    s.flush()
    lose(s, vm, death, now_s)
    row = s.get(Restart, vm.id)
    if row is not None:
        row.started_s, row.to_host_id = now_s, row.from_host_id
        row.saga_id = RESTART_VM.submit(s, RestartVm(vm.id, death.id, row.from_host_id)).id
