"""A cloud of three management servers on MariaDB behind HAProxy, on simulated hosts."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.until import until
from tegar.main import several
from tegar.main.client import Client
from tegar.main.down import take_down
from tegar.main.local import Place, free_port, processes
from tegar.main.several import Several
from tegar.main.up import up


@dataclass
class Trio:
    """Three servers, and ways to each of them."""

    cloud: Several
    facts: dict[str, Any]

    def client(self, name: str = "") -> Client:
        """Return a client of the administrator, of one server or of the balancer."""
        endpoint = f"{self.cloud.url(name)}/client/api" if name else self.facts["endpoint"]
        return Client(endpoint, self.facts["apikey"], self.facts["secretkey"], timeout_s=20)

    def ready(self, name: str) -> httpx.Response:
        """Ask a server whether it is ready."""
        return httpx.get(f"{self.cloud.url(name)}/readyz", trust_env=False, timeout=10)

    def kill(self, name: str) -> None:
        """End a server as a power cut does."""
        for pid in processes(self.cloud.place, name):
            os.kill(pid, signal.SIGKILL)

    def row(self, name: str, by: str = "") -> Any:
        """Return what a server (or the balancer) says of one."""
        return self.client(by).first("listManagementServers", "managementserver", name=name)

    def sim(self, **orders: Any) -> None:
        """Order the simulated world."""
        url = f"http://127.0.0.1:{self.facts['sim_port']}/control"
        httpx.post(url, json=orders, trust_env=False).raise_for_status()

    def wish(self, name: str) -> dict[str, Any]:
        """Return parameters that deploy a VM like the first one."""
        vm = self.client().first("listVirtualMachines", "virtualmachine", id=self.facts["vm"])
        return {
            "name": name, "zoneid": vm["zoneid"], "templateid": vm["templateid"],
            "serviceofferingid": vm["serviceofferingid"], "networkids": vm["nic"][0]["networkid"],
        }  # fmt: skip


@pytest.fixture(scope="session")
def made() -> Iterator[Trio]:
    if reason := several.why_not():
        pytest.skip(reason)
    place = Place(Path(tempfile.mkdtemp(prefix="tegar-trio-")))
    try:
        facts = up(place, hosts=2, simulated=True, port=free_port(0), servers=3, say=print)
        yield Trio(Several(place, 3, facts["port"]), {**facts, "vm": _first_vm(facts)})
    finally:
        take_down(place, print)
        shutil.rmtree(place.root, ignore_errors=True)


def _first_vm(facts: dict[str, Any]) -> str:
    client = Client(facts["endpoint"], facts["apikey"], facts["secretkey"])
    found: str = client.first("listVirtualMachines", "virtualmachine", listall=True)["id"]
    return found


@pytest.fixture
def trio(made: Trio) -> Iterator[Trio]:
    """All three are Up and ready, before and afterwards."""
    yield made
    made.sim(times={"start_s": 0.0})
    for name in made.cloud.names:
        several.start_server(made.cloud, name)
        row = made.row(name)
        if row["state"] in ("PreparingForShutDown", "ReadyToShutDown"):
            made.client()("cancelShutdown", managementserverid=row["id"])
        until(lambda n=name: _is_up(made, n), f"{name} is ready again")  # type: ignore[misc]


def _is_up(made: Trio, name: str) -> bool:
    try:
        return made.ready(name).is_success and made.row(name)["state"] == "Up"
    except httpx.HTTPError:
        return False
