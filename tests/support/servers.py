"""A cloud of several processes: a simulated world, management servers that may be killed, and a watcher."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from support.cloud import KEY, Caller, Cloud
from support.crash_server import Order
from support.signed import flat, sign
from support.until import until
from tegar.kernel.clock import WallClock
from tegar.kernel.db import Db
from tegar.kernel.saga import OPEN, SagaRow, poke_with
from tegar.kernel.secret import Vault
from tegar.ops.bootstrap import bootstrap
from tegar.sim.links import RemoteSimLinks
from tegar.sim.world import World
from tegar.store.hosts import Hold, Host, HostUse
from tegar.store.pools import PoolUse
from tegar.store.vms import Vm
from tegar.store.volumes import Volume

TESTS = Path(__file__).parent.parent


def _environment() -> dict[str, str]:
    import tegar

    src = str(Path(tegar.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": f"{src}{os.pathsep}{TESTS}", "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@dataclass(eq=False)
class Server:
    """One management server of the nursery."""

    pid: int
    note: Path
    order: Order

    def alive(self) -> bool:
        """Return whether the process is there."""
        return Path(f"/proc/{self.pid}").exists()

    def up(self) -> str:
        """Return its name among the servers as soon as it serves."""
        file = Path(f"{self.note}.up")
        return until(lambda: file.exists() and file.read_text(), f"server {self.pid} serves")

    def moment_s(self) -> float:
        """Return when it met its end, on the monotonic clock of this machine."""
        until(self.note.exists, f"the server came to {self.order.at}; {self.said()[-3000:]}", within_s=30)
        return float(self.note.read_text())

    def said(self) -> str:
        """Return what it logged."""
        file = Path(f"{self.note}.log")
        return file.read_text() if file.exists() else ""

    def send(self, what: signal.Signals) -> None:
        """Send it a signal."""
        if self.alive():
            os.kill(self.pid, what)


@dataclass
class Remote(Cloud):
    """The watcher: asks the API in this process, and runs no saga itself."""

    url: str
    tmp: Path
    servers: list[Server] = field(default_factory=list)

    def __post_init__(self) -> None:
        port = free_port()
        self.sim = f"http://127.0.0.1:{port}"
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tegar.sim", "--listen", f"127.0.0.1:{port}", "--hosts", "3"],
                env=_environment(),
            )
        ]
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "support.crash_server"],
            env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._processes.append(self._nursery)
        clock = WallClock()
        db = Db(self.url, clock)
        db.tx(lambda s: bootstrap(s, Vault(KEY), clock.now_s(), admin_password="password"))
        super().__init__(db, World(), clock)  # type: ignore[arg-type]
        poke_with(None)
        self.remote_links = RemoteSimLinks(self.sim)
        self.links = self.remote_links  # type: ignore[assignment]
        until(self._sim_is_up, "the simulator answers")

    def _sim_is_up(self) -> bool:
        try:
            return httpx.get(f"{self.sim}/healthz", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def listen(self) -> None:
        """Sagas are run by others."""

    def close(self) -> None:
        """End all processes."""
        for server in self.servers:
            server.send(signal.SIGKILL)
        for process in self._processes:
            process.kill()
            process.wait()
        for stream in (self._nursery.stdin, self._nursery.stdout):
            if stream:
                stream.close()
        self.remote_links.close()
        self.db.close()

    # ── servers ──

    def server(self, **wish: Any) -> Server:
        """Fork a management server; ``command`` with its parameters is what it asks itself first."""
        note = self.tmp / f"server{len(self.servers)}"
        params = wish.pop("params", None)
        signed = sign(flat(params), self.admin.api_key, self.admin.secret) if params else None
        order = Order(self.url, self.sim, str(note), params=signed, **wish)
        assert self._nursery.stdin
        assert self._nursery.stdout
        self._nursery.stdin.write(json.dumps(asdict(order)) + "\n")
        self._nursery.stdin.flush()
        server = Server(int(self._nursery.stdout.readline()), note, order)
        self.servers.append(server)
        return server

    # ── what there is ──

    def control(self, **orders: Any) -> None:
        """Order faults of the simulated world."""
        answer = httpx.post(f"{self.sim}/control", json=orders, trust_env=False)
        assert answer.is_success, answer.text

    def state(self) -> dict[str, Any]:
        """Return the simulated world."""
        found: dict[str, Any] = httpx.get(f"{self.sim}/state", trust_env=False).json()
        return found

    def sagas(self) -> list[SagaRow]:
        """Return all sagas."""
        return list(self.db.read(lambda s: s.scalars(select(SagaRow).order_by(SagaRow.id)).all()))

    def open_sagas(self) -> list[SagaRow]:
        """Return the sagas that have not ended."""
        return [saga for saga in self.sagas() if saga.state in OPEN]

    def wait(self, caller: Caller, answer: Any, *, within_s: float = 30) -> Any:
        """Follow a job to its end as clients do."""

        def over() -> Any:
            job = caller.api("queryAsyncJobResult", jobid=answer["jobid"])
            return job if job["jobstatus"] != 0 else None

        return until(over, f"job {answer['jobid']} ends", within_s=within_s)

    def leftovers(self) -> list[str]:
        """Return what does not belong: every disagreement between the database and the world."""
        world = self.state()
        return [*world["violations"], *self.db.read(lambda s: _leftovers(s, world))]


def _leftovers(s: Session, world: dict[str, Any]) -> list[str]:
    found: list[str] = []
    hosts = {h.id: h.name for h in s.scalars(select(Host))}
    vms = {vm.uuid: vm for vm in s.scalars(select(Vm))}
    runs: dict[str, list[str]] = {}
    for name, host in world["hosts"].items():
        for uuid in host["domains"]:
            runs.setdefault(uuid, []).append(name)
    for uuid in sorted({*runs, *vms}):
        vm = vms.get(uuid)
        wanted = [hosts[vm.host_id or 0]] if vm and vm.state == "Running" else []
        if runs.get(uuid, []) != wanted:
            found.append(f"VM {vm.name if vm else uuid} runs on {runs.get(uuid, [])}, not {wanted}")
        if vm and vm.state not in ("Running", "Stopped", "Error", "Destroyed", "Expunged"):
            found.append(f"VM {vm.name} is {vm.state}")
    files = {uuid for pool in world["pools"].values() for uuid in pool["disks"]}
    ready = {v.uuid for v in s.scalars(select(Volume)) if v.state == "Ready" and v.removed_s is None}
    found += [f"file {uuid} belongs to no volume" for uuid in sorted(files - ready)]
    found += [f"volume {uuid} has no file" for uuid in sorted(ready - files)]
    held = {(h.vm_id, h.host_id) for h in s.scalars(select(Hold))}
    running = {(vm.id, vm.host_id) for vm in vms.values() if vm.state == "Running"}
    found += [f"VM {vm} holds room on host {host}" for vm, host in sorted(held - running)]
    found += [f"VM {vm} holds no room on host {host}" for vm, host in sorted(running - held)]
    for use in s.scalars(select(HostUse)):
        total = s.scalar(select(func.sum(Hold.memory_bytes)).where(Hold.host_id == use.host_id)) or 0
        if total != use.memory_bytes:
            found.append(f"host {use.host_id}: {use.memory_bytes} bytes promised, {total} held")
    for pool in s.scalars(select(PoolUse)):
        total = s.scalar(select(func.sum(Volume.held_bytes)).where(Volume.pool_id == pool.pool_id)) or 0
        if total != pool.allocated_bytes:
            found.append(f"pool {pool.pool_id}: {pool.allocated_bytes} bytes promised, {total} held")
    return found
