"""Public addresses: ranges, acquiring, giving back, reserving; the way out of networks; static NAT."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import ApiError, Caller, Cloud, JobFailed
from support.isolated import acquire, isolated, public_range, told, vm_in
from tegar.model.rule import Match, StaticNat


class Place:
    """A zone with five public addresses, and Alice's network with a VM."""

    def __init__(self, cloud: Cloud) -> None:
        cloud.ready_zone()
        self.range = public_range(cloud, first=10, last=14)
        self.cloud, self.alice = cloud, cloud.as_user()
        self.network = isolated(cloud, self.alice)
        self.vm = vm_in(cloud, self.alice, self.network)

    def free(self) -> int:
        """Return how many addresses are free."""
        found = self.cloud.api("listPublicIpAddresses", listall=True, state="Free")
        return int(found.get("count", 0))


@pytest.fixture
def place(cloud: Cloud) -> Place:
    return Place(cloud)


def nat(place: Place, ip: dict[str, Any], vm: dict[str, Any], **more: Any) -> Any:
    return place.alice.api("enableStaticNat", ipaddressid=ip["id"], virtualmachineid=vm["id"], **more)


# ── ranges ──


def test_a_range_grows_and_shrinks_and_goes(place: Place) -> None:
    assert place.free() == 4

    place.cloud.api("updateVlanIpRange", id=place.range, endip="203.0.113.20")
    assert place.free() == 10
    place.cloud.api("updateVlanIpRange", id=place.range, endip="203.0.113.12")
    assert place.free() == 2
    place.cloud.api("updateVlanIpRange", id=place.range, endip="203.0.113.14")
    assert place.free() == 4

    with pytest.raises(ApiError, match=r"203\.0\.113\.10 is Allocated"):
        place.cloud.api("updateVlanIpRange", id=place.range, startip="203.0.113.11")
    with pytest.raises(ApiError, match=r"203\.0\.113\.10 is Allocated") as e:
        place.cloud.api("deleteVlanIpRange", id=place.range)
    assert e.value.code == 536

    more = public_range(place.cloud, first=40, last=41)
    assert place.cloud.api("deleteVlanIpRange", id=more)["success"] is True
    assert place.free() == 4


def test_a_dedicated_range_is_its_owners(place: Place) -> None:
    bob, carol = place.cloud.as_user("bob"), place.cloud.as_user("carol")
    own = public_range(place.cloud, first=40, last=40)
    shown = place.cloud.api("dedicatePublicIpRange", id=own, account="bob", domainid=bob.domain_uuid)["vlan"]
    assert shown["account"] == "bob"

    got = bob.do("associateIpAddress", zoneid=place.cloud.zone.zone)["ipaddress"]  # type: ignore[union-attr]
    assert got["ipaddress"] == "203.0.113.40"
    with pytest.raises(ApiError, match="dedicated already"):
        place.cloud.api("dedicatePublicIpRange", id=own, account="carol", domainid=carol.domain_uuid)
    bob.do("disassociateIpAddress", id=got["id"])
    assert carol.api("listPublicIpAddresses", allocatedonly=False, ipaddress="203.0.113.40") == {}
    with pytest.raises(ApiError, match="no free public address"):
        carol.api("associateIpAddress", zoneid=place.cloud.zone.zone, ipaddress="203.0.113.40")  # type: ignore[union-attr]

    assert place.cloud.api("releasePublicIpRange", id=own)["success"] is True
    assert carol.api("listPublicIpAddresses", allocatedonly=False, ipaddress="203.0.113.40")["count"] == 1


# ── the way out ──


def test_a_network_keeps_the_address_it_goes_out_by_until_it_is_deleted(place: Place) -> None:
    (out,) = place.alice.api("listPublicIpAddresses", issourcenat=True)["publicipaddress"]
    assert (out["ipaddress"], out["associatednetworkid"]) == ("203.0.113.10", place.network)
    assert told(place.cloud, place.network).uplinks[0].source_nat == "203.0.113.10"

    with pytest.raises(ApiError, match="given back when its network is deleted"):
        place.alice.api("disassociateIpAddress", id=out["id"])

    acquire(place.cloud, place.alice, place.network)
    place.alice.do("createFirewallRule", ipaddressid=out["id"], protocol="tcp", startport=22)
    place.alice.do("destroyVirtualMachine", id=place.vm["id"], expunge=True)
    place.alice.do("deleteNetwork", id=place.network)

    assert place.free() == 5
    assert place.alice.api("listFirewallRules") == {}


