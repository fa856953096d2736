"""VPCs: tiers that share routers, and the network ACLs between them."""

from __future__ import annotations

import pytest
from vpc_world import make_tier, make_vm, make_vpc, offering, spec, specs, vpc_offering, vpc_zone

from support.cloud import ApiError, Caller, Cloud, JobFailed


@pytest.fixture
def alice(cloud: Cloud) -> Caller:
    """A user of a zone with three hosts."""
    return vpc_zone(cloud, hosts=3)


def test_two_tiers_share_one_router_that_is_the_gateway_of_both(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    web, db = make_tier(cloud, alice, vpc, 1), make_tier(cloud, alice, vpc, 2)
    make_vm(cloud, alice, "web", web)
    make_vm(cloud, alice, "db", db)

    told = spec(cloud, vpc)

    assert [(n.ip, n.gateway, n.prefix_len) for n in told.subnets] == [
        ("10.0.1.1", "10.0.1.1", 24),
        ("10.0.2.1", "10.0.2.1", 24),
    ]
    assert [[g.hostname for g in n.guests] for n in told.subnets] == [["web"], ["db"]]
    assert len({n.network.vlan for n in told.subnets}) == 2
    shown = alice.api("listVPCs")["vpc"][0]
    assert [t["id"] for t in shown["network"]] == [web, db]
    assert {t["state"] for t in shown["network"]} == {"Implemented"}


def test_a_tier_without_a_list_denies_all_and_one_with_a_list_obeys_its_items_in_order(
    cloud: Cloud, alice: Caller
) -> None:
    vpc = make_vpc(cloud, alice)
    rules = alice.do("createNetworkACLList", name="web", vpcid=vpc)["networkacllist"]["id"]
    web, db = make_tier(cloud, alice, vpc, 1, aclid=rules), make_tier(cloud, alice, vpc, 2)
    make_vm(cloud, alice, "web", web)
    make_vm(cloud, alice, "db", db)
    alice.do("createNetworkACL", aclid=rules, protocol="tcp", startport=443, number=20)
    made = alice.do(
        "createNetworkACL", aclid=rules, protocol="icmp", icmptype=8, icmpcode=-1, number=10, action="Deny",
        cidrlist="192.0.2.0/24,198.51.100.7/32", traffictype="egress",
    )["networkacl"]  # fmt: skip

    first, second = spec(cloud, vpc).subnets

    assert first.acl is not None
    assert second.acl is not None
    assert [(i.number, i.allow, i.inbound, i.match.protocol.value) for i in first.acl] == [
        (10, False, False, "icmp"),
        (20, True, True, "tcp"),
    ]
    assert first.acl[0].match.destinations == ("192.0.2.0/24", "198.51.100.7/32")
    assert (first.acl[0].match.icmp_type, first.acl[0].match.icmp_code) == (8, None)
    assert (first.acl[1].match.first_port, first.acl[1].match.last_port) == (443, 443)
    assert [(i.allow, i.inbound) for i in second.acl] == [(False, True), (False, False)]
    assert (made["state"], made["action"], made["traffictype"]) == ("Active", "Deny", "Egress")


def test_items_are_changed_moved_and_deleted_when_the_router_says_so(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    rules = alice.do("createNetworkACLList", name="web", vpcid=vpc)["networkacllist"]["id"]
    make_vm(cloud, alice, "web", make_tier(cloud, alice, vpc, 1, aclid=rules))
    one, two, three = (
        alice.do("createNetworkACL", aclid=rules, protocol="tcp", startport=port)["networkacl"]["id"]
        for port in (1, 2, 3)
    )

    def ports() -> list[int | None]:
        acl = spec(cloud, vpc).subnets[0].acl
        assert acl is not None
        return [item.match.first_port for item in acl]

    cloud.do("moveNetworkAclItem", id=three, previousaclruleid=one, nextaclruleid=two)
    assert ports() == [1, 3, 2]
    alice.do("updateNetworkACLItem", id=one, protocol="17", startport=9, endport=10, number=90)
    assert ports() == [3, 2, 9]
    alice.do("deleteNetworkACL", id=two)
    assert ports() == [3, 9]
    shown = alice.api("listNetworkACLs", aclid=rules)["networkacl"]
    assert [(i["number"], i["protocol"], i["endport"]) for i in shown] == [(2, "tcp", "3"), (90, "udp", "10")]


def test_a_tier_gets_another_list(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    web = make_tier(cloud, alice, vpc, 1)
    make_vm(cloud, alice, "web", web)
    stock = {x["name"]: x["id"] for x in alice.api("listNetworkACLLists")["networkacllist"]}

    alice.do("replaceNetworkACLList", aclid=stock["default_allow"], networkid=web)

    acl = spec(cloud, vpc).subnets[0].acl
    assert acl is not None
    assert [i.allow for i in acl] == [True, True]
    assert alice.api("listNetworks", id=web)["network"][0]["aclname"] == "default_allow"


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"protocol": "tcp", "startport": 2, "endport": 1}, "must not be after"),
        ({"protocol": "udp", "startport": 70_000}, "not a port"),
        ({"protocol": "icmp", "startport": 1}, "has no ports"),
        ({"protocol": "all", "icmptype": 8}, "no ICMP type"),
        ({"protocol": "gre"}, "is not tcp, udp"),
        ({"protocol": "tcp", "cidrlist": "10.0.0.0/99"}, "is not a CIDR"),
        ({"protocol": "tcp", "number": 1}, "numbers are unique"),
        ({"protocol": "tcp", "number": -1}, "is not between"),
    ],
)  # fmt: skip
def test_nonsense_in_an_item_is_refused(
    cloud: Cloud, alice: Caller, wish: dict[str, object], why: str
) -> None:
    vpc = make_vpc(cloud, alice)
    rules = alice.do("createNetworkACLList", name="web", vpcid=vpc)["networkacllist"]["id"]
    alice.do("createNetworkACL", aclid=rules, protocol="all", number=1)

    with pytest.raises(ApiError, match=why):
        alice.api("createNetworkACL", aclid=rules, **wish)


