"""Networks with security groups, for tests of what guests' filters are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from support.cloud import Caller, Cloud
from tegar.model.spec import NicFilter, SecurityRules
from tegar.store.zones import Zone

OFFERING = "DefaultSharedNetworkOfferingWithSGService"


def guarded_zone(cloud: Cloud, **options: Any) -> None:
    """Build a zone that has security groups; its first network has none."""
    built = cloud.ready_zone(**options)

    def mark(s: Any) -> None:
        s.scalars(select(Zone).where(Zone.uuid == built.zone)).one().security_groups = True

    cloud.db.tx(mark)


def guarded(cloud: Cloud, name: str = "guarded", *, vlan: int = 120, third: int = 0) -> str:
    """Make a network with security groups, ``10.2.third.0/24``, that everybody may use; return its uuid."""
    assert cloud.zone
    offering = cloud.api("listNetworkOfferings", name=OFFERING)["networkoffering"][0]["id"]
    made = cloud.api(
        "createNetwork", name=name, displaytext=name, zoneid=cloud.zone.zone, networkofferingid=offering,
        physicalnetworkid=cloud.zone.physical_network, vlan=vlan, gateway=f"10.2.{third}.1", netmask="255.255.255.0",
        startip=f"10.2.{third}.10", endip=f"10.2.{third}.99", networkdomain=f"{name}.internal",
    )  # fmt: skip
    uuid: str = made["network"]["id"]
    return uuid


def guest(cloud: Cloud, owner: Caller, network: str, name: str = "web", **more: Any) -> dict[str, Any]:
    """Deploy a VM into a network; return it as the API shows it."""
    assert cloud.zone
    made = owner.do("deployVirtualMachine", **cloud.zone.vm(name=name, networkids=network, **more))
    found: dict[str, Any] = made["virtualmachine"]
    return found


def filter_of(cloud: Cloud, vm: str, nic: int = 0) -> NicFilter:
    """Return the filter that is in force for a running VM's NIC."""
    assert cloud.zone
    (nics,) = [
        filters[vm]
        for filters in (cloud.world.machine(name).filters for name in cloud.zone.hosts)
        if vm in filters
    ]
    found = nics[nic].filter
    assert found
    return found


def rules_of(cloud: Cloud, vm: str, nic: int = 0) -> SecurityRules:
    """Return the rules that are in force for a running VM's NIC."""
    found = filter_of(cloud, vm, nic).groups
    assert found is not None
    return found
