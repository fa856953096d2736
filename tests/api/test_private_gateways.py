"""Private gateways and static routes of VPCs."""

from __future__ import annotations

from typing import Any

import pytest
from vpc_world import make_tier, make_vm, make_vpc, spec, vpc_zone

from support.cloud import ApiError, Caller, Cloud

WAY = {"gateway": "172.20.0.1", "netmask": "255.255.255.0", "ipaddress": "172.20.0.7", "vlan": "55"}


@pytest.fixture
def alice(cloud: Cloud) -> Caller:
    """A user of a zone with two hosts."""
    return vpc_zone(cloud)


@pytest.fixture
def vpc(cloud: Cloud, alice: Caller) -> str:
    """A VPC with a tier and a VM."""
    uuid = make_vpc(cloud, alice)
    make_vm(cloud, alice, "web", make_tier(cloud, alice, uuid, 1))
    return uuid


def gateway(cloud: Cloud, vpc: str, **more: Any) -> dict[str, Any]:
    """Make a private gateway."""
    found: dict[str, Any] = cloud.do("createPrivateGateway", vpcid=vpc, **{**WAY, **more})["privategateway"]
    return found


def private(cloud: Cloud, vpc: str) -> list[Any]:
    """Return the private uplinks that the router was told."""
    return [u for u in spec(cloud, vpc).uplinks if u.private]


def test_a_private_gateway_is_an_uplink_with_its_own_vlan(cloud: Cloud, alice: Caller, vpc: str) -> None:
    made = gateway(cloud, vpc, sourcenatsupported=True)

    (told,) = private(cloud, vpc)
    assert (told.addresses, told.prefix_len, told.gateway, told.source_nat) == (
        ("172.20.0.7",), 24, "172.20.0.1", "172.20.0.7",
    )  # fmt: skip
    assert told.network.vlan == 55
    assert told.acl is None
    assert (made["state"], made["vlan"], made["account"]) == ("Ready", "vlan://55", "alice")
    seen = alice.api("listPrivateGateways", vpcid=vpc)["privategateway"][0]
    assert seen["ipaddress"] == "172.20.0.7"
    assert "vlan" not in seen


def test_a_private_gateway_obeys_an_acl_list(cloud: Cloud, alice: Caller, vpc: str) -> None:
    rules = alice.do("createNetworkACLList", name="office", vpcid=vpc)["networkacllist"]["id"]
    made = gateway(cloud, vpc)
    alice.do("createNetworkACL", aclid=rules, protocol="tcp", startport=22)

    cloud.do("replaceNetworkACLList", aclid=rules, gatewayid=made["id"])

    acl = private(cloud, vpc)[0].acl
    assert [(i.match.first_port, i.allow) for i in acl] == [(22, True)]
    with pytest.raises(ApiError, match=r"private gateway 172\.20\.0\.7 has it"):
        alice.api("deleteNetworkACLList", id=rules)


def test_routes_lead_through_the_gateway_and_keep_it(cloud: Cloud, alice: Caller, vpc: str) -> None:
    made = gateway(cloud, vpc)
    route = alice.do("createStaticRoute", cidr="192.168.0.0/16", gatewayid=made["id"])["staticroute"]

    assert [(r.cidr, r.via) for r in spec(cloud, vpc).routes] == [("192.168.0.0/16", "172.20.0.1")]
    assert (route["state"], route["vpcgatewayip"], route["nexthop"]) == ("Active", "172.20.0.7", "172.20.0.1")
    with pytest.raises(ApiError, match="leads through it"):
        cloud.api("deletePrivateGateway", id=made["id"])
    alice.do("deleteStaticRoute", id=route["id"])
    assert spec(cloud, vpc).routes == ()
    cloud.do("deletePrivateGateway", id=made["id"])
    assert private(cloud, vpc) == []
    assert alice.api("listPrivateGateways") == {}


def test_a_route_leads_by_an_address_in_a_tier(cloud: Cloud, alice: Caller, vpc: str) -> None:
    alice.do("createStaticRoute", cidr="192.168.7.0/24", vpcid=vpc, nexthop="10.0.1.9")

    assert [(r.cidr, r.via) for r in spec(cloud, vpc).routes] == [("192.168.7.0/24", "10.0.1.9")]
    with pytest.raises(ApiError, match="in no tier"):
        alice.api("createStaticRoute", cidr="192.168.8.0/24", vpcid=vpc, nexthop="10.0.9.9")


@pytest.mark.parametrize(
    ("cidr", "why"),
    [
        ("10.0.0.0/8", r"overlaps 10\.0\.0\.0/16"),
        ("0.0.0.0/0", "forbidden by the operator"),
        ("169.254.169.254/32", "never routed"),
        ("192.168.4.0/24", "forbidden by the operator"),
        ("192.168.1.128/25", "has a static route already"),
        ("192.168.1.1/24", "is not a network"),
    ],
)
def test_routes_that_must_not_be_are_refused(
    cloud: Cloud, alice: Caller, vpc: str, cidr: str, why: str
) -> None:
    made = gateway(cloud, vpc)
    cloud.api("updateConfiguration", name="denied.routes", value="192.168.4.0/22")
    alice.do("createStaticRoute", cidr="192.168.1.0/24", gatewayid=made["id"])

    with pytest.raises(ApiError, match=why):
        alice.api("createStaticRoute", cidr=cidr, gatewayid=made["id"])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"ipaddress": "172.21.0.7"}, "no address of a host"),
        ({"ipaddress": "172.20.0.1"}, "is the gateway's"),
        ({"gateway": "10.0.0.1", "ipaddress": "10.0.0.2"}, "the CIDR of VPC shop"),
        ({"gateway": "172.20.0.129", "ipaddress": "172.20.0.130", "netmask": "255.255.255.128"}, "overlaps"),
        (
            {"gateway": "172.30.0.1", "ipaddress": "172.30.0.2", "vlan": "100"},
            "Guest network net is on VLAN 100",
        ),
    ],
)
def test_private_gateways_that_cannot_be_are_refused(
    cloud: Cloud, alice: Caller, vpc: str, more: dict[str, str], why: str
) -> None:
    gateway(cloud, vpc)

    with pytest.raises(ApiError, match=why):
        gateway(cloud, vpc, **more)


def test_two_vpcs_cannot_have_one_address_on_a_vlan(cloud: Cloud, alice: Caller, vpc: str) -> None:
    gateway(cloud, vpc)

    with pytest.raises(ApiError, match=r"has 172\.20\.0\.7 on VLAN 55 already"):
        gateway(cloud, make_vpc(cloud, alice, "other"))
    assert gateway(cloud, make_vpc(cloud, alice, "third"), ipaddress="172.20.0.8")["state"] == "Ready"


def test_a_gateway_goes_with_its_vpc(cloud: Cloud, alice: Caller) -> None:
    vpc = make_vpc(cloud, alice)
    made = gateway(cloud, vpc)
    alice.do("createStaticRoute", cidr="192.168.0.0/16", gatewayid=made["id"])

    alice.do("deleteVPC", id=vpc)

    assert cloud.api("listPrivateGateways", listall=True) == {}
    assert cloud.api("listStaticRoutes", listall=True) == {}
