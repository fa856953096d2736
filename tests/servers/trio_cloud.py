"""Three management servers on MariaDB behind HAProxy, on simulated hosts, and ways to each."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any

import httpx

from tegar.main.client import Client
from tegar.main.local import processes
from tegar.main.several import Several


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
