"""Rows to specs: what hosts are told to build."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec
from tegar.model.spec import DiskSpec, DomainSpec, NetworkSpec, NicSpec
from tegar.store import networks, volumes
from tegar.store.networks import Desired, Network, Nic, Router
from tegar.store.offerings import ServiceOffering
from tegar.store.pools import Pool
from tegar.store.vms import Vm
from tegar.store.volumes import Volume
from tegar.store.zones import Zone


def network_spec(network: Network) -> NetworkSpec:
    """Return a network's segment."""
    return NetworkSpec(network.uuid, network.bridge, int(network.vlan) if network.vlan.isdigit() else None)


def disk_spec(volume: Volume, pool: Pool) -> DiskSpec:
    """Return a volume as a disk of its VM."""
    return DiskSpec(volume.uuid, pool.spec(), volume.size_bytes, volume.device_id or 0)


def domain_spec(s: Session, vm: Vm) -> DomainSpec:
    """Return a VM with the disks that have a place and its NICs."""
    disks = [v for v in volumes.of_vm(s, vm.id) if v.pool_id is not None]
    nics = networks.nics_of(s, vm.id)
    nets = {
        n.id: n for n in s.scalars(select(Network).where(Network.id.in_({nic.network_id for nic in nics})))
    }
    pools = {p.id: p for p in s.scalars(select(Pool).where(Pool.id.in_({v.pool_id for v in disks})))}
    return DomainSpec(
        uuid=vm.uuid,
        name=vm.instance_name,
        cpus=vm.cpus,
        cpu_mhz=vm.cpu_mhz,
        memory_bytes=vm.memory_bytes,
        disks=tuple(disk_spec(v, pools[v.pool_id]) for v in disks if v.pool_id is not None),
        nics=tuple(
            NicSpec(nic.uuid, network_spec(nets[nic.network_id]), nic.mac, nic.ip, nic.device_id)
            for nic in nics
        ),
    )


def router_spec(s: Session, network: Network, router: Router) -> RouterSpec:
    """Return the whole desired state of a network's router and its version, of one moment."""
    zone = s.get_one(Zone, network.zone_id)
    own = s.get_one(Nic, router.nic_id)
    dns = [d for d in (network.dns1, network.dns2) if d] or [d for d in (zone.dns1, zone.dns2) if d]
    version = s.scalar(select(Desired.version).where(Desired.network_id == network.id)) or 0
    net = SubnetSpec(
        network=network_spec(network),
        mac=own.mac,
        ip=own.ip,
        prefix_len=ipaddress.ip_network(network.cidr).prefixlen,
        gateway=network.gateway,
        domain=network.network_domain,
        dns=tuple(dns),
        guests=tuple(_guests(s, network, zone)),
    )
    return RouterSpec(router.uuid, version, (net,))


def _guests(s: Session, network: Network, zone: Zone) -> Iterable[GuestSpec]:
    stmt = (
        select(Nic, Vm, ServiceOffering.name)
        .join(Vm, Vm.id == Nic.vm_id)
        .join(ServiceOffering, ServiceOffering.id == Vm.offering_id)
        .where(Nic.network_id == network.id, live(Nic))
        .order_by(Nic.id)
    )
    for nic, vm, offering in s.execute(stmt):
        yield GuestSpec(
            vm_uuid=vm.uuid,
            mac=nic.mac,
            ip=nic.ip,
            hostname=vm.name,
            user_data=vm.user_data or "",
            public_keys=tuple(k for k in vm.public_keys.splitlines() if k),
            meta=(
                ("instance-id", vm.uuid),
                ("vm-id", vm.uuid),
                ("local-hostname", vm.name),
                ("local-ipv4", nic.ip),
                ("service-offering", offering),
                ("availability-zone", zone.name),
            ),
        )
