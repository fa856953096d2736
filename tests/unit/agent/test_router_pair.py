from __future__ import annotations

from dataclasses import replace

import golden_files
import pytest
from routers import ISOLATED, NET

from tegar.agent.router import links
from tegar.agent.router.render import bundle
from tegar.model.router import PairSpec, RouterSpec

FIRST = replace(
    ISOLATED, subnets=(replace(NET, ip="10.1.1.2", peer_ip="10.1.1.3"),), pair=PairSpec(vrid=9, priority=200)
)
SECOND = replace(
    FIRST, uuid="66666666-6666-4666-8666-777777777777", pair=PairSpec(vrid=9, priority=100),
    subnets=(replace(NET, ip="10.1.1.3", peer_ip="10.1.1.2", mac="02:00:00:00:00:03"),),
)  # fmt: skip


@pytest.mark.parametrize("name", ["keepalived.conf", "role.sh", "conntrackd.conf"])
def test_a_pairs_files_read_as_they_should(name: str) -> None:
    golden_files.check(f"pair-{name}", bundle(FIRST, "/r")[name])


def test_a_router_that_is_alone_has_none_of_them() -> None:
    assert not {"keepalived.conf", "conntrackd.conf"} & set(bundle(ISOLATED, "/r"))


def test_the_two_know_each_other_on_both_sides() -> None:
    def public(spec: RouterSpec) -> links.Link:
        return next(link for link in links.links(spec) if link.name.startswith("pub-"))

    one, other = public(FIRST), public(SECOND)

    assert one.neighbours == ((other.addresses[0].removesuffix("/30"), other.mac),)
    assert other.neighbours == ((one.addresses[0].removesuffix("/30"), one.mac),)
    assert one.floating == other.floating == ("203.0.113.10/24", "203.0.113.11/24", "203.0.113.12/24")


def test_guests_of_a_pair_are_sent_to_what_both_may_hold() -> None:
    text = bundle(FIRST, "/r")["dnsmasq.conf"]

    assert "option:dns-server,10.1.1.1\n" in text
    assert "option:classless-static-route,169.254.169.254/32,10.1.1.1,0.0.0.0/0,10.1.1.1\n" in text


def test_only_the_primary_serves_leases_and_passwords() -> None:
    rules = bundle(FIRST, "/r")["rules.nft"]

    assert 'iifname "eth-33333333" iifgroup 1 udp dport 67 accept' in rules
    assert "iifgroup 1 ip saddr 10.1.1.0/24 ct status dnat tcp dport 8776 accept" in rules
    assert "iifgroup" not in bundle(ISOLATED, "/r")["rules.nft"]


def test_what_one_has_judged_the_other_need_not_judge_again() -> None:
    def mark(spec: RouterSpec) -> str:
        return bundle(spec, "/r")["rules.nft"].split("ct mark set ")[1].split()[0]

    assert mark(FIRST) == mark(SECOND)
    assert mark(FIRST) != mark(replace(FIRST, forwards=()))
