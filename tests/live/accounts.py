"""Accounts of a whole cloud with networks and guests of their own, and the world that these talk to."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wires import PEERS

from support.until import until
from tegar.lab.cloud import Lab
from tegar.main.client import Client

OFFERING = "DefaultIsolatedNetworkOfferingWithSourceNatService"
BOOT_S, SOON_S, NEVER_S, PATIENCE_S = 240.0, 60.0, 3, 8
T = TypeVar("T")
SSH = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes",
       "ConnectTimeout=15", "IdentitiesOnly=yes")  # fmt: skip


def becomes(read: Callable[[], T], wanted: T, within_s: float = SOON_S) -> None:
    """Wait until what is read is what is wanted; fail with what was read last."""
    seen: list[T] = []

    def is_so() -> bool:
        seen.append(read())
        return seen[-1] == wanted

    try:
        until(is_so, f"{wanted!r}", within_s=within_s)
    except AssertionError as e:
        raise AssertionError(f"{e}, but {seen[-1]!r} after {len(seen)} looks") from None


@dataclass
class World:
    """A cloud, and the world outside of it, which has two addresses."""

    root: Path
    built: Lab
    admin: Client

    @property
    def ip(self) -> str:
        """The address at which guests find the world."""
        return self.built.topology.public_gateway

    @property
    def other_ip(self) -> str:
        """Its other address."""
        return str(ipaddress.IPv4Address(self.ip) + 2)

    def meet(self) -> None:
        """Give the world its other address."""
        length = self.built.topology.public_cidr.partition("/")[2]
        done = self.outside("ip", "addr", "add", f"{self.other_ip}/{length}", "dev", "public0")
        assert done.returncode == 0, done.stderr

    def outside(self, *argv: str, patience_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program in the world outside."""
        words = self.built.outside(argv)
        return subprocess.run(words, capture_output=True, text=True, timeout=patience_s, check=False)

    @contextmanager
    def answering(self, port: int) -> Iterator[None]:
        """Let the world answer at a port with its name and the asker's address."""
        with serving(self.built.outside([sys.executable, PEERS, "serve", "world", "tcp", str(port)])):
            yield

    def name_at(self, ip: str, port: int = 80, *, by: str = "") -> str:
        """Return the name of the guest whose page the world finds there, empty when there is none.

        Args:
            ip: where it looks.
            port: at which port.
            by: which of its addresses it has; the first if none is said.
        """
        page = self.outside(
            "curl", "-s", "-m", str(NEVER_S), "--interface", by or self.ip, f"http://{ip}:{port}/"
        ).stdout
        return page.splitlines()[0].partition(": ")[2] if page.startswith("name: ") else ""

    def first(self, command: str, key: str, **params: Any) -> Any:
        """Return the first row of a list."""
        return self.admin.first(command, key, **params)


@contextmanager
def serving(argv: list[str]) -> Iterator[None]:
    """Run a server of ``peers.py`` that has said it is ready."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield
        finally:
            server.kill()


@dataclass
class Tenant:
    """An account with a network and a VM on each host; the first one lets its owner in by SSH."""

    world: World
    api: Client
    key: Path
    network: Any
    vms: list[Any]
    ip: Any

    def run(self, command: str) -> str:
        """Run a command in the first VM, from the world, through a forwarded port."""
        options = [word for option in SSH for word in ("-o", option)]
        words = ["ssh", "-F", "none", "-i", str(self.key), *options, "-p", "2222"]

        def done() -> subprocess.CompletedProcess[str] | None:
            ran = self.world.outside(*words, f"root@{self.ip['ipaddress']}", command, patience_s=120)
            return None if ran.returncode == 255 else ran

        return until(done, f"{self.vms[0]['name']} lets us in", within_s=BOOT_S).stdout

    def names(self, *ips: str) -> list[str]:
        """Return the names of the guests whose pages the first VM finds, empty where none; it asks all at once."""
        asks = " ".join(f"timeout {PATIENCE_S} wget -q -O /run/{ip} http://{ip}/ 2>/dev/null &" for ip in ips)
        shown = "; ".join(f"echo $(head -n1 /run/{ip} 2>/dev/null)" for ip in ips)
        away = " ".join(f"/run/{ip}" for ip in ips)
        said = self.run(f"rm -f {away}; {asks} wait; {shown}")
        return [line.removeprefix("name: ") for line in said.splitlines()]

    def name(self, ip: str) -> str:
        """Return the name of the guest whose page the first VM finds at an address, empty when there is none."""
        return self.names(ip)[0]

    def hears(self, ip: str, port: int) -> str:
        """Return what the first VM is told by a server that speaks first, empty when there is none."""
        return self.run(f"timeout {PATIENCE_S} nc {ip} {port} </dev/null 2>/dev/null || true")

    def connects(self, *ends: tuple[str, int]) -> set[tuple[str, int]]:
        """Return to which addresses and ports the first VM can connect; it tries all at once."""
        tries = " ".join(
            f"timeout {PATIENCE_S} nc {ip} {port} -e sh -c 'echo {ip} {port} >>/run/connected' 2>/dev/null &"
            for ip, port in ends
        )
        lines = self.run(f": >/run/connected; {tries} wait; cat /run/connected").splitlines()
        return {(ip, int(port)) for ip, port in map(str.split, lines)}

    def address_of(self, n: int) -> str:
        """Return the n-th VM's address."""
        return str(self.vms[n]["nic"][0]["ipaddress"])

    def forward(self, public: int, private: int, *, n: int = 0, opened: bool = True) -> Any:
        """Let a port of the address lead to one of the n-th VM."""
        rule = self.api.job(
            "createPortForwardingRule", ipaddressid=self.ip["id"], protocol="tcp", publicport=public,
            privateport=private, virtualmachineid=self.vms[n]["id"], openfirewall=False,
        )["portforwardingrule"]  # fmt: skip
        if opened:
            self.open(public)
        return rule

    def open(self, port: int, ip: Any = None, source: str = "0.0.0.0/0") -> Any:
        """Let packets from a CIDR in to a port of an address."""
        return self.api.job(
            "createFirewallRule", ipaddressid=(ip or self.ip)["id"], protocol="tcp", startport=port, endport=port,
            cidrlist=source,
        )["firewallrule"]  # fmt: skip


