"""A VPC with guests in two tiers, and a network beyond its private gateway."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accounts import NEVER_S, Tenant, serving
from wires import PEERS

import tegar
from tegar.lab.cloud import LabHost

TIER = "DefaultIsolatedNetworkOfferingForVpcNetworks"
WHOLE, WEB, DB = "10.9.0.0/16", "10.9.1", "10.9.2"
VLAN = 50
ROUTER, NEXT, FAR = "172.30.0.2", "172.30.0.9", "192.168.50.1"


@dataclass
class Shop:
    """A VPC with a VM in each of two tiers, each with a list of its own; the world enters ``web`` by SSH."""

    tenant: Tenant
    vpc: str
    lists: dict[str, str]
    tiers: dict[str, Any]

    def new_list(self, name: str) -> str:
        """Make a list without lines; return its id."""
        made = self.tenant.api.job("createNetworkACLList", name=name, vpcid=self.vpc)["networkacllist"]
        self.lists[name] = str(made["id"])
        return self.lists[name]

    def let(self, where: str, port: int, **item: Any) -> str:
        """Add a line to a list, after all others where no number is said; return its id."""
        wish = {"action": "allow", "traffictype": "ingress", "cidrlist": "0.0.0.0/0", **item}
        made = self.tenant.api.job(
            "createNetworkACL", aclid=self.lists[where], protocol="tcp", startport=port, endport=port, **wish
        )
        return str(made["networkacl"]["id"])

    def forget(self, line: str) -> None:
        """Take a line off its list."""
        self.tenant.api.job("deleteNetworkACL", id=line)

    def host_without_router(self) -> LabHost:
        """Return a host that is not the one of the VPC's router."""
        router = self.tenant.world.first("listRouters", "router", vpcid=self.vpc, listall=True)
        hosts = self.tenant.world.built.hosts.values()
        return next(host for host in hosts if host.name != router["hostname"])

    def lead_beyond(self, **wish: Any) -> str:
        """Let the operator give the VPC a private gateway to the network of ``beyond``; return its id."""
        made = self.tenant.world.admin.job(
            "createPrivateGateway", vpcid=self.vpc, vlan=VLAN, ipaddress=ROUTER, gateway=NEXT,
            netmask="255.255.255.0", **wish,
        )["privategateway"]  # fmt: skip
        return str(made["id"])


def shop(owner: Tenant) -> Shop:
    """Make a VPC of an account; ``web`` lets SSH in and nothing else, ``db`` nothing."""
    api, world, zone = owner.api, owner.world, owner.network["zoneid"]
    kind = world.first("listVPCOfferings", "vpcoffering", name="Default VPC offering")["id"]
    vpc = api.job("createVPC", name="shop", displaytext="shop", zoneid=zone, vpcofferingid=kind, cidr=WHOLE)[
        "vpc"
    ]
    made = Shop(Tenant(world, api, owner.key, None, [], None), vpc["id"], {}, {})
    for name, net, host, offering in (("web", WEB, "h1", TIER), ("db", DB, "h2", f"{TIER}WithInternalLB")):
        made.tiers[name] = api(
            "createNetwork", name=name, displaytext=name, zoneid=zone, vpcid=vpc["id"], aclid=made.new_list(name),
            gateway=f"{net}.1", netmask="255.255.255.0",
            networkofferingid=world.first("listNetworkOfferings", "networkoffering", name=offering)["id"],
        )["network"]  # fmt: skip
        vm = api(
            "deployVirtualMachine", name=name, zoneid=zone, networkids=made.tiers[name]["id"], keypair="mine",
            templateid=owner.vms[0]["templateid"], serviceofferingid=owner.vms[0]["serviceofferingid"],
            startvm=False,
        )  # fmt: skip
        api.wait("deployVirtualMachine", vm["jobid"])
        at = world.first("listHosts", "host", name=host)["id"]
        started = world.admin.job("startVirtualMachine", id=vm["id"], hostid=at)["virtualmachine"]
        made.tenant.vms.append(started)
    made.tenant.network = made.tiers["web"]
    made.tenant.ip = api.job("associateIpAddress", vpcid=vpc["id"])["ipaddress"]
    for public, private in ((2222, 22), (80, 80)):
        api.job(
            "createPortForwardingRule", ipaddressid=made.tenant.ip["id"], protocol="tcp", publicport=public,
            privateport=private, virtualmachineid=made.tenant.vms[0]["id"], networkid=made.tiers["web"]["id"],
        )  # fmt: skip
    made.let("web", 22)
    return made


PLUG = """
import sys
from tegar.agent.segment.service import HostSegments
from tegar.model.spec import NetworkSpec
segments = HostSegments()
segments.plug(segments.ensure(NetworkSpec("", sys.argv[1], int(sys.argv[2]))), sys.argv[3])
"""


@dataclass(frozen=True)
class Beyond:
    """The router of another network, on a VLAN of the operator's: a namespace that is plugged in on a host.

    ``NEXT`` is its address on the VLAN, ``FAR`` one behind it.
    """

    host: LabHost

    def run(self, *argv: str) -> str:
        """Run a program there; return what it prints."""
        return self.host.run(["ip", "netns", "exec", "beyond", *argv]).stdout

    def name(self, ip: str) -> str:
        """Return the name of the guest whose page it finds at an address, empty when it finds none."""
        found = self.run("curl", "-s", "-m", str(NEVER_S), f"http://{ip}/")
        return found.partition("\n")[0].removeprefix("name: ")

    def hears(self, ip: str, port: int) -> str:
        """Return what it is told by a server that speaks first, empty when there is none."""
        return self.run(sys.executable, PEERS, "ask", "tcp", ip, str(port), str(NEVER_S))


@contextmanager
def beyond(host: LabHost) -> Iterator[Beyond]:
    """Have that network for a while; it answers at port 80 with ``beyond`` and the asker's address."""
    made, source = Beyond(host), str(Path(tegar.__file__).parents[1])
    lines = (
        "ip netns add beyond",
        "ip link add beyond0 type veth peer name eth0 netns beyond",
        "ethtool -K beyond0 tx off rx off",
        "ip netns exec beyond ethtool -K eth0 tx off rx off",
        f"ip -n beyond addr add {NEXT}/24 dev eth0",
        f"ip -n beyond addr add {FAR}/32 dev lo",
        "ip -n beyond link set lo up",
        "ip -n beyond link set eth0 up",
        f"ip -n beyond route add default via {ROUTER}",
        f"env PYTHONPATH={source} {sys.executable} -c '{PLUG}' {host.guest_bridge} {VLAN} beyond0",
    )
    try:
        done = host.run(["sh", "-ec", "\n".join(lines)])
        assert done.returncode == 0, done.stderr
        words = ["ip", "netns", "exec", "beyond", sys.executable, PEERS, "serve", "beyond", "tcp", "80"]
        with serving(host.enter(words)):
            yield made
    finally:
        host.run(
            ["sh", "-c", "ovs-vsctl --if-exists del-port beyond0; ip link del beyond0; ip netns del beyond"]
        )
