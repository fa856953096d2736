"""Port forwarding rules, as the API shows them: ports are text in the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api.views.base import load
from tegar.api.views.firewall import ANYWHERE
from tegar.ops.ctx import Ctx
from tegar.store.addresses import PublicAddress
from tegar.store.forwarding import ForwardingRule
from tegar.store.networks import Network, Nic
from tegar.store.vms import Vm


class ForwardingRuleView(TypedDict, total=False):
    """A rule that sends ports of a public address to a VM."""

    id: str
    protocol: str
    publicport: str
    publicendport: str
    privateport: str
    privateendport: str
    ipaddressid: str
    ipaddress: str
    virtualmachineid: str
    virtualmachinename: str
    virtualmachinedisplayname: str
    vmguestip: str
    networkid: str
    cidrlist: str
    state: str
    fordisplay: bool
    tags: list[dict[str, Any]]


def forwarding_rules(ctx: Ctx, rows: Sequence[ForwardingRule]) -> list[ForwardingRuleView]:
    """Return rules with their addresses and VMs."""
    addresses = load(ctx.s, PublicAddress, (r.address_id for r in rows))
    networks = load(ctx.s, Network, (r.network_id for r in rows))
    nics = load(ctx.s, Nic, (r.nic_id for r in rows))
    vms = load(ctx.s, Vm, (n.vm_id for n in nics.values()))
    return [
        {
            "id": r.uuid,
            "protocol": r.protocol.value,
            "publicport": str(r.first_port),
            "publicendport": str(r.last_port),
            "privateport": str(r.to_first_port),
            "privateendport": str(r.to_last_port),
            "ipaddressid": addresses[r.address_id].uuid,
            "ipaddress": addresses[r.address_id].ip,
            "virtualmachineid": vm.uuid,
            "virtualmachinename": vm.name,
            "virtualmachinedisplayname": vm.display_name,
            "vmguestip": r.guest_ip,
            "networkid": networks[r.network_id].uuid,
            "cidrlist": r.cidrs or ANYWHERE,
            "state": r.state.value,
            "fordisplay": r.shown,
            "tags": [],
        }
        for r in rows
        for vm in [vms[nics[r.nic_id].vm_id or 0]]
    ]
