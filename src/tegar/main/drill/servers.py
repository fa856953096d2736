"""A management server is killed while it works: three servers on MariaDB behind HAProxy, simulated hosts.

The server that owns a job is killed with ``kill -9``.  A client asks twenty times a second
through the balancer all the while; its requests are POSTs, which the balancer never repeats once a
server has read them.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from tegar.kernel.db import Db
from tegar.kernel.saga import OPEN, SagaLog, SagaRow, State
from tegar.main import several
from tegar.main.bench.stage import percentile
from tegar.main.client import ApiFailed, Client
from tegar.main.config import config_in
from tegar.main.down import take_down
from tegar.main.drill.stage import offering
from tegar.main.local import LocalError, Place, free_port, processes, until
from tegar.main.several import Several
from tegar.main.up import up
from tegar.store.leases import HostLease
from tegar.store.restarts import Restart
from tegar.store.servers import Server
from tegar.store.vms import Vm

SERVERS, HOSTS = 3, 3
ASK_EVERY_S = 0.05
SLOW_S = 2.0  # how long a start or a migration takes: time to be killed in
PATIENCE_S = 60.0
GUARDED = "guarded"

Say = Callable[[str], None]


@dataclass
class Asker:
    """A client that asks all the time and notes how long it had no good answer."""

    client: Client
    answers: int = 0
    failed: int = 0
    gap_s: float = 0.0
    _last_s: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask until stopped."""
        while not self._stop.is_set():
            began_s = time.monotonic()
            try:
                self.client("listZones")
                self._good()
            except (ApiFailed, httpx.HTTPError, ValueError):
                self.failed += 1
            self._stop.wait(max(0.0, began_s + ASK_EVERY_S - time.monotonic()))

    def _good(self) -> None:
        with self._lock:
            now_s = time.monotonic()
            self.gap_s, self._last_s = max(self.gap_s, now_s - self._last_s), now_s
            self.answers += 1

    def taken_gap_s(self) -> float:
        """Return the longest gap since this was last asked, the one under way included."""
        with self._lock:
            gap_s, self.gap_s = max(self.gap_s, time.monotonic() - self._last_s), 0.0
            return gap_s

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()


@dataclass(frozen=True)
class Stage:
    """The cloud of a drill."""

    cloud: Several
    api: Client
    db: Db
    sim: str

    def control(self, **orders: Any) -> None:
        """Order the simulated world."""
        httpx.post(f"{self.sim}/control", json=orders, trust_env=False).raise_for_status()

    def violations(self) -> int:
        """Return how often the impossible happened: a VM ran twice, a disk was written by two."""
        found: list[str] = httpx.get(f"{self.sim}/state", trust_env=False, timeout=30).json()["violations"]
        return len(found)

    def saga(self, uuid: str) -> SagaRow:
        """Return a job's row."""
        return self.db.read(lambda s: s.scalars(select(SagaRow).where(SagaRow.uuid == uuid)).one())

    def began(self, saga_id: int, step: str) -> bool:
        """Return whether a job has begun a step."""
        wanted = select(SagaLog.id).where(SagaLog.saga_id == saga_id, SagaLog.step == step)
        return self.db.read(lambda s: s.scalars(wanted).first()) is not None

    def restart_of(self, vm_uuid: str) -> str | None:
        """Return the uuid of the saga that restarts a VM after its host's death, None while there is none."""
        wanted = (
            select(SagaRow.uuid)
            .join(Restart, Restart.saga_id == SagaRow.id)
            .join(Vm, Vm.id == Restart.vm_id)
            .where(Vm.uuid == vm_uuid, SagaRow.state.in_(OPEN))
        )
        return self.db.read(lambda s: s.scalars(wanted).first())

    def whole(self) -> bool:
        """Return whether every host is Up and holds a lease."""
        hosts = self.api("listHosts", type="Routing", pagesize=-1).get("host", [])
        leases = self.db.read(lambda s: s.scalars(select(HostLease.state)).all())
        return all(h["state"] == "Up" for h in hosts) and all(state == "live" for state in leases)

    def server_of(self, run: str) -> str:
        """Return the name of the server that is this owner of sagas."""
        return self.db.read(lambda s: s.scalars(select(Server.name).where(Server.run == run)).one())


