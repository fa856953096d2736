"""The worlds of sagas about VPCs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saga.law import Allowed, Case, case
from support.cloud import Cloud
from support.isolated import public_range
from support.picture import Picture

TIER = "DefaultIsolatedNetworkOfferingForVpcNetworks"


def _listed(cloud: Cloud, command: str, key: str, **params: Any) -> str:
    uuid: str = cloud.api(command, **params)[key][0]["id"]
    return uuid


def vpc(cloud: Cloud) -> str:
    """Build a zone with a VPC, an ACL list and a private gateway with a route."""
    built = cloud.ready_zone(hosts=3)
    public_range(cloud)
    kind = _listed(cloud, "listVPCOfferings", "vpcoffering", name="Default VPC offering")
    made = cloud.do("createVPC", name="shop", zoneid=built.zone, vpcofferingid=kind, cidr="10.0.0.0/16",
                    networkdomain="shop.example.org")  # fmt: skip
    uuid: str = made["vpc"]["id"]
    cloud.do("createNetworkACLList", name="web", vpcid=uuid)
    way = cloud.do("createPrivateGateway", vpcid=uuid, gateway="172.20.0.1", netmask="255.255.255.0",
                   ipaddress="172.20.0.7", vlan="55")["privategateway"]["id"]  # fmt: skip
    cloud.do("createStaticRoute", cidr="192.168.0.0/16", gatewayid=way)
    return uuid


def running(cloud: Cloud) -> str:
    """Build one with a tier in which a VM runs."""
    uuid = vpc(cloud)
    assert cloud.zone
    rules = _listed(cloud, "listNetworkACLLists", "networkacllist", name="web")
    tier = cloud.api(
        "createNetwork", name="tier", zoneid=cloud.zone.zone, vpcid=uuid, gateway="10.0.1.1", netmask="255.255.255.0",
        networkofferingid=_listed(cloud, "listNetworkOfferings", "networkoffering", name=TIER), aclid=rules,
    )["network"]["id"]  # fmt: skip
    cloud.do("deployVirtualMachine", **cloud.zone.vm(name="web", networkids=tier))
    return uuid


def on_vpc(command: str, **params: Any) -> Callable[[Cloud], None]:
    """Return the request that asks a command of the VPC."""

    def request(cloud: Cloud) -> None:
        cloud.api(command, id=_listed(cloud, "listVPCs", "vpc"), **params)

    return request


def new_item(cloud: Cloud) -> None:
    """Ask for an item of the list."""
    rules = _listed(cloud, "listNetworkACLLists", "networkacllist", name="web")
    cloud.api("createNetworkACL", aclid=rules, protocol="tcp", startport=22)


def _one_removed(before: Picture, after: Picture) -> None:
    keys = sorted(set(after["db"]["network_acl_item"]) - set(before["db"]["network_acl_item"]))
    assert all(after["db"]["network_acl_item"].pop(key)["removed_s"] is not None for key in keys)


ITEM = Allowed("rows are kept for history, marked removed", _one_removed)

case(Case("vpc.delete", vpc, on_vpc("deleteVPC")))
case(Case("vpc.restart", running, on_vpc("restartVPC", cleanup=True)))
case(Case("vpc.restart", running, on_vpc("restartVPC", makeredundant=True), "pair"))
case(Case("rule.apply", running, new_item, "acl", (ITEM,)))
