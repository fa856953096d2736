"""Ask every host how it is; one that stays silent is Disconnected until it answers again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tegar.kernel import log
from tegar.kernel.db import fire, live
from tegar.kernel.errors import TegarError
from tegar.model.host import Event, State
from tegar.model.settings import HOST_SILENT_S
from tegar.saga.env import Env
from tegar.saga.router_rebuild import rebuild_routers_of
from tegar.store import hosts, leases, volumes
from tegar.store.events import alert
from tegar.store.hosts import Host, Pulse
from tegar.store.pools import Pool
from tegar.wire.host import GetLoad, HostLoad

AT_ONCE = 32
POOLS_KEPT = 27  # uuids that fit into the column


class Pulses:
    """What one leader of the loops has heard, on its own monotonic clock; another leader begins anew."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._heard_s: dict[int, float] = {}

    def round(self) -> None:
        """Ask all hosts, many at once."""
        env, now_s = self._env, self._env.clock.mono_s()
        for host, load in _ask_all(env):
            if load is not None:
                self._heard_s[host.id] = now_s
            silent_s = now_s - self._heard_s.setdefault(host.id, now_s)
            if (load is not None) != (host.state == State.UP):
                env.db.tx(lambda s, h=host.id, q=silent_s: _turn(s, h, q))  # type: ignore[misc]


def _ask_all(env: Env) -> list[tuple[Host, HostLoad | None]]:
    asked = env.db.read(lambda s: s.scalars(select(Host).where(live(Host))).all())
    if not asked:
        return []
    used = env.db.read(volumes.pools_on_hosts)

    def load(host: Host) -> HostLoad | None:
        try:
            return env.links.to(host.url).ask(GetLoad(used.get(host.id, ())), timeout_s=5)
        except TegarError:
            return None

    with ThreadPoolExecutor(min(AT_ONCE, len(asked)), thread_name_prefix="pulse") as pool:
        loads = dict(zip([h.id for h in asked], pool.map(load, asked), strict=True))
    env.db.tx(lambda s: _heard(s, {i: load for i, load in loads.items() if load}, env.clock.now_s()))
    return [(host, loads[host.id]) for host in asked]


def _heard(s: Session, loads: dict[int, HostLoad], now_s: float) -> None:
    before = {host_id: pulse.stalled for host_id, pulse in hosts.pulses(s, list(loads)).items()}
    named = {uuid for load in loads.values() for uuid in load.stalled}
    names = (
        dict(s.execute(select(Pool.uuid, Pool.name).where(Pool.uuid.in_(named), live(Pool))).all())
        if named
        else {}
    )
    for host_id, load in loads.items():
        hang = [uuid for uuid in load.stalled if uuid in names][:POOLS_KEPT]  # agents forget no pool
        stalled = ",".join(hang)
        s.execute(
            update(Pulse)
            .where(Pulse.host_id == host_id)
            .values(
                seen_s=now_s,
                cpu_used=load.cpu_used,
                memory_used_bytes=load.memory_used_bytes,
                stalled=stalled,
            )
        )
        if stalled != before.get(host_id, stalled):
            _stalled(s, host_id, [names[uuid] for uuid in hang])


def _stalled(s: Session, host_id: int, hang: list[str]) -> None:
    """Write down that pools hang for a host; none: all answer again."""
    name = s.get_one(Host, host_id).name
    log.get("loop").warning("pools that hang", host=name, pools=hang)
    for pool in hang:
        alert(
            s,
            "ALERT.STORAGE.STALL",
            f"Pool {pool} hangs for host {name}",
            "It did not answer in time. Guests wait, or stop on I/O errors, and go on when it is back.",
        )


def _turn(s: Session, host_id: int, silent_s: float) -> None:
    """Change a host's state when it answered again (0 s of silence), or has been silent for long enough."""
    host = s.get_one(Host, host_id)
    if silent_s == 0 and host.state in (State.DISCONNECTED, State.ALERT, State.DOWN):
        fire(s, host, Event.ANSWERED)
    elif silent_s > HOST_SILENT_S.of(s) and host.state == State.UP:
        fire(s, host, Event.SILENT)
        if leases.leases_of(s, [host.id]).get(host.id) is None:  # else whoever proves its death does it
            rebuild_routers_of(s, host.id)
        alert(
            s, "ALERT.HOST", f"Host {host.name} does not answer", f"It has been silent for {silent_s:.0f} s"
        )
