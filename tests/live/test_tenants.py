"""Networks of users on real hosts: what tenants let through passes, and nothing else, from QEMU guest to the world.

Two tenants have the same addresses on the same two hosts.  The world is a namespace behind the public
network's gateway.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from accounts import BOOT_S, SOON_S, More, Tenant, World, becomes, more, tenant
from captures import wire_of
from guarded import guarded
from shops import DB, FAR, NEXT, ROUTER, VLAN, WEB, Shop, beyond, shop

from support import program
from support.traces import furnished, traces
from tegar.lab import cloud as lab
from tegar.main.client import Client
from tegar.main.up import AGENT_PORT, why_not_real

REASON = why_not_real()
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(REASON is not None, reason=f"no real hosts here: {REASON}"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cloud of two real hosts."""
    root = furnished(tmp_path_factory.mktemp("networks"))
    try:
        facts = program.up(root)
        built = lab.attach(root / "lab")
        assert built
        made = World(root, built, Client(facts["endpoint"], facts["apikey"], facts["secretkey"]))
        made.meet()
        yield made
    finally:
        program.down(root)
    assert traces(root) == []


@pytest.fixture(scope="module")
def anna(world: World) -> Tenant:
    """A tenant."""
    return tenant(world, "anna")


@pytest.fixture(scope="module")
def bert(world: World) -> Tenant:
    """Another tenant, with the same addresses."""
    return tenant(world, "bert")


@pytest.fixture(scope="module")
def annas_more(anna: Tenant) -> More:
    """A network more of hers, which her running VMs have joined."""
    made = more(anna)
    becomes(made.pings, True, BOOT_S)
    return made


@pytest.fixture(scope="module")
def annas_shop(anna: Tenant) -> Shop:
    """A VPC of hers."""
    made = shop(anna)
    becomes(lambda: made.tenant.run("hostname").strip(), "web", BOOT_S)
    return made


def test_tenants_with_the_same_addresses_reach_their_own_and_never_each_other(
    anna: Tenant, bert: Tenant
) -> None:
    assert anna.network["cidr"] == bert.network["cidr"]
    assert anna.address_of(1) == bert.address_of(1)

    becomes(lambda: anna.name(anna.address_of(1)), "anna-2", BOOT_S)
    becomes(lambda: bert.name(bert.address_of(1)), "bert-2", BOOT_S)


def test_a_port_is_forwarded_once_the_firewall_opens_it_and_no_longer(world: World, anna: Tenant) -> None:
    ip = anna.ip["ipaddress"]
    rule = anna.forward(8080, 80, n=1, opened=False)
    assert world.name_at(ip, 8080) == ""

    opening = anna.open(8080, source=f"{world.other_ip}/32")
    becomes(lambda: world.name_at(ip, 8080, by=world.other_ip), "anna-2")
    assert world.name_at(ip, 8080) == ""
    anna.api.job("deleteFirewallRule", id=opening["id"])
    assert world.name_at(ip, 8080, by=world.other_ip) == ""

    anna.open(8080)
    becomes(lambda: world.name_at(ip, 8080), "anna-2")
    anna.api.job("deletePortForwardingRule", id=rule["id"])
    assert world.name_at(ip, 8080) == ""


def test_guests_get_out_only_where_an_egress_rule_lets_them_and_never_to_the_management(
    world: World, anna: Tenant
) -> None:
    anyone = {"networkid": anna.network["id"], "cidrlist": anna.network["cidr"]}
    with world.answering(7070):
        assert anna.hears(world.ip, 7070) == ""

        rule = anna.api.job("createEgressFirewallRule", protocol="tcp", startport=7070, endport=7070,
                            **anyone)["firewallrule"]  # fmt: skip
        becomes(lambda: anna.hears(world.ip, 7070), f"world {anna.ip['ipaddress']}")
        anna.api.job("deleteEgressFirewallRule", id=rule["id"])
        assert anna.hears(world.ip, 7070) == ""

        anna.api.job("createEgressFirewallRule", protocol="all", **anyone)
        agents = [(host.mgmt_ip, port) for host in world.built.hosts.values() for port in (8250, 16509)]
        management = [*agents, (world.built.topology.mgmt_gateway, AGENT_PORT)]
        for end in management:
            socket.create_connection(end, timeout=SOON_S).close()
        becomes(lambda: anna.connects((world.ip, 7070), *management), {(world.ip, 7070)})


