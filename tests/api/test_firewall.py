"""Firewall rules in to addresses and out of networks: what the router is told, and what is refused."""

from __future__ import annotations

import pytest

from support.cloud import ApiError, Cloud
from support.isolated import acquire, isolated, public_range, told, vm_in
from tegar.model.rule import Match, Opening, Protocol


class Place:
    """Alice's network with a VM and an address."""

    def __init__(self, cloud: Cloud, **offered: object) -> None:
        cloud.ready_zone()
        public_range(cloud)
        self.cloud, self.alice = cloud, cloud.as_user()
        self.network = isolated(cloud, self.alice, **offered)  # type: ignore[arg-type]
        self.vm = vm_in(cloud, self.alice, self.network)
        self.ip = acquire(cloud, self.alice, self.network)

    def open(self, **wish: object) -> dict[str, object]:
        """Let packets in to the address."""
        made: dict[str, object] = self.alice.do("createFirewallRule", ipaddressid=self.ip["id"], **wish)[
            "firewallrule"
        ]
        return made

    def out(self, **wish: object) -> dict[str, object]:
        """Make an egress rule."""
        made: dict[str, object] = self.alice.do("createEgressFirewallRule", networkid=self.network, **wish)[
            "firewallrule"
        ]
        return made


@pytest.fixture
def place(cloud: Cloud) -> Place:
    return Place(cloud)


def test_a_rule_opens_ports_for_cidrs(place: Place) -> None:
    made = place.open(protocol="TCP", startport=80, endport=90, cidrlist="192.0.2.0/24,198.51.100.7/32")

    (opening,) = told(place.cloud, place.network).openings
    wanted = Match(Protocol.TCP, ("192.0.2.0/24", "198.51.100.7/32"), first_port=80, last_port=90)
    assert opening == Opening(str(place.ip["ipaddress"]), wanted)
    assert (made["startport"], made["endport"], made["cidrlist"], made["traffictype"]) == (
        80, 90, "192.0.2.0/24,198.51.100.7/32", "Ingress",
    )  # fmt: skip


def test_a_rule_without_cidrs_is_for_all(place: Place) -> None:
    made = place.open(protocol="icmp", icmptype=8, icmpcode=-1)

    (opening,) = told(place.cloud, place.network).openings
    assert opening.match == Match(Protocol.ICMP, icmp_type=8)
    assert made["cidrlist"] == "0.0.0.0/0"


def test_a_closed_rule_is_gone(place: Place) -> None:
    made = place.open(protocol="all")

    place.alice.do("deleteFirewallRule", id=made["id"])

    assert told(place.cloud, place.network).openings == ()
    assert place.alice.api("listFirewallRules") == {}


def test_egress_rules_are_the_networks(place: Place) -> None:
    made = place.out(protocol="udp", startport=53, cidrlist="10.5.0.0/25", destcidrlist="9.9.9.9/32")

    (subnet,) = told(place.cloud, place.network).subnets
    assert subnet.egress == (
        Match(Protocol.UDP, ("10.5.0.0/25",), ("9.9.9.9/32",), first_port=53, last_port=53),
    )
    assert made["traffictype"] == "Egress"
    assert place.alice.api("listFirewallRules") == {}
    assert place.alice.api("listEgressFirewallRules")["count"] == 1

    place.alice.do("deleteEgressFirewallRule", id=made["id"])

    assert told(place.cloud, place.network).subnets[0].egress == ()


@pytest.mark.parametrize(
    "wish",
    [
        {"protocol": "tcp", "startport": 80, "endport": 80},
        {"protocol": "tcp", "startport": 1, "endport": 100},
        {"protocol": "tcp"},
        {"protocol": "tcp", "startport": 80, "cidrlist": "192.0.2.0/24,0.0.0.0/0"},
    ],
)
def test_rules_about_the_same_packets_are_refused(place: Place, wish: dict[str, object]) -> None:
    place.open(protocol="tcp", startport=80)

    with pytest.raises(ApiError, match="same packets") as e:
        place.open(**wish)

    assert e.value.code == 537


def test_the_same_ports_for_other_cidrs_are_no_conflict(place: Place) -> None:
    place.open(protocol="tcp", startport=80, cidrlist="192.0.2.0/24")
    place.open(protocol="tcp", startport=80, cidrlist="198.51.100.0/24")

    assert len(told(place.cloud, place.network).openings) == 2


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"protocol": "sctp"}, "protocol"),
        ({"protocol": "tcp", "startport": 90, "endport": 80}, "startport"),
        ({"protocol": "tcp", "startport": 0}, "startport"),
        ({"protocol": "tcp", "icmptype": 8}, "icmp"),
        ({"protocol": "icmp", "startport": 8}, "only for protocols tcp"),
        ({"protocol": "icmp", "icmptype": 300}, "icmptype"),
        ({"protocol": "icmp", "icmpcode": 1}, "icmpcode needs"),
        ({"protocol": "tcp", "startport": 1, "cidrlist": "10.0.0.1/8"}, "cidrlist"),
        ({"protocol": "tcp", "startport": 1, "type": "system"}, "system"),
    ],
)
def test_nonsense_is_refused(place: Place, wish: dict[str, object], why: str) -> None:
    with pytest.raises(ApiError, match=why) as e:
        place.open(**wish)

    assert e.value.code == 431


def test_egress_sources_must_be_in_the_network(place: Place) -> None:
    with pytest.raises(ApiError, match="not within"):
        place.out(protocol="all", cidrlist="10.6.0.0/24")


def test_a_rule_of_the_other_direction_is_refused(place: Place) -> None:
    made = place.open(protocol="all")

    with pytest.raises(ApiError, match="direction"):
        place.alice.api("deleteEgressFirewallRule", id=made["id"])


def test_a_hidden_rule_is_hidden_from_users(place: Place) -> None:
    made = place.open(protocol="all")

    place.cloud.do("updateFirewallRule", id=made["id"], fordisplay=False)

    assert place.alice.api("listFirewallRules") == {}
    assert place.cloud.api("listFirewallRules", listall=True, fordisplay=False)["count"] == 1


def test_without_a_firewall_all_that_leads_somewhere_is_open(cloud: Cloud) -> None:
    place = Place(cloud, services=("Dhcp", "SourceNat", "PortForwarding"))
    place.alice.do(
        "createPortForwardingRule", ipaddressid=place.ip["id"], protocol="tcp", publicport=80, privateport=80,
        virtualmachineid=place.vm["id"], cidrlist="192.0.2.0/24",
    )  # fmt: skip

    (opening,) = told(cloud, place.network).openings
    assert opening.match == Match(Protocol.TCP, ("192.0.2.0/24",), first_port=80, last_port=80)
