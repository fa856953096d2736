"""The ids that guest networks get: ranges of VLANs and VXLANs, and those that are dedicated."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import ApiError, Caller, Cloud

L2 = "DefaultL2NetworkOffering"


def physical(cloud: Cloud) -> str:
    """Return the zone's physical network."""
    assert cloud.zone
    return cloud.zone.physical_network


def segment(cloud: Cloud, who: Caller, name: str) -> str:
    """Make an L2 network with a VM; return its broadcast address."""
    assert cloud.zone
    offering = cloud.api("listNetworkOfferings", name=L2)["networkoffering"][0]["id"]
    made = who.api("createNetwork", name=name, zoneid=cloud.zone.zone, networkofferingid=offering)["network"][
        "id"
    ]
    who.do("deployVirtualMachine", **cloud.zone.vm(networkids=made))
    found: str = cloud.api("listNetworks", id=made)["network"][0]["broadcasturi"]
    return found


def ranges(cloud: Cloud, text: str) -> Any:
    """Give the physical network ranges."""
    return cloud.do("updatePhysicalNetwork", id=physical(cloud), vlan=text)["physicalnetwork"]["vlan"]


def test_ranges_are_joined_and_those_in_use_stay(cloud: Cloud) -> None:
    cloud.ready_zone()
    alice = cloud.as_user("alice")
    assert ranges(cloud, "300-310,200-250,251,240-260") == "200-260,300-310"
    assert segment(cloud, alice, "a") == "vlan://200"

    with pytest.raises(ApiError, match="a guest network has it"):
        ranges(cloud, "201-260")

    assert ranges(cloud, "200-200") == "200-200"


def test_vxlan_ids_go_beyond_those_of_vlans(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    made = cloud.do("createPhysicalNetwork", name="x", zoneid=built.zone, isolationmethods="VXLAN",
                    vlan="5000-16777215")["physicalnetwork"]  # fmt: skip
    assert (made["vlan"], made["isolationmethods"]) == ("5000-16777215", "VXLAN")
    cloud.do("addTrafficType", physicalnetworkid=made["id"], traffictype="Guest", kvmnetworklabel="cloudbr2")
    cloud.do("updatePhysicalNetwork", id=made["id"], state="Enabled")
    cloud.do("updatePhysicalNetwork", id=physical(cloud), state="Disabled")

    assert segment(cloud, cloud.as_user("alice"), "a") == "vxlan://5000"
    (nic,) = [nic for _, guest in cloud.world.guests() for nic in guest.spec.nics]
    assert (nic.network.vni, nic.network.vlan, nic.network.bridge) == (5000, None, "cloudbr2")
    with pytest.raises(ApiError, match="no range of VLANs"):
        ranges(cloud, "5000-6000")


def test_dedicated_ids_are_one_accounts_first_and_nobody_elses(cloud: Cloud) -> None:
    cloud.ready_zone()
    alice, bob = cloud.as_user("alice"), cloud.as_user("bob")
    ranges(cloud, "200-203")
    wish = {"physicalnetworkid": physical(cloud), "account": "alice", "domainid": alice.domain_uuid}
    made = cloud.api("dedicateGuestVlanRange", vlanrange="200-201", **wish)["dedicatedguestvlanrange"]
    assert (made["guestvlanrange"], made["account"]) == ("200-201", "alice")

    assert segment(cloud, bob, "b") == "vlan://202"
    assert [segment(cloud, alice, name) for name in "xyz"] == ["vlan://200", "vlan://201", "vlan://203"]
    for text, why in (
        ("201-202", "are dedicated already"),
        ("202-203", "of somebody else"),
        ("1-9", "not in the"),
    ):
        with pytest.raises(ApiError, match=why):
            cloud.api("dedicateGuestVlanRange", vlanrange=text, **wish)
    with pytest.raises(ApiError, match="of wires"):
        ranges(cloud, "202-203")
    listed = cloud.api("listDedicatedGuestVlanRanges", account="alice", domainid=alice.domain_uuid)
    assert [r["id"] for r in listed["dedicatedguestvlanrange"]] == [made["id"]]
    cloud.do("releaseDedicatedGuestVlanRange", id=made["id"])
    assert cloud.api("listDedicatedGuestVlanRanges") == {}


def test_traffic_types_are_moved_and_ended_when_nobody_needs_them(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    kinds = {t["traffictype"]: t["id"] for t in
             cloud.api("listTrafficTypes", physicalnetworkid=physical(cloud))["traffictype"]}  # fmt: skip
    storage = cloud.do("addTrafficType", physicalnetworkid=physical(cloud), traffictype="Storage",
                       kvmnetworklabel="stor0")["traffictype"]["id"]  # fmt: skip

    moved = cloud.do("updateTrafficType", id=storage, kvmnetworklabel="stor1")["traffictype"]

    assert moved["kvmnetworklabel"] == "stor1"
    for command, more in (("updateTrafficType", {"kvmnetworklabel": "other"}), ("deleteTrafficType", {})):
        with pytest.raises(ApiError, match="net is on it"):
            cloud.do(command, id=kinds["Guest"], **more)
    assert cloud.do("deleteTrafficType", id=storage)["success"] is True
    assert built.zone
