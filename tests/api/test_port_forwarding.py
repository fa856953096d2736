"""Ports of public addresses that lead to VMs: what the router is told, and what is refused."""

from __future__ import annotations

import pytest

from support.cloud import ApiError, Caller, Cloud, JobFailed
from support.isolated import acquire, isolated, public_range, told, vm_in
from tegar.model.rule import Match, Opening, PortForward, Protocol


class Place:
    """Alice's network with a VM and an address."""

    def __init__(self, cloud: Cloud, **offered: object) -> None:
        cloud.ready_zone()
        public_range(cloud)
        self.cloud, self.alice = cloud, cloud.as_user()
        self.network = isolated(cloud, self.alice, **offered)  # type: ignore[arg-type]
        self.vm = vm_in(cloud, self.alice, self.network)
        self.ip = acquire(cloud, self.alice, self.network)

    @property
    def guest_ip(self) -> str:
        """The VM's address."""
        return str(self.vm["nic"][0]["ipaddress"])

    def forward(self, public: int, private: int, who: Caller | None = None, **more: object) -> dict[str, str]:
        """Let a port lead to the VM."""
        wish = {
            "ipaddressid": self.ip["id"], "protocol": "tcp", "publicport": public, "privateport": private,
            "virtualmachineid": self.vm["id"], **more,
        }  # fmt: skip
        made: dict[str, str] = (who or self.alice).do("createPortForwardingRule", **wish)[
            "portforwardingrule"
        ]
        return made


@pytest.fixture
def place(cloud: Cloud) -> Place:
    return Place(cloud)


def test_ports_lead_to_a_vm_when_the_job_is_done(place: Place) -> None:
    made = place.forward(8080, 80)

    spec = told(place.cloud, place.network)
    ip = place.ip["ipaddress"]
    assert made["state"] == "Active"
    assert (made["publicport"], made["publicendport"], made["privateport"]) == ("8080", "8080", "80")
    assert spec.forwards == (PortForward(ip, Protocol.TCP, 8080, 8080, place.guest_ip, 80, 80),)
    assert spec.openings == (Opening(ip, Match(Protocol.TCP, first_port=8080, last_port=8080)),)


def test_the_uplink_has_the_source_nat_address_first(place: Place) -> None:
    (uplink,) = told(place.cloud, place.network).uplinks

    assert uplink.source_nat == "203.0.113.10"
    assert uplink.addresses == ("203.0.113.10", place.ip["ipaddress"])
    assert (uplink.network.bridge, uplink.network.vlan, uplink.gateway) == ("pub0", 50, "203.0.113.1")
    assert uplink.prefix_len == 24


def test_a_rule_that_was_deleted_is_gone_with_its_opening(place: Place) -> None:
    made = place.forward(8080, 80)

    place.alice.do("deletePortForwardingRule", id=made["id"])

    spec = told(place.cloud, place.network)
    assert (spec.forwards, spec.openings) == ((), ())
    assert place.alice.api("listPortForwardingRules") == {}
    assert place.alice.api("listFirewallRules") == {}


def test_without_openfirewall_nothing_is_opened(place: Place) -> None:
    place.forward(8080, 80, openfirewall=False)

    assert told(place.cloud, place.network).openings == ()


def test_a_rule_leads_elsewhere(place: Place) -> None:
    made = place.forward(8000, 80, publicendport=8009, privateendport=89)
    other = vm_in(place.cloud, place.alice, place.network, "other")

    moved = place.alice.do(
        "updatePortForwardingRule",
        id=made["id"],
        privateport=90,
        privateendport=99,
        virtualmachineid=other["id"],
    )["portforwardingrule"]

    (forward,) = told(place.cloud, place.network).forwards
    assert (forward.to_ip, forward.to_first_port, forward.to_last_port) == (
        other["nic"][0]["ipaddress"],
        90,
        99,
    )
    assert moved["virtualmachineid"] == other["id"]


@pytest.mark.parametrize(("first", "last"), [(8080, 8080), (8000, 8080), (8080, 9000), (1, 65535)])
def test_ports_that_overlap_are_refused(place: Place, first: int, last: int) -> None:
    place.forward(8080, 80)

    with pytest.raises(ApiError, match="overlap") as e:
        place.forward(first, first, publicendport=last, privateendport=last)

    assert (e.value.code, e.value.inner["cserrorcode"]) == (537, 4360)


def test_the_same_ports_of_another_protocol_are_free(place: Place) -> None:
    place.forward(53, 53)
    place.forward(53, 53, protocol="udp")

    assert len(told(place.cloud, place.network).forwards) == 2


def test_ranges_of_unequal_length_are_refused(place: Place) -> None:
    with pytest.raises(ApiError, match="as long"):
        place.forward(8000, 80, publicendport=8009, privateendport=80)


def test_a_vm_outside_the_network_is_refused(place: Place) -> None:
    elsewhere = isolated(place.cloud, place.alice, "elsewhere")
    other = vm_in(place.cloud, place.alice, elsewhere, "other")

    with pytest.raises(ApiError, match="no NIC in network"):
        place.forward(80, 80, virtualmachineid=other["id"])


def test_an_address_that_the_vm_does_not_have_is_refused(place: Place) -> None:
    with pytest.raises(ApiError, match="vmguestip"):
        place.forward(80, 80, vmguestip="10.5.0.200")


def test_a_foreign_address_does_not_exist(place: Place) -> None:
    with pytest.raises(ApiError, match="entity does not exist"):
        place.forward(80, 80, place.cloud.as_user("bob"))


def test_a_network_without_the_service_refuses(cloud: Cloud) -> None:
    place = Place(cloud, services=("Dhcp", "SourceNat", "StaticNat", "Firewall"))

    with pytest.raises(ApiError, match="does not offer PortForwarding"):
        place.forward(80, 80)


def test_without_conserve_mode_the_source_nat_address_takes_no_rules(cloud: Cloud) -> None:
    place = Place(cloud, conserve_mode=False)
    out = place.alice.api("listPublicIpAddresses", issourcenat=True)["publicipaddress"][0]

    with pytest.raises(ApiError, match="conserve mode") as e:
        place.forward(80, 80, ipaddressid=out["id"])

    assert e.value.code == 537


def test_rules_go_with_their_vm(place: Place) -> None:
    place.forward(8080, 80)

    place.alice.do("destroyVirtualMachine", id=place.vm["id"], expunge=True)

    spec = told(place.cloud, place.network)
    assert (spec.forwards, spec.openings) == ((), ())
    assert place.alice.api("listPortForwardingRules") == {}


def test_a_rule_that_no_router_obeys_is_taken_back(place: Place) -> None:
    host = next(h for h in ("h1", "h2") if place.cloud.world.machine(h).routers)
    place.cloud.world.faults(host).refuse["ApplyRouter"] = 1

    with pytest.raises(JobFailed):
        place.forward(8080, 80)

    spec = told(place.cloud, place.network)
    assert (spec.forwards, spec.openings) == ((), ())
    assert place.alice.api("listPortForwardingRules") == {}


def test_a_change_that_no_router_obeys_is_put_back(place: Place) -> None:
    made = place.forward(8080, 80)
    host = next(h for h in ("h1", "h2") if place.cloud.world.machine(h).routers)
    place.cloud.world.faults(host).refuse["ApplyRouter"] = 1

    with pytest.raises(JobFailed):
        place.alice.do("updatePortForwardingRule", id=made["id"], privateport=90)

    (forward,) = told(place.cloud, place.network).forwards
    assert forward.to_first_port == 80
    assert place.alice.api("listPortForwardingRules")["portforwardingrule"][0]["privateport"] == "80"
