"""A server and a simulator in a directory of their own, for one measurement."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tegar.kernel.db import Db
from tegar.kernel.secret import Vault
from tegar.main import schema
from tegar.main.client import Client
from tegar.main.local import LocalError, Place, end, free_port, processes, spawn, tegar, until
from tegar.ops.bootstrap import admin_keys

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Stage:
    """Where a measurement happens.  ``database`` is empty for SQLite."""

    place: Place
    database: str
    port: int
    sim_port: int

    @property
    def endpoint(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self.port}/client/api"

    def start_sim(self, hosts: int) -> None:
        """Start the simulator."""
        spawn(
            self.place, "sim", tegar("sim", "--listen", f"127.0.0.1:{self.sim_port}", "--hosts", str(hosts))
        )

    def start_server(self) -> int:
        """Start the server and return its pid at once."""
        words = ["--state-dir", str(self.place.state), "--port", str(self.port)]
        words += ["--sim", f"http://127.0.0.1:{self.sim_port}"]
        words += ["--database", self.database] if self.database else []
        return spawn(self.place, "server", tegar("server", *words))

    def answers(self) -> bool:
        """Return whether the server answers a request of the API."""
        try:
            return httpx.get(self.endpoint, trust_env=False, timeout=5).status_code == 401
        except httpx.HTTPError:
            return False

    def wait(self) -> None:
        """Wait until it does."""
        if not until(self.answers, 60, 0.01):
            raise LocalError(f"the server did not start: {self.place.log('server').read_text()[-2000:]}")

    def url(self) -> str:
        """Return the database's URL."""
        return self.database or f"sqlite:///{self.place.state / 'tegar.db'}"

    def db(self) -> Db:
        """Open the database from here, to look."""
        return Db(self.url())

    def client(self) -> Client:
        """Return a client of the administrator."""
        db, vault = self.db(), Vault.at(self.place.state / "vault.key")
        keys = db.read(lambda s: admin_keys(s, vault))
        db.close()
        return Client(self.endpoint, *keys)


@contextmanager
def stage(database: str = "") -> Iterator[Stage]:
    """Make a stage; afterwards nothing of it is left."""
    root = Path(tempfile.mkdtemp(prefix="tegar-bench-"))
    made = Stage(Place(root), database, free_port(0), free_port(0))
    try:
        if database:
            schema.upgrade(made.db())
        yield made
    finally:
        end(processes(made.place))
        shutil.rmtree(root, ignore_errors=True)


def cpu_s(pid: int) -> float:
    """Return the CPU time a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) * TICK_S


def rss_bytes(pid: int) -> int:
    """Return the memory a process occupies."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def percentile(values: list[float], p: float) -> float:
    """Return the value below which *p* percent of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]
