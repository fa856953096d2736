"""Many VMs at once, on simulated hosts: one host of twenty dies with its share of a thousand.

They are of several priorities.  The log of their restarts must show that none began before all that are
more urgent ran again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tegar.kernel import codec
from tegar.kernel.db import Db
from tegar.kernel.saga import SagaLog, SagaRow
from tegar.main.client import Client
from tegar.main.config import config_in
from tegar.main.drill.marks import FAULT, STORY, Mark, Run
from tegar.main.drill.stage import DrillError, Options, Say, wish
from tegar.main.drill.story import from_logs, from_rows
from tegar.main.local import Place, free_port, until
from tegar.main.up import up
from tegar.model.vm import State
from tegar.saga.vm_restart import RESTART_VM, RestartVm, bring_up, say_running
from tegar.store.hosts import Host
from tegar.store.leases import HostLease
from tegar.store.vms import Vm

HOSTS, VMS, CALLERS = 20, 1000, 16
PRIORITIES = (0, 2, 4)
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Crowd:
    """A cloud of simulated hosts with many VMs, and ways to it."""

    place: Place
    sim_port: int
    api: Client
    db: Db
    say: Say


def mass_failure(root: Path, options: Options, say: Say) -> list[Run]:
    """Let a host die: to the moment at which every one of its VMs runs on another."""
    with crowd(root, VMS, say) as made:
        return [lose_a_host(number, made) for number in range(1, options.runs + 1)]


@contextmanager
def crowd(root: Path, vms: int, say: Say) -> Iterator[Crowd]:
    """Have twenty hosts with so many VMs."""
    place = Place(root.absolute())
    facts = up(place, hosts=HOSTS, simulated=True, port=free_port(0), say=say)
    api, db = Client(facts["endpoint"], facts["apikey"], facts["secretkey"]), Db(config_in(place.state).url)
    try:
        _deploy(api, vms, say)
        yield Crowd(place, int(facts["sim_port"]), api, db, say)
    finally:
        db.close()


def _deploy(api: Client, vms: int, say: Say) -> None:
    """Deploy what is missing of so many VMs."""
    about = wish(api)
    have = {
        vm["name"] for vm in api("listVirtualMachines", listall=True, pagesize=-1).get("virtualmachine", [])
    }
    wanted = [name for name in (f"mass{i}" for i in range(vms)) if name not in have]
    say(f"deploying {len(wanted)} VMs")

    def one(name: str) -> None:
        priority = PRIORITIES[int(name.removeprefix("mass")) % len(PRIORITIES)]
        api.job("deployVirtualMachine", name=name, **{"details[0].ha.priority": priority}, **about)

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(one, wanted))


def lose_a_host(number: int, crowd: Crowd) -> Run:
    """Let the host with the most VMs die, wait until all of them run elsewhere, and bring host and VMs back."""
    api, db = crowd.api, crowd.db
    host_id, host, vms = db.read(_victim)
    sim = f"http://127.0.0.1:{crowd.sim_port}"
    order: list[int] = []
    fault_s = time.time()
    marks = [Mark(fault_s, FAULT, f"{host} with {len(vms)} VMs dies")]
    httpx.post(
        f"{sim}/control", json={"host": host, "power": "off"}, trust_env=False, timeout=30
    ).raise_for_status()

    def all_elsewhere() -> bool:
        there = db.read(lambda s: _running_elsewhere(s, vms, host_id))
        order.extend(vm for vm in there if vm not in order)
        return len(order) == len(vms)

    done = until(all_elsewhere, PATIENCE_S, 0.05)
    seconds = time.time() - fault_s if done else None
    marks.append(Mark(time.time(), STORY, f"{len(order)} of {len(vms)} VMs run elsewhere"))
    marks += db.read(lambda s: from_rows(s, fault_s - 1)) + from_logs(crowd.place.root / "log", fault_s - 1)
    state = httpx.get(f"{sim}/state", trust_env=False, timeout=60).json()
    violations = state["violations"]
    httpx.post(
        f"{sim}/control", json={"host": host, "power": "on"}, trust_env=False, timeout=30
    ).raise_for_status()
    if not until(lambda: _host_up(api, host) and db.read(_leases_live), PATIENCE_S, 0.3):
        raise DrillError(f"host {host} did not come back")
    early = out_of_order(db.read(lambda s: _restarts(s, fault_s)))
    failures = [] if done else [f"{len(vms) - len(order)} VMs were not started again"]
    failures += [f"{len(early)} VMs began before more urgent ones ran"] if early else []
    crowd.say(f"run {number}: {seconds} s, {len(vms)} VMs, {len(early)} out of order")
    _bring_home(api, db, vms, host_id)
    return Run(
        number, fault_s, seconds, 0, len(violations), "; ".join(failures), sorted(marks, key=lambda m: m.at_s),
        {"vms": float(len(vms)), "out_of_order": float(len(early))},
    )  # fmt: skip


def _bring_home(api: Client, db: Db, vms: list[int], host_id: int) -> None:
    """Migrate VMs back to the host that died, so that every run begins with as many on each."""
    home = db.read(lambda s: s.get_one(Host, host_id).uuid)
    away = select(Vm.uuid).where(Vm.id.in_(vms), Vm.state == State.RUNNING, Vm.host_id != host_id)

    def migrate(uuid: str) -> None:
        api.job("migrateVirtualMachine", virtualmachineid=uuid, hostid=home)

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(migrate, db.read(lambda s: s.scalars(away).all())))


@dataclass(frozen=True)
class Restarted:
    """When the restart of a VM began, and when the VM ran; None: it has not yet."""

    vm_id: int
    priority: int
    began_s: float
    ran_s: float | None


def out_of_order(restarts: Sequence[Restarted]) -> list[int]:
    """Return the VMs whose restart began before all that are more urgent ran."""
    found = []
    for mine in restarts:
        urgent = [other.ran_s for other in restarts if other.priority < mine.priority]
        if any(ran_s is None or ran_s > mine.began_s for ran_s in urgent):
            found.append(mine.vm_id)
    return found


def _restarts(s: Session, since_s: float) -> list[Restarted]:
    """Return the restarts since a moment, by the log of their sagas."""
    entries = select(SagaRow.params, SagaLog.saga_id, SagaLog.step, SagaLog.what, SagaLog.at_s).join(
        SagaRow, SagaRow.id == SagaLog.saga_id
    )
    mine = entries.where(SagaRow.name == RESTART_VM.name, SagaLog.at_s >= since_s).order_by(SagaLog.id)
    began, ran, vm_of = dict[int, float](), dict[int, float](), dict[int, int]()
    for params, saga_id, step, what, at_s in s.execute(mine):
        vm_of[saga_id] = codec.decode(RestartVm, params).vm_id
        if (step, what) == (bring_up.__name__, "begin"):
            began.setdefault(saga_id, at_s)
        elif (step, what) == (say_running.__name__, "done"):
            ran[saga_id] = at_s
    of = dict(s.execute(select(Vm.id, Vm.ha_priority).where(Vm.id.in_(vm_of.values()))).tuples().all())
    return [Restarted(vm_of[id], of[vm_of[id]], at_s, ran.get(id)) for id, at_s in began.items()]


def _leases_live(s: Session) -> bool:
    return all(state == "live" for state in s.scalars(select(HostLease.state)))


def _victim(s: Session) -> tuple[int, str, list[int]]:
    """Return the host with the most VMs that are restarted elsewhere, and those."""
    busiest = (
        select(Vm.host_id)
        .where(Vm.state == State.RUNNING, Vm.host_id.is_not(None), Vm.ha.is_(True))
        .group_by(Vm.host_id)
        .order_by(func.count().desc(), Vm.host_id)
    )
    host_id = s.scalars(busiest.limit(1)).one()
    assert host_id is not None
    mine = (Vm.host_id == host_id, Vm.state == State.RUNNING, Vm.ha.is_(True))
    vms = s.scalars(select(Vm.id).where(*mine)).all()
    return host_id, s.get_one(Host, host_id).name, list(vms)


def _running_elsewhere(s: Session, vms: list[int], host_id: int) -> list[int]:
    stmt = select(Vm.id).where(Vm.id.in_(vms), Vm.state == State.RUNNING, Vm.host_id != host_id)
    return list(s.scalars(stmt.order_by(Vm.id)))


def _host_up(api: Client, name: str) -> bool:
    hosts = api("listHosts", type="Routing", pagesize=-1).get("host", [])
    return any(h["name"] == name and h["state"] == "Up" for h in hosts)
