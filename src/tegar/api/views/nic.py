"""Interfaces of VMs, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api.views.base import load, uuid_of
from tegar.model import vlan
from tegar.ops.ctx import Ctx
from tegar.store.networks import Network, Nic
from tegar.store.nic_addresses import NicAddress, of_nics
from tegar.store.vms import Vm


class NicView(TypedDict, total=False):
    """An interface of a VM; in an L2 network it has no address."""

    id: str
    networkid: str
    networkname: str
    netmask: str | None
    gateway: str | None
    ipaddress: str | None
    macaddress: str
    isdefault: bool
    traffictype: str
    type: str
    deviceid: str
    broadcasturi: str | None
    isolationuri: str | None
    virtualmachineid: str | None
    secondaryip: list[dict[str, Any]]
    extradhcpoption: list[dict[str, Any]]


class NicAddressView(TypedDict, total=False):
    """A secondary address of an interface."""

    id: str
    ipaddress: str
    nicid: str
    networkid: str
    virtualmachineid: str | None


def nic_view(nic: Nic, network: Network, vm_uuid: str, secondary: Sequence[NicAddress] = ()) -> NicView:
    """Return a VM's interface; what it does not have is None."""
    uri = vlan.uri(network.vlan, network.broadcast) if network.vlan else None
    return {
        "id": nic.uuid,
        "networkid": network.uuid,
        "networkname": network.name,
        "netmask": network.netmask or None,
        "gateway": network.gateway or None,
        "ipaddress": nic.ip or None,
        "macaddress": nic.mac,
        "isdefault": nic.is_default,
        "traffictype": "Guest",
        "type": network.guest_type,
        "deviceid": str(nic.device_id),
        "broadcasturi": uri,
        "isolationuri": uri,
        "virtualmachineid": vm_uuid,
        "secondaryip": [{"id": row.uuid, "ipaddress": row.ip} for row in secondary],
        "extradhcpoption": [],
    }


def nics(ctx: Ctx, rows: Sequence[Nic]) -> list[NicView]:
    """Return interfaces of VMs."""
    networks = load(ctx.s, Network, (r.network_id for r in rows))
    vms = load(ctx.s, Vm, (r.vm_id for r in rows))
    secondary = of_nics(ctx.s, [r.id for r in rows])
    return [
        nic_view(r, networks[r.network_id], vms[r.vm_id].uuid, secondary.get(r.id, ()))
        for r in rows
        if r.vm_id is not None
    ]


def nic_addresses(ctx: Ctx, rows: Sequence[NicAddress]) -> list[NicAddressView]:
    """Return secondary addresses."""
    nics = load(ctx.s, Nic, (r.nic_id for r in rows))
    networks = load(ctx.s, Network, (nic.network_id for nic in nics.values()))
    vms = load(ctx.s, Vm, (nic.vm_id for nic in nics.values()))
    return [
        {
            "id": r.uuid,
            "ipaddress": r.ip,
            "nicid": nics[r.nic_id].uuid,
            "networkid": networks[nics[r.nic_id].network_id].uuid,
            "virtualmachineid": uuid_of(vms, nics[r.nic_id].vm_id),
        }
        for r in rows
    ]
