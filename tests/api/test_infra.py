"""An operator builds a cloud from nothing, through the API."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import follows_types

from support.cloud import ApiError, Cloud, JobFailed

SHARED = "DefaultSharedNetworkOffering"


class Operator:
    """Somebody who builds a zone step by step; every answer is held to the types of strict clients."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.zone = self("createZone", name="z", networktype="Advanced", dns1="10.1.0.1", internaldns1="10.1.0.1",
                         allocationstate="Enabled")["zone"]["id"]  # fmt: skip
        self.pod = self("createPod", zoneid=self.zone, name="p", gateway="10.9.0.1", netmask="255.255.0.0",
                        startip="10.9.1.1", endip="10.9.1.9")["pod"]["id"]  # fmt: skip
        self.cluster = self("addCluster", zoneid=self.zone, podid=self.pod, clustername="c",
                            clustertype="CloudManaged", hypervisor="Simulator")["cluster"]["id"]  # fmt: skip

    def __call__(self, command: str, **params: Any) -> Any:
        answer = self.cloud.api(command, **params)
        follows_types(command, answer)
        return answer

    def wires(self) -> str:
        made = self.cloud.do("createPhysicalNetwork", name="wires", zoneid=self.zone, vlan="100-199")
        uuid: str = made["physicalnetwork"]["id"]
        self.cloud.do("addTrafficType", physicalnetworkid=uuid, traffictype="Guest", kvmnetworklabel="br7")
        self.cloud.do("updatePhysicalNetwork", id=uuid, state="Enabled")
        return uuid

    def host(self, name: str = "h1", **more: Any) -> Any:
        wish = {"clusterid": self.cluster} | more
        return self("addHost", zoneid=self.zone, podid=self.pod, hypervisor="Simulator",
                    url=f"http://sim/{name}", **wish)["host"]  # fmt: skip

    def pool(self, path: str = "/primary", **more: Any) -> Any:
        wish = {"podid": self.pod, "clusterid": self.cluster, "scope": "cluster"} | more
        return self("createStoragePool", zoneid=self.zone, name=path.strip("/"), url=f"nfs://nfs{path}",
                    **wish)["storagepool"]  # fmt: skip

    def store(self) -> Any:
        return self("addImageStore", provider="NFS", url="nfs://nfs/secondary", zoneid=self.zone)[
            "imagestore"
        ]

    def template(self, **more: Any) -> Any:
        wish = {"url": "http://sim/little.qcow2?size=1073741824", "zoneid": self.zone} | more
        answer = self("registerTemplate", name="little", format="QCOW2", hypervisor="Simulator", **wish)
        assert answer["count"] == 1
        return answer["template"][0]

    def offering(self) -> str:
        with_name = self.cloud.api("listNetworkOfferings", name=SHARED)["networkoffering"]
        uuid: str = with_name[0]["id"]
        return uuid

    def network(self, **more: Any) -> Any:
        wish = {"name": "net", "networkofferingid": self.offering(), "zoneid": self.zone, "vlan": "100",
                "gateway": "10.1.0.1", "netmask": "255.255.0.0", "startip": "10.1.1.1",
                "endip": "10.1.1.200"} | more  # fmt: skip
        return self("createNetwork", **wish)["network"]


@pytest.fixture
def operator(cloud: Cloud) -> Operator:
    return Operator(cloud)


def refusal(operator: Operator, command: str, **params: Any) -> str:
    with pytest.raises(ApiError) as e:
        operator(command, **params)
    assert e.value.code in (431, 530, 531, 534, 536)
    return e.value.text


# ── physical networks ──


def test_a_physical_network_comes_with_disabled_providers(operator: Operator) -> None:
    wires = operator.wires()
    found = operator("listNetworkServiceProviders", physicalnetworkid=wires)["networkserviceprovider"]

    assert {p["name"]: p["state"] for p in found} == {
        "VirtualRouter": "Disabled", "SecurityGroupProvider": "Disabled", "VpcVirtualRouter": "Disabled",
        "InternalLbVm": "Disabled",
    }  # fmt: skip
    assert operator("listPhysicalNetworks", zoneid=operator.zone)["physicalnetwork"][0]["state"] == "Enabled"
    assert operator("listTrafficTypes", physicalnetworkid=wires)["traffictype"][0]["kvmnetworklabel"] == "br7"


