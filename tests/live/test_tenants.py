"""Networks of users on real hosts: what tenants let through passes, and nothing else, from QEMU guest to the world.

Two tenants have the same addresses on the same two hosts.  The world is a namespace behind the public
network's gateway.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import program
from support.traces import furnished, traces
from support.until import until
from tegar.lab import cloud as lab
from tegar.lab.cloud import Lab
from tegar.main.client import Client
from tegar.main.up import why_not_real

REASON = why_not_real()
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(REASON is not None, reason=f"no real hosts here: {REASON}"),
]

OFFERING = "DefaultIsolatedNetworkOfferingWithSourceNatService"
BOOT_S, SOON_S, NEVER_S, PATIENCE_S = 240.0, 20.0, 3, 8
SSH = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes",
       "ConnectTimeout=15", "IdentitiesOnly=yes")  # fmt: skip


@dataclass
class World:
    """A cloud, and the world outside of it."""

    root: Path
    built: Lab
    admin: Client

    def outside(self, *argv: str, patience_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program in the world outside."""
        words = self.built.outside(argv)
        return subprocess.run(words, capture_output=True, text=True, timeout=patience_s, check=False)

    def name_at(self, ip: str, port: int = 80) -> str:
        """Return the name of the guest whose page the world finds there, empty when there is none."""
        page = self.outside("curl", "-s", "-m", str(NEVER_S), f"http://{ip}:{port}/").stdout
        return page.splitlines()[0].partition(": ")[2] if page.startswith("name: ") else ""

    def first(self, command: str, key: str, **params: Any) -> Any:
        """Return the first row of a list."""
        return self.admin.first(command, key, **params)


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

    def sees(self, url: str) -> str:
        """Return what the first VM finds at an address, empty when it finds nothing."""
        return self.run(f"timeout {PATIENCE_S} wget -q -O - {url} 2>/dev/null || true")

    def address_of(self, n: int) -> str:
        """Return the n-th VM's address."""
        return str(self.vms[n]["nic"][0]["ipaddress"])


def _tenant(world: World, name: str) -> Tenant:
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
    tenant = Tenant(world, api, key, network, vms, ip)
    _forward(tenant, 2222, 22)
    return tenant


def _forward(tenant: Tenant, public: int, private: int, *, n: int = 0, opened: bool = True) -> Any:
    rule = tenant.api.job(
        "createPortForwardingRule", ipaddressid=tenant.ip["id"], protocol="tcp", publicport=public,
        privateport=private, virtualmachineid=tenant.vms[n]["id"], openfirewall=False,
    )["portforwardingrule"]  # fmt: skip
    if opened:
        _open(tenant, public)
    return rule


