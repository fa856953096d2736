"""The tenant of the routers' drills: a network that is up without a VM, and a guest that is a namespace.

The routers and every packet are real; the guest's address, MAC, forwardings and firewall are those of a VM that was
never started, so the guest costs the machine nothing and can be wherever the routers are not.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.agent.router.namespace import Namespace
from tegar.kernel.db import live
from tegar.lab.cloud import LabHost
from tegar.main import furnish
from tegar.main.client import Client
from tegar.main.drill import plug
from tegar.main.drill.stage import DrillError, Stage, offering
from tegar.main.local import service_environment, until
from tegar.model.host import State as HostState
from tegar.store.hosts import Host
from tegar.store.networks import Network, Nic
from tegar.store.routers import RouterGroup, of_group

PORT, STREAM_PORT = 80, 7000
SERVICES = ("Dhcp", "Dns", "UserData", "SourceNat", "PortForwarding", "Firewall", "Lb", "StaticNat")
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Tenant:
    """A network with its routers, and what its guest would be."""

    stage: Stage
    group_id: int
    vlan: int
    gateway: str
    prefix_len: int
    guest_ip: str
    guest_mac: str
    public_ip: str

    @property
    def watched(self) -> tuple[str, str]:
        """The addresses that only one router may hold: one on each side."""
        return self.gateway, self.public_ip

    def places(self) -> dict[str, Path]:
        """Return the routers' namespaces, as this machine reaches them, by the names of hosts with power."""
        names = self.stage.db.read(lambda s: [Namespace(r.uuid).name for r in of_group(s, self.group_id)])
        found = {}
        for host in self.stage.lab.hosts.values():
            if (pid := host.init_pid) is not None:
                for name in names:
                    path = Path(f"/proc/{pid}/root/run/netns/{name}")
                    if path.exists():
                        found[host.name] = path
        return found

    def where(self) -> list[str]:
        """Return the hosts that routers run on which have obeyed everything, as the cloud says, the leading one first."""
        return self.stage.db.read(lambda s: _where(s, self.group_id))

    @property
    def count(self) -> int:
        """How many routers there should be."""
        return self.stage.db.read(lambda s: 2 if s.get_one(RouterGroup, self.group_id).redundant else 1)

    def guest_on(self, host: LabHost) -> subprocess.Popen[str]:
        """Put the guest on a host, and let it answer until its input is closed.

        Raises:
            DrillError: it does not come up.
        """
        words = [
            host.guest_bridge,
            str(self.vlan),
            self.guest_mac,
            f"{self.guest_ip}/{self.prefix_len}",
            self.gateway,
        ]
        done = host.run(python("tegar.main.drill.plug", *words))
        if done.returncode != 0:
            raise DrillError(f"the guest cannot be plugged in on {host.name}: {done.stderr[-500:]}")
        serving = python("tegar.main.bench.traffic", "serve", str(PORT), str(STREAM_PORT))
        return started(host.enter(plug.enter(*serving)))

    def outside(self, *words: str) -> subprocess.Popen[str]:
        """Start an end of traffic in the world outside."""
        return started(self.stage.lab.outside(python("tegar.main.bench.traffic", *words)))


def python(module: str, *words: str) -> list[str]:
    """Return the words that run a module of this very code, wherever."""
    given = [f"{name}={value}" for name, value in service_environment().items()]
    return ["env", *given, sys.executable, "-P", "-m", module, *words]


def started(argv: Sequence[str]) -> subprocess.Popen[str]:
    """Start an end of traffic and wait until it is ready.

    Raises:
        DrillError: it ended instead.
    """
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise DrillError(f"{' '.join(argv[-4:])} did not start: {process.communicate()[1][-500:]}")
    return process


def _where(s: Session, group_id: int) -> list[str]:
    group, found = s.get_one(RouterGroup, group_id), []
    for router in of_group(s, group_id):
        host = s.get(Host, router.host_id) if router.host_id else None
        if host is not None and host.state == HostState.UP and router.applied >= group.desired:
            found.append((router.position != int(group.swapped), host.name))
    return [name for _, name in sorted(found)]


