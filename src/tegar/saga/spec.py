"""Rows to specs: what hosts are told to build."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.model.spec import DiskSpec, DomainSpec, NetworkSpec, NicFilter, NicSpec
from tegar.saga.desired import nic_filters
from tegar.saga.desired.nic_filters import Filters
from tegar.store import networks, volumes
from tegar.store.networks import Network
from tegar.store.pools import Pool
from tegar.store.vms import Vm
from tegar.store.volumes import Volume


def network_spec(network: Network) -> NetworkSpec:
    """Return a network's segment."""
    tag = int(network.vlan) if network.vlan.isdigit() else None
    if network.broadcast == "Vxlan":
        return NetworkSpec(network.uuid, network.bridge, vni=tag)
    return NetworkSpec(network.uuid, network.bridge, vlan=tag)


def disk_spec(volume: Volume, pool: Pool) -> DiskSpec:
    """Return a volume as a disk of its VM."""
    return DiskSpec(volume.uuid, pool.spec(), volume.size_bytes, volume.device_id or 0)


def domain_spec(s: Session, vm: Vm) -> DomainSpec:
    """Return a VM with the disks that have a place and its NICs."""
    disks = [v for v in volumes.of_vm(s, vm.id) if v.pool_id is not None]
    pools = {p.id: p for p in s.scalars(select(Pool).where(Pool.id.in_({v.pool_id for v in disks})))}
    return DomainSpec(
        uuid=vm.uuid,
        name=vm.instance_name,
        cpus=vm.cpus,
        cpu_mhz=vm.cpu_mhz,
        memory_bytes=vm.memory_bytes,
        disks=tuple(disk_spec(v, pools[v.pool_id]) for v in disks if v.pool_id is not None),
        nics=nic_specs(s, vm, nic_filters.of(s, [vm.id])[vm.id]),
    )


def nic_specs(s: Session, vm: Vm, filters: Filters) -> tuple[NicSpec, ...]:
    """Return the NICs of a VM with what they may send and receive."""
    nics = networks.nics_of(s, vm.id)
    nets = {
        n.id: n for n in s.scalars(select(Network).where(Network.id.in_({nic.network_id for nic in nics})))
    }
    return tuple(
        NicSpec(
            nic.uuid,
            network_spec(nets[nic.network_id]),
            nic.mac,
            nic.ip,
            nic.device_id,
            filters.nics.get(nic.id, NicFilter()),
        )
        for nic in nics
    )