def _open(tenant: Tenant, port: int, ip: Any = None) -> Any:
    return tenant.api.job(
        "createFirewallRule", ipaddressid=(ip or tenant.ip)["id"], protocol="tcp", startport=port, endport=port,
        cidrlist="0.0.0.0/0",
    )["firewallrule"]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cloud of two real hosts."""
    root = furnished(tmp_path_factory.mktemp("networks"))
    try:
        facts = program.up(root)
        built = lab.attach(root / "lab")
        assert built
        yield World(root, built, Client(facts["endpoint"], facts["apikey"], facts["secretkey"]))
    finally:
        program.down(root)
    assert traces(root) == []


@pytest.fixture(scope="module")
def anna(world: World) -> Tenant:
    """A tenant."""
    return _tenant(world, "anna")


@pytest.fixture(scope="module")
def bert(world: World) -> Tenant:
    """Another tenant, with the same addresses."""
    return _tenant(world, "bert")


def test_tenants_with_the_same_addresses_reach_their_own_and_never_each_other(
    anna: Tenant, bert: Tenant
) -> None:
    assert anna.network["cidr"] == bert.network["cidr"]
    assert anna.address_of(1) == bert.address_of(1)

    for tenant, name in ((anna, "anna-2"), (bert, "bert-2")):
        until(
            lambda t=tenant, n=name: f"name: {n}\n" in t.sees(f"http://{t.address_of(1)}/"),
            name,
            within_s=BOOT_S,
        )  # type: ignore[misc]


def test_a_port_is_forwarded_once_the_firewall_opens_it_and_no_longer(world: World, anna: Tenant) -> None:
    ip = anna.ip["ipaddress"]
    rule = _forward(anna, 8080, 80, n=1, opened=False)
    assert world.name_at(ip, 8080) == ""

    opening = _open(anna, 8080)
    assert world.name_at(ip, 8080) == "anna-2"
    anna.api.job("deleteFirewallRule", id=opening["id"])
    assert world.name_at(ip, 8080) == ""

    anna.api.job("deletePortForwardingRule", id=rule["id"])
    _open(anna, 8080)
    assert world.name_at(ip, 8080) == ""


def test_guests_get_out_only_where_an_egress_rule_lets_them_and_never_to_the_management(
    world: World, anna: Tenant
) -> None:
    public, server = world.built.topology.public_gateway, world.admin.endpoint
    page = world.built.outside(["python3", "-m", "http.server", "7070", "--bind", public])
    with subprocess.Popen(page, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/") as serving:
        until(
            lambda: world.outside("curl", "-s", "-m", "2", f"http://{public}:7070/").stdout,
            "the world's page",
        )
        assert anna.sees(f"http://{public}:7070/") == ""

        rule = anna.api.job("createEgressFirewallRule", networkid=anna.network["id"], protocol="tcp", startport=7070,
                            endport=7070, cidrlist=anna.network["cidr"])["firewallrule"]  # fmt: skip
        assert "Directory listing" in anna.sees(f"http://{public}:7070/")
        anna.api.job("deleteEgressFirewallRule", id=rule["id"])
        assert anna.sees(f"http://{public}:7070/") == ""
        serving.terminate()

    anna.api.job(
        "createEgressFirewallRule",
        networkid=anna.network["id"],
        protocol="all",
        cidrlist=anna.network["cidr"],
    )
    port = server.split(":")[2].partition("/")[0]
    for ip in (world.built.topology.mgmt_gateway, *(h.mgmt_ip for h in world.built.hosts.values())):
        assert anna.sees(f"http://{ip}:{port}/client/") == ""
        assert anna.sees(f"https://{ip}:8250/") == ""


def test_an_address_stands_for_a_vm_both_ways(world: World, bert: Tenant) -> None:
    got = bert.api.job("associateIpAddress", networkid=bert.network["id"])["ipaddress"]
    bert.api("enableStaticNat", ipaddressid=got["id"], virtualmachineid=bert.vms[1]["id"])
    assert world.name_at(got["ipaddress"]) == ""

    _open(bert, 80, got)
    until(lambda: world.name_at(got["ipaddress"]) == "bert-2", "the address of bert-2", within_s=SOON_S)
    bert.api.job("disableStaticNat", ipaddressid=got["id"])
    assert world.name_at(got["ipaddress"]) == ""
    bert.api.job("disassociateIpAddress", id=got["id"])


def test_a_balancer_spreads_requests_over_its_members(world: World, bert: Tenant) -> None:
    rule = bert.api.job("createLoadBalancerRule", publicipid=bert.ip["id"], name="web", algorithm="roundrobin",
                        publicport=8088, privateport=80, openfirewall=False)["loadbalancer"]  # fmt: skip
    _open(bert, 8088)
    ids = ",".join(vm["id"] for vm in bert.vms)
    bert.api.job("assignToLoadBalancerRule", id=rule["id"], virtualmachineids=ids)
    ip = bert.ip["ipaddress"]

    until(
        lambda: {world.name_at(ip, 8088) for _ in range(4)} == {"bert-1", "bert-2"},
        "both members",
        within_s=SOON_S,
    )
    bert.api.job("removeFromLoadBalancerRule", id=rule["id"], virtualmachineids=bert.vms[0]["id"])
    assert {world.name_at(ip, 8088) for _ in range(4)} == {"bert-2"}


def test_a_running_guest_gets_a_nic_and_an_address_more_and_loses_them(world: World, anna: Tenant) -> None:
    more = anna.api(
        "createNetwork", name="more", displaytext="more", zoneid=anna.network["zoneid"], gateway="10.77.9.1",
        netmask="255.255.255.0", networkofferingid=anna.network["networkofferingid"],
    )["network"]  # fmt: skip
    one, two = (
        anna.api.job("addNicToVirtualMachine", virtualmachineid=vm["id"], networkid=more["id"])[
            "virtualmachine"
        ]["nic"][1]
        for vm in anna.vms
    )
    url = f"http://{two['ipaddress']}/"
    until(lambda: "name: anna-2\n" in anna.sees(url), "the new NICs' way", within_s=BOOT_S)

    second, device = "10.77.9.200", f"$(ip -o link | grep -i {one['macaddress']} | cut -d: -f2)"
    anna.run(f"ip addr add {second}/24 dev {device}")
    ping = f"ping -c 1 -W {NEVER_S} -I {second} {two['ipaddress']} >/dev/null 2>&1 && echo reached || true"
    assert anna.run(ping) == ""
    made = anna.api.job("addIpToNic", nicid=one["id"], ipaddress=second)["nicsecondaryip"]
    until(lambda: anna.run(ping).strip() == "reached", "the secondary address", within_s=SOON_S)
    anna.api.job("removeIpFromNic", id=made["id"])
    assert anna.run(ping) == ""

    for vm, nic in zip(anna.vms, (one, two), strict=True):
        anna.api.job("removeNicFromVirtualMachine", virtualmachineid=vm["id"], nicid=nic["id"])
    assert one["macaddress"] not in anna.run("ip link").lower()


def test_a_network_is_rebuilt_from_nothing(world: World, anna: Tenant) -> None:
    anna.api.job("restartNetwork", id=anna.network["id"], cleanup=True)

    assert f"name: {anna.vms[1]['name']}" in anna.sees(f"http://{anna.address_of(1)}/")


TIER = "DefaultIsolatedNetworkOfferingForVpcNetworks"
WEB, DB = "10.9.1", "10.9.2"


@dataclass
class Shop:
    """A VPC with a VM in each of two tiers, each with a list of its own; the world enters ``web`` by SSH."""

    tenant: Tenant
    lists: dict[str, str]
    tiers: dict[str, Any]

    def let(self, tier: str, **item: Any) -> str:
        """Add an item to a tier's list, first of all where no number is said; return its id."""
        wish = {
            "protocol": "tcp",
            "action": "allow",
            "traffictype": "ingress",
            "cidrlist": "0.0.0.0/0",
            **item,
        }
        made = self.tenant.api.job("createNetworkACL", aclid=self.lists[tier], **wish)
        return str(made["networkacl"]["id"])

    def page(self, ip: str) -> str:
        """Return the name of the guest whose page ``web`` finds at an address, empty when it finds none."""
        return self.tenant.sees(f"http://{ip}/").partition("\n")[0]