def tenant(world: World, name: str) -> Tenant:
    """Make an account with a network, and a VM on each of two hosts."""
    made = world.admin("createAccount", username=name, account=name, password="a-long-word", email="a@b.test",
                       firstname=name, lastname=name, accounttype=0)["account"]  # fmt: skip
    keys = world.admin("registerUserKeys", id=made["user"][0]["id"])["userkeys"]
    api = Client(world.admin.endpoint, keys["apikey"], keys["secretkey"])
    key = world.root / f"{name}.key"
    key.touch(mode=0o600)
    key.write_text(api("createSSHKeyPair", name="mine")["keypair"]["privatekey"])
    zone = world.first("listZones", "zone")["id"]
    offering = world.first("listNetworkOfferings", "networkoffering", name=OFFERING)["id"]
    network = api("createNetwork", name="own", displaytext="own", zoneid=zone, networkofferingid=offering)[
        "network"
    ]
    wish = {
        "zoneid": zone, "networkids": network["id"], "keypair": "mine",
        "templateid": world.first("listTemplates", "template", templatefilter="all")["id"],
        "serviceofferingid": world.first("listServiceOfferings", "serviceoffering", name="Tiny Instance")["id"],
    }  # fmt: skip
    vms = []
    for n, host in enumerate(("h1", "h2"), 1):
        vm = api("deployVirtualMachine", name=f"{name}-{n}", startvm=False, **wish)
        api.wait("deployVirtualMachine", vm["jobid"])
        at = world.first("listHosts", "host", name=host)["id"]
        vms.append(world.admin.job("startVirtualMachine", id=vm["id"], hostid=at)["virtualmachine"])
    ip = api.first("listPublicIpAddresses", "publicipaddress", associatednetworkid=network["id"])
    found = Tenant(world, api, key, network, vms, ip)
    found.forward(2222, 22)
    return found


@dataclass
class More:
    """A network more of a tenant, with a NIC of each VM; public addresses there are elastic."""

    tenant: Tenant
    network: Any
    nics: list[Any]

    device = "eth1"
    """What the first VM calls its NIC there."""

    def addresses(self) -> list[Any]:
        """Return the public addresses of the network."""
        listed = self.tenant.api(
            "listPublicIpAddresses", associatednetworkid=self.network["id"], forvirtualnetwork=True
        )
        return list(listed["publicipaddress"])

    def pings(self, source: str = "") -> bool:
        """Return whether the other VM answers what the first sends from an address; by default the NIC's."""
        ping = f"ping -c 1 -W {NEVER_S} -I {source or self.nics[0]['ipaddress']} {self.nics[1]['ipaddress']}"
        return self.tenant.run(f"{ping} >/dev/null 2>&1 && echo reached || true").strip() == "reached"

    def take_mac(self, mac: str) -> None:
        """Give the first VM's NIC a MAC, from the inside."""
        self.tenant.run(f"ip link set {self.device} down; ip link set {self.device} address {mac}; "
                        f"ip link set {self.device} up")  # fmt: skip


ELASTIC = {"Dhcp": "", "Dns": "", "UserData": "", "SourceNat": "", "Firewall": "", "StaticNat": "ElasticIp",
           "Lb": "ElasticLb"}  # fmt: skip


def more(owner: Tenant) -> More:
    """Let the running VMs of a tenant join a network in which each of them, and each balancer, has a public address."""
    network = owner.api(
        "createNetwork", name="more", displaytext="more", zoneid=owner.network["zoneid"], gateway="10.77.9.1",
        netmask="255.255.255.0", networkofferingid=_elastic_offering(owner.world),
    )["network"]  # fmt: skip
    nics = [
        owner.api.job("addNicToVirtualMachine", virtualmachineid=vm["id"], networkid=network["id"])[
            "virtualmachine"
        ]["nic"][1]
        for vm in owner.vms
    ]
    return More(owner, network, nics)


def _elastic_offering(world: World) -> str:
    words = {}
    for n, service in enumerate(ELASTIC):
        words[f"serviceproviderlist[{n}].service"] = service
        words[f"serviceproviderlist[{n}].provider"] = "VirtualRouter"
    chosen = ((service, capability) for service, capability in ELASTIC.items() if capability)
    for n, (service, capability) in enumerate(chosen):
        words[f"servicecapabilitylist[{n}].service"] = service
        words[f"servicecapabilitylist[{n}].capabilitytype"] = capability
        words[f"servicecapabilitylist[{n}].capabilityvalue"] = "true"
    made = world.admin("createNetworkOffering", name="elastic", displaytext="elastic", guestiptype="Isolated",
                       traffictype="GUEST", supportedservices=",".join(ELASTIC), enable=True, **words)  # fmt: skip
    return str(made["networkoffering"]["id"])