def test_an_address_stands_for_a_vm_both_ways_and_for_another_when_it_is_moved(
    world: World, bert: Tenant
) -> None:
    got = bert.api.job("associateIpAddress", networkid=bert.network["id"])["ipaddress"]
    ip = got["ipaddress"]
    bert.api("enableStaticNat", ipaddressid=got["id"], virtualmachineid=bert.vms[1]["id"])
    assert world.name_at(ip) == ""

    bert.api.job("createIpForwardingRule", ipaddressid=got["id"], protocol="tcp", startport=80)
    becomes(lambda: world.name_at(ip), "bert-2")
    rule = bert.api.first("listIpForwardingRules", "ipforwardingrule", ipaddressid=got["id"])
    bert.api.job("deleteIpForwardingRule", id=rule["id"])
    assert world.name_at(ip) == ""
    bert.open(80, got)
    becomes(lambda: world.name_at(ip), "bert-2")
    bert.api.job("disableStaticNat", ipaddressid=got["id"])
    assert world.name_at(ip) == ""

    bert.api.job("createEgressFirewallRule", networkid=bert.network["id"], protocol="tcp", startport=7070,
                 endport=7070, cidrlist=bert.network["cidr"])  # fmt: skip
    bert.api("enableStaticNat", ipaddressid=got["id"], virtualmachineid=bert.vms[0]["id"])
    bert.open(80, got)
    becomes(lambda: world.name_at(ip), "bert-1")
    with world.answering(7070):
        becomes(lambda: bert.hears(world.ip, 7070), f"world {ip}")
        bert.api.job("disableStaticNat", ipaddressid=got["id"])
        becomes(lambda: bert.hears(world.ip, 7070), f"world {bert.ip['ipaddress']}")
    bert.api.job("disassociateIpAddress", id=got["id"])


def test_a_balancer_spreads_requests_over_its_members(world: World, bert: Tenant) -> None:
    rule = bert.api.job("createLoadBalancerRule", publicipid=bert.ip["id"], name="web", algorithm="roundrobin",
                        publicport=8088, privateport=80, openfirewall=False)["loadbalancer"]  # fmt: skip
    ids = ",".join(vm["id"] for vm in bert.vms)
    bert.api.job("assignToLoadBalancerRule", id=rule["id"], virtualmachineids=ids)
    ip = bert.ip["ipaddress"]
    assert world.name_at(ip, 8088) == ""

    bert.open(8088)
    becomes(lambda: {world.name_at(ip, 8088) for _ in range(4)}, {"bert-1", "bert-2"})
    bert.api.job("removeFromLoadBalancerRule", id=rule["id"], virtualmachineids=bert.vms[0]["id"])
    becomes(lambda: {world.name_at(ip, 8088) for _ in range(4)}, {"bert-2"})


def test_a_running_guest_gets_a_nic_and_an_address_more(annas_more: More) -> None:
    anna, second = annas_more.tenant, "10.77.9.200"
    becomes(lambda: anna.name(annas_more.nics[1]["ipaddress"]), "anna-2")

    anna.run(f"ip addr add {second}/24 dev {annas_more.device}")
    assert not annas_more.pings(second)
    made = anna.api.job("addIpToNic", nicid=annas_more.nics[0]["id"], ipaddress=second)["nicsecondaryip"]
    becomes(lambda: annas_more.pings(second), True)
    anna.api.job("removeIpFromNic", id=made["id"])
    assert not annas_more.pings(second)


def test_a_guest_that_takes_another_mac_is_heard_by_nobody(annas_more: More) -> None:
    becomes(annas_more.pings, True)

    annas_more.take_mac("02:00:00:77:77:77")
    assert not annas_more.pings()

    annas_more.take_mac(annas_more.nics[0]["macaddress"])
    becomes(annas_more.pings, True)


