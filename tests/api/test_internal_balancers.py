"""Load balancers inside of tiers."""

from __future__ import annotations

from typing import Any

import pytest
from vpc_world import INTERNAL, make_tier, make_vm, make_vpc, spec, vpc_zone

from support.cloud import ApiError, Caller, Cloud


@pytest.fixture
def alice(cloud: Cloud) -> Caller:
    """A user of a zone with two hosts."""
    return vpc_zone(cloud)


def world(cloud: Cloud, alice: Caller) -> tuple[str, str, list[dict[str, Any]]]:
    """Make a VPC with a tier and two VMs in it."""
    vpc = make_vpc(cloud, alice)
    tier = make_tier(cloud, alice, vpc, 1, kind=INTERNAL)
    return vpc, tier, [make_vm(cloud, alice, f"web{n}", tier) for n in (1, 2)]


def balancer(who: Caller, tier: str, name: str = "app", **more: Any) -> dict[str, Any]:
    """Make a balancer of port 80 to port 8080."""
    wish = {"name": name, "networkid": tier, "sourceipaddressnetworkid": tier, "scheme": "Internal",
            "algorithm": "roundrobin", "sourceport": 80, "instanceport": 8080}  # fmt: skip
    found: dict[str, Any] = who.do("createLoadBalancer", **{**wish, **more})["loadbalancer"]
    return found


def test_members_are_put_behind_an_address_of_the_tier(cloud: Cloud, alice: Caller) -> None:
    vpc, tier, vms = world(cloud, alice)
    made = balancer(alice, tier)
    ids = ",".join(vm["id"] for vm in vms)

    alice.do("assignToLoadBalancerRule", id=made["id"], virtualmachineids=ids)

    (told,) = spec(cloud, vpc).balancers
    assert (told.ip, told.port, told.algorithm) == (made["sourceipaddress"], 80, "roundrobin")
    assert [(m.ip, m.port) for m in told.members] == [(vm["nic"][0]["ipaddress"], 8080) for vm in vms]
    assert told.ip not in {vm["nic"][0]["ipaddress"] for vm in vms} | {"10.0.1.1"}
    shown = alice.api("listLoadBalancers", networkid=tier)["loadbalancer"][0]
    assert [i["name"] for i in shown["loadbalancerinstance"]] == ["web1", "web2"]
    alice.do("removeFromLoadBalancerRule", id=made["id"], virtualmachineids=vms[0]["id"])
    assert [m.ip for m in spec(cloud, vpc).balancers[0].members] == [vms[1]["nic"][0]["ipaddress"]]


def test_rules_share_an_address_until_the_last_gives_it_back(cloud: Cloud, alice: Caller) -> None:
    vpc, tier, _ = world(cloud, alice)
    one = balancer(alice, tier, sourceipaddress="10.0.1.50")
    two = balancer(alice, tier, "tls", sourceipaddress="10.0.1.50", sourceport=443)
    with pytest.raises(ApiError, match="has port 443 of"):
        balancer(alice, tier, "again", sourceipaddress="10.0.1.50", sourceport=443)

    assert cloud.api("listInternalLoadBalancerVMs")["count"] == 1
    alice.do("deleteLoadBalancer", id=one["id"])
    assert [b.port for b in spec(cloud, vpc).balancers] == [443]
    alice.do("deleteLoadBalancer", id=two["id"])
    assert spec(cloud, vpc).balancers == ()
    assert cloud.api("listInternalLoadBalancerVMs") == {}
    assert cloud.zone
    wish = cloud.zone.vm(name="third", networkids=tier, ipaddress="10.0.1.50")
    assert alice.do("deployVirtualMachine", **wish)["virtualmachine"]["nic"][0]["ipaddress"] == "10.0.1.50"


def test_an_instance_is_stopped_and_started(cloud: Cloud, alice: Caller) -> None:
    vpc, tier, _ = world(cloud, alice)
    balancer(alice, tier)
    found = cloud.api("listInternalLoadBalancerVMs", vpcid=vpc)["internalloadbalancervm"][0]

    assert (found["state"], found["role"]) == ("Running", "INTERNAL_LB_VM")
    stopped = cloud.do("stopInternalLoadBalancerVM", id=found["id"])["internalloadbalancervm"]
    assert stopped["state"] == "Stopped"
    assert spec(cloud, vpc).balancers == ()
    assert cloud.api("listInternalLoadBalancerVMs", state="Running") == {}
    cloud.do("startInternalLoadBalancerVM", id=found["id"])
    assert len(spec(cloud, vpc).balancers) == 1


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"sourceport": 0}, "is not a port"),
        ({"algorithm": "best"}, "is none of"),
        ({"sourceipaddress": "10.0.9.1"}, "no address for guests"),
        ({"sourceipaddress": "10.0.1.1"}, "no address for guests"),
        ({"sourceipaddress": "10.0.1.2"}, "is taken"),
        ({"scheme": "Public"}, "is none of Internal"),
    ],
)
def test_balancers_that_cannot_be_are_refused(
    cloud: Cloud, alice: Caller, more: dict[str, Any], why: str
) -> None:
    _, tier, _ = world(cloud, alice)

    with pytest.raises(ApiError, match=why):
        balancer(alice, tier, **more)


def test_a_tier_without_internal_balancing_is_refused(cloud: Cloud, alice: Caller) -> None:
    tier = make_tier(cloud, alice, make_vpc(cloud, alice), 1)

    with pytest.raises(ApiError, match="no internal load balancing"):
        balancer(alice, tier)


def test_balancers_go_with_their_tier(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    tier = make_tier(cloud, alice, vpc, 1, kind=INTERNAL)
    balancer(alice, tier)

    alice.do("deleteNetwork", id=tier)

    assert cloud.api("listLoadBalancers", listall=True) == {}
    assert cloud.api("listInternalLoadBalancerVMs") == {}


def test_the_element_of_internal_balancing_is_enabled(cloud: Cloud, alice: Caller) -> None:
    assert cloud.zone
    wires = cloud.do("createPhysicalNetwork", name="more", zoneid=cloud.zone.zone)["physicalnetwork"]["id"]
    provider = cloud.api("listNetworkServiceProviders", physicalnetworkid=wires, name="InternalLbVm")[
        "networkserviceprovider"
    ][0]
    element = cloud.api("listInternalLoadBalancerElements", nspid=provider["id"])[
        "internalloadbalancerelement"
    ][0]

    with pytest.raises(ApiError, match="configureInternalLoadBalancerElement"):
        cloud.api("updateNetworkServiceProvider", id=provider["id"], state="Enabled")
    cloud.do("configureInternalLoadBalancerElement", id=element["id"], enabled=True)
    cloud.do("updateNetworkServiceProvider", id=provider["id"], state="Enabled")
    with pytest.raises(ApiError, match="exists already"):
        cloud.api("createInternalLoadBalancerElement", nspid=provider["id"])
    assert cloud.api("listVirtualRouterElements", nspid=provider["id"]) == {}