def _shop(anna: Tenant) -> Shop:
    api, world, zone = anna.api, anna.world, anna.network["zoneid"]
    kind = world.first("listVPCOfferings", "vpcoffering", name="Default VPC offering")["id"]
    vpc = api.job("createVPC", name="shop", displaytext="shop", zoneid=zone, vpcofferingid=kind, cidr="10.9.0.0/16")[
        "vpc"
    ]["id"]  # fmt: skip
    lists, tiers, vms = {}, {}, []
    for name, net, host, offering in (("web", WEB, "h1", TIER), ("db", DB, "h2", f"{TIER}WithInternalLB")):
        lists[name] = api.job("createNetworkACLList", name=name, vpcid=vpc)["networkacllist"]["id"]
        tiers[name] = api(
            "createNetwork", name=name, displaytext=name, zoneid=zone, vpcid=vpc, aclid=lists[name],
            gateway=f"{net}.1", netmask="255.255.255.0",
            networkofferingid=world.first("listNetworkOfferings", "networkoffering", name=offering)["id"],
        )["network"]  # fmt: skip
        made = api(
            "deployVirtualMachine", name=name, zoneid=zone, networkids=tiers[name]["id"], keypair="mine", startvm=False,
            templateid=anna.vms[0]["templateid"], serviceofferingid=anna.vms[0]["serviceofferingid"],
        )  # fmt: skip
        api.wait("deployVirtualMachine", made["jobid"])
        at = world.first("listHosts", "host", name=host)["id"]
        vms.append(world.admin.job("startVirtualMachine", id=made["id"], hostid=at)["virtualmachine"])
    ip = api.job("associateIpAddress", vpcid=vpc)["ipaddress"]
    api.job("createPortForwardingRule", ipaddressid=ip["id"], protocol="tcp", publicport=2222, privateport=22,
            virtualmachineid=vms[0]["id"], networkid=tiers["web"]["id"])  # fmt: skip
    return Shop(Tenant(world, api, anna.key, tiers["web"], vms, ip), lists, tiers)