def test_a_network_without_a_way_out_says_so(place: Place) -> None:
    for _ in range(4):
        acquire(place.cloud, place.alice, place.network)
    other = isolated(place.cloud, place.alice, "other")

    with pytest.raises(JobFailed, match="no free public address for network other") as e:
        vm_in(place.cloud, place.alice, other, "second")

    assert e.value.code == 533


# ── acquiring ──


def test_an_acquired_address_is_on_the_router_until_it_is_given_back(place: Place) -> None:
    ip = acquire(place.cloud, place.alice, place.network, ipaddress="203.0.113.13")
    assert ip["ipaddress"] == "203.0.113.13"
    assert (ip["state"], ip["account"], ip["associatednetworkid"]) == ("Allocated", "alice", place.network)
    assert "203.0.113.13" in told(place.cloud, place.network).uplinks[0].addresses

    place.alice.do("createFirewallRule", ipaddressid=ip["id"], protocol="all")
    place.alice.do("disassociateIpAddress", id=ip["id"])

    spec = told(place.cloud, place.network)
    assert spec.openings == ()
    assert "203.0.113.13" not in spec.uplinks[0].addresses
    assert place.free() == 4


def test_an_address_that_no_router_lets_go_stays_with_its_rules(place: Place) -> None:
    ip = acquire(place.cloud, place.alice, place.network)
    place.alice.do("createFirewallRule", ipaddressid=ip["id"], protocol="all")
    host = next(h for h in ("h1", "h2") if place.cloud.world.machine(h).routers)
    place.cloud.world.faults(host).refuse["ApplyRouter"] = 1

    with pytest.raises(JobFailed):
        place.alice.do("disassociateIpAddress", id=ip["id"])

    assert place.alice.api("listPublicIpAddresses", id=ip["id"])["publicipaddress"][0]["state"] == "Allocated"
    assert place.alice.api("listFirewallRules")["firewallrule"][0]["state"] == "Active"
    assert len(told(place.cloud, place.network).openings) == 1


def test_an_address_that_is_taken_is_refused(place: Place) -> None:
    with pytest.raises(ApiError, match="no free public address"):
        acquire(place.cloud, place.alice, place.network, ipaddress="203.0.113.10")


def test_a_zone_without_addresses_says_so(place: Place) -> None:
    for _ in range(4):
        acquire(place.cloud, place.alice, place.network)

    with pytest.raises(ApiError, match="no free public address") as e:
        acquire(place.cloud, place.alice, place.network)

    assert e.value.code == 533


def test_an_operator_acquires_for_the_networks_owner(place: Place) -> None:
    ip = acquire(place.cloud, place.cloud.admin, place.network)

    assert ip["account"] == "alice"


def test_a_reserved_address_is_acquired_by_its_number(place: Place) -> None:
    bob: Caller = place.cloud.as_user("bob")
    found = place.alice.api("listPublicIpAddresses", allocatedonly=False, ipaddress="203.0.113.14")
    ip = found["publicipaddress"][0]["id"]

    kept = place.alice.api("reserveIpAddress", id=ip)["ipaddress"]
    assert (kept["state"], kept["account"]) == ("Reserved", "alice")
    with pytest.raises(ApiError, match="entity does not exist"):
        bob.api("reserveIpAddress", id=ip)
    assert acquire(place.cloud, place.alice, place.network, ipaddress="203.0.113.14")["state"] == "Allocated"

    other = place.alice.api("listPublicIpAddresses", allocatedonly=False, state="Free")["publicipaddress"][0][
        "id"
    ]
    place.alice.api("reserveIpAddress", id=other)
    assert place.alice.api("releaseIpAddress", id=other)["success"] is True
    assert place.free() == 3


# ── static NAT ──