def test_stock_lists_and_lists_of_other_vpcs_are_left_alone(cloud: Cloud, alice: Caller) -> None:
    vpc, other = make_vpc(cloud, alice), make_vpc(cloud, alice, "other")
    stock = alice.api("listNetworkACLLists", name="default_deny")["networkacllist"][0]["id"]
    theirs = alice.do("createNetworkACLList", name="x", vpcid=other)["networkacllist"]["id"]
    tier = make_tier(cloud, alice, vpc, 1)

    for command, wish, why in (
        ("createNetworkACL", {"aclid": stock, "protocol": "all"}, "stock list"),
        ("deleteNetworkACLList", {"id": stock}, "stock list"),
        ("replaceNetworkACLList", {"aclid": theirs, "networkid": tier}, "another VPC"),
    ):
        with pytest.raises(ApiError, match=why):
            alice.api(command, **wish)


def test_a_list_that_a_tier_has_is_not_deleted(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    rules = alice.do("createNetworkACLList", name="web", vpcid=vpc)["networkacllist"]["id"]
    make_tier(cloud, alice, vpc, 1, aclid=rules)

    with pytest.raises(ApiError, match="tier tier1 has it"):
        alice.api("deleteNetworkACLList", id=rules)


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"gateway": "10.1.1.1"}, "is not in 10.0.0.0/16"),
        ({"gateway": "10.0.1.129", "netmask": "255.255.255.128"}, "overlaps 10.0.1.0/24"),
        ({"name": "tier1"}, "named tier1 exists already"),
        ({"vlan": "77"}, "leave vlan"),
    ],
)  # fmt: skip
def test_tiers_that_cannot_be_are_refused(
    cloud: Cloud, alice: Caller, wish: dict[str, str], why: str
) -> None:
    vpc = make_vpc(cloud, alice)
    make_tier(cloud, alice, vpc, 1)

    with pytest.raises(ApiError, match=why):
        make_tier(cloud, alice, vpc, 2, **wish)


def test_an_offering_that_is_not_for_tiers_is_refused(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)

    with pytest.raises(ApiError, match="not for tiers"):
        make_tier(cloud, alice, vpc, 2, kind="shared")


