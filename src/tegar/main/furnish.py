"""Furnish a new cloud: a zone with all that its first VM needs.  What is there already stays."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tegar.main.client import Client

ZONE, POD, CLUSTER = "Zone1", "Pod1", "Cluster1"
GUEST_VLANS = "100-999"
POOL, STORE, TEMPLATE, NETWORK, VM = "primary", "secondary", "tegar-guest", "shared", "hello"


@dataclass(frozen=True)
class Ground:
    """What the cloud stands on.

    Attributes:
        hypervisor: ``KVM`` or ``Simulator``.
        hosts: addresses for addHost.
        pool_url: of primary storage.
        store_url: of the image store.
        store_provider: ``NFS`` or ``Local``.
        image_url: where the template is fetched from.
        guest_cidr: the shared network; its first address is the gateway.
        mgmt_cidr: the pod's network.
        public_cidr: addresses for routers and tenants; its first is the world's, its second this machine's.
        bmcs: parameters of configureOutOfBandManagement, by the host's address.
    """

    hypervisor: str
    hosts: list[str]
    pool_url: str
    store_url: str
    store_provider: str
    image_url: str
    guest_cidr: str
    mgmt_cidr: str
    public_cidr: str
    bmcs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def furnish(api: Client, ground: Ground, say: Callable[[str], None]) -> None:
    """Make whatever is missing."""
    zone = _zone(api)
    physical = _physical_network(api, zone)
    cluster = _cluster(api, zone, ground)
    _hosts(api, zone, cluster, ground, say)
    _bmcs(api, zone, ground, say)
    _storage(api, zone, cluster, ground, say)
    _template(api, zone, ground, say)
    _network(api, zone, physical, ground)
    _public(api, zone, physical, ground)
    api("updateZone", id=zone, allocationstate="Enabled")


def _zone(api: Client) -> str:
    found = api.first("listZones", "zone", name=ZONE)
    if found is None:
        found = api(
            "createZone",
            name=ZONE,
            networktype="Advanced",
            dns1="9.9.9.9",
            internaldns1="9.9.9.9",
            domain="tegar.test",
            securitygroupenabled=True,
        )["zone"]
    return str(found["id"])


def _physical_network(api: Client, zone: str) -> str:
    found = api.first("listPhysicalNetworks", "physicalnetwork", zoneid=zone)
    if found is None:
        found = api.job(
            "createPhysicalNetwork", name="physical", zoneid=zone, isolationmethods="VLAN", vlan=GUEST_VLANS
        )["physicalnetwork"]  # fmt: skip
    physical = str(found["id"])
    have = {
        t["traffictype"] for t in api("listTrafficTypes", physicalnetworkid=physical).get("traffictype", [])
    }
    for traffic, bridge in (("Management", "mgmt0"), ("Guest", "cloudbr1"), ("Public", "cloudbr0")):
        if traffic not in have:
            api.job("addTrafficType", physicalnetworkid=physical, traffictype=traffic, kvmnetworklabel=bridge)
    _provider(api, physical, "VirtualRouter")
    api.job("updatePhysicalNetwork", id=physical, state="Enabled")
    return physical


def _provider(api: Client, physical: str, name: str) -> None:
    provider = api.first(
        "listNetworkServiceProviders", "networkserviceprovider", name=name, physicalnetworkid=physical
    )  # fmt: skip
    element = api.first("listVirtualRouterElements", "virtualrouterelement", nspid=provider["id"])
    if element is not None:
        api.job("configureVirtualRouterElement", id=element["id"], enabled=True)
    api.job("updateNetworkServiceProvider", id=provider["id"], state="Enabled")


def _cluster(api: Client, zone: str, ground: Ground) -> dict[str, str]:
    mgmt = ipaddress.ip_network(ground.mgmt_cidr)
    pod = api.first("listPods", "pod", name=POD, zoneid=zone)
    if pod is None:
        pod = api(
            "createPod", name=POD, zoneid=zone, gateway=str(mgmt[1]), netmask=str(mgmt.netmask),
            startip=str(mgmt[100]), endip=str(mgmt[120]),
        )["pod"]  # fmt: skip
    cluster = api.first("listClusters", "cluster", name=CLUSTER, zoneid=zone)
    if cluster is None:
        made = api(
            "addCluster", clustername=CLUSTER, clustertype="CloudManaged", hypervisor=ground.hypervisor,
            podid=pod["id"], zoneid=zone,
        )  # fmt: skip
        cluster = made["cluster"][0] if isinstance(made["cluster"], list) else made["cluster"]
    return {"podid": pod["id"], "clusterid": cluster["id"]}


def _hosts(api: Client, zone: str, where: dict[str, str], ground: Ground, say: Callable[[str], None]) -> None:
    listed = api("listHosts", zoneid=zone, type="Routing", pagesize=-1).get("host", [])
    have = {h["ipaddress"] for h in listed}
    for url in ground.hosts:
        parts = urlsplit(url)
        if (parts.path.strip("/") or parts.hostname) not in have:
            api("addHost", zoneid=zone, hypervisor=ground.hypervisor, url=url, **where)
            say(f"host {url} is part of the cloud")


def _bmcs(api: Client, zone: str, ground: Ground, say: Callable[[str], None]) -> None:
    if not ground.bmcs:
        return
    for host in api("listHosts", zoneid=zone, type="Routing", pagesize=-1).get("host", []):
        wanted, have = ground.bmcs.get(host["ipaddress"]), host.get("outofbandmanagement")
        if wanted and not have:
            api("configureOutOfBandManagement", hostid=host["id"], **wanted)
        if wanted and not (have and have["enabled"]):
            api.job("enableOutOfBandManagementForHost", hostid=host["id"])
            say(f"the power of {host['name']} is managed through its BMC")


def _storage(
    api: Client, zone: str, where: dict[str, str], ground: Ground, say: Callable[[str], None]
) -> None:
    if api.first("listStoragePools", "storagepool", name=POOL, zoneid=zone) is None:
        api("createStoragePool", name=POOL, url=ground.pool_url, zoneid=zone, scope="CLUSTER", **where)
        say(f"primary storage {ground.pool_url}")
    if api.first("listImageStores", "imagestore", name=STORE, zoneid=zone) is None:
        api("addImageStore", name=STORE, provider=ground.store_provider, url=ground.store_url, zoneid=zone)
        say(f"secondary storage {ground.store_url}")


def _template(api: Client, zone: str, ground: Ground, say: Callable[[str], None]) -> None:
    found = api.first("listTemplates", "template", templatefilter="all", name=TEMPLATE, zoneid=zone)
    if found is None:
        system = api.first("listOsTypes", "ostype", description="Other Linux (64-bit)")
        found = api(
            "registerTemplate", name=TEMPLATE, displaytext="A small Linux that tells about itself", format="QCOW2",
            hypervisor=ground.hypervisor, url=ground.image_url, zoneid=zone, ispublic=True, isfeatured=True,
            ostypeid=system["id"] if system else None,
        )["template"][0]  # fmt: skip
        say(f"template {TEMPLATE} is being fetched from {ground.image_url}")


def template(api: Client) -> Any:
    """Return the template as it is now."""
    return api.first("listTemplates", "template", templatefilter="all", name=TEMPLATE)


def _network(api: Client, zone: str, physical: str, ground: Ground) -> None:
    if api.first("listNetworks", "network", zoneid=zone, keyword=NETWORK, listall=True) is not None:
        return
    cidr = ipaddress.ip_network(ground.guest_cidr)
    offering = api.first("listNetworkOfferings", "networkoffering", guestiptype="Shared", state="Enabled")
    api(
        "createNetwork", name=NETWORK, displaytext="Shared by all", zoneid=zone, networkofferingid=offering["id"],
        physicalnetworkid=physical, vlan="untagged", gateway=str(cidr[1]), netmask=str(cidr.netmask),
        startip=str(cidr[10]), endip=str(cidr[min(4000, cidr.num_addresses - 2)]),
    )  # fmt: skip


def _public(api: Client, zone: str, physical: str, ground: Ground) -> None:
    if api.first("listVlanIpRanges", "vlaniprange", zoneid=zone, forvirtualnetwork=True) is not None:
        return
    cidr = ipaddress.ip_network(ground.public_cidr)
    api(
        "createVlanIpRange", zoneid=zone, physicalnetworkid=physical, forvirtualnetwork=True, vlan="untagged",
        gateway=str(cidr[1]), netmask=str(cidr.netmask), startip=str(cidr[10]),
        endip=str(cidr[min(250, cidr.num_addresses - 2)]),
    )  # fmt: skip