def test_an_address_stands_for_a_vm(place: Place) -> None:
    ip = acquire(place.cloud, place.alice, place.network)

    assert nat(place, ip, place.vm)["success"] is True

    assert told(place.cloud, place.network).static_nats == (
        StaticNat(ip["ipaddress"], place.vm["nic"][0]["ipaddress"]),
    )
    shown = place.alice.api("listPublicIpAddresses", isstaticnat=True)["publicipaddress"][0]
    assert (shown["virtualmachineid"], shown["vmipaddress"]) == (
        place.vm["id"],
        place.vm["nic"][0]["ipaddress"],
    )

    place.alice.do("createIpForwardingRule", ipaddressid=ip["id"], protocol="tcp", startport=22, endport=23)
    assert told(place.cloud, place.network).openings[0].match.first_port == 22
    assert place.alice.api("listIpForwardingRules")["ipforwardingrule"][0]["publicport"] == "22"
    assert place.alice.api("listPortForwardingRules") == {}

    place.alice.do("disableStaticNat", ipaddressid=ip["id"])

    spec = told(place.cloud, place.network)
    assert (spec.static_nats, spec.openings) == ((), ())
    assert place.alice.api("listIpForwardingRules") == {}


def test_an_address_moves_to_the_network_of_the_vm_that_it_stands_for(place: Place) -> None:
    ip = acquire(place.cloud, place.alice, place.network)
    other = isolated(place.cloud, place.alice, "other")
    vm = vm_in(place.cloud, place.alice, other, "second")

    nat(place, ip, vm)

    assert ip["ipaddress"] not in told(place.cloud, place.network).uplinks[0].addresses
    spec = told(place.cloud, other)
    assert ip["ipaddress"] in spec.uplinks[0].addresses
    assert spec.static_nats == (StaticNat(ip["ipaddress"], vm["nic"][0]["ipaddress"]),)

    place.alice.do("disableStaticNat", ipaddressid=ip["id"])
    nat(place, ip, place.vm)

    assert told(place.cloud, other).static_nats == ()
    assert len(told(place.cloud, place.network).static_nats) == 1


def test_what_stands_for_a_vm_has_no_other_rules(place: Place) -> None:
    ip = acquire(place.cloud, place.alice, place.network)
    nat(place, ip, place.vm)

    with pytest.raises(ApiError, match="static NAT") as e:
        place.alice.api(
            "createPortForwardingRule", ipaddressid=ip["id"], protocol="tcp", publicport=1, privateport=1,
            virtualmachineid=place.vm["id"],
        )  # fmt: skip
    assert e.value.code == 537
    with pytest.raises(ApiError, match="already"):
        nat(place, ip, place.vm)
    with pytest.raises(ApiError, match="stands for"):
        nat(place, acquire(place.cloud, place.alice, place.network), place.vm)


def test_an_address_with_rules_cannot_stand_for_a_vm(place: Place) -> None:
    ip = acquire(place.cloud, place.alice, place.network)
    place.alice.do(
        "createPortForwardingRule", ipaddressid=ip["id"], protocol="tcp", publicport=1, privateport=1,
        virtualmachineid=place.vm["id"],
    )  # fmt: skip

    with pytest.raises(ApiError, match="PortForwarding"):
        nat(place, ip, place.vm)


def test_the_address_that_guests_go_out_by_stands_for_nobody(place: Place) -> None:
    (out,) = place.alice.api("listPublicIpAddresses", issourcenat=True)["publicipaddress"]

    with pytest.raises(ApiError, match="go out by"):
        nat(place, out, place.vm)


def test_a_vm_that_is_gone_leaves_its_address_to_the_account(place: Place) -> None:
    ip = acquire(place.cloud, place.alice, place.network)
    nat(place, ip, place.vm)
    place.alice.do("createFirewallRule", ipaddressid=ip["id"], protocol="icmp")

    place.alice.do("destroyVirtualMachine", id=place.vm["id"], expunge=True)

    spec = told(place.cloud, place.network)
    assert spec.static_nats == ()
    assert [opening.match for opening in spec.openings] == [Match("icmp")]  # type: ignore[arg-type]
    assert place.alice.api("listPublicIpAddresses", id=ip["id"])["publicipaddress"][0]["isstaticnat"] is False
