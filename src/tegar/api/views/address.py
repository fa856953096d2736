"""Public addresses, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import select

from tegar.api.views.base import date, load, path_of, uuid_of
from tegar.kernel.db import live
from tegar.model import vlan
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.addresses import PublicAddress
from tegar.store.networks import Network, Nic, VlanRange
from tegar.store.rules import OF_ADDRESSES
from tegar.store.vms import Vm
from tegar.store.vpcs import Vpc
from tegar.store.zones import PhysicalNetwork, Zone


class IpAddressView(TypedDict, total=False):
    """A public address; the wires that it is on only for admins."""

    id: str
    ipaddress: str
    state: str
    allocated: str | None
    issourcenat: bool
    isstaticnat: bool
    issystem: bool
    isportable: bool
    forvirtualnetwork: bool
    fordisplay: bool
    hasrules: bool
    zoneid: str
    zonename: str
    account: str | None
    domainid: str | None
    domain: str | None
    domainpath: str | None
    vlanid: str | None
    vlanname: str | None
    physicalnetworkid: str | None
    networkid: str | None
    associatednetworkid: str | None
    associatednetworkname: str | None
    vpcid: str | None
    vpcname: str | None
    virtualmachineid: str | None
    virtualmachinename: str | None
    virtualmachinedisplayname: str | None
    virtualmachinetype: str | None
    vmipaddress: str | None
    tags: list[dict[str, Any]]


def addresses(ctx: Ctx, rows: Sequence[PublicAddress]) -> list[IpAddressView]:
    """Return addresses with their owners, and what they stand for."""
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    ranges = load(ctx.s, VlanRange, (r.range_id for r in rows))
    wires = load(ctx.s, PhysicalNetwork, (r.physical_network_id for r in ranges.values()))
    networks = load(ctx.s, Network, (r.network_id for r in rows))
    nics = load(ctx.s, Nic, (r.nic_id for r in rows))
    vms = load(ctx.s, Vm, (n.vm_id for n in nics.values()))
    vpcs = load(ctx.s, Vpc, (r.vpc_id for r in rows))
    ruled = _with_rules(ctx, [r.id for r in rows])
    views: list[IpAddressView] = []
    for r in rows:
        view = _facts(r)
        view["hasrules"] = r.id in ruled
        view["zoneid"], view["zonename"] = zones[r.zone_id].uuid, zones[r.zone_id].name
        if r.account_id is not None and r.domain_id is not None:
            view["account"] = accounts[r.account_id].name
            view["domainid"], view["domain"] = domains[r.domain_id].uuid, domains[r.domain_id].name
            view["domainpath"] = path_of(domains[r.domain_id])
        if r.network_id is not None:
            view["associatednetworkid"] = networks[r.network_id].uuid
            view["associatednetworkname"] = networks[r.network_id].name
        if r.vpc_id is not None:
            view["vpcid"], view["vpcname"] = vpcs[r.vpc_id].uuid, vpcs[r.vpc_id].name
        if r.nic_id in nics:
            view |= _vm(vms[nics[r.nic_id].vm_id or 0], r)
        if ctx.is_admin:
            span = ranges[r.range_id]
            view["vlanid"], view["vlanname"] = span.uuid, vlan.uri(span.vlan)
            view["physicalnetworkid"] = uuid_of(wires, span.physical_network_id)
        views.append(view)
    return views


def _facts(r: PublicAddress) -> IpAddressView:
    return {
        "id": r.uuid,
        "ipaddress": r.ip,
        "state": r.state.value,
        "allocated": date(r.allocated_s),
        "issourcenat": r.source_nat,
        "isstaticnat": r.static_nat,
        "issystem": r.elastic,
        "isportable": False,
        "forvirtualnetwork": True,
        "fordisplay": r.shown,
        "tags": [],
    }


def _vm(vm: Vm, r: PublicAddress) -> IpAddressView:
    return {
        "virtualmachineid": vm.uuid,
        "virtualmachinename": vm.name,
        "virtualmachinedisplayname": vm.display_name,
        "virtualmachinetype": "User",
        "vmipaddress": r.guest_ip,
    }


def _with_rules(ctx: Ctx, ids: list[int]) -> set[int | None]:
    found: set[int | None] = set()
    for kind in OF_ADDRESSES:
        found.update(
            ctx.s.scalars(select(kind.address_id).where(kind.address_id.in_(ids), live(kind)).distinct())
        )
    return found
