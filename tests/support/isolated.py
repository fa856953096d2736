"""Isolated networks with public addresses, for tests of what routers are told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from support.cloud import Caller, Cloud
from tegar.model.network import State, Traffic
from tegar.model.router import RouterSpec
from tegar.store.accounts import Account
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering
from tegar.store.routers import RouterGroup
from tegar.store.zones import PhysicalNetwork, TrafficType

ALL = ("Dhcp", "Dns", "UserData", "SourceNat", "StaticNat", "PortForwarding", "Firewall", "Lb")


def public_range(cloud: Cloud, *, first: int = 10, last: int = 29, vlan: str = "50") -> str:
    """Give the zone public addresses ``203.0.113.first`` to ``.last``, on bridge ``pub0``; return the range's uuid."""
    assert cloud.zone

    def lay(s: Any) -> None:
        wires = s.scalars(
            select(PhysicalNetwork).where(PhysicalNetwork.uuid == cloud.zone.physical_network)
        ).one()
        if not s.query(TrafficType).filter_by(traffic=Traffic.PUBLIC).count():
            s.add(TrafficType(physical_network_id=wires.id, traffic=Traffic.PUBLIC, kvm_label="pub0"))

    cloud.db.tx(lay)
    made = cloud.api(
        "createVlanIpRange", zoneid=cloud.zone.zone, physicalnetworkid=cloud.zone.physical_network, vlan=vlan,
        gateway="203.0.113.1", netmask="255.255.255.0", startip=f"203.0.113.{first}", endip=f"203.0.113.{last}",
        forvirtualnetwork=True,
    )  # fmt: skip
    uuid: str = made["vlan"]["id"]
    return uuid


def isolated(
    cloud: Cloud, owner: Caller, name: str = "iso", *, services: tuple[str, ...] = ALL, **offered: Any
) -> str:
    """Make an isolated network of an account, not implemented; return its uuid."""
    assert cloud.zone

    def lay(s: Any) -> str:
        shared = s.scalars(select(Network).where(Network.name == "net")).one()
        account = s.scalars(select(Account).where(Account.id == owner.account_id)).one()
        offering = NetworkOffering(
            name="isolated", display_text="isolated", guest_type="Isolated",
            services=",".join(f"{s}=VirtualRouter" for s in services), **offered,
        )  # fmt: skip
        group = RouterGroup()
        s.add_all([offering, group])
        s.flush()
        network = Network(
            name=name, display_text=name, account_id=account.id, domain_id=account.domain_id,
            zone_id=shared.zone_id, offering_id=offering.id, physical_network_id=shared.physical_network_id,
            guest_type="Isolated", acl_type="Account", subdomain_access=False, state=State.ALLOCATED, vlan="",
            specified_vlan=False, bridge="cloudbr1", gateway="10.5.0.1", netmask="255.255.255.0", cidr="10.5.0.0/24",
            network_domain="iso.internal", group_id=group.id,
        )  # fmt: skip
        s.add(network)
        s.flush()
        return str(network.uuid)

    return cloud.db.tx(lay)


def vm_in(cloud: Cloud, owner: Caller, network: str, name: str = "web") -> dict[str, Any]:
    """Deploy a VM into a network; return it as the API shows it."""
    assert cloud.zone
    made = owner.do("deployVirtualMachine", **cloud.zone.vm(name=name, networkids=network))
    found: dict[str, Any] = made["virtualmachine"]
    return found


def told(cloud: Cloud, network: str) -> RouterSpec:
    """Return what the router that serves a network was told last."""
    specs = [
        spec
        for name in (cloud.zone.hosts if cloud.zone else ())
        for spec in cloud.world.machine(name).routers.values()
        if any(subnet.network.uuid == network for subnet in spec.subnets)
    ]
    (spec,) = specs
    return spec


def acquire(cloud: Cloud, owner: Caller, network: str, **more: Any) -> dict[str, Any]:
    """Acquire an address that leads into a network."""
    found: dict[str, Any] = owner.do("associateIpAddress", networkid=network, **more)["ipaddress"]
    return found
