"""What one can see of a simulated world: a guest's page, and the picture of everything."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from tegar.model.router import GuestSpec
from tegar.model.spec import NetworkSpec, NicSpec
from tegar.sim.things import Guest, Machine, SimBmc, Storage
from tegar.sim.world import World
from tegar.wire.virt import DomainState


class NotAnswering(Exception):
    """The guest's page cannot be loaded; says why."""


@dataclass(frozen=True)
class Page:
    """What a guest's page says: ``boots`` counts on its root disk; ``disks`` are the others plugged in."""

    name: str
    host: str
    ip: str
    boots: int
    user_data: str
    disks: tuple[str, ...]
    meta: tuple[tuple[str, str], ...] = ()


def page(world: World, vm_uuid: str) -> Page:
    """Load a guest's page.

    A guest answers when it runs, has a NIC and that NIC has its lease of its segment's router.

    Raises:
        NotAnswering: it does not.
    """
    with world.lock:
        hosts = world.where(vm_uuid)
        if not hosts:
            raise NotAnswering(f"{vm_uuid} runs nowhere")
        guest = world.machines[hosts[0]].guests[vm_uuid]
        if guest.state == DomainState.PAUSED or not guest.spec.nics:
            raise NotAnswering(f"{vm_uuid} is paused or has no NIC")
        nic = min(guest.spec.nics, key=lambda n: n.device_id)
        lease = _lease(world, nic)
        return Page(
            name=lease.hostname,
            host=hosts[0],
            ip=lease.ip,
            boots=guest.boots,
            user_data=base64.b64decode(lease.user_data).decode("utf-8", "replace"),
            disks=tuple(guest.disks)[1:],
            meta=lease.meta,
        )


def _lease(world: World, nic: NicSpec) -> GuestSpec:
    routers = [r for host in world.machines.values() if host.powered for r in host.routers.values()]
    for subnet in (subnet for router in routers for subnet in router.subnets):
        if _segment(subnet.network) == _segment(nic.network):
            for lease in subnet.guests:
                if lease.mac == nic.mac and lease.ip == nic.ip:
                    return lease
    bridge, vlan, vni = _segment(nic.network)
    raise NotAnswering(f"no router on bridge {bridge}, VLAN {vlan}, VXLAN {vni} has a lease for {nic.mac}")


def _segment(network: NetworkSpec) -> tuple[str, int | None, int | None]:
    return network.bridge, network.vlan, network.vni


def picture(world: World) -> dict[str, Any]:
    """Return all there is as plain data: equal worlds give equal pictures.

    Left out is what may differ between equal worlds: display ports, router versions, reached pools.
    """
    with world.lock:
        return {
            "hosts": {h.name: _machine(h) for h in world.machines.values() if h.guests or h.routers},
            "bmcs": {h.name: _bmc(h) for h in world.machines.values() if _bmc(h) != _UNTOUCHED},
            "pools": {p.name: _storage(p) for p in world.pools.values() if p.disks or p.images},
            "stores": {p.name: _storage(p) for p in world.stores.values() if p.images},
        }


_UNTOUCHED = {"powered": True, "password": SimBmc().password, "resets": 0}


def _bmc(host: Machine) -> dict[str, Any]:
    return {"powered": host.powered, "password": host.bmc.password, "resets": host.bmc.resets}


def _machine(host: Machine) -> dict[str, Any]:
    return {
        "domains": {uuid: _guest(g) for uuid, g in sorted(host.guests.items())},
        "routers": {
            uuid: sorted((g.mac, g.ip, g.hostname, g.vm_uuid) for net in spec.subnets for g in net.guests)
            for uuid, spec in sorted(host.routers.items())
        },
    }


def _guest(guest: Guest) -> dict[str, Any]:
    return {
        "name": guest.spec.name,
        "state": guest.state.value,
        "memory_bytes": guest.spec.memory_bytes,
        "cpus": guest.spec.cpus,
        "disks": list(guest.disks),
        "nics": sorted((n.mac, n.ip) for n in guest.spec.nics),
        "rules": {n.mac: str(n.filter.groups) for n in guest.spec.nics if n.filter and n.filter.groups},
    }


def _storage(storage: Storage) -> dict[str, Any]:
    return {
        "disks": {
            d.uuid: {"size_bytes": d.size_bytes, "base": d.base, "writers": sorted(d.writers)}
            for d in sorted(storage.disks.values(), key=lambda d: d.uuid)
        },
        "images": sorted(storage.images),
    }