def test_the_virtual_router_is_enabled_after_its_element(operator: Operator) -> None:
    wires, cloud = operator.wires(), operator.cloud
    provider = operator("listNetworkServiceProviders", physicalnetworkid=wires, name="VirtualRouter")
    nsp = provider["networkserviceprovider"][0]["id"]
    text = refusal(operator, "updateNetworkServiceProvider", id=nsp, state="Enabled")
    element = operator("listVirtualRouterElements", nspid=nsp)["virtualrouterelement"][0]["id"]
    configured = cloud.do("configureVirtualRouterElement", id=element, enabled=True)
    enabled = cloud.do("updateNetworkServiceProvider", id=nsp, state="Enabled")

    assert "configureVirtualRouterElement" in text
    assert configured["virtualrouterelement"]["enabled"] is True
    assert enabled["networkserviceprovider"]["state"] == "Enabled"


def test_a_bridge_that_cannot_be_is_refused(operator: Operator) -> None:
    wires = operator.wires()

    assert "not the name of a bridge" in refusal(
        operator, "addTrafficType", physicalnetworkid=wires, traffictype="Public", kvmnetworklabel="a/b"
    )
    assert "exists already" in refusal(
        operator, "addTrafficType", physicalnetworkid=wires, traffictype="guest", kvmnetworklabel="br7"
    )


# ── pods and clusters ──


@pytest.mark.parametrize(
    "wrong, text",
    [
        ({"name": "p"}, "exists already"),
        ({"startip": "10.9.1.5"}, "overlaps that of pod p"),
        ({"netmask": "255.0.255.0"}, "is not a netmask"),
        ({"startip": "10.8.1.5"}, "is not in 10.9.0.0/16"),
        ({"startip": "10.9.0.1"}, "holds the gateway"),
        ({"gateway": "here"}, "is not an IPv4 address"),
    ],
)
def test_a_pod_that_makes_no_sense_is_refused(operator: Operator, wrong: dict[str, str], text: str) -> None:
    wish = {"zoneid": operator.zone, "name": "q", "gateway": "10.9.0.1", "netmask": "255.255.0.0"}

    assert text in refusal(operator, "createPod", **(wish | wrong))
    assert operator("listPods")["count"] == 1


def test_places_are_deleted_only_when_empty(operator: Operator) -> None:
    assert "clusters" in refusal(operator, "deletePod", id=operator.pod)
    assert operator("deleteCluster", id=operator.cluster)["success"] is True
    assert operator("deletePod", id=operator.pod)["success"] is True
    assert operator("deleteZone", id=operator.zone)["success"] is True
    assert operator("listPods") == {}


def test_capacity_is_shown_by_zone_pod_and_cluster(operator: Operator) -> None:
    operator.host()
    operator.pool()
    zone = {c["type"]: c for c in operator("listCapacity", zoneid=operator.zone)["capacity"]}
    pods = operator("listPods", showcapacities=True)["pod"]
    clusters = operator("listClusters", showcapacities=True)["cluster"]

    assert zone[0]["capacitytotal"] == operator.cloud.world.shape.memory_bytes
    assert zone[3]["capacitytotal"] == 2 * operator.cloud.world.shape.pool_bytes
    assert (zone[1]["capacityused"], zone[1]["percentused"]) == (0, "0")
    assert {c["type"] for c in pods[0]["capacity"]} == {0, 1, 2, 3}
    assert clusters[0]["capacity"][0]["clusterid"] == operator.cluster


# ── hosts ──


def test_a_host_is_listed_when_its_agent_has_said_what_it_is(operator: Operator) -> None:
    host = operator.host(hosttags="fast,ssd")

    assert (host["state"], host["resourcestate"], host["name"]) == ("Up", "Enabled", "h1")
    assert (host["cpunumber"], host["memorytotal"]) == (16, operator.cloud.world.shape.memory_bytes)
    assert (host["type"], host["capabilities"], host["hosttags"]) == ("Routing", "hvm", "fast,ssd")
    assert operator("listHosts", type="Routing", state="up")["host"][0]["id"] == host["id"]
    assert operator.cloud.world.machine("h1").reports is not None


def test_a_host_comes_with_a_cluster_of_that_name(operator: Operator) -> None:
    made = operator("addHost", zoneid=operator.zone, podid=operator.pod, clustername="new",
                    hypervisor="Simulator", url="http://sim/h1", username="root", password="x")  # fmt: skip

    assert made["host"]["clustername"] == "new"
    assert operator("listClusters", name="new")["cluster"][0]["id"] == made["host"]["clusterid"]


