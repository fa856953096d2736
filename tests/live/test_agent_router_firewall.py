"""Real packets that firewall rules allow and refuse: in to public addresses, and out of a network."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from scenes import INSIDE, NEXT, PUBLIC, SECOND, UDP, Scene, forward, opening
from wires import SHORT_S

from tegar.model.rule import Match, Opening, Protocol, StaticNat

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: needs root")]


def test_a_forwarded_port_is_closed_until_it_is_opened_and_again_when_it_is_closed(scene: Scene) -> None:
    scene.want(forwards=(forward(PUBLIC, 8080, f"{INSIDE}.11", 80),))
    scene.one.serve("one", 80)
    assert scene.world.is_refused(PUBLIC, 8080)

    scene.want(openings=(opening(PUBLIC, 8080),))
    assert scene.world.ask(PUBLIC, 8080) == f"one {NEXT}"

    scene.want(openings=(opening(PUBLIC, 80),))  # the guest's port, not the public one
    assert scene.world.is_refused(PUBLIC, 8080)


def test_an_opening_for_some_networks_is_for_nobody_else(scene: Scene) -> None:
    scene.want(
        forwards=(forward(PUBLIC, 80, f"{INSIDE}.11", 80),),
        openings=(opening(PUBLIC, 80, 80, "203.0.113.96/28", "198.51.100.0/24"),),
    )
    scene.one.serve("one", 80)

    assert scene.other.ask(PUBLIC, 80) == "one 203.0.113.99"
    assert scene.world.is_refused(PUBLIC, 80)


def test_pings_are_an_opening_of_their_own(scene: Scene) -> None:
    echo = Opening(PUBLIC, Match(Protocol.ICMP, icmp_type=8, icmp_code=0))
    scene.want(openings=(echo,), static_nats=(StaticNat(SECOND, f"{INSIDE}.11"),))
    assert scene.one.is_refused(NEXT, 1)  # the guest is there

    assert scene.world.pings(PUBLIC)
    assert not scene.world.pings(SECOND)

    scene.want(openings=(Opening(SECOND, Match(Protocol.ICMP, icmp_type=-1, icmp_code=-1)),))
    assert scene.world.pings(SECOND)
    assert not scene.world.pings(PUBLIC)


def test_everything_opened_is_everything(scene: Scene) -> None:
    scene.want(
        openings=(Opening(SECOND, Match(Protocol.ALL)),), static_nats=(StaticNat(SECOND, f"{INSIDE}.11"),)
    )
    scene.one.serve("one", 80)
    scene.one.serve("one", 53, kind="udp")

    assert scene.world.pings(SECOND)
    assert scene.world.ask(SECOND, 80)
    assert scene.world.ask(SECOND, 53, "udp")


def test_a_flow_whose_opening_is_taken_back_is_cut_and_others_live_on(scene: Scene) -> None:
    scene.want(
        forwards=(forward(PUBLIC, 53, f"{INSIDE}.11", 53, UDP), forward(PUBLIC, 54, f"{INSIDE}.11", 54, UDP)),
        openings=(opening(PUBLIC, 53, 54, protocol=UDP),),
    )
    scene.one.serve("one", 53, 54, kind="udp")
    asking = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(float(sys.argv[3]))\n"
        "s.bind(('', 4000 + int(sys.argv[2]))); s.connect((sys.argv[1], int(sys.argv[2]))); s.send(b'?')\n"
        "print(s.recv(99).decode())"
    )

    def same_flow(port: int) -> str:
        return scene.world.run("python3", "-c", asking, PUBLIC, str(port), str(SHORT_S))

    assert same_flow(53)
    assert same_flow(54)
    scene.want(openings=(opening(PUBLIC, 54, protocol=UDP),))

    assert not same_flow(53)
    assert same_flow(54)


@pytest.mark.parametrize("allowed", [True, False])
def test_egress_rules_are_the_exceptions_of_its_policy(scene: Scene, allowed: bool) -> None:
    named = (
        Match(Protocol.TCP, first_port=80, last_port=80),
        Match(Protocol.UDP, sources=(f"{INSIDE}.12/32",), first_port=53, last_port=53),
        Match(Protocol.ICMP, destinations=(f"{NEXT}/32",), icmp_type=8),
    )
    scene.want(subnets=scene.subnet(egress_allowed=allowed, egress=named))
    scene.world.serve("world", 80, 81)
    scene.world.serve("world", 53, kind="udp")

    assert (scene.one.ask(NEXT, 81, patience_s=SHORT_S) != "") == allowed
    assert (scene.one.ask(NEXT, 80, patience_s=SHORT_S) == "") == allowed
    assert (scene.two.ask(NEXT, 53, "udp", SHORT_S) == "") == allowed
    assert (scene.one.ask(NEXT, 53, "udp", SHORT_S) != "") == allowed
    assert scene.one.pings(NEXT) != allowed


def test_spoofed_sources_are_dropped_on_both_sides(scene: Scene) -> None:
    scene.want(
        forwards=(forward(PUBLIC, 80, f"{INSIDE}.11", 80),), openings=(Opening(PUBLIC, Match(Protocol.ALL)),)
    )
    scene.world.run("ip", "route", "add", "10.99.0.0/16", "via", PUBLIC)
    scene.one.run("ip", "addr", "add", "10.99.0.1/32", "dev", "eth0")
    scene.world.run("ip", "addr", "add", f"{INSIDE}.200/32", "dev", "eth0")
    scene.one.serve("one", 80)

    assert scene.one.pings(NEXT)
    assert scene.one.run("busybox", "ping", "-c1", "-W1", "-I", "10.99.0.1", NEXT).count("100% packet loss")
    lost = scene.world.run("busybox", "ping", "-c1", "-W1", "-I", f"{INSIDE}.200", PUBLIC)
    assert lost.count("100% packet loss")


def test_a_public_address_that_is_another_ones_opens_nothing_here(scene: Scene) -> None:
    scene.want(
        forwards=(forward(PUBLIC, 80, f"{INSIDE}.11", 80), forward(SECOND, 80, f"{INSIDE}.12", 80)),
        openings=(opening(SECOND, 80),),
    )
    scene.one.serve("one", 80)
    scene.two.serve("two", 80)

    assert scene.world.ask(SECOND, 80) == f"two {NEXT}"
    assert scene.world.is_refused(PUBLIC, 80)


def test_the_guests_services_are_not_for_the_world(scene: Scene) -> None:
    scene.want(openings=(Opening(PUBLIC, Match(Protocol.ALL)),))
    one = scene.one

    assert one.get("http://10.77.7.1/latest/meta-data/local-hostname") == "vm-11"
    for port in (80, 8080, 8775, 8776):
        assert scene.world.is_refused(PUBLIC, port)
    assert scene.world.is_refused(PUBLIC, 53, "udp")


def test_counters_go_on_when_rules_change(scene: Scene) -> None:
    uplink = scene.spec.uplinks[0]
    scene.want()
    scene.world.serve("world", 80)
    assert scene.one.ask(NEXT, 80)
    (first,) = scene.routers.counters()

    scene.want(openings=(opening(PUBLIC, 80),), uplinks=(replace(uplink, addresses=(PUBLIC, SECOND)),))
    (second,) = scene.routers.counters()
    assert scene.one.ask(NEXT, 80)
    (third,) = scene.routers.counters()

    assert first.subnets[0].sent_bytes > 100
    assert first.subnets[0].received_bytes > 100
    assert second.subnets == first.subnets
    assert [it.of for it in second.addresses] == [PUBLIC, SECOND]
    assert third.subnets[0].sent_bytes > second.subnets[0].sent_bytes
    assert third.addresses[0].received_bytes > first.addresses[0].received_bytes > 0
    assert third.addresses[1].received_bytes == 0
