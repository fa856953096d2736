"""Interfaces of VMs, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api.views.base import load
from tegar.model import vlan
from tegar.ops.ctx import Ctx
from tegar.store.networks import Network, Nic
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


def nic_view(nic: Nic, network: Network, vm_uuid: str) -> NicView:
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
        "secondaryip": [],
        "extradhcpoption": [],
    }


def nics(ctx: Ctx, rows: Sequence[Nic]) -> list[NicView]:
    """Return interfaces of VMs."""
    networks = load(ctx.s, Network, (r.network_id for r in rows))
    vms = load(ctx.s, Vm, (r.vm_id for r in rows))
    return [nic_view(r, networks[r.network_id], vms[r.vm_id].uuid) for r in rows if r.vm_id is not None]