def test_tiers_of_a_vpc_let_through_what_their_lists_say_and_balance_inside(anna: Tenant) -> None:
    shop = _shop(anna)
    api, db = shop.tenant.api, shop.tenant.address_of(1)
    shop.let("web", startport=22, endport=22)
    until(lambda: shop.tenant.run("hostname").strip() == "web", "the world in web", within_s=BOOT_S)
    assert shop.page(db) == ""

    shop.let("web", startport=80, endport=80, traffictype="egress")
    assert shop.page(db) == ""
    shop.let("db", startport=80, endport=80, cidrlist=f"{WEB}.0/24", number=20)
    until(lambda: shop.page(db) == "name: db", "db, by web", within_s=BOOT_S)
    before = shop.let("db", startport=80, endport=80, action="deny", number=10)
    assert shop.page(db) == ""
    api.job("deleteNetworkACL", id=before)
    assert shop.page(db) == "name: db"

    inside = api.job(
        "createLoadBalancer", name="inside", networkid=shop.tiers["db"]["id"], scheme="Internal", algorithm="roundrobin",
        sourceipaddressnetworkid=shop.tiers["db"]["id"], sourceport=80, instanceport=80,
    )["loadbalancer"]  # fmt: skip
    assert shop.page(inside["sourceipaddress"]) == ""
    api.job("assignToLoadBalancerRule", id=inside["id"], virtualmachineids=shop.tenant.vms[1]["id"])
    until(lambda: shop.page(inside["sourceipaddress"]) == "name: db", "the balancer inside", within_s=SOON_S)


GROUPS = "DefaultSharedNetworkOfferingWithSGService"
LOOKS = """#!/bin/sh
n=0
while :; do
  timeout 3 wget -q -O /run/page http://{ip}/ 2>/dev/null || echo nothing >/run/page
  n=$((n + 1))
  echo "$n $(head -n1 /run/page)" >/run/found && mv /run/found /www/found
  usleep 200000
done
"""