@dataclass(frozen=True)
class Outcome:
    """One run: seconds from the kill to a new owner and to the end of the job, and the longest API gap."""

    taken_over_s: float
    done_s: float
    gap_s: float
    done: bool


@contextmanager
def _stage(say: Say) -> Iterator[Stage]:
    place = Place(Path(tempfile.mkdtemp(prefix="tegar-drill-")))
    try:
        with redirect_stdout(sys.stderr):
            facts = up(place, hosts=HOSTS, simulated=True, port=free_port(0), servers=SERVERS, say=say)
        client = Client(str(facts["endpoint"]), str(facts["apikey"]), str(facts["secretkey"]), timeout_s=10)
        sim = f"http://127.0.0.1:{facts['sim_port']}"
        db = Db(config_in(place.state).url)
        yield Stage(Several(place, SERVERS, int(facts["port"]), sim), client, db, sim)
        db.close()
    finally:
        take_down(place, say)
        shutil.rmtree(place.root, ignore_errors=True)


def _kill_owner(stage: Stage, uuid: str, step: str) -> tuple[str, str, float]:
    """Kill the server that is in *step* of a job; return its name, its run, and when."""
    if not until(lambda: stage.began(stage.saga(uuid).id, step), PATIENCE_S, 0.02):
        raise LocalError(f"job {uuid} never came to {step}")
    run = stage.saga(uuid).owner or ""
    name = stage.server_of(run)
    for pid in processes(stage.cloud.place, name):
        os.kill(pid, signal.SIGKILL)
    return name, run, time.monotonic()


def _one(stage: Stage, asker: Asker, uuid: str, step: str, seen: Callable[[], bool] | None = None) -> Outcome:
    """Kill the owner of a job and measure what follows; afterwards all servers are there again.

    *seen* says whether its effect can be seen from outside; without it the API must say that the job succeeded.
    """
    asker.taken_gap_s()
    name, run, killed_s = _kill_owner(stage, uuid, step)
    until(lambda: stage.saga(uuid).owner != run, PATIENCE_S, 0.02)
    taken_over_s = time.monotonic() - killed_s
    until(lambda: stage.saga(uuid).state not in OPEN, PATIENCE_S, 0.02)
    done_s = time.monotonic() - killed_s
    done = stage.saga(uuid).state == State.DONE and (seen() if seen else _told(stage, uuid))
    gap_s = asker.taken_gap_s()
    several.start_server(stage.cloud, name)
    several.wait_ready(stage.cloud, name)
    return Outcome(taken_over_s, done_s, gap_s, done)


def _told(stage: Stage, uuid: str) -> bool:
    """Return whether the API says that the job has succeeded."""
    try:
        return bool(stage.api("queryAsyncJobResult", jobid=uuid)["jobstatus"] == 1)
    except (ApiFailed, httpx.HTTPError):
        return False


def _measure(drill: str, say: Say, runs: int, once: Callable[[Stage, Asker, int], Outcome]) -> dict[str, Any]:
    with _stage(say) as stage:
        before = stage.violations()
        asker = Asker(Client(stage.api.endpoint, *stage.api.keys, timeout_s=10))
        thread = threading.Thread(target=asker.run, name="asker", daemon=True)
        thread.start()
        outcomes = []
        for n in range(runs):
            found = once(stage, asker, n)
            outcomes.append(found)
            say(
                f"run {n + 1}: taken over after {found.taken_over_s:.2f} s, done after {found.done_s:.2f} s, "
                f"API gap {found.gap_s:.2f} s{'' if found.done else ', JOB LOST'}"
            )
        asker.stop()
        thread.join()
        return {
            "drill": drill,
            "runs": runs,
            "seconds": _figures([o.taken_over_s for o in outcomes]),
            "gap_seconds": _figures([o.gap_s for o in outcomes]),
            "done_seconds": _figures([o.done_s for o in outcomes]),
            "lost": sum(not o.done for o in outcomes),
            "double_runs": stage.violations() - before,
            "answers": asker.answers,
            "failed_answers": asker.failed,
        }