@pytest.mark.parametrize("cidr", ["8.8.8.0/24", "10.0.0.0/4", "10.0.0.1/16", "nonsense", "127.0.0.0/8"])
def test_a_cidr_that_no_vpc_can_have_is_refused(cloud: Cloud, alice: Caller, cidr: str) -> None:
    with pytest.raises(ApiError, match="cidr"):
        make_vpc(cloud, alice, cidr=cidr)


def test_routers_stay_for_other_tiers_and_go_with_the_last(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    tiers = [make_tier(cloud, alice, vpc, n) for n in (1, 2)]
    for n, tier in enumerate(tiers):
        vm = make_vm(cloud, alice, f"vm{n}", tier)
        cloud.do("destroyVirtualMachine", id=vm["id"], expunge=True)

    with pytest.raises(ApiError, match="it has 2 tiers"):
        alice.api("deleteVPC", id=vpc)
    alice.do("deleteNetwork", id=tiers[0])
    assert [n.gateway for n in spec(cloud, vpc).subnets] == ["10.0.2.1"]
    alice.do("deleteNetwork", id=tiers[1])
    assert specs(cloud, vpc) == []
    again = make_tier(cloud, alice, vpc, 3)
    vm = make_vm(cloud, alice, "again", again)
    assert [n.gateway for n in spec(cloud, vpc).subnets] == ["10.0.3.1"]
    cloud.do("destroyVirtualMachine", id=vm["id"], expunge=True)
    alice.do("deleteNetwork", id=again)
    alice.do("deleteVPC", id=vpc)
    assert alice.api("listVPCs") == {}
    assert {m.name: m.routers for m in cloud.world.machines.values() if m.routers} == {}


def test_a_redundant_vpc_has_a_pair_on_two_hosts(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice, kind="Redundant VPC offering")
    make_vm(cloud, alice, "web", make_tier(cloud, alice, vpc, 1))

    told = specs(cloud, vpc)

    assert [n.gateway for one in told for n in one.subnets] == ["10.0.1.1"] * 2
    ips = [one.subnets[0].ip for one in told]
    assert ips == [one.subnets[0].peer_ip for one in reversed(told)]
    assert "10.0.1.1" not in ips
    assert alice.api("listVPCs")["vpc"][0]["redundantvpcrouter"] is True


def test_a_vpc_becomes_redundant(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    make_vm(cloud, alice, "web", make_tier(cloud, alice, vpc, 1))
    assert len(specs(cloud, vpc)) == 1

    cloud.do("restartVPC", id=vpc, cleanup=True, makeredundant=True)

    told = specs(cloud, vpc)
    assert len(told) == 2
    assert all(one.subnets[0].ip != "10.0.1.1" for one in told)
    assert alice.api("listVPCs")["vpc"][0]["redundantvpcrouter"] is True


def test_restart_with_cleanup_builds_the_router_from_nothing(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    make_vm(cloud, alice, "web", make_tier(cloud, alice, vpc, 1))
    before = spec(cloud, vpc)
    cloud.world.asked.clear()

    alice.do("restartVPC", id=vpc, cleanup=True)

    asked = [question for _, question in cloud.world.asked]
    assert asked.index("RemoveRouter") < asked.index("ApplyRouter")
    assert spec(cloud, vpc).version > before.version
    assert spec(cloud, vpc).subnets == before.subnets


def test_offerings_say_what_their_vpcs_have(cloud: Cloud, alice: Caller) -> None:
    made = cloud.do(
        "createVPCOffering", name="bare", displaytext="bare", supportedservices="Dhcp,Dns", enable=True,
        serviceproviderlist=[{"service": "Dhcp", "provider": "VpcVirtualRouter"}],
    )["vpcoffering"]  # fmt: skip

    assert [s["name"] for s in made["service"]] == ["Dhcp", "Dns", "SourceNat"]
    vpc = make_vpc(cloud, alice, kind="bare")
    with pytest.raises(ApiError, match="does not have Lb, NetworkACL"):
        make_tier(cloud, alice, vpc, 1)
    with pytest.raises(ApiError, match="VPCs have it"):
        cloud.api("deleteVPCOffering", id=made["id"])
    alice.do("deleteVPC", id=vpc)
    cloud.do("updateVPCOffering", id=made["id"], state="Disabled")
    with pytest.raises(ApiError, match="not enabled"):
        make_vpc(cloud, alice, kind="bare")
    cloud.do("deleteVPCOffering", id=made["id"])
    with pytest.raises(ApiError, match="stock offering"):
        cloud.api("deleteVPCOffering", id=vpc_offering(cloud))


def test_networks_are_listed_by_their_vpc(cloud: Cloud, alice: Caller) -> None:
    vpc, other = make_vpc(cloud, alice), make_vpc(cloud, alice, "other")
    tier = make_tier(cloud, alice, vpc, 1)
    make_tier(cloud, alice, other, 1)

    assert [n["id"] for n in alice.api("listNetworks", vpcid=vpc)["network"]] == [tier]
    assert len(alice.api("listNetworks", forvpc=True)["network"]) == 2
    assert all("vpcid" not in n for n in alice.api("listNetworks", forvpc=False)["network"])
    assert alice.api("listNetworks", id=tier)["network"][0]["vpcname"] == "shop"
    assert offering(cloud, "DefaultIsolatedNetworkOfferingForVpcNetworksNoLB")


def test_routers_are_listed_by_their_vpc(cloud: Cloud, alice: Caller) -> None:
    vpcs = [make_vpc(cloud, alice), make_vpc(cloud, alice, "other"), make_vpc(cloud, alice, "empty")]
    for vpc, name in zip(vpcs[:2], ("web", "db"), strict=True):
        make_vm(cloud, alice, name, make_tier(cloud, alice, vpc, 1))

    listed = [cloud.api("listRouters", vpcid=vpc, listall=True).get("router", []) for vpc in vpcs]

    assert [[router["id"] for router in found] for found in listed] == [
        [spec(cloud, vpcs[0]).uuid],
        [spec(cloud, vpcs[1]).uuid],
        [],
    ]


def test_an_item_is_as_it_was_when_its_change_reaches_no_router(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    rules = alice.do("createNetworkACLList", name="web", vpcid=vpc)["networkacllist"]["id"]
    make_vm(cloud, alice, "web", make_tier(cloud, alice, vpc, 1, aclid=rules))
    item = alice.do("createNetworkACL", aclid=rules, protocol="tcp", startport=80)["networkacl"]
    for name in ("h1", "h2", "h3"):
        cloud.world.faults(name).refuse["ApplyRouter"] = 1

    with pytest.raises(JobFailed):
        alice.do("updateNetworkACLItem", id=item["id"], protocol="udp", startport=53)

    (shown,) = alice.api("listNetworkACLs", aclid=rules)["networkacl"]
    assert (shown["protocol"], shown["startport"], shown["state"]) == ("tcp", "80", "Active")
    acl = spec(cloud, vpc).subnets[0].acl
    assert acl is not None
    assert acl[0].match.first_port == 80


def test_guests_of_all_tiers_go_out_by_the_vpcs_address(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice, sourcenatipaddress="203.0.113.20")
    make_vm(cloud, alice, "web", make_tier(cloud, alice, vpc, 1))
    extra = alice.do("associateIpAddress", vpcid=vpc)["ipaddress"]

    (out,) = spec(cloud, vpc).uplinks
    assert (out.source_nat, set(out.addresses)) == ("203.0.113.20", {"203.0.113.20", extra["ipaddress"]})
    assert (extra["vpcname"], extra["issourcenat"]) == ("shop", False)
    alice.do("disassociateIpAddress", id=extra["id"])
    assert spec(cloud, vpc).uplinks[0].addresses == ("203.0.113.20",)
    held = alice.api("listPublicIpAddresses", vpcid=vpc)["publicipaddress"]
    assert [(a["ipaddress"], a["issourcenat"]) for a in held] == [("203.0.113.20", True)]


def test_a_vpc_gives_its_addresses_back(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    alice.do("associateIpAddress", vpcid=vpc)
    assert alice.api("listPublicIpAddresses")["count"] == 2

    alice.do("deleteVPC", id=vpc)

    assert alice.api("listPublicIpAddresses") == {}
