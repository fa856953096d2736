"""The cloud that a drill hurts: of its own directory, with guests that write all the time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from tegar.kernel.db import Db
from tegar.kernel.lease import Lease
from tegar.lab.cloud import Lab, LabHost, attach
from tegar.main import furnish, several
from tegar.main.client import ApiFailed, Client
from tegar.main.config import config_in
from tegar.main.drill.prober import get
from tegar.main.local import Place, free_port, processes, until
from tegar.main.several import Several
from tegar.main.up import up
from tegar.store.leases import HostLease

OFFERING, WRITE_PERIOD_MS = "Drill", 200
RESTORE_S = 240.0
PATIENCE_S = 15.0
"""What is Stopped for so long after a run will not be started by anybody else."""
Say = Callable[[str], None]


class DrillError(Exception):
    """The drill cannot go on; the text says why."""


@dataclass(frozen=True)
class Needs:
    """What a drill needs: hosts, management servers, VMs that are started elsewhere, baseboard controllers."""

    hosts: int = 2
    servers: int = 1
    vms: int = 1
    bmc: bool = False


@dataclass(frozen=True)
class Options:
    """What who runs a drill chose; ``hold_s`` is how long a fault lasts where that is a choice (0: as usual)."""

    runs: int
    hold_s: float = 0.0
    bmc: bool = False


@dataclass(frozen=True)
class Guest:
    """A VM of the drill."""

    uuid: str
    name: str
    address: str


@dataclass
class Stage:
    """The cloud, and handles to all of it."""

    place: Place
    api: Client
    lab: Lab
    db: Db
    say: Say
    servers: Several | None = None
    guests: list[Guest] = field(default_factory=list)

    def host_of(self, guest: Guest) -> LabHost:
        """Return the host that a VM runs on, as the cloud says.

        Raises:
            DrillError: it runs on none.
        """
        name = self.vm(guest).get("hostname")
        if name not in self.lab.hosts:
            raise DrillError(f"{guest.name} is on no host")
        return self.lab.hosts[str(name)]

    def vm(self, guest: Guest) -> dict[str, Any]:
        """Return a VM as the API shows it."""
        found: dict[str, Any] = self.api.first(
            "listVirtualMachines", "virtualmachine", id=guest.uuid, listall=True
        )
        return found

    def places(self) -> dict[str, str]:
        """Return the names of hosts by their PID namespaces."""
        found = {}
        for host in self.lab.hosts.values():
            with suppress(OSError):
                if (pid := host.init_pid) is not None:
                    found[os.readlink(f"/proc/{pid}/ns/pid")] = host.name
        return found

    def leader(self) -> tuple[str, list[int]]:
        """Return the server whose HA manager leads, by name and processes.

        Raises:
            DrillError: none does.
        """
        ours = select(Lease.holder).where(Lease.name == "ha", Lease.holder != "")
        holder = self.db.read(lambda s: s.scalars(ours).first())
        if holder is None:
            raise DrillError("no server leads")
        if alone := processes(self.place, "server"):
            return "server", alone
        found = text("SELECT address FROM server WHERE run = :run")
        address = self.db.read(lambda s: s.execute(found, {"run": holder}).scalar())
        name = f"s{str(address)[-1]}"
        return name, processes(self.place, name)

    def settled(self) -> str:
        """Return why the cloud is not whole, empty when it is."""
        for host in self.api("listHosts", type="Routing", pagesize=-1).get("host", []):
            if host["state"] != "Up" or host["resourcestate"] != "Enabled":
                return f"host {host['name']} is {host['state']}, {host['resourcestate']}"
        leases = self.db.read(lambda s: [row.state for row in s.scalars(select(HostLease))])
        if any(state != "live" for state in leases):
            return f"the leases of hosts are {', '.join(leases)}"
        for guest in self.guests:
            if (state := self.vm(guest)["state"]) != "Running":
                return f"{guest.name} is {state}"
            if get(guest.address, "/") is None:
                return f"{guest.name} does not answer"
        return ""

    def restore(self) -> None:
        """Mend everything and wait until the cloud is whole.

        Raises:
            DrillError: it does not become so.
        """
        self.lab.heal()
        dark = [host for host in self.lab.hosts.values() if not host.powered()]
        for host in dark:
            host.power_on()
        for witness in self.lab.witnesses.values():
            witness.power_on()
        if self.servers is not None:
            for name in self.servers.names:
                several.start_server(self.servers, name)
                several.wait_ready(self.servers, name)
        why = ["?"]
        end_s, helped = time.monotonic() + RESTORE_S, False

        def whole() -> bool:
            nonlocal helped
            with suppress(ApiFailed):
                why[0] = self.settled()
            if (
                why[0].endswith("is Stopped")
                and not helped
                and time.monotonic() > end_s - RESTORE_S + PATIENCE_S
            ):
                helped = True  # nobody started it again, which its run has said: the next run wants it
                self._start_stopped()
            return not why[0]

        if not until(whole, RESTORE_S, 0.3):
            raise DrillError(f"the cloud did not become whole again: {why[0]}")

    def _start_stopped(self) -> None:
        for guest in self.guests:
            if self.vm(guest)["state"] == "Stopped":
                with suppress(ApiFailed):
                    self.api.job("startVirtualMachine", id=guest.uuid)


def open_stage(root: Path, needs: Needs, say: Say) -> Stage:
    """Start the cloud, or complete it, and its guests.

    Raises:
        DrillError: a drill needs real hosts, and they cannot be had here.
    """
    place = Place(root.absolute())
    facts = _kept(place, needs)
    if facts is None:
        more: dict[str, Any] = {"servers": needs.servers} if needs.servers > 1 else {}
        bmc = "ipmi" if needs.bmc else ""
        facts = up(place, hosts=needs.hosts, simulated=False, port=free_port(0), say=say, bmc=bmc, **more)
    lab = attach(place.lab)
    if facts["simulated"] or lab is None:
        raise DrillError("this drill needs real hosts: root, and the packages of the lab")
    api = Client(facts["endpoint"], facts["apikey"], facts["secretkey"])
    servers = Several(place, needs.servers, int(facts["port"])) if needs.servers > 1 else None
    stage = Stage(place, api, lab, Db(config_in(place.state).url), say, servers)
    _quiet_hello(api)
    stage.guests += [_guest(api, f"drill{i}", say) for i in range(1, needs.vms + 1)]
    for guest in stage.guests:
        if not until(lambda g=guest: get(g.address, f"/cgi-bin/writer?ms={WRITE_PERIOD_MS}"), 180, 0.3):  # type: ignore[misc]
            raise DrillError(f"{guest.name} does not answer at {guest.address}")
    stage.restore()
    return stage


def _kept(place: Place, needs: Needs) -> dict[str, Any] | None:
    """Return the facts of a cloud that an earlier drill left here and that will do as it is."""
    lab = attach(place.lab)
    if lab is None or not place.facts.exists() or len(lab.hosts) < needs.hosts:
        return None
    if needs.bmc and not lab.bmcs:
        return None
    facts: dict[str, Any] = json.loads(place.facts.read_text())
    whole = "vm" in facts and bool(processes(place)) and all(h.powered() for h in lab.hosts.values())
    return facts if whole and int(facts.get("servers", 1)) == needs.servers else None


def _quiet_hello(api: Client) -> None:
    """Stop the VM that every new cloud has: it would only take time from the others."""
    vm = api.first("listVirtualMachines", "virtualmachine", name=furnish.VM, listall=True)
    if vm is not None and vm["state"] == "Running":
        api.job("stopVirtualMachine", id=vm["id"], forced=True)


def wish(api: Client) -> dict[str, Any]:
    """Return what VMs of drills are made from, as parameters of their deployment."""
    return {
        "zoneid": api.first("listZones", "zone", name=furnish.ZONE)["id"],
        "networkids": api.first("listNetworks", "network", keyword=furnish.NETWORK, listall=True)["id"],
        "templateid": furnish.template(api)["id"],
        "serviceofferingid": offering(api),
    }


def _guest(api: Client, name: str, say: Say) -> Guest:
    vm = api.first("listVirtualMachines", "virtualmachine", name=name, listall=True)
    if vm is None:
        say(f"deploying {name}")
        vm = api.job("deployVirtualMachine", name=name, **wish(api))["virtualmachine"]
    elif vm["state"] == "Stopped":
        vm = api.job("startVirtualMachine", id=vm["id"])["virtualmachine"]
    return Guest(vm["id"], name, vm["nic"][0]["ipaddress"])


def offering(api: Client) -> str:
    """Return the offering whose VMs are started elsewhere, made if it is not there."""
    found = api.first("listServiceOfferings", "serviceoffering", name=OFFERING)
    if found is None:
        found = api(
            "createServiceOffering", name=OFFERING, displaytext="started again elsewhere", cpunumber=1,
            cpuspeed=100, memory=128, offerha=True,
        )["serviceoffering"]  # fmt: skip
    return str(found["id"])