def test_elastic_addresses_come_with_a_nic_and_with_a_balancer(world: World, annas_more: More) -> None:
    anna, network = annas_more.tenant, annas_more.network
    anna.run(f"ip route replace {world.other_ip} via {network['gateway']} dev {annas_more.device}")
    own = next(ip for ip in annas_more.addresses() if ip.get("virtualmachineid") == anna.vms[0]["id"])
    assert world.name_at(own["ipaddress"], by=world.other_ip) == ""

    opening = anna.open(80, own)
    becomes(lambda: world.name_at(own["ipaddress"], by=world.other_ip), "anna-1")
    anna.api.job("deleteFirewallRule", id=opening["id"])
    assert world.name_at(own["ipaddress"], by=world.other_ip) == ""

    before = {ip["id"] for ip in annas_more.addresses()}
    rule = anna.api.job("createLoadBalancerRule", networkid=network["id"], name="elastic", algorithm="roundrobin",
                        publicport=80, privateport=80, openfirewall=False)["loadbalancer"]  # fmt: skip
    (came,) = (ip for ip in annas_more.addresses() if ip["id"] not in before)
    ids = ",".join(vm["id"] for vm in anna.vms)
    anna.api.job("assignToLoadBalancerRule", id=rule["id"], virtualmachineids=ids)
    assert world.name_at(came["ipaddress"]) == ""
    anna.open(80, came)
    becomes(lambda: {world.name_at(came["ipaddress"]) for _ in range(4)}, {"anna-1", "anna-2"})
    anna.api.job("deleteLoadBalancerRule", id=rule["id"])
    assert world.name_at(came["ipaddress"]) == ""
    assert {ip["id"] for ip in annas_more.addresses()} == before


def test_a_running_guest_loses_a_nic(annas_more: More) -> None:
    anna, there = annas_more.tenant, annas_more.nics[1]["ipaddress"]
    becomes(lambda: anna.name(there), "anna-2")

    for vm, nic in zip(anna.vms, annas_more.nics, strict=True):
        anna.api.job("removeNicFromVirtualMachine", virtualmachineid=vm["id"], nicid=nic["id"])

    assert annas_more.nics[0]["macaddress"] not in anna.run("ip link").lower()
    assert anna.name(there) == ""


def test_a_network_is_rebuilt_from_nothing(anna: Tenant) -> None:
    anna.api.job("restartNetwork", id=anna.network["id"], cleanup=True)

    becomes(lambda: anna.name(anna.address_of(1)), "anna-2")


def test_tiers_of_a_vpc_let_through_what_their_lists_say_and_balance_inside(
    world: World, annas_shop: Shop
) -> None:
    shop, web, db = annas_shop, annas_shop.tenant, annas_shop.tenant.address_of(1)
    assert world.name_at(web.ip["ipaddress"]) == ""
    shop.let("web", 80)
    becomes(lambda: world.name_at(web.ip["ipaddress"]), "web")

    assert web.name(db) == ""
    shop.let("db", 80, cidrlist=f"{WEB}.0/24", number=20)
    becomes(lambda: web.name(db), "db", BOOT_S)
    tier = shop.tiers["db"]["id"]
    inside = web.api.job(
        "createLoadBalancer", name="inside", networkid=tier, scheme="Internal", algorithm="roundrobin",
        sourceipaddressnetworkid=tier, sourceport=80, instanceport=80,
    )["loadbalancer"]  # fmt: skip
    both = (db, inside["sourceipaddress"])
    becomes(lambda: web.names(*both), ["db", ""])
    web.api.job("assignToLoadBalancerRule", id=inside["id"], virtualmachineids=web.vms[1]["id"])
    becomes(lambda: web.names(*both), ["db", "db"])

    before = shop.let("db", 80, action="deny", number=10)
    assert web.names(*both) == ["", ""]
    shop.forget(before)
    becomes(lambda: web.names(*both), ["db", "db"])
    out = [shop.let("web", 81, traffictype="egress", number=30)]
    assert web.names(*both) == ["", ""]
    out.append(shop.let("web", 80, traffictype="egress", cidrlist=f"{DB}.0/24", number=40))
    becomes(lambda: web.names(*both), ["db", "db"])
    for line in out:
        shop.forget(line)