def tenant(stage: Stage, *, redundant: bool) -> Tenant:
    """Make the network with its rules, or find it, and wait until its routers run.

    Raises:
        DrillError: they do not.
    """
    api, name = stage.api, "drill-pair" if redundant else "drill-single"
    zone = api.first("listZones", "zone", name=furnish.ZONE)["id"]
    network = api.first("listNetworks", "network", keyword=name, listall=True)
    if network is None:
        stage.say(f"making the network {name}")
        network = api("createNetwork", name=name, displaytext=name, zoneid=zone,
                      networkofferingid=_network_offering(api, name, redundant=redundant))["network"]  # fmt: skip
    vm = _vm(api, name, zone, network["id"])
    ip = api.first(
        "listPublicIpAddresses", "publicipaddress", associatednetworkid=network["id"], listall=True
    )
    _rules(api, ip, vm)
    made = stage.db.read(lambda s: _tenant(s, stage, network["id"], vm, ip["ipaddress"]))
    if not until(lambda: len(made.where()) == made.count, PATIENCE_S, 0.2):
        raise DrillError(f"the routers of {name} run on {made.where()}")
    return made


def _network_offering(api: Client, name: str, *, redundant: bool) -> str:
    found = api.first("listNetworkOfferings", "networkoffering", name=name)
    if found is None:
        wish: dict[str, Any] = {
            f"serviceproviderlist[{n}].{key}": value for n, service in enumerate(SERVICES)
            for key, value in (("service", service), ("provider", "VirtualRouter"))
        }  # fmt: skip
        if redundant:
            pair = ("SourceNat", "RedundantRouter", "true")
            keys = ("service", "capabilitytype", "capabilityvalue")
            wish |= {f"servicecapabilitylist[0].{key}": value for key, value in zip(keys, pair, strict=True)}
        found = api("createNetworkOffering", name=name, displaytext=name, guestiptype="Isolated",
                    traffictype="Guest", supportedservices=",".join(SERVICES), ispersistent=True, enable=True,
                    **wish)["networkoffering"]  # fmt: skip
    return str(found["id"])


def _vm(api: Client, name: str, zone: str, network: str) -> Any:
    """Return a VM that has never run: the guest has its address and its rules."""
    found = api.first("listVirtualMachines", "virtualmachine", name=name, listall=True)
    if found is None:
        found = api.job(
            "deployVirtualMachine", name=name, zoneid=zone, networkids=network, startvm=False,
            templateid=furnish.template(api)["id"], serviceofferingid=offering(api),
        )["virtualmachine"]  # fmt: skip
    return found


def _rules(api: Client, ip: Any, vm: Any) -> None:
    have = api("listPortForwardingRules", ipaddressid=ip["id"], listall=True).get("portforwardingrule", [])
    for port in {PORT, STREAM_PORT} - {int(rule["publicport"]) for rule in have}:
        api.job(
            "createPortForwardingRule", ipaddressid=ip["id"], protocol="tcp", publicport=port, privateport=port,
            virtualmachineid=vm["id"], openfirewall=True,
        )  # fmt: skip


def _tenant(s: Session, stage: Stage, uuid: str, vm: Any, public_ip: str) -> Tenant:
    network = s.scalars(select(Network).where(Network.uuid == uuid)).one()
    nic = s.scalars(select(Nic).where(Nic.network_id == network.id, Nic.vm_id.is_not(None), live(Nic))).one()
    if network.group_id is None or not network.vlan:
        raise DrillError(f"network {network.name} is not implemented")
    prefix_len = int(network.cidr.partition("/")[2])
    return Tenant(
        stage, network.group_id, int(network.vlan), network.gateway, prefix_len, nic.ip, nic.mac, public_ip
    )
