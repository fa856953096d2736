"""Whatever changes came one after the other, the router is what a new one would be from the last state."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenes import INSIDE, PUBLIC, SECOND, TCP, THIRD, UDP, Scene, forward, opening

from tegar.agent.router.namespace import Namespace
from tegar.model.router import RouterSpec
from tegar.model.rule import Balancer, Match, Member, Opening, PortForward, Protocol, StaticNat, Stickiness

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: needs root")]

ONE, TWO = f"{INSIDE}.11", f"{INSIDE}.12"
BALANCER = Balancer(
    str(uuid.uuid5(uuid.NAMESPACE_DNS, "lb")),
    THIRD,
    80,
    "roundrobin",
    "tcp",
    (Member(ONE, 80), Member(TWO, 80)),
)
POOLS: dict[str, tuple[object, ...]] = {
    "openings": (
        opening(PUBLIC, 80), opening(PUBLIC, 70, 90), opening(PUBLIC, 53, 53, "198.51.100.0/24", protocol=UDP),
        opening(SECOND, 1, 65535), Opening(SECOND, Match(Protocol.ICMP, icmp_type=8)),
        Opening(THIRD, Match(Protocol.ALL, sources=("192.0.2.0/24", "192.0.2.0/25"))),
    ),
    "forwards": (
        forward(PUBLIC, 80, ONE, 8080), forward(PUBLIC, 53, TWO, 53, UDP),
        PortForward(PUBLIC, TCP, 100, 120, ONE, 100, 120), PortForward(PUBLIC, TCP, 200, 202, TWO, 300, 302),
        replace(forward(PUBLIC, 22, ONE, 22), sources=("198.51.100.7/32",)),
    ),
    "static_nats": (StaticNat(SECOND, TWO),),
    "balancers": (
        BALANCER,
        replace(BALANCER, uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, "u")), port=53, protocol="udp"),
        replace(
            BALANCER, uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, "s")), port=81, stickiness=Stickiness("SourceBased", "s")
        ),
    ),
}  # fmt: skip
EGRESS = (
    Match(TCP, first_port=25),
    Match(UDP, destinations=("8.8.8.8/32",)),
    Match(Protocol.ICMP, icmp_type=8),
)


def some_of(pool: tuple[object, ...]) -> st.SearchStrategy[tuple[object, ...]]:
    """Give some of a pool, in any order."""
    return st.permutations(pool).flatmap(lambda all: st.integers(0, len(all)).map(lambda n: tuple(all[:n])))


CHANGE = st.one_of(
    *(st.tuples(st.just(name), some_of(pool)) for name, pool in POOLS.items()),
    st.tuples(st.just("egress"), some_of(EGRESS)),
    st.tuples(st.just("egress_allowed"), st.booleans()),
    st.tuples(st.just("addresses"), some_of((PUBLIC, SECOND, THIRD)).filter(lambda some: PUBLIC in some)),
)


def changed(spec: RouterSpec, change: tuple[str, Any]) -> RouterSpec:
    """Return the next state."""
    name, value = change
    if name in ("egress", "egress_allowed"):
        return replace(spec, subnets=(replace(spec.subnets[0], **{name: value}),))
    if name == "addresses":
        return replace(spec, uplinks=(replace(spec.uplinks[0], addresses=value),))
    return replace(spec, **{name: value})


def bare(value: Any) -> Any:
    """Return a listing without what differs from one listing to the next."""
    if isinstance(value, dict):
        return {k: bare(v) for k, v in value.items() if k not in ("handle", "packets", "bytes", "metainfo")}
    return [bare(it) for it in value] if isinstance(value, list) else value


def state(scene: Scene, spec: RouterSpec) -> tuple[Any, ...]:
    """Return the ruleset, the addresses and what HAProxy runs with."""
    space = Namespace(spec.uuid)
    rules = json.loads(space.run("nft", "-j", "list", "ruleset", what="nft").out)["nftables"]
    held = space.run("ip", "-o", "-4", "addr", what="addresses").out.split()
    conf = Path(scene.wire.folder) / spec.uuid / "current" / "haproxy.cfg"
    text = conf.read_text().replace(spec.uuid, "") if conf.exists() else ""
    said = text.partition("description")[0] + text.partition("stats socket")[2]
    return sorted(map(str, bare(rules))), sorted(word for word in held if "/" in word), said


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=st.lists(CHANGE, min_size=2, max_size=6))
def test_changes_one_by_one_end_where_a_new_router_begins(
    scene: Scene, changes: list[tuple[str, Any]]
) -> None:
    for change in changes:
        scene.spec = changed(scene.spec, change)
        scene.want()
    fresh = replace(scene.spec, uuid=str(uuid.uuid4()), version=1)
    scene.routers.apply(fresh)

    try:
        assert state(scene, scene.spec) == state(scene, fresh)
    finally:
        scene.routers.remove(fresh.uuid)
