"""Rows to specs: what hosts are told to build."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.network import PLUGGED
from tegar.model.spec import DiskSpec, DomainSpec, NetworkSpec, NicSpec
from tegar.saga.desired import nic_filters
from tegar.store import networks, volumes
from tegar.store.networks import Network, Nic
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
        nics=nic_specs(s, nics_of_domain(s, vm.id)),
    )


def nics_of_domain(s: Session, vm_id: int) -> Sequence[Nic]:
    """Return the NICs that a VM runs with."""
    return [nic for nic in networks.nics_of(s, vm_id) if nic.state in PLUGGED]


def nics_of_domains(s: Session, vm_ids: Collection[int]) -> dict[int, list[Nic]]:
    """Return the NICs that VMs run with, by VM; those of a VM in their order."""
    stmt = select(Nic).where(Nic.vm_id.in_(vm_ids), Nic.state.in_(PLUGGED), live(Nic)).order_by(Nic.device_id)
    found: dict[int, list[Nic]] = {vm_id: [] for vm_id in vm_ids}
    for nic in s.scalars(stmt):
        found[nic.vm_id or 0].append(nic)
    return found


def nic_specs(s: Session, nics: Sequence[Nic]) -> tuple[NicSpec, ...]:
    """Return NICs of VMs with what they may send and receive; a fixed number of queries."""
    ids = {nic.network_id for nic in nics}
    nets = {n.id: n for n in s.scalars(select(Network).where(Network.id.in_(ids)))}
    filters = nic_filters.of(s, nics)
    return tuple(
        NicSpec(nic.uuid, network_spec(nets[nic.network_id]), nic.mac, nic.ip, nic.device_id, filters[nic.id])
        for nic in nics
    )
