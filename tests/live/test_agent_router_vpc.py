"""Real packets between the tiers of a VPC, in and out of it, and over its private gateway."""

from __future__ import annotations

import os
import uuid
from dataclasses import replace

import pytest
from scenes import NEXT, PUBLIC, SECOND, TCP, Scene, forward
from wires import Client

from support.until import until
from tegar.model.router import GuestSpec, SubnetSpec, UplinkSpec
from tegar.model.rule import AclItem, Balancer, Match, Member, Protocol, StaticNat, StaticRoute

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: needs root")]

WEB, DB = "10.20.1", "10.20.2"
OPEN = (
    AclItem(1, allow=True, inbound=True, match=Match(Protocol.ALL)),
    AclItem(2, allow=True, inbound=False, match=Match(Protocol.ALL)),
)


def item(number: int, allow: bool, inbound: bool, port: int, *cidrs: str) -> AclItem:
    """Return a line about a TCP port."""
    side = {"sources" if inbound else "destinations": cidrs}
    return AclItem(number, allow, inbound, Match(TCP, first_port=port, last_port=port, **side))


def tier(scene: Scene, name: str, start: str, acl: tuple[AclItem, ...]) -> SubnetSpec:
    """Return a tier with one guest."""
    n = ord(name)
    mac = f"02:00:00:00:{n:02x}"
    guest = GuestSpec(str(uuid.uuid4()), f"{mac}:0b", f"{start}.11", f"vm-{name}")
    return SubnetSpec(
        network=scene.wire.network(name), mac=f"{mac}:01", ip=f"{start}.1", prefix_len=24,
        gateway=f"{start}.1", domain="vpc.test", dns=(NEXT,), guests=(guest,), acl=acl,
    )  # fmt: skip


def vpc(
    scene: Scene, web: tuple[AclItem, ...] = OPEN, db: tuple[AclItem, ...] = OPEN, **more: object
) -> None:
    """Want two tiers."""
    scene.want(subnets=(tier(scene, "w", WEB, web), tier(scene, "d", DB, db)), **more)


def guest_of(scene: Scene, name: str, start: str) -> Client:
    """Return the guest of a tier."""
    mac = f"02:00:00:00:{ord(name):02x}:0b"
    return scene.wire.client(mac, on=name, address=f"{start}.11/24", via=f"{start}.1")


def test_tiers_reach_each_other_as_far_as_both_lists_say(scene: Scene) -> None:
    web_out = (item(1, False, False, 81, f"{DB}.0/24"), item(2, True, False, 80), item(3, True, False, 81))
    db_in = (item(10, False, True, 80, f"{WEB}.99/32"), item(20, True, True, 80, f"{WEB}.0/24"))
    vpc(scene, web=(*OPEN[:1], *web_out), db=(*db_in, *OPEN[1:]))
    web, db = guest_of(scene, "w", WEB), guest_of(scene, "d", DB)
    db.serve("db", 80, 81, 82)
    web.serve("web", 80)
    scene.world.serve("world", 81)

    assert web.ask(f"{DB}.11", 80) == f"db {WEB}.11"
    assert web.is_refused(f"{DB}.11", 81)
    assert web.is_refused(f"{DB}.11", 82)
    assert web.ask(NEXT, 81) == f"world {PUBLIC}"
    assert db.ask(f"{WEB}.11", 80) == f"web {DB}.11"
    web.run("ip", "addr", "add", f"{WEB}.99/24", "dev", "eth0")
    web.run("ip", "route", "replace", "default", "via", f"{WEB}.1", "src", f"{WEB}.99")
    assert web.is_refused(f"{DB}.11", 80)


def test_a_list_without_lines_lets_nothing_in_and_all_out(scene: Scene) -> None:
    vpc(scene, web=(), db=OPEN)
    web, db = guest_of(scene, "w", WEB), guest_of(scene, "d", DB)
    web.serve("web", 80)
    scene.world.serve("world", 80)

    assert web.ask(NEXT, 80) == f"world {PUBLIC}"
    assert web.pings(f"{DB}.11")
    assert db.is_refused(f"{WEB}.11", 80)


def test_from_outside_the_tiers_list_decides_by_the_guests_port(scene: Scene) -> None:
    vpc(
        scene,
        web=(item(1, True, True, 8080), *OPEN[1:]),
        forwards=(forward(PUBLIC, 80, f"{WEB}.11", 8080), forward(PUBLIC, 81, f"{WEB}.11", 8081)),
        static_nats=(StaticNat(SECOND, f"{DB}.11"),),
    )
    web, db = guest_of(scene, "w", WEB), guest_of(scene, "d", DB)
    web.serve("web", 8080, 8081)
    db.serve("db", 80)

    assert scene.world.ask(PUBLIC, 80) == f"web {NEXT}"
    assert scene.world.is_refused(PUBLIC, 81)
    assert scene.world.ask(SECOND, 80) == f"db {NEXT}"
    assert db.ask(PUBLIC, 80) == f"web {DB}.11"
    scene.world.run("ip", "route", "add", f"{WEB}.0/24", "via", PUBLIC)
    assert scene.world.is_refused(f"{WEB}.11", 8080)


def test_a_line_taken_back_cuts_what_it_allowed(scene: Scene) -> None:
    vpc(scene, db=(item(1, True, True, 80), *OPEN[1:]))
    web, db = guest_of(scene, "w", WEB), guest_of(scene, "d", DB)
    with web.streaming(db, f"{DB}.11", 80, seconds=600) as transfer:
        assert transfer.bytes_seen()
        vpc(scene, db=OPEN[1:])
        assert web.is_refused(f"{DB}.11", 80)
        shown = scene.space.run("conntrack", "-L", "-p", "tcp", what="conntrack").out
        transfer.process.kill()

    assert "dport=80" in shown


