"""Ask every host how it is; one that stays silent is Disconnected until it answers again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tegar.kernel.db import fire, live
from tegar.kernel.errors import TegarError
from tegar.model.host import Event, State
from tegar.model.settings import HOST_SILENT_S
from tegar.saga.env import Env
from tegar.store.events import alert
from tegar.store.hosts import Host, Pulse
from tegar.wire.host import GetLoad, HostLoad

AT_ONCE = 32


def round(env: Env) -> None:
    """Ask all hosts, many at once."""
    hosts = env.db.read(lambda s: s.scalars(select(Host).where(live(Host))).all())
    if not hosts:
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(hosts)), thread_name_prefix="pulse") as pool:
        loads = dict(zip([h.id for h in hosts], pool.map(lambda h: _load(env, h), hosts), strict=True))
    env.db.tx(lambda s: _heard(s, {i: load for i, load in loads.items() if load}, env.clock.now_s()))
    for host in hosts:
        answered = loads[host.id] is not None
        if answered != (host.state == State.UP):
            env.db.tx(lambda s, h=host, a=answered: _turn(s, h.id, a, env.clock.now_s()))  # type: ignore[misc]


def _load(env: Env, host: Host) -> HostLoad | None:
    try:
        return env.links.to(host.url).ask(GetLoad(), timeout_s=5)
    except TegarError:
        return None


def _heard(s: Session, loads: dict[int, HostLoad], now_s: float) -> None:
    for host_id, load in loads.items():
        s.execute(
            update(Pulse)
            .where(Pulse.host_id == host_id)
            .values(seen_s=now_s, cpu_used=load.cpu_used, memory_used_bytes=load.memory_used_bytes)
        )


def _turn(s: Session, host_id: int, answered: bool, now_s: float) -> None:
    """Change a host's state when it answered again, or has been silent for long enough."""
    host, pulse = s.get_one(Host, host_id), s.get(Pulse, host_id)
    if answered and host.state in (State.DISCONNECTED, State.ALERT):
        fire(s, host, Event.ANSWERED)
    silent_s = now_s - pulse.seen_s if pulse else 1e9
    if not answered and host.state == State.UP and silent_s > HOST_SILENT_S.of(s):
        fire(s, host, Event.SILENT)
        alert(s, "ALERT.HOST", f"Host {host.name} has not answered for {silent_s:.0f} s")
