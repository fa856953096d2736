"""Two real routers: one of them serves, the other takes over, and flows live on."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest
from pairs import Pair
from scenes import INSIDE, NEXT, PUBLIC, SECOND, forward, opening
from wires import Wire, sh

from support.until import until
from tegar.agent.router import links
from tegar.agent.router.service import NamespaceRouters
from tegar.model.router import PairSpec, Role
from tegar.model.rule import StaticNat

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: needs root")]

PRIMARY, BACKUP = Role.PRIMARY, Role.BACKUP


@pytest.fixture
def pair(wire: Wire, routers: NamespaceRouters) -> Pair:
    made = Pair(wire, routers)
    made.want()
    made.become(PRIMARY, BACKUP)
    return made


def test_the_primary_alone_has_the_addresses_and_rules_work(pair: Pair) -> None:
    pair.want(forwards=(forward(PUBLIC, 80, f"{INSIDE}.11", 80),), openings=(opening(PUBLIC, 80),))
    pair.guest.serve("guest", 80)
    pair.world.serve("world", 80)

    assert pair.world.ask(PUBLIC, 80) == f"guest {NEXT}"
    assert pair.guest.ask(NEXT, 80) == f"world {PUBLIC}"
    assert PUBLIC in pair.space(0).run("ip", "-o", "addr", what="addresses").out
    assert PUBLIC not in pair.space(1).run("ip", "-o", "addr", what="addresses").out
    lease = pair.wire.lease(pair.guest)
    assert f"router={INSIDE}.1 dns={INSIDE}.1" in lease


def test_addresses_that_come_and_go_change_no_role(pair: Pair) -> None:
    pair.guest.serve("guest", 80)
    pair.want(static_nats=(StaticNat(SECOND, f"{INSIDE}.11"),), openings=(opening(SECOND, 80),))
    assert pair.world.ask(SECOND, 80) == f"guest {NEXT}"
    uplinks = [spec.uplinks[0] for spec in pair.specs]

    for here in (0, 1):
        fewer = type(uplinks[here])(**{**vars(uplinks[here]), "addresses": (PUBLIC,)})
        pair.want_of(here, uplinks=(fewer,), static_nats=(), openings=())

    until(
        lambda: SECOND not in pair.space(0).run("ip", "-o", "addr", what="addresses").out,
        "the address is gone",
    )
    assert pair.roles() == [PRIMARY, BACKUP]


def test_the_backup_takes_over_and_a_flow_lives_on(pair: Pair) -> None:
    pair.world.serve("world", 80)
    assert pair.guest.ask(NEXT, 80)
    with pair.guest.streaming(pair.world, NEXT, 7000, seconds=8) as found:
        until(lambda: found.bytes_seen() > 0, "the transfer runs")
        until(
            lambda: "7000" in pair.space(1).run("conntrack", "-L", what="conntrack").out, "the other knows it"
        )
        pair.lose(0)
        began_s = time.monotonic()
        until(lambda: pair.roles()[1] is PRIMARY, "the backup takes over")
        took_s = time.monotonic() - began_s
        result = found.result()

    print(f"takeover {took_s:.2f} s, longest silence {result['longest_silence_s']} s")
    assert took_s < 3
    assert result["ended"] == "whole"
    assert result["longest_silence_s"] < 5
    assert pair.guest.ask(NEXT, 80) == f"world {PUBLIC}"


def test_a_router_comes_back_on_a_host_that_lost_its_power(pair: Pair) -> None:
    pair.lose(0)
    pair.become(Role.UNKNOWN, PRIMARY)
    sh("ip", "netns", "del", pair.space(0).name)

    pair.want_of(0)

    pair.become(PRIMARY, BACKUP)


def test_a_planned_swap_goes_by_priority(pair: Pair) -> None:
    pair.world.serve("world", 80)
    pair.want_of(0, pair=PairSpec(vrid=7, priority=50))

    pair.become(BACKUP, PRIMARY)

    assert pair.guest.ask(NEXT, 80) == f"world {PUBLIC}"


@pytest.mark.parametrize("side", ["g", "p"])
def test_a_cut_on_one_side_makes_no_second_primary(pair: Pair, side: str) -> None:
    pair.cut(side)

    both_s, began_s = 0.0, time.monotonic()
    while time.monotonic() - began_s < 5:
        look_s = time.monotonic()
        if pair.roles() == [PRIMARY, PRIMARY]:
            both_s += time.monotonic() - look_s

    assert both_s < 2
    pair.cut(side, "up")
    pair.become(PRIMARY, BACKUP)


def test_the_primary_goes_on_alone_and_a_flow_lives_on(pair: Pair) -> None:
    (net,) = pair.specs[0].subnets
    pair.world.serve("world", 80)
    with pair.guest.streaming(pair.world, NEXT, 7001, seconds=8) as found:
        until(lambda: found.bytes_seen() > 0, "the transfer runs")
        pair.routers.remove(pair.specs[1].uuid)
        pair.want_of(0, pair=None, subnets=(replace(net, ip=net.gateway, peer_ip=""),))
        result = found.result()

    print(f"alone: longest silence {result['longest_silence_s']} s")
    assert result["ended"] == "whole"
    assert result["longest_silence_s"] < 2
    assert pair.roles() == [PRIMARY, Role.UNKNOWN]
    held = pair.space(0).run("ip", "-o", "-4", "addr", what="addresses").out
    assert all(f" {ip}/24 " in held for ip in (net.gateway, PUBLIC, SECOND))
    assert all(
        f" {ip}/" not in held for ip in (net.ip, *links.PUBLIC_OWN, links.ADVERTISED.partition("/")[0])
    )
    assert pair.guest.ask(NEXT, 80) == f"world {PUBLIC}"
    assert f"router={INSIDE}.1 dns={INSIDE}.1" in pair.wire.lease(pair.guest)


def test_a_flow_lives_on_when_a_second_router_comes(wire: Wire, routers: NamespaceRouters) -> None:
    made = Pair(wire, routers)
    (net,) = made.specs[0].subnets
    made.want_of(0, pair=None, subnets=(replace(net, ip=net.gateway, peer_ip=""),))
    with made.guest.streaming(made.world, NEXT, 7002, seconds=12) as found:
        until(lambda: found.bytes_seen() > 0, "the transfer runs")
        made.want_of(0, pair=PairSpec(vrid=7, priority=200), subnets=(net,))
        made.want_of(1)
        made.become(PRIMARY, BACKUP)
        until(
            lambda: "7002" in made.space(1).run("conntrack", "-L", what="conntrack").out, "the other knows it"
        )
        result = found.result()

    print(f"two: longest silence {result['longest_silence_s']} s")
    assert result["ended"] == "whole"
    assert result["longest_silence_s"] < 3
    for here, has in ((0, True), (1, False)):
        held = made.space(here).run("ip", "-o", "-4", "addr", what="addresses").out
        assert [f" {ip}/24 " in held for ip in (net.gateway, PUBLIC, SECOND)] == [has] * 3


def test_a_router_that_was_alone_becomes_one_of_two(wire: Wire, routers: NamespaceRouters) -> None:
    made = Pair(wire, routers)
    (net,) = made.specs[0].subnets
    made.want_of(0, pair=None, subnets=(replace(net, ip=net.gateway, peer_ip=""),))
    made.world.serve("world", 80)
    assert made.guest.ask(NEXT, 80) == f"world {PUBLIC}"

    made.want_of(0, pair=PairSpec(vrid=7, priority=100), subnets=(net,))
    made.want_of(1, pair=PairSpec(vrid=7, priority=200))

    made.become(BACKUP, PRIMARY)
    assert made.guest.ask(NEXT, 80) == f"world {PUBLIC}"
    assert PUBLIC not in made.space(0).run("ip", "-o", "addr", what="addresses").out
