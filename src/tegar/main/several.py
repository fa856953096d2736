"""Several management servers on this machine: a MariaDB of their own, and HAProxy in front."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from tegar.lab import mariadb
from tegar.main.balancer import CONFIGURATION, Balanced, render
from tegar.main.local import LocalError, Place, processes, spawn, tegar, until

DATABASE, BALANCER = "mariadb", "haproxy"
MOST = 9

Say = Callable[[str], None]


@dataclass(frozen=True)
class Several:
    """The servers of a cloud, by their number from 1: each has an address of its own inside this machine.

    ``gateway`` is where agents report, empty for none; ``sim`` the address of a simulator, or empty.
    """

    place: Place
    count: int
    port: int
    sim: str = ""
    gateway: str = ""
    agent_port: int = 8251

    @property
    def names(self) -> list[str]:
        """Their names, by which their processes are found, too."""
        return [f"s{n}" for n in range(1, self.count + 1)]

    def address(self, name: str) -> str:
        """Return where a server answers."""
        return f"127.0.0.1{name[1:]}"

    def state(self, name: str) -> Path:
        """Return a server's state directory; the first one's is where the only one's would be."""
        return self.place.state if name == "s1" else self.place.root / f"server{name[1:]}"

    def url(self, name: str) -> str:
        """Return a server's own address, past the balancer."""
        return f"http://{self.address(name)}:{self.port}"


def why_not() -> str:
    """Return why there can be only one server here, or nothing."""
    absent = "" if shutil.which("haproxy") else "haproxy missing: apt-get install haproxy"
    return absent or mariadb.missing()


def start(cloud: Several, say: Say) -> None:
    """Start the database, the servers and the balancer, as far as they do not run.

    Raises:
        LocalError: something is missing or did not come up.
    """
    if reason := why_not():
        raise LocalError(f"--servers {cloud.count} is not possible: {reason}")
    url = _database(cloud, say)
    for name in cloud.names:
        _write_settings(cloud, name, url)
    _upgrade(cloud)
    start_server(cloud, "s1")
    wait_ready(cloud, "s1")  # it makes the vault and the first administrator
    for name in cloud.names[1:]:
        key = cloud.state(name) / "vault.key"
        if not key.exists():
            shutil.copy(cloud.state("s1") / "vault.key", key)
        start_server(cloud, name)
    for name in cloud.names[1:]:
        wait_ready(cloud, name)
    _balancer(cloud)
    say(f"{cloud.count} management servers behind HAProxy on http://127.0.0.1:{cloud.port}")


def start_server(cloud: Several, name: str) -> None:
    """Start one server, unless it runs."""
    if not processes(cloud.place, name):
        spawn(cloud.place, name, tegar("server", "--state-dir", str(cloud.state(name))))


def wait_ready(cloud: Several, name: str) -> None:
    """Wait until a server says that it is ready.

    Raises:
        LocalError: it did not within a minute.
    """
    url = f"{cloud.url(name)}/readyz"
    if not until(lambda: is_ready(url) or not processes(cloud.place, name), 60) or not is_ready(url):
        raise LocalError(f"management server {name} did not become ready: see {cloud.place.log(name)}")


def is_ready(url: str) -> bool:
    """Return whether a server, or one behind a balancer, is ready."""
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _database(cloud: Several, say: Say) -> str:
    """Start MariaDB on a socket in the cloud's directory; return the address of the database."""
    root = cloud.place.root / "db"
    if not (root / "data" / "mysql").exists():
        shutil.rmtree(root, ignore_errors=True)
        say("making a database")
        mariadb.install(root)
    if not processes(cloud.place, DATABASE):
        spawn(cloud.place, DATABASE, mariadb.words(root))
    if not until(lambda: mariadb.ask(root, "SELECT 1").returncode == 0, mariadb.START_WITHIN_S):
        raise LocalError(f"MariaDB did not start: see {cloud.place.log(DATABASE)}")
    return mariadb.create(root, "tegar")


def _write_settings(cloud: Several, name: str, url: str) -> None:
    settings: dict[str, object] = {
        "database": url, "name": name, "listen": cloud.address(name), "port": cloud.port, "sim": cloud.sim,
    }  # fmt: skip
    if cloud.gateway:
        settings |= {
            "agent_listen": cloud.address(name), "agent_port": cloud.agent_port, "address": cloud.gateway,
        }  # fmt: skip
    cloud.state(name).mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in settings.items()]
    (cloud.state(name) / "server.toml").write_text("".join(lines))


def _upgrade(cloud: Several) -> None:
    words = tegar("db", "upgrade", "--state-dir", str(cloud.state("s1")))
    pid = spawn(cloud.place, "upgrade", words)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        raise LocalError(f"the database could not be brought up to date: see {cloud.place.log('upgrade')}")


def _balancer(cloud: Several) -> None:
    file = cloud.place.root / "haproxy.cfg"
    balanced = Balanced(
        api=f"127.0.0.1:{cloud.port}",
        servers={name: cloud.address(name) for name in cloud.names},
        port=cloud.port,
        agents=f"{cloud.gateway}:{cloud.agent_port}" if cloud.gateway else "",
        agent_port=cloud.agent_port,
    )
    file.write_text(render(CONFIGURATION.read_text(), balanced))
    if not processes(cloud.place, BALANCER):
        spawn(cloud.place, BALANCER, ["haproxy", "-db", "-f", str(file)])
    if not until(lambda: is_ready(f"http://127.0.0.1:{cloud.port}/readyz"), 30):
        raise LocalError(f"HAProxy does not answer: see {cloud.place.log(BALANCER)}")