def test_a_tier_comes_and_goes_beside_a_running_one(scene: Scene) -> None:
    scene.want(subnets=(tier(scene, "w", WEB, OPEN),))
    web = guest_of(scene, "w", WEB)
    scene.world.serve("world", 80)
    with web.streaming(scene.world, NEXT, 7000, seconds=3) as transfer:
        assert transfer.bytes_seen()
        vpc(scene)
        db = guest_of(scene, "d", DB)
        assert scene.wire.lease(db).startswith(f"{DB}.11 24 router={DB}.1")
        assert db.get(f"http://{DB}.1/latest/meta-data/local-hostname") == "vm-d"
        assert f"{DB}.11" in web.run("busybox", "nslookup", "vm-d.vpc.test", f"{WEB}.1")
        scene.want(subnets=(tier(scene, "w", WEB, OPEN),))
        assert db.is_refused(NEXT, 80)
        result = transfer.result()

    assert result["ended"] == "whole"


def test_a_private_gateway_leads_to_another_network_by_its_own_list(scene: Scene) -> None:
    other = scene.wire.client(on="x", address="172.30.0.9/24", via="172.30.0.2")
    other.run("ip", "addr", "add", "192.168.50.1/32", "dev", "lo")
    gateway = UplinkSpec(
        network=scene.wire.network("x"), mac="02:00:00:00:09:01", addresses=("172.30.0.2",), prefix_len=24,
        gateway="172.30.0.9", private=True, acl=(item(1, True, True, 80), *OPEN[1:]),
    )  # fmt: skip
    vpc(
        scene,
        uplinks=(*scene.spec.uplinks, gateway),
        routes=(StaticRoute("192.168.50.0/24", "172.30.0.9"),),
    )
    web = guest_of(scene, "w", WEB)
    web.serve("web", 80, 81)
    other.serve("other", 80)

    assert web.ask("172.30.0.9", 80) == f"other {WEB}.11"
    assert web.ask("192.168.50.1", 80) == f"other {WEB}.11"
    assert other.ask(f"{WEB}.11", 80) == "web 172.30.0.9"
    assert other.is_refused(f"{WEB}.11", 81)
    assert other.is_refused(NEXT, 80)

    scene.want(uplinks=(scene.spec.uplinks[0], replace(gateway, acl=(), source_nat="172.30.0.2")))
    assert other.is_refused(f"{WEB}.11", 80)
    assert web.ask("192.168.50.1", 80) == "other 172.30.0.2"


def test_balancers_of_a_vpc_are_public_or_internal_and_lists_decide_who_gets_to_those_inside(
    scene: Scene,
) -> None:
    members = (Member(f"{WEB}.11", 80),)
    public = Balancer(str(uuid.uuid4()), SECOND, 80, "roundrobin", "tcp", members)
    internal = Balancer(str(uuid.uuid4()), f"{WEB}.200", 80, "roundrobin", "tcp", members)
    both, from_db = (public, internal), (item(1, True, True, 80, f"{DB}.0/24"),)
    vpc(scene, web=from_db, balancers=both)
    web, db = guest_of(scene, "w", WEB), guest_of(scene, "d", DB)
    web.serve("web", 80)

    until(lambda: scene.world.ask(SECOND, 80) == f"web {WEB}.1", "the public balancer finds the member up")
    until(lambda: db.ask(f"{WEB}.200", 80) == f"web {WEB}.1", "the internal balancer finds the member up")
    assert web.ask(f"{WEB}.200", 80) == f"web {WEB}.1"
    scene.world.run("ip", "route", "add", f"{WEB}.0/24", "via", PUBLIC)
    assert scene.world.is_refused(f"{WEB}.200", 80)

    vpc(scene, web=(), balancers=both)
    assert db.is_refused(f"{WEB}.200", 80)
    assert web.ask(f"{WEB}.200", 80) == f"web {WEB}.1"
    vpc(scene, web=from_db, db=(*OPEN[:1], item(1, False, False, 80)), balancers=both)
    assert db.is_refused(f"{WEB}.200", 80)
    vpc(scene, web=from_db, balancers=both)
    assert db.ask(f"{WEB}.200", 80) == f"web {WEB}.1"


def test_addresses_of_a_second_public_range_answer_by_their_own_gateway(scene: Scene) -> None:
    far = scene.wire.client(on="y", address="198.51.100.1/24")
    far.run("ip", "addr", "add", "192.0.2.1/32", "dev", "lo")
    second = UplinkSpec(
        network=scene.wire.network("y"), mac="02:00:00:00:09:02", addresses=("198.51.100.10", "198.51.100.11"),
        prefix_len=24, gateway="198.51.100.1",
    )  # fmt: skip
    vpc(
        scene,
        uplinks=(*scene.spec.uplinks, second),
        forwards=(forward("198.51.100.10", 80, f"{WEB}.11", 80),),
        static_nats=(StaticNat("198.51.100.11", f"{DB}.11"),),
    )
    web, db = guest_of(scene, "w", WEB), guest_of(scene, "d", DB)
    web.serve("web", 80)
    db.serve("db", 80)
    far.serve("far", 80)
    ask = (
        "import socket, sys; s = socket.create_connection((sys.argv[1], 80), 5, ('192.0.2.1', 0));"
        "print(s.recv(99).decode(), end='')"
    )
    assert far.run("python3", "-c", ask, "198.51.100.10") == "web 192.0.2.1"
    assert far.run("python3", "-c", ask, "198.51.100.11") == "db 192.0.2.1"
    assert db.ask("198.51.100.1", 80) == "far 198.51.100.11"
    assert web.ask(f"{DB}.11", 80) == f"db {WEB}.11"
