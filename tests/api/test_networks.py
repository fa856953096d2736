"""Isolated and L2 networks: who makes them, their segments and routers, and VMs in them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from support.cloud import ApiError, Caller, Cloud
from support.isolated import public_range
from tegar.model.router import RouterSpec
from tegar.store.networks import Network
from tegar.store.routers import Router
from tegar.store.segments import SegmentUse

ISOLATED = "DefaultIsolatedNetworkOfferingWithSourceNatService"
PAIR = "DefaultRedundantIsolatedNetworkOfferingWithSourceNatService"
L2 = "DefaultL2NetworkOffering"
L2_VLAN = "DefaultL2NetworkOfferingVlan"


def offering(cloud: Cloud, name: str = ISOLATED) -> str:
    """Return the id of an offering."""
    found: str = cloud.api("listNetworkOfferings", name=name)["networkoffering"][0]["id"]
    return found


def network(who: Caller, name: str = "mine", kind: str = ISOLATED, **more: Any) -> dict[str, Any]:
    """Make a network."""
    cloud = who.cloud
    assert cloud.zone
    made: dict[str, Any] = who.api(
        "createNetwork", name=name, zoneid=cloud.zone.zone, networkofferingid=offering(cloud, kind), **more
    )["network"]
    return made


def deploy(who: Caller, in_network: str, **more: Any) -> dict[str, Any]:
    """Deploy a VM into a network."""
    assert who.cloud.zone
    vm: dict[str, Any] = who.do("deployVirtualMachine", **who.cloud.zone.vm(networkids=in_network, **more))[
        "virtualmachine"
    ]
    return vm


def routers_of(cloud: Cloud, uuid: str) -> list[tuple[str, RouterSpec]]:
    """Return where the routers of a network run, and what they were told."""

    def read(s: Any) -> list[str]:
        mine = select(Router.uuid).join(Network, Network.group_id == Router.group_id)
        return list(s.scalars(mine.where(Network.uuid == uuid).order_by(Router.position)))

    return [
        (machine.name, machine.routers[router])
        for router in cloud.db.read(read)
        for machine in cloud.world.machines.values()
        if router in machine.routers
    ]


def segments(cloud: Cloud) -> list[int]:
    """Return the ids that are taken."""
    return cloud.db.read(lambda s: sorted(s.scalars(select(SegmentUse.tag))))


def test_a_users_network_waits_for_its_first_vm(cloud: Cloud) -> None:
    cloud.ready_zone()
    public_range(cloud)
    alice = cloud.as_user("alice")

    made = network(alice)

    assert (made["state"], made["type"], made["acltype"], made["account"]) == (
        "Allocated", "Isolated", "Account", "alice",
    )  # fmt: skip
    assert (made["cidr"], made["gateway"], made["netmask"]) == ("10.1.1.0/24", "10.1.1.1", "255.255.255.0")
    assert "vlan" not in made
    assert segments(cloud) == []


def test_the_first_vm_gives_a_network_its_segment_and_its_router(cloud: Cloud) -> None:
    cloud.ready_zone()
    public_range(cloud)
    alice = cloud.as_user("alice")
    made = network(alice)

    vm = deploy(alice, made["id"], name="web")

    shown = cloud.api("listNetworks", id=made["id"])["network"][0]
    assert (shown["state"], shown["vlan"], shown["broadcasturi"]) == ("Implemented", "101", "vlan://101")
    ((_, spec),) = routers_of(cloud, made["id"])
    (subnet,) = spec.subnets
    assert (subnet.ip, subnet.gateway, subnet.network.vlan) == ("10.1.1.1", "10.1.1.1", 101)
    assert [(g.hostname, g.ip) for g in subnet.guests] == [("web", vm["nic"][0]["ipaddress"])]
    assert vm["nic"][0]["ipaddress"] == "10.1.1.2"


def test_two_tenants_may_have_the_same_cidr(cloud: Cloud) -> None:
    cloud.ready_zone()
    public_range(cloud)
    alice, bob = cloud.as_user("alice"), cloud.as_user("bob")
    theirs = [network(who)["id"] for who in (alice, bob)]

    vms = [deploy(who, uuid) for who, uuid in zip((alice, bob), theirs, strict=True)]

    assert [vm["nic"][0]["ipaddress"] for vm in vms] == ["10.1.1.2", "10.1.1.2"]
    vlans = [routers_of(cloud, uuid)[0][1].subnets[0].network.vlan for uuid in theirs]
    assert vlans == [101, 102]
    nics = {nic.network.vlan for _, guest in cloud.world.guests() for nic in guest.spec.nics}
    assert nics == {101, 102}


def test_a_stranger_cannot_deploy_into_it(cloud: Cloud) -> None:
    cloud.ready_zone()
    public_range(cloud)
    made = network(cloud.as_user("alice"))

    with pytest.raises(ApiError) as e:
        deploy(cloud.as_user("bob"), made["id"])

    assert e.value.code == 431
    with pytest.raises(ApiError, match="is not of account admin"):
        deploy(cloud.admin, made["id"])


def test_addresses_can_be_chosen_but_not_twice_nor_the_gateways(cloud: Cloud) -> None:
    cloud.ready_zone()
    public_range(cloud)
    alice = cloud.as_user("alice")
    made = network(alice, gateway="192.168.7.1", netmask="255.255.255.0", startip="192.168.7.20",
                   endip="192.168.7.30")["id"]  # fmt: skip

    first = deploy(alice, made)
    second = deploy(alice, made, ipaddress="192.168.7.99")

    assert first["nic"][0]["ipaddress"] == "192.168.7.20"
    assert second["nic"][0]["ipaddress"] == "192.168.7.99"
    for taken, why in (
        ("192.168.7.99", "is taken"),
        ("192.168.7.1", "is the gateway"),
        ("10.0.0.1", "not in its"),
    ):
        with pytest.raises(ApiError, match=why):
            deploy(alice, made, ipaddress=taken)


def test_an_l2_network_is_a_segment_and_nothing_else(cloud: Cloud) -> None:
    cloud.ready_zone()
    public_range(cloud)
    alice = cloud.as_user("alice")
    made = network(alice, kind=L2)
    assert not {"gateway", "cidr", "netmask"} & set(made)

    vm = deploy(alice, made["id"])

    assert "ipaddress" not in vm["nic"][0]
    assert routers_of(cloud, made["id"]) == []
    assert cloud.api("listNetworks", id=made["id"])["network"][0]["vlan"] == "101"
    with pytest.raises(ApiError, match="no addresses"):
        deploy(alice, made["id"], ipaddress="10.1.1.9")
    with pytest.raises(ApiError, match="no addresses"):
        network(alice, kind=L2, gateway="10.0.0.1", netmask="255.255.255.0")


def test_only_operators_choose_vlans_and_nobody_twice(cloud: Cloud) -> None:
    cloud.ready_zone()
    public_range(cloud)
    alice = cloud.as_user("alice")

    with pytest.raises(ApiError, match="Only an administrator can choose a VLAN"):
        network(alice, kind=L2_VLAN, vlan="150")
    with pytest.raises(ApiError, match="lets nobody choose a VLAN"):
        network(alice, vlan="150")
    chosen = network(cloud.admin, kind=L2_VLAN, vlan="101", account="alice", domainid=alice.domain_uuid)
    with pytest.raises(ApiError, match="is on VLAN 101"):
        network(cloud.admin, "again", kind=L2_VLAN, vlan="101")
    taken = network(alice)
    deploy(alice, taken["id"])

    assert chosen["account"] == "alice"
    assert cloud.api("listNetworks", id=taken["id"])["network"][0]["vlan"] == "102"


def test_segments_run_out_and_come_back(cloud: Cloud) -> None:
    cloud.ready_zone()
    public_range(cloud)
    cloud.do("updatePhysicalNetwork", id=cloud.zone.physical_network, vlan="110-111")  # type: ignore[union-attr]
    alice = cloud.as_user("alice")
    first, second, third = (network(alice, name)["id"] for name in ("a", "b", "c"))
    vm = deploy(alice, first)
    deploy(alice, second)

    with pytest.raises(ApiError, match="no free VLAN"):
        deploy(alice, third, name="late")
    alice.do("destroyVirtualMachine", id=vm["id"], expunge=False)
    with pytest.raises(ApiError, match="expunge them first"):
        alice.do("deleteNetwork", id=first)
    cloud.do("destroyVirtualMachine", id=vm["id"], expunge=True)
    alice.do("deleteNetwork", id=first)

    assert segments(cloud) == [111]
    deploy(alice, third, name="now")
    assert segments(cloud) == [110, 111]


def test_a_vm_without_networks_gets_its_accounts_isolated_one(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    public_range(cloud)
    alice = cloud.as_user("alice")

    first = alice.do("deployVirtualMachine", **built.vm(networkids=None))["virtualmachine"]
    second = alice.do("deployVirtualMachine", **built.vm(networkids=None))["virtualmachine"]

    (own,) = [n for n in alice.api("listNetworks")["network"] if n["type"] == "Isolated"]
    assert own["name"] == "alice-network"
    assert {vm["nic"][0]["networkid"] for vm in (first, second)} == {own["id"]}
    network(alice)
    with pytest.raises(ApiError, match="more than one network"):
        alice.do("deployVirtualMachine", **built.vm(networkids=None))


def test_a_redundant_network_has_two_routers_on_two_hosts(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=3)
    public_range(cloud)
    alice = cloud.as_user("alice")
    made = network(alice, kind=PAIR)

    deploy(alice, made["id"])

    (first, one), (second, other) = routers_of(cloud, made["id"])
    assert first != second
    mine, theirs = one.subnets[0], other.subnets[0]
    assert (mine.gateway, theirs.gateway) == ("10.1.1.1", "10.1.1.1")
    assert (mine.ip, mine.peer_ip) == (theirs.peer_ip, theirs.ip)
    assert made["redundantrouter"] is True
