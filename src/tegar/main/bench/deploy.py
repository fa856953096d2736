"""How many VMs a second go from request to Running on simulated hosts, and how long a request takes."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from tegar.lab import mariadb
from tegar.lab.mariadb import MariaDb
from tegar.main import furnish
from tegar.main.bench.stage import Stage, cpu_s, percentile, stage
from tegar.main.client import Client
from tegar.main.local import LocalError, processes, until
from tegar.main.up import simulated_ground
from tegar.model.vm import State
from tegar.store.vms import Vm


def measure(*, say: Callable[[str], None], vms: int, hosts: int, clients: int) -> dict[str, Any]:
    """Measure on SQLite and on MariaDB."""
    results: dict[str, Any] = {}
    with stage() as s:
        results["sqlite"] = _on(s, None, say, vms, hosts, clients)
    if reason := mariadb.missing():
        results["mariadb"] = {"skipped": reason}
    else:
        server = MariaDb(Path(tempfile.mkdtemp(prefix="tegar-db-")) / "d")
        try:
            with stage(server.new()[1]) as s:
                results["mariadb"] = _on(s, server, say, vms, hosts, clients)
        finally:
            server.stop()
            server.root.parent.rmdir()
    return {"vms": vms, "hosts": hosts, "clients": clients, "cores": os.cpu_count(), **results}


def _on(
    s: Stage, database: MariaDb | None, say: Callable[[str], None], vms: int, hosts: int, clients: int
) -> dict[str, Any]:
    say(f"{'MariaDB' if database else 'SQLite'}: {hosts} hosts, {vms} VMs, {clients} callers")
    s.start_sim(hosts)
    s.start_server()
    s.wait()
    api = s.client()
    furnish.furnish(api, simulated_ground(hosts), lambda _: None)
    if not until(lambda: furnish.template(api)["isready"], 120):
        raise LocalError("the template did not become ready")
    api("deployVirtualMachine", name="warm-up", **_about(api))
    if not until(lambda: _count(s, State.RUNNING) == 1, 60):
        raise LocalError("the first VM did not become Running")
    pids = {"server": processes(s.place, "server")[0], "simulator": processes(s.place, "sim")[0]}
    if database:
        pids["database"] = database.pid
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    began_s = time.monotonic()
    latencies = _submit(s, vms, clients)
    submitted_s = time.monotonic() - began_s
    until(lambda: _count(s, State.RUNNING) + _count(s, State.ERROR) >= vms + 1, 600, 0.05)
    passed_s = time.monotonic() - began_s
    busy = {name: round((cpu_s(pid) - before[name]) / passed_s, 2) for name, pid in pids.items()}
    running = _count(s, State.RUNNING) - 1
    return {
        "running": running,
        "deploys_per_s": round(running / passed_s, 1),
        "submits_per_s": round(vms / submitted_s, 1),
        "submit_ms": {p: round(percentile(latencies, n) * 1000, 1) for p, n in (("p50", 50), ("p99", 99))},
        "cores_busy": busy,
        "limit": _limit(busy),
    }


def _submit(s: Stage, vms: int, clients: int) -> list[float]:
    """Send all requests from several callers, each waiting for its answer; return how long each took."""
    local, about = threading.local(), _about(s.client())

    def one(n: int) -> float:
        if not hasattr(local, "api"):
            local.api = s.client()
        began_s = time.monotonic()
        local.api("deployVirtualMachine", name=f"vm-{n}", **about)
        return time.monotonic() - began_s

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(one, range(vms)))


def _about(api: Client) -> dict[str, str]:
    """Return what all VMs are made from."""
    return {
        "zoneid": api.first("listZones", "zone")["id"],
        "templateid": furnish.template(api)["id"],
        "serviceofferingid": api.first("listServiceOfferings", "serviceoffering", name="Tiny Instance")["id"],
        "networkids": api.first("listNetworks", "network", listall=True)["id"],
    }


def _count(s: Stage, state: State) -> int:
    db = s.db()
    try:
        return (
            db.read(lambda session: session.scalar(select(func.count(Vm.id)).where(Vm.state == state))) or 0
        )
    finally:
        db.close()


def _limit(busy: dict[str, float]) -> str:
    """Say what the figures tell: a Python process computes on one core at a time."""
    if busy["server"] > 0.85:
        return "the one core that the server's Python computes on"
    if sum(busy.values()) > 0.9 * (os.cpu_count() or 1):
        return "the machine's cores, shared by server, simulator, database and callers"
    return "waiting: for the database's commits to be durable, and for hosts"
