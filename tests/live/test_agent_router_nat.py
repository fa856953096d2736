"""Real packets through source NAT, static NAT and port forwarding, from outside and from inside."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from scenes import INSIDE, NEXT, PUBLIC, SECOND, TCP, THIRD, UDP, Scene, forward, opening

from support.until import until
from tegar.model.rule import PortForward, StaticNat

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: needs root")]


def test_guests_go_out_by_the_source_nat_address_and_nobody_comes_in(scene: Scene) -> None:
    scene.want()
    scene.world.serve("world", 80)
    scene.world.serve("world", 53, kind="udp")
    scene.one.serve("one", 80)
    scene.world.run("ip", "route", "add", f"{INSIDE}.0/24", "via", PUBLIC)

    assert scene.one.ask(NEXT, 80) == f"world {PUBLIC}"
    assert scene.one.ask(NEXT, 53, "udp") == f"world {PUBLIC}"
    assert scene.one.pings(NEXT)
    assert scene.world.is_refused(PUBLIC, 80)
    assert scene.world.is_refused(f"{INSIDE}.11", 80)
    assert not scene.world.pings(PUBLIC)


def test_a_static_address_stands_for_its_guest_both_ways(scene: Scene) -> None:
    scene.want(static_nats=(StaticNat(SECOND, f"{INSIDE}.11"),), openings=(opening(SECOND, 80),))
    scene.world.serve("world", 80)
    scene.one.serve("one", 80, 81)

    assert scene.world.ask(SECOND, 80) == f"one {NEXT}"
    assert scene.world.is_refused(SECOND, 81)
    assert scene.one.ask(NEXT, 80) == f"world {SECOND}"
    assert scene.two.ask(NEXT, 80) == f"world {PUBLIC}"
    assert scene.two.ask(SECOND, 80) == f"one {INSIDE}.1"
    assert scene.one.ask(SECOND, 80) == f"one {INSIDE}.1"
    assert scene.two.is_refused(SECOND, 81)


def test_a_static_address_that_moves_takes_its_flows_away_from_the_old_guest(scene: Scene) -> None:
    scene.want(
        static_nats=(StaticNat(SECOND, f"{INSIDE}.11"),), openings=(opening(SECOND, 53, protocol=UDP),)
    )
    scene.one.serve("one", 53, kind="udp")
    scene.two.serve("two", 53, kind="udp")
    scene.world.run("ip", "addr", "add", "203.0.113.77/24", "dev", "eth0")
    assert scene.world.ask(SECOND, 53, "udp").startswith("one")

    scene.want(static_nats=(StaticNat(SECOND, f"{INSIDE}.12"),))

    assert scene.world.ask(SECOND, 53, "udp").startswith("two")
    assert SECOND not in scene.space.run("conntrack", "-L", "-r", f"{INSIDE}.11", what="conntrack").out


def test_ports_lead_to_their_guests_from_both_sides(scene: Scene) -> None:
    scene.want(
        forwards=(
            forward(PUBLIC, 8080, f"{INSIDE}.11", 80),
            forward(PUBLIC, 53, f"{INSIDE}.12", 53, UDP),
            PortForward(PUBLIC, TCP, 7000, 7002, f"{INSIDE}.11", 7000, 7002),
            PortForward(PUBLIC, TCP, 9000, 9001, f"{INSIDE}.12", 8000, 8001),
        ),
        openings=(opening(PUBLIC, 1, 9999), opening(PUBLIC, 53, protocol=UDP)),
    )
    scene.one.serve("one", 80, 7002)
    scene.two.serve("two", 8001)
    scene.two.serve("two", 53, kind="udp")

    assert scene.world.ask(PUBLIC, 8080) == f"one {NEXT}"
    assert scene.world.ask(PUBLIC, 7002) == f"one {NEXT}"
    assert scene.world.ask(PUBLIC, 9001) == f"two {NEXT}"
    assert scene.world.ask(PUBLIC, 53, "udp") == f"two {NEXT}"
    assert scene.two.ask(PUBLIC, 8080) == f"one {INSIDE}.1"
    assert scene.one.ask(PUBLIC, 9001) == f"two {INSIDE}.1"
    assert scene.world.is_refused(PUBLIC, 7003)
    assert scene.world.is_refused(SECOND, 8080)


def test_a_forwarding_for_some_networks_is_for_nobody_else(scene: Scene) -> None:
    some = replace(forward(PUBLIC, 8080, f"{INSIDE}.11", 80), sources=("203.0.113.96/28",))
    scene.want(forwards=(some,), openings=(opening(PUBLIC, 8080),))
    scene.one.serve("one", 80)

    assert scene.other.ask(PUBLIC, 8080) == "one 203.0.113.99"
    assert scene.world.is_refused(PUBLIC, 8080)


def test_a_removed_forwarding_ends_the_flows_it_carried(scene: Scene) -> None:
    there = forward(PUBLIC, 53, f"{INSIDE}.11", 53, UDP)
    scene.want(forwards=(there,), openings=(opening(PUBLIC, 53, protocol=UDP),))
    scene.one.serve("one", 53, kind="udp")
    assert scene.world.ask(PUBLIC, 53, "udp") == f"one {NEXT}"

    scene.want(forwards=())

    shown = scene.space.run("conntrack", "-L", "-p", "udp", "-d", PUBLIC, what="conntrack").out
    assert "dport=53" not in shown
    assert scene.world.is_refused(PUBLIC, 53, "udp")


def test_addresses_and_networks_come_and_go_without_a_new_namespace(scene: Scene) -> None:
    scene.want()
    before = scene.space.run("cat", "/proc/self/net/dev", what="links").out
    inode = os.stat(f"/run/netns/{scene.space.name}").st_ino
    uplink = replace(scene.spec.uplinks[0], addresses=(PUBLIC, "203.0.113.20"))

    scene.want(uplinks=(uplink,), openings=(opening("203.0.113.20", 80),), forwards=(
        forward("203.0.113.20", 80, f"{INSIDE}.11", 80),
    ))  # fmt: skip

    scene.one.serve("one", 80)
    assert scene.world.ask("203.0.113.20", 80) == f"one {NEXT}"
    held = scene.space.run("ip", "-o", "-4", "addr", what="addresses").out
    assert THIRD not in held
    assert SECOND not in held
    assert os.stat(f"/run/netns/{scene.space.name}").st_ino == inode
    assert before.count(":") == scene.space.run("cat", "/proc/self/net/dev", what="links").out.count(":")

    scene.want(uplinks=(), openings=(), forwards=())

    assert "pub-" not in scene.space.run("ip", "link", what="links").out
    until(lambda: not scene.one.pings(NEXT), "the world is out of reach")