def test_a_host_that_does_not_answer_leaves_nothing(operator: Operator) -> None:
    operator.cloud.world.faults("h1").connected = False
    text = refusal(operator, "addHost", zoneid=operator.zone, podid=operator.pod, clustername="new",
                   hypervisor="Simulator", url="http://sim/h1")  # fmt: skip

    assert "tegar host join" in text
    assert operator("listHosts") == {}
    assert operator("listClusters", name="new") == {}


def test_a_host_that_cannot_reach_the_pool_is_refused(operator: Operator) -> None:
    operator.host()
    operator.pool()
    operator.cloud.world.faults("h2").storage_away = True
    text = refusal(operator, "addHost", zoneid=operator.zone, podid=operator.pod, clusterid=operator.cluster,
                   hypervisor="Simulator", url="http://sim/h2")  # fmt: skip

    assert "primary" in text
    assert "h2" in text
    assert operator("listHosts")["count"] == 1


def test_one_machine_is_one_host(operator: Operator) -> None:
    operator.host()

    assert "in the cloud already" in refusal(
        operator, "addHost", zoneid=operator.zone, podid=operator.pod, clusterid=operator.cluster,
        hypervisor="Simulator", url="http://sim/h1/",
    )  # fmt: skip


def test_a_lost_answer_while_a_host_is_added_is_asked_again(operator: Operator) -> None:
    operator.cloud.world.faults("h1").lose = {"GetFacts": 1, "SetReportTo": 1}
    host = operator.host()

    assert host["resourcestate"] == "Enabled"


def test_a_host_is_deleted_when_it_is_disabled(operator: Operator) -> None:
    host = operator.host()
    assert "is enabled" in refusal(operator, "deleteHost", id=host["id"])
    changed = operator("updateHost", id=host["id"], allocationstate="Disable", hosttags="slow")["host"]
    deleted = operator("deleteHost", id=host["id"])

    assert (changed["resourcestate"], changed["hosttags"]) == ("Disabled", "slow")
    assert deleted["success"] is True
    assert operator("listHosts") == {}
    assert operator.host()["state"] == "Up"


# ── storage ──


def test_a_pool_is_listed_when_every_host_reaches_it(operator: Operator) -> None:
    operator.host("h1")
    operator.host("h2")
    pool = operator.pool(tags="fast")

    assert (pool["state"], pool["scope"], pool["type"]) == ("Up", "CLUSTER", "NetworkFilesystem")
    assert (pool["ipaddress"], pool["path"], pool["tags"]) == ("nfs", "/primary", "fast")
    assert {name for name, ask in operator.cloud.world.asked if ask == "OpenPool"} == {"h1", "h2"}


def test_a_pool_that_one_host_cannot_reach_is_refused_by_name(operator: Operator) -> None:
    operator.host("h1")
    operator.host("h2")
    operator.cloud.world.faults("h2").storage_away = True
    text = refusal(operator, "createStoragePool", zoneid=operator.zone, podid=operator.pod,
                   clusterid=operator.cluster, name="x", url="nfs://nfs/primary")  # fmt: skip

    assert "h2" in text
    assert operator("listStoragePools") == {}


