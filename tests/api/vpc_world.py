"""What tests of VPCs share: making one with tiers, and what its routers were told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from support.cloud import Caller, Cloud
from support.isolated import public_range
from tegar.model.router import RouterSpec
from tegar.store.routers import Router
from tegar.store.vpcs import Vpc

TIER = "DefaultIsolatedNetworkOfferingForVpcNetworks"
INTERNAL = f"{TIER}WithInternalLB"


def offering(cloud: Cloud, name: str) -> str:
    """Return the id of a network offering."""
    uuid: str = cloud.api("listNetworkOfferings", name=name)["networkoffering"][0]["id"]
    return uuid


def vpc_offering(cloud: Cloud, name: str = "Default VPC offering") -> str:
    """Return the id of a VPC offering."""
    uuid: str = cloud.api("listVPCOfferings", name=name)["vpcoffering"][0]["id"]
    return uuid


def vpc_zone(cloud: Cloud, hosts: int = 2) -> Caller:
    """Build a zone that has public addresses; return a user."""
    cloud.ready_zone(hosts=hosts)
    public_range(cloud)
    return cloud.as_user("alice")


def make_vpc(
    cloud: Cloud, who: Caller, name: str = "shop", *, kind: str = "Default VPC offering", **more: Any
) -> str:
    """Make a VPC and return its id."""
    assert cloud.zone
    wish = {
        "name": name,
        "zoneid": cloud.zone.zone,
        "vpcofferingid": vpc_offering(cloud, kind),
        "cidr": "10.0.0.0/16",
    }
    uuid: str = who.do("createVPC", **{**wish, **more})["vpc"]["id"]
    return uuid


def make_tier(cloud: Cloud, who: Caller, vpc: str, n: int, *, kind: str = TIER, **more: Any) -> str:
    """Make the tier 10.0.n.0/24 and return its id."""
    assert cloud.zone
    wish = {"name": f"tier{n}", "zoneid": cloud.zone.zone, "networkofferingid": offering(cloud, kind), "vpcid": vpc,
            "gateway": f"10.0.{n}.1", "netmask": "255.255.255.0"}  # fmt: skip
    uuid: str = who.api("createNetwork", **{**wish, **more})["network"]["id"]
    return uuid


def make_vm(cloud: Cloud, who: Caller, name: str, tier: str) -> dict[str, Any]:
    """Deploy a VM into a tier and return it."""
    assert cloud.zone
    found: dict[str, Any] = who.do("deployVirtualMachine", **cloud.zone.vm(name=name, networkids=tier))[
        "virtualmachine"
    ]
    return found


def specs(cloud: Cloud, vpc: str) -> list[RouterSpec]:
    """Return what hosts run for a VPC's routers, in the order of the routers."""

    def ids(s: Any) -> list[str]:
        of = select(Router.uuid).join(Vpc, Vpc.group_id == Router.group_id).where(Vpc.uuid == vpc)
        return list(s.scalars(of.order_by(Router.position)))

    wanted = cloud.db.read(ids)
    there = {uuid: spec for m in cloud.world.machines.values() for uuid, spec in m.routers.items()}
    return [there[uuid] for uuid in wanted if uuid in there]


def spec(cloud: Cloud, vpc: str) -> RouterSpec:
    """Return what the VPC's only router was told."""
    (found,) = specs(cloud, vpc)
    return found