@dataclass
class Guarded:
    """A network with security groups: a VM in group web, another in group clients that looks for the first's page."""

    world: World
    network: Any
    web: Any
    client: Any

    def from_router(self, vm: Any, path: str = "") -> str:
        """Return what the network's router finds at a VM, empty when it finds nothing."""
        router = self.world.first("listRouters", "router", networkid=self.network["id"], listall=True)
        words = ["ip", "netns", "exec", f"tgr-{router['id'][:8]}", "curl", "-sf", "-m", str(NEVER_S)]
        url = f"http://{vm['nic'][0]['ipaddress']}/{path}"
        return str(self.world.built.hosts[router["hostname"]].run([*words, url]).stdout)

    def seen(self) -> str:
        """Return what the client found when it looked anew: the first line of the page, or nothing."""
        before = int(self._found().partition(" ")[0])

        def later() -> str:
            number, _, line = self._found().partition(" ")
            return line if int(number) > before + 1 else ""  # the first that ends may have begun before

        return until(later, "the client looks again", within_s=BOOT_S)

    def _found(self) -> str:
        return until(
            lambda: self.from_router(self.client, "found").strip(), "the client tells", within_s=BOOT_S
        )

    def rule(self, group: str, **sources: Any) -> str:
        """Let packets to port 80 in to a group; return the rule's id."""
        made = self.world.admin.job("authorizeSecurityGroupIngress", securitygroupname=group, protocol="tcp",
                                    startport=80, endport=80, **sources)["securitygroup"]  # fmt: skip
        return str(made["ingressrule"][0]["ruleid"])

    def revoke(self, rule: str) -> None:
        """End a rule."""
        self.world.admin.job("revokeSecurityGroupIngress", id=rule)


def _guarded(world: World) -> Guarded:
    admin, zone = world.admin, world.first("listZones", "zone")["id"]
    offering = world.first("listNetworkOfferings", "networkoffering", name=GROUPS)["id"]
    network = admin("createNetwork", name="guarded", displaytext="guarded", zoneid=zone, networkofferingid=offering,
                    vlan="77", gateway="10.77.0.1", netmask="255.255.255.0", startip="10.77.0.10",
                    endip="10.77.0.50")["network"]  # fmt: skip
    wish = {
        "zoneid": zone, "networkids": network["id"],
        "templateid": world.first("listTemplates", "template", templatefilter="all")["id"],
        "serviceofferingid": world.first("listServiceOfferings", "serviceoffering", name="Tiny Instance")["id"],
    }  # fmt: skip
    jobs, vms = [], []
    for group, host in (("web", "h1"), ("clients", "h2")):
        admin("createSecurityGroup", name=group)
        script = LOOKS.format(ip=vms[0]["nic"][0]["ipaddress"]) if vms else "#!/bin/sh\n"
        made = admin("deployVirtualMachine", name=group, securitygroupnames=group, startvm=False,
                     userdata=base64.b64encode(script.encode()).decode(), **wish)  # fmt: skip
        admin.wait("deployVirtualMachine", made["jobid"])
        vms.append(world.first("listVirtualMachines", "virtualmachine", id=made["id"]))
        at = world.first("listHosts", "host", name=host)["id"]
        jobs.append(admin("startVirtualMachine", id=made["id"], hostid=at)["jobid"])
    for job in jobs:
        admin.wait("startVirtualMachine", job)
    return Guarded(world, network, *vms)


def test_security_groups_let_in_by_cidr_and_by_group_and_no_longer_when_revoked(world: World) -> None:
    place = _guarded(world)
    place.rule("clients", cidrlist="10.77.0.0/24")
    assert place.seen() == "nothing"
    assert place.from_router(place.web) == ""

    by_cidr = place.rule("web", cidrlist="10.77.0.0/24")
    until(lambda: "name: web\n" in place.from_router(place.web), "the page of web", within_s=BOOT_S)
    until(lambda: place.seen() == "name: web", "web, by the client", within_s=BOOT_S)
    place.revoke(by_cidr)
    assert place.from_router(place.web) == ""
    assert place.seen() == "nothing"

    clients = {"usersecuritygrouplist[0].account": "admin", "usersecuritygrouplist[0].group": "clients"}
    by_group = place.rule("web", **clients)
    assert place.from_router(place.web) == ""
    until(lambda: place.seen() == "name: web", "web, by a member of clients", within_s=BOOT_S)
    place.revoke(by_group)
    assert place.seen() == "nothing"