def _figures(values: list[float]) -> dict[str, float]:
    return {
        "p50": round(percentile(values, 50), 3),
        "p99": round(percentile(values, 99), 3),
        "max": round(max(values), 3),
    }


def measure_deploy(say: Say, runs: int) -> dict[str, Any]:
    """Kill the server that is starting a new VM; ``seconds`` are to the take-over."""

    def once(stage: Stage, asker: Asker, n: int) -> Outcome:
        like = stage.api.first("listVirtualMachines", "virtualmachine", listall=True)
        stage.control(times={"start_s": SLOW_S})
        asked = stage.api(
            "deployVirtualMachine", name=f"drill-{n}", zoneid=like["zoneid"], templateid=like["templateid"],
            serviceofferingid=like["serviceofferingid"], networkids=like["nic"][0]["networkid"],
        )  # fmt: skip
        found = _one(stage, asker, asked["jobid"], "start_domain")
        stage.api.job("destroyVirtualMachine", id=asked["id"], expunge=True)
        return found

    return _measure("server-death-deploy", say, runs, once)


def measure_migrate(say: Say, runs: int) -> dict[str, Any]:
    """Kill the server that is migrating a VM; ``seconds`` are to the take-over."""

    def once(stage: Stage, asker: Asker, n: int) -> Outcome:
        vm = stage.api.first("listVirtualMachines", "virtualmachine", listall=True)
        stage.control(times={"migrate_s": SLOW_S})
        asked = stage.api("migrateVirtualMachine", virtualmachineid=vm["id"])
        return _one(stage, asker, asked["jobid"], "move_domain")

    return _measure("server-death-migrate", say, runs, once)


def measure_failover(say: Say, runs: int) -> dict[str, Any]:
    """Kill the server that starts a dead host's VM elsewhere; ``seconds`` are to the take-over."""

    def once(stage: Stage, asker: Asker, n: int) -> Outcome:
        vm = _guarded_vm(stage)
        stage.control(times={"start_s": SLOW_S})
        stage.control(host=vm["hostname"], power="off")
        if not until(lambda: stage.restart_of(vm["id"]), PATIENCE_S, 0.02):
            raise LocalError(f"VM {vm['name']} was not restarted")
        uuid = stage.restart_of(vm["id"]) or ""

        def elsewhere() -> bool:
            now = stage.api.first("listVirtualMachines", "virtualmachine", id=vm["id"], listall=True)
            return bool(now["state"] == "Running" and now["hostname"] != vm["hostname"])

        found = _one(stage, asker, uuid, "bring_up", elsewhere)
        stage.control(host=vm["hostname"], power="on")
        if not until(stage.whole, PATIENCE_S, 0.2):
            raise LocalError(f"host {vm['hostname']} did not come back")
        return found

    return _measure("server-death-failover", say, runs, once)


def _guarded_vm(stage: Stage) -> dict[str, Any]:
    """Return a VM that runs and is restarted elsewhere when its host dies."""
    found: dict[str, Any] | None = stage.api.first(
        "listVirtualMachines", "virtualmachine", name=GUARDED, listall=True
    )
    if found is None:
        like = stage.api.first("listVirtualMachines", "virtualmachine", listall=True)
        found = stage.api.job(
            "deployVirtualMachine", name=GUARDED, zoneid=like["zoneid"], templateid=like["templateid"],
            serviceofferingid=offering(stage.api), networkids=like["nic"][0]["networkid"],
        )["virtualmachine"]  # fmt: skip
    return found


DRILLS: dict[str, Callable[[Say, int], dict[str, Any]]] = {
    "server-death-deploy": measure_deploy,
    "server-death-migrate": measure_migrate,
    "server-death-failover": measure_failover,
}
