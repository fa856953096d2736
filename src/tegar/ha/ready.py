"""Asks VMs that others wait for whether they are ready: their guest agent, or a port of theirs, answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.kernel import log
from tegar.kernel.db import live
from tegar.kernel.errors import TegarError
from tegar.model.vm import State
from tegar.saga.env import Env
from tegar.store.hosts import Host
from tegar.store.networks import Network, Nic
from tegar.store.restarts import Restart
from tegar.store.routers import Router
from tegar.store.vms import Vm
from tegar.wire.router import CheckPort
from tegar.wire.virt import PingGuests

AT_ONCE = 16
DEADLINE_S = 4.0
TCP = "tcp:"


@dataclass(frozen=True)
class Gate:
    """A VM that runs and is not known to be ready.

    Args:
        vm_id: the VM.
        uuid: its domain's.
        running_s: since when it runs.
        url: the host that is asked: its own, or with a port the one of its network's router.
        router_uuid: the router that is beside it; empty: its guest agent is asked.
        ip: its address there.
        port: the port that must accept.
    """

    vm_id: int
    uuid: str
    running_s: float
    url: str
    router_uuid: str = ""
    ip: str = ""
    port: int = 0


def gates(s: Session) -> list[Gate]:
    """Return whom to ask; a fixed number of queries."""
    stmt = (
        select(Vm.id, Vm.uuid, Vm.ha_ready, Restart.running_s, Host.url)
        .join(Restart, Restart.vm_id == Vm.id)
        .join(Host, Host.id == Vm.host_id)
        .where(Restart.running_s.is_not(None), Vm.state == State.RUNNING)
    )
    rows = s.execute(stmt.order_by(Vm.ha_priority, Vm.id)).all()
    routers = _routers(s, [row.id for row in rows if row.ha_ready.startswith(TCP)])
    found = []
    for row in rows:
        if row.ha_ready == "agent":
            found.append(Gate(row.id, row.uuid, row.running_s, row.url))
        elif row.id in routers:
            url, router_uuid, ip = routers[row.id]
            port = int(row.ha_ready.removeprefix(TCP))
            found.append(Gate(row.id, row.uuid, row.running_s, url, router_uuid, ip, port))
    return found


def _routers(s: Session, vm_ids: Sequence[int]) -> dict[int, tuple[str, str, str]]:
    """Return, for VMs, the host of the router of their first network, the router, and their address there."""
    if not vm_ids:
        return {}
    stmt = (
        select(Nic.vm_id, Host.url, Router.uuid, Nic.ip)
        .join(Network, Network.id == Nic.network_id)
        .join(Router, Router.group_id == Network.group_id)
        .join(Host, Host.id == Router.host_id)
        .where(Nic.vm_id.in_(vm_ids), Nic.is_default.is_(True), live(Nic))
    )
    return {vm_id: (url, uuid, ip) for vm_id, url, uuid, ip in s.execute(stmt) if vm_id is not None}


def ask(env: Env, wanted: Sequence[Gate]) -> list[Gate]:
    """Return those that are ready now; one that does not answer in time is not."""
    agents: dict[str, list[Gate]] = defaultdict(list)
    for gate in wanted:
        if not gate.port:
            agents[gate.url].append(gate)
    works: list[Callable[[], list[Gate]]] = [
        lambda url=url, some=some: _pinged(env, url, some)  # type: ignore[misc]
        for url, some in agents.items()
    ]
    works += [lambda gate=gate: _knocked(env, gate) for gate in wanted if gate.port]  # type: ignore[misc]
    if not works:
        return []
    with ThreadPoolExecutor(min(AT_ONCE, len(works)), thread_name_prefix="ready") as pool:
        return [gate for found in pool.map(lambda work: work(), works) for gate in found]


def _pinged(env: Env, url: str, some: Sequence[Gate]) -> list[Gate]:
    try:
        said = env.links.to(url).ask(PingGuests(), timeout_s=DEADLINE_S)
    except TegarError as e:
        log.get("ha").info("readiness not known", url=url, error=str(e))
        return []
    now_s = env.clock.now_s()
    at_s = {g.uuid: now_s - g.answered_ago_s for g in said.guests if g.answered_ago_s >= 0}
    return [gate for gate in some if at_s.get(gate.uuid, -1.0) >= gate.running_s]


def _knocked(env: Env, gate: Gate) -> list[Gate]:
    question = CheckPort(gate.router_uuid, gate.ip, gate.port)
    try:
        return [gate] if env.links.to(gate.url).ask(question, timeout_s=DEADLINE_S).accepts else []
    except TegarError as e:
        log.get("ha").info("readiness not known", url=gate.url, error=str(e))
        return []


def passed(s: Session, found: Sequence[Gate]) -> None:
    """Nobody waits for these any more."""
    for gate in found:
        row = (Restart.vm_id == gate.vm_id, Restart.running_s == gate.running_s)
        s.execute(delete(Restart).where(*row).execution_options(synchronize_session=False))
