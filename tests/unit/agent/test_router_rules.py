from __future__ import annotations

from dataclasses import replace

import golden_files
import pytest
from routers import ISOLATED, NET, TCP, UPLINK, VPC

from tegar.agent.router import flows, links
from tegar.agent.router.render import bundle, nft
from tegar.kernel.errors import Refused
from tegar.model.router import RouterSpec
from tegar.model.rule import Match, Opening, PortForward, Protocol, StaticRoute


def test_the_rules_of_an_isolated_network_read_as_they_should() -> None:
    golden_files.check("isolated-rules.nft", nft.rules(ISOLATED))


def test_its_dhcp_names_no_gateway_to_a_second_nic() -> None:
    golden_files.check("isolated-dnsmasq.conf", bundle(ISOLATED, "/r")["dnsmasq.conf"])
    assert bundle(ISOLATED, "/r")["dhcp-hosts"] == (
        "02:00:00:00:00:07,10.1.1.7,web,infinite\n02:00:00:00:00:08,set:second,10.1.1.8,db,infinite\n"
    )


def test_the_order_in_which_rules_came_does_not_matter() -> None:
    turned = replace(
        ISOLATED, openings=ISOLATED.openings[::-1], forwards=ISOLATED.forwards[::-1],
        subnets=(replace(NET, egress=NET.egress[::-1]),),
        uplinks=(replace(UPLINK, addresses=UPLINK.addresses[::-1]),),
    )  # fmt: skip

    assert nft.rules(turned) == nft.rules(ISOLATED)


def test_other_rules_have_another_mark_so_flows_are_judged_again() -> None:
    def mark(spec: RouterSpec) -> str:
        return nft.rules(spec).partition("ct mark set ")[2][:10]

    assert mark(ISOLATED) == mark(replace(ISOLATED, version=9))
    assert mark(ISOLATED) != mark(replace(ISOLATED, openings=ISOLATED.openings[1:]))


def test_the_source_nat_address_is_the_first_of_its_nic() -> None:
    guest, public = links.links(ISOLATED)

    assert guest.addresses == ("10.1.1.1/24", "169.254.169.254/32")
    assert public.addresses[0] == "203.0.113.10/24"
    assert (guest.name, public.name) == ("eth-33333333", "pub-55555555")


def test_routes_are_the_way_out_and_what_was_asked_for() -> None:
    asked = (StaticRoute("192.168.9.0/24", "10.1.1.7"), StaticRoute("192.168.8.0/24", "172.16.0.1"))

    assert links.routes(replace(ISOLATED, routes=asked)) == (
        links.Route("0.0.0.0/0", "203.0.113.1", "pub-55555555"),
        links.Route("192.168.9.0/24", "10.1.1.7", "eth-33333333"),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"openings": (Opening("203.0.113.10; drop", Match(TCP)),)},
        {"openings": (Opening("203.0.113.10", Match(TCP, sources=("any",))),)},
        {"openings": (Opening("203.0.113.10", Match(TCP, first_port=5, last_port=4)),)},
        {"openings": (Opening("203.0.113.10", Match(Protocol.NUMBER)),)},
        {"forwards": (PortForward("203.0.113.10", TCP, 80, 81, "10.1.1.7", 80, 80),)},
        {"forwards": (PortForward("203.0.113.10", Protocol.ICMP, 80, 80, "10.1.1.7", 80, 80),)},
        {"routes": (StaticRoute("default", "10.1.1.7"),)},
        {"uplinks": (replace(UPLINK, addresses=()),)},
        {"subnets": (NET, replace(NET, ip="10.2.2.1"))},
    ],
)
def test_words_that_are_no_rules_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Refused):
        bundle(replace(ISOLATED, **wrong), "/r")  # type: ignore[arg-type]


def test_flows_are_read_from_the_kernels_table() -> None:
    shown = (
        "tcp      6 431999 ESTABLISHED src=1.2.3.4 dst=203.0.113.10 sport=4000 dport=80 "
        "src=10.1.1.7 dst=1.2.3.4 sport=8080 dport=4000 [ASSURED] mark=7 use=1\n"
        "icmp     1 29 src=1.2.3.4 dst=203.0.113.10 type=8 code=0 id=1 src=203.0.113.10 dst=1.2.3.4\n"
    )

    assert list(flows.parse(shown)) == [flows.Flow("tcp", "1.2.3.4", "203.0.113.10", 4000, 80)]


def test_the_rules_of_a_vpc_read_as_they_should() -> None:
    golden_files.check("vpc-rules.nft", nft.rules(VPC))


def test_a_packet_that_has_to_leave_by_another_uplink_finds_its_way() -> None:
    assert [uplink.network.uuid[:8] for uplink in links.steered(VPC)] == ["88888888"]
    assert links.routes(VPC)[1] == links.Route("192.168.50.0/24", "172.30.0.1", "pub-77777777")
