"""Give hosts a warden: every host of a cluster that has witnesses is told to renew its lease at them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.guard.keys import host_key
from tegar.kernel import log
from tegar.kernel.db import live
from tegar.kernel.errors import TegarError
from tegar.model.host import State
from tegar.saga.env import Env
from tegar.store import events, leases
from tegar.store.hosts import Host
from tegar.store.leases import HostLease
from tegar.wire.guard import SetGuard, WitnessAt

JOINING_S = 30.0  # a host that has not shown its first lease after so long is told again


def round(env: Env, secret: bytes) -> None:
    """Tell every host that needs it; one that cannot have a warden stays as it is, and an alert says why."""
    for host, circle in env.db.read(lambda s: _without(s, env.clock.now_s())):
        ask = SetGuard(host.uuid, host_key(secret, host.uuid).hex(), circle)
        try:
            said = env.links.to(host.url).ask(ask, timeout_s=10)
        except TegarError as e:
            why = str(e)
            env.db.tx(lambda s, h=host, w=why: _cannot(s, h, w))  # type: ignore[misc]
            continue
        if not said.watchdog:
            env.db.tx(lambda s, h=host: _cannot(s, h, "it has no watchdog"))  # type: ignore[misc]
            continue
        env.db.tx(lambda s, h=host.id: _joins(s, h, env.clock.now_s()))  # type: ignore[misc]
        log.get("ha").info("guarded", host=host.name, witnesses=len(circle), watchdog=said.watchdog)


def _without(s: Session, now_s: float) -> list[tuple[Host, tuple[WitnessAt, ...]]]:
    """Return the hosts that answer and have no lease yet, with their witnesses."""
    stmt = (
        select(Host, HostLease)
        .outerjoin(HostLease, HostLease.host_id == Host.id)
        .where(live(Host), Host.state == State.UP)
        .where(HostLease.host_id.is_(None) | (HostLease.state == "joining"))
        .order_by(Host.id)
    )
    found = []
    circles: dict[int, tuple[WitnessAt, ...]] = {}
    for host, lease in s.execute(stmt).all():
        if lease is not None and now_s - lease.since_s < JOINING_S:
            continue
        if host.cluster_id not in circles:
            rows = leases.witnesses_of(s, host.cluster_id)
            circles[host.cluster_id] = tuple(WitnessAt(w.name, w.address, w.port) for w in rows)
        if circles[host.cluster_id]:
            found.append((host, circles[host.cluster_id]))
    return found


def _joins(s: Session, host_id: int, now_s: float) -> None:
    row = s.get(HostLease, host_id)
    if row is None:
        s.add(HostLease(host_id=host_id, since_s=now_s))
    else:
        row.since_s = now_s


def _cannot(s: Session, host: Host, why: str) -> None:
    events.alert(s, "ALERT.HA.HOST", f"Host {host.name} has no lease", why)
