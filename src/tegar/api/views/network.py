"""Guest networks, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tegar.api.views.base import date, load
from tegar.model import vlan
from tegar.model.network import JOINABLE
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain
from tegar.store.acls import NetworkAclList
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering
from tegar.store.vpcs import Vpc
from tegar.store.zones import PhysicalNetwork, Zone


class NetworkView(TypedDict, total=False):
    """A guest network; of one for a whole domain there is no ``account``."""

    id: str
    name: str
    displaytext: str
    state: str
    type: str
    acltype: str
    subdomainaccess: bool
    account: str | None
    domain: str
    domainid: str
    domainpath: str
    zoneid: str
    zonename: str
    physicalnetworkid: str | None
    broadcastdomaintype: str
    broadcasturi: str | None
    traffictype: str
    vlan: str | None
    gateway: str | None
    netmask: str | None
    cidr: str | None
    networkdomain: str
    dns1: str | None
    dns2: str | None
    networkofferingid: str
    networkofferingname: str
    networkofferingdisplaytext: str
    networkofferingavailability: str
    networkofferingconservemode: bool
    service: list[dict[str, Any]]
    specifyvlan: bool
    specifyipranges: bool
    restartrequired: bool
    canusefordeploy: bool
    displaynetwork: bool
    isdefault: bool
    ispersistent: bool
    issystem: bool
    redundantrouter: bool
    egressdefaultpolicy: bool
    strechedl2subnet: bool
    supportsvmautoscaling: bool
    related: str
    vpcid: str | None
    vpcname: str | None
    aclid: str | None
    aclname: str | None
    created: str | None
    tags: list[dict[str, Any]]


def networks(ctx: Ctx, rows: Sequence[Network]) -> list[NetworkView]:
    """Return networks with owners, places and services; VLANs and wires only for admins."""
    zones = load(ctx.s, Zone, (r.zone_id for r in rows))
    accounts = load(ctx.s, Account, (r.account_id for r in rows))
    domains = load(ctx.s, Domain, (r.domain_id for r in rows))
    offerings = load(ctx.s, NetworkOffering, (r.offering_id for r in rows))
    physical = load(ctx.s, PhysicalNetwork, (r.physical_network_id for r in rows))
    vpcs = load(ctx.s, Vpc, (r.vpc_id for r in rows))
    lists = load(ctx.s, NetworkAclList, (r.acl_list_id for r in rows))
    views: list[NetworkView] = []
    for r in rows:
        view = _facts(r)
        view |= _offered(offerings[r.offering_id])
        domain = domains[r.domain_id]
        view["account"] = accounts[r.account_id].name if r.acl_type == "Account" else None
        view["domain"], view["domainid"] = domain.name, domain.uuid
        view["domainpath"] = "ROOT" + domain.path.rstrip("/")
        view["zoneid"], view["zonename"] = zones[r.zone_id].uuid, zones[r.zone_id].name
        if r.vpc_id in vpcs:
            view["vpcid"], view["vpcname"] = vpcs[r.vpc_id].uuid, vpcs[r.vpc_id].name
        if r.acl_list_id in lists:
            view["aclid"], view["aclname"] = lists[r.acl_list_id].uuid, lists[r.acl_list_id].name
        if ctx.is_admin:
            view["physicalnetworkid"] = physical[r.physical_network_id].uuid
            view["vlan"] = r.vlan or None
            view["broadcasturi"] = vlan.uri(r.vlan, r.broadcast) if r.vlan else None
        views.append(view)
    return views


def services(text: str) -> list[dict[str, Any]]:
    """Return services as the protocol lists them, out of ``Dhcp=VirtualRouter,…``."""
    pairs = [part.partition("=") for part in text.split(",") if part]
    return [{"name": name, "provider": [{"name": provider}], "capability": []} for name, _, provider in pairs]


def _facts(r: Network) -> NetworkView:
    return {
        "id": r.uuid,
        "name": r.name,
        "displaytext": r.display_text,
        "state": r.state.value,
        "type": r.guest_type,
        "acltype": r.acl_type,
        "subdomainaccess": r.subdomain_access,
        "broadcastdomaintype": r.broadcast,
        "traffictype": "Guest",
        "gateway": r.gateway or None,
        "netmask": r.netmask or None,
        "cidr": r.cidr or None,
        "networkdomain": r.network_domain,
        "dns1": r.dns1,
        "dns2": r.dns2,
        "restartrequired": r.restart_required,
        "canusefordeploy": r.state in JOINABLE,
        "displaynetwork": True,
        "issystem": False,
        "strechedl2subnet": False,
        "supportsvmautoscaling": False,
        "related": r.uuid,
        "created": date(r.created_s),
        "tags": [],
    }


def _offered(offering: NetworkOffering) -> NetworkView:
    return {
        "networkofferingid": offering.uuid,
        "networkofferingname": offering.name,
        "networkofferingdisplaytext": offering.display_text,
        "networkofferingavailability": offering.availability,
        "networkofferingconservemode": offering.conserve_mode,
        "service": services(offering.services),
        "specifyvlan": offering.specify_vlan,
        "specifyipranges": offering.specify_ip_ranges,
        "isdefault": offering.is_default,
        "ispersistent": offering.persistent,
        "redundantrouter": offering.redundant,
        "egressdefaultpolicy": offering.egress_allowed,
    }