@pytest.mark.parametrize(
    "wrong, text",
    [
        ({}, "no Simulator host that is up"),
        ({"url": "rbd://mon/pool"}, "of a kind that this release does not have"),
        ({"url": "nfs://user:pass@nfs/x"}, "is not a server"),
        ({"url": "nfs://nfs/../etc"}, "not a plain absolute path"),
        ({"url": "sharedmountpoint://nfs/x"}, "on every host"),
        ({"scope": "HOST"}, "CLUSTER and ZONE"),
        ({"scope": "ZONE"}, "neither podid nor clusterid"),
        ({"capacityiops": "100"}, "does not support the parameter capacityiops"),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused(operator: Operator, wrong: dict[str, str], text: str) -> None:
    wish = {"zoneid": operator.zone, "podid": operator.pod, "clusterid": operator.cluster, "name": "x",
            "url": "nfs://nfs/primary"}  # fmt: skip

    assert text in refusal(operator, "createStoragePool", **(wish | wrong))


def test_an_empty_pool_is_deleted(operator: Operator) -> None:
    operator.host()
    pool = operator("createStoragePool", zoneid=operator.zone, name="all", scope="ZONE",
                    hypervisor="simulator", url="SharedMountPoint:///mnt/all")["storagepool"]  # fmt: skip

    assert operator("deleteStoragePool", id=pool["id"])["success"] is True
    assert operator("listStoragePools") == {}


def test_an_image_store_is_tried_by_a_host(operator: Operator) -> None:
    operator.host()
    text = refusal(operator, "addImageStore", provider="NFS", url="nfs://nfs/missing", zoneid=operator.zone)
    store = operator.store()

    assert "no such export" in text
    assert (store["protocol"], store["providername"], store["scope"]) == ("nfs", "NFS", "ZONE")
    assert operator("listImageStores")["count"] == 1
    assert operator("deleteImageStore", id=store["id"])["success"] is True


# ── templates ──


def test_a_template_is_fetched_and_ready(operator: Operator) -> None:
    operator.host()
    operator.store()
    operator.cloud.world.times.fetch_s = 30
    operator.cloud.hold = True
    made = operator.template(ispublic=True)
    before = operator("listTemplates", templatefilter="self")["template"][0]
    operator.cloud.settle()
    after = operator("listTemplates", templatefilter="executable", id=made["id"])

    assert (made["isready"], before["status"]) == (False, "Not Downloaded")
    assert after["template"][0]["isready"] is True
    assert after["template"][0]["status"] == "Download Complete"
    assert after["template"][0]["size"] == 1 << 30


def test_a_template_that_cannot_be_fetched_says_why(operator: Operator) -> None:
    operator.host()
    operator.store()
    operator.cloud.world.faults("h1").refuse = {"FetchImage": 1}
    made = operator.template()
    operator.cloud.settle()
    found = operator("listTemplates", templatefilter="self")["template"][0]

    assert found["isready"] is False
    assert "told to refuse" in found["status"]
    assert operator.cloud.do("deleteTemplate", id=made["id"]) == {"success": True}
    assert operator("listTemplates", templatefilter="all") == {}


def test_another_host_fetches_when_the_first_dies(operator: Operator) -> None:
    operator.host("h1")
    operator.host("h2")
    operator.store()
    operator.cloud.world.times.fetch_s = 30
    operator.cloud.hold = True
    operator.template()
    operator.cloud.world.power_off("h1")
    mark_down(operator.cloud, "h1")
    operator.cloud.settle()

    assert operator("listTemplates", templatefilter="self")["template"][0]["isready"] is True


def mark_down(cloud: Cloud, name: str) -> None:
    """Note that a host is silent, as the loop that listens does."""
    from tegar.kernel.db import fire
    from tegar.model.host import Event
    from tegar.store.hosts import Host

    cloud.db.tx(lambda s: fire(s, s.query(Host).filter_by(name=name).one(), Event.SILENT))


@pytest.mark.parametrize(
    "wrong, text",
    [
        ({"url": "file:///etc/passwd"}, "is not an address such as https"),
        ({"url": "https://me:pw@server/x"}, "user name or password"),
        ({"format": "VHD"}, "none of QCOW2, RAW"),
        ({"checksum": "123"}, "{SHA-256}hex"),
        ({"checksum": "{MD5}" + "0" * 40}, "40 hex digits are SHA-1"),
        ({"zoneid": "-2"}, "entity does not exist"),
        ({"isrouting": True}, "leave isrouting out"),
        ({"zoneids": "a,b"}, "Give one zone"),
    ],
)
def test_a_template_that_makes_no_sense_is_refused(
    operator: Operator, wrong: dict[str, str], text: str
) -> None:
    operator.store()
    wish = {"name": "t", "url": "http://images/x", "format": "QCOW2", "hypervisor": "Simulator",
            "zoneid": operator.zone}  # fmt: skip

    assert text in refusal(operator, "registerTemplate", **(wish | wrong))


def test_templates_are_shown_to_whom_they_are_for(operator: Operator) -> None:
    operator.host()
    operator.store()
    cloud, alice, bob = operator.cloud, operator.cloud.as_user("alice"), operator.cloud.as_user("bob")
    stars = operator.template(ispublic=True, isfeatured=True)["id"]
    plain = operator.template(ispublic=True)["id"]
    wish = {
        "format": "RAW",
        "hypervisor": "Simulator",
        "zoneid": operator.zone,
        "url": "http://sim/x.raw?format=raw",
    }
    own = alice.api("registerTemplate", name="mine", **wish)["template"][0]["id"]
    cloud.settle()

    def seen(caller: Any, name: str, **more: Any) -> set[str]:
        return {t["id"] for t in caller.api("listTemplates", templatefilter=name, **more).get("template", [])}

    assert seen(alice, "featured") == {stars}
    assert seen(alice, "community") == {plain}
    assert seen(alice, "self") == {own}
    assert seen(alice, "executable") == {stars, plain, own}
    assert seen(bob, "executable") == {stars, plain}
    assert seen(bob, "executable", id=stars) == {stars}
    assert seen(cloud.admin, "all") == {stars, plain, own}
    for call in (
        lambda: seen(alice, "all"),
        lambda: alice.api("registerTemplate", name="x", isfeatured=True, **wish),
    ):
        with pytest.raises(ApiError, match="admin"):
            call()
    with pytest.raises(ApiError, match="entity does not exist"):
        seen(bob, "executable", id=own)
    with pytest.raises(ApiError, match="does not own"):
        bob.api("deleteTemplate", id=stars)


def test_deleting_a_template_removes_its_image(operator: Operator) -> None:
    operator.host()
    store = operator.store()
    made = operator.template()
    operator.cloud.settle()
    assert "only copies" in refusal(operator, "deleteImageStore", id=store["id"])
    operator.cloud.do("deleteTemplate", id=made["id"], zoneid=operator.zone)

    assert [s.images for s in operator.cloud.world.stores.values()] == [{}]
    assert operator("deleteImageStore", id=store["id"])["success"] is True


def test_operating_systems_are_listed_to_everybody(operator: Operator) -> None:
    found = operator.cloud.as_user("alice").api("listOsTypes", description="Other Linux (64-bit)")

    assert found["count"] == 1
    assert operator("listOsTypes", keyword="debian")["count"] == 3


# ── networks ──


def test_a_shared_network_is_for_everybody_below_its_domain(operator: Operator) -> None:
    wires = operator.wires()
    net = operator.network(vlan="vlan://0100")
    seen = operator.cloud.as_user("alice").api("listNetworks", zoneid=operator.zone)["network"][0]
    ranges = operator("listVlanIpRanges", networkid=net["id"])["vlaniprange"]

    assert (net["state"], net["type"], net["vlan"], net["cidr"]) == ("Setup", "Shared", "100", "10.1.0.0/16")
    assert net["physicalnetworkid"] == wires
    assert seen["id"] == net["id"]
    assert "vlan" not in seen
    assert {s["name"] for s in seen["service"]} == {"Dhcp", "Dns", "UserData"}
    assert [(r["startip"], r["endip"], r["vlan"]) for r in ranges] == [
        ("10.1.1.1", "10.1.1.200", "vlan://100")
    ]


def test_a_network_gets_another_range(operator: Operator) -> None:
    operator.wires()
    net = operator.network()
    text = refusal(
        operator, "createVlanIpRange", networkid=net["id"], startip="10.1.1.150", endip="10.1.1.210"
    )
    operator("createVlanIpRange", networkid=net["id"], startip="10.1.2.1", endip="10.1.2.56")
    total = [c for c in operator("listCapacity", type=8)["capacity"] if c["zoneid"] == operator.zone]

    assert "overlaps 10.1.1.1 to 10.1.1.200" in text
    assert total[0]["capacitytotal"] == 256


def test_public_addresses_are_kept(operator: Operator) -> None:
    made = operator("createVlanIpRange", zoneid=operator.zone, forvirtualnetwork=True, gateway="192.0.2.1",
                    netmask="255.255.255.0", startip="192.0.2.10", endip="192.0.2.20")["vlan"]  # fmt: skip

    assert made["vlan"] == "vlan://untagged"
    assert operator("listVlanIpRanges", forvirtualnetwork=True)["vlaniprange"][0]["id"] == made["id"]
    assert operator("listVlanIpRanges", forvirtualnetwork=False) == {}


@pytest.mark.parametrize(
    "wrong, text",
    [
        ({"startip": "10.2.1.1"}, "is not in 10.1.0.0/16"),
        ({"startip": "10.1.0.1"}, "holds the gateway"),
        ({"startip": "10.1.1.201"}, "must not be after"),
        ({"vlan": "4095"}, "neither untagged nor a VLAN"),
        ({"gateway": ""}, "missing parameter gateway"),
        ({"acltype": "Account"}, "needs account and domainid"),
        ({"vpcid": "11111111-2222-3333-4444-555555555555"}, "Invalid parameter vpcid"),
        (
            {"gateway": "10.0.0.1", "netmask": "255.0.0.0", "startip": "10.1.0.1", "endip": "10.9.0.0"},
            "65536 at most",
        ),
        ({"networkdomain": "not a domain"}, "is not a DNS domain"),
    ],
)
def test_a_network_that_makes_no_sense_is_refused(
    operator: Operator, wrong: dict[str, str], text: str
) -> None:
    operator.wires()
    wish = {"name": "net", "networkofferingid": operator.offering(), "zoneid": operator.zone, "vlan": "100",
            "gateway": "10.1.0.1", "netmask": "255.255.0.0", "startip": "10.1.1.1", "endip": "10.1.1.200"}  # fmt: skip

    assert text in refusal(operator, "createNetwork", **(wish | wrong))
    assert operator("listNetworks") == {}


def test_two_networks_never_share_a_vlan(operator: Operator) -> None:
    operator.wires()
    operator.network()

    with pytest.raises(ApiError, match="is on VLAN 100"):
        operator.network(name="other")


def test_only_an_administrator_makes_shared_networks(operator: Operator) -> None:
    operator.wires()

    with pytest.raises(ApiError, match="Only an administrator"):
        operator.cloud.as_user("alice").api("createNetwork", name="n", networkofferingid=operator.offering(),
                                            zoneid=operator.zone)  # fmt: skip


def test_a_network_for_one_account_is_hidden_from_others(operator: Operator) -> None:
    operator.wires()
    alice, bob = operator.cloud.as_user("alice"), operator.cloud.as_user("bob")
    net = operator.network(acltype="Account", account="alice", domainid=alice.domain_uuid)

    assert alice.api("listNetworks")["network"][0]["account"] == "alice"
    assert bob.api("listNetworks", listall=True) == {}
    assert (
        operator("listNetworks", account="alice", domainid=alice.domain_uuid)["network"][0]["id"] == net["id"]
    )


def test_a_built_zone_runs_a_vm_and_is_taken_down_again(operator: Operator) -> None:
    cloud = operator.cloud
    operator.wires()
    host = operator.host()
    pool = operator.pool()
    operator.store()
    template = operator.template()
    net = operator.network()
    cloud.settle()
    size = cloud.api("listServiceOfferings", name="Small Instance")["serviceoffering"][0]["id"]
    vm = cloud.do("deployVirtualMachine", zoneid=operator.zone, templateid=template["id"],
                  serviceofferingid=size, networkids=net["id"])["virtualmachine"]["id"]  # fmt: skip

    assert "NICs in it" in refusal(operator, "deleteNetwork", id=net["id"])
    assert "volume lives on it" in refusal(operator, "deleteStoragePool", id=pool["id"])
    operator("updateHost", id=host["id"], allocationstate="Disable")
    assert "VMs run on it" in refusal(operator, "deleteHost", id=host["id"])
    cloud.do("deleteTemplate", id=template["id"])
    storage = next(iter(cloud.world.pools.values()))
    assert list(storage.images) == [template["id"]]  # the VM's disk stands on it

    cloud.do("destroyVirtualMachine", id=vm, expunge=True)
    cloud.do("deleteNetwork", id=net["id"])
    assert cloud.world.machine("h1").routers == {}
    operator("deleteStoragePool", id=pool["id"])
    assert (storage.images, storage.disks) == ({}, {})
    operator("deleteHost", id=host["id"])
    assert operator("listNetworks", listall=True) == {}


def test_a_network_whose_router_cannot_be_taken_away_stays(operator: Operator) -> None:
    cloud = operator.cloud
    operator.wires()
    operator.host()
    operator.pool()
    operator.store()
    template = operator.template()
    net = operator.network()
    cloud.settle()
    size = cloud.api("listServiceOfferings", name="Small Instance")["serviceoffering"][0]["id"]
    vm = cloud.do("deployVirtualMachine", zoneid=operator.zone, templateid=template["id"],
                  serviceofferingid=size, networkids=net["id"])["virtualmachine"]["id"]  # fmt: skip
    cloud.do("destroyVirtualMachine", id=vm, expunge=True)
    cloud.world.faults("h1").refuse = {"RemoveRouter": 1}
    with pytest.raises(JobFailed):
        cloud.do("deleteNetwork", id=net["id"])

    assert operator("listNetworks", id=net["id"])["network"][0]["canusefordeploy"] is True
    assert cloud.do("deleteNetwork", id=net["id"]) == {"success": True}