def test_a_private_gateway_leads_to_another_network_by_its_own_list_and_on_its_own_vlan(
    world: World, annas_shop: Shop
) -> None:
    shop, web = annas_shop, annas_shop.tenant
    own = web.address_of(0)
    with beyond(shop.host_without_router()) as other, world.answering(80):
        assert web.hears(NEXT, 80) == ""
        gateway = shop.lead_beyond(aclid=shop.new_list("beyond"))
        with wire_of(world.built, other.host.name, f"vlan {VLAN} and tcp port 80") as frame:
            becomes(lambda: web.hears(NEXT, 80), f"beyond {own}")
        assert f"vlan {VLAN}" in frame[0]
        deny = shop.let("beyond", 80, traffictype="egress", action="deny", number=10)
        assert web.hears(NEXT, 80) == ""
        shop.forget(deny)
        becomes(lambda: web.hears(NEXT, 80), f"beyond {own}")

        shop.let("web", 80, cidrlist=f"{NEXT}/32")
        assert other.name(own) == ""
        shop.let("beyond", 80, cidrlist=f"{NEXT}/32", number=20)
        becomes(lambda: other.name(own), "web")
        shop.let("web", 22, cidrlist=f"{NEXT}/32")
        assert other.hears(own, 22) == ""
        becomes(lambda: web.hears(world.ip, 80).partition(" ")[0], "world")
        assert other.hears(world.ip, 80) == ""

        world.admin.job("deletePrivateGateway", id=gateway)
        assert web.hears(NEXT, 80) == ""


def test_static_routes_lead_on_from_a_private_gateway_until_they_are_deleted(annas_shop: Shop) -> None:
    shop, web = annas_shop, annas_shop.tenant
    with beyond(shop.host_without_router()):
        gateway = shop.lead_beyond(sourcenatsupported=True)
        becomes(lambda: web.hears(NEXT, 80), f"beyond {ROUTER}")
        assert web.hears(FAR, 80) == ""

        route = web.api.job("createStaticRoute", gatewayid=gateway, cidr=f"{FAR}/32")["staticroute"]
        becomes(lambda: web.hears(FAR, 80), f"beyond {ROUTER}")
        web.api.job("deleteStaticRoute", id=route["id"])
        assert web.hears(FAR, 80) == ""
        web.world.admin.job("deletePrivateGateway", id=gateway)


def test_security_groups_let_in_and_out_by_cidr_and_by_group_and_no_longer_when_revoked(world: World) -> None:
    place = guarded(world)
    web = {"usersecuritygrouplist[0].account": "admin", "usersecuritygrouplist[0].group": "web"}
    clients = {**web, "usersecuritygrouplist[0].group": "clients"}
    place.rule("clients", cidrlist="10.77.0.0/24")
    assert place.seen() == "nothing"
    assert place.from_router(place.web) == ""

    by_cidr = place.rule("web", cidrlist="10.77.0.0/24")
    becomes(lambda: place.from_router(place.web).partition("\n")[0], "name: web", BOOT_S)
    becomes(place.seen, "name: web", BOOT_S)
    place.revoke(by_cidr)
    assert place.from_router(place.web) == ""
    assert place.seen() == "nothing"

    by_group = place.rule("web", **clients)
    assert place.from_router(place.web) == ""
    becomes(place.seen, "name: web", BOOT_S)

    elsewhere = place.rule("clients", "Egress", cidrlist="10.77.0.1/32")
    assert place.seen() == "nothing"
    to_group = place.rule("clients", "Egress", **web)
    becomes(place.seen, "name: web", BOOT_S)
    place.revoke(to_group, "Egress")
    assert place.seen() == "nothing"
    to_cidr = place.rule("clients", "Egress", cidrlist=f"{place.web['nic'][0]['ipaddress']}/32")
    becomes(place.seen, "name: web", BOOT_S)
    for rule in (elsewhere, to_cidr):
        place.revoke(rule, "Egress")
    place.revoke(by_group)
    assert place.seen() == "nothing"
