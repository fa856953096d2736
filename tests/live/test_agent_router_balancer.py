"""Real connections and datagrams through load balancers."""

from __future__ import annotations

import os
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from scenes import INSIDE, PUBLIC, SECOND, UDP, Scene, opening
from wires import SHORT_S, listens

from support.until import until
from tegar.agent.router import haproxy
from tegar.agent.router.process import Daemon
from tegar.kernel.errors import AgentRefused
from tegar.model.rule import Balancer, HealthCheck, Member, Stickiness

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: needs root")]

ONE, TWO = Member(f"{INSIDE}.11", 80), Member(f"{INSIDE}.12", 80)


def balancer(*members: Member, **more: object) -> Balancer:
    """Return a balancer of the public address."""
    base = Balancer(
        str(uuid.uuid5(uuid.NAMESPACE_DNS, "lb")), PUBLIC, 80, "roundrobin", "tcp", members or (ONE, TWO)
    )
    return replace(base, **more)  # type: ignore[arg-type]


def names(answers: list[str]) -> list[str]:
    """Return who answered."""
    return [answer.split()[0] for answer in answers]


def both_serve(scene: Scene) -> None:
    """Let both guests answer."""
    scene.one.serve("one", 80)
    scene.two.serve("two", 80)


def test_connections_go_to_members_in_turn_when_they_are_let_in(scene: Scene) -> None:
    both_serve(scene)
    scene.want(balancers=(balancer(),))
    assert scene.world.is_refused(PUBLIC, 80)

    scene.want(openings=(opening(PUBLIC, 80),))

    answers = [scene.world.ask(PUBLIC, 80) for _ in range(4)]
    assert sorted(names(answers)) == ["one", "one", "two", "two"]
    assert sorted(names([scene.one.ask(PUBLIC, 80) for _ in range(2)])) == ["one", "two"]
    assert scene.world.is_refused(SECOND, 80)

    scene.want(balancers=())
    assert scene.world.is_refused(PUBLIC, 80)
    assert not Daemon(Path(scene.home) / "haproxy.run").pid()


def test_a_balancer_for_some_networks_is_for_nobody_else(scene: Scene) -> None:
    both_serve(scene)
    scene.want(balancers=(balancer(sources=("203.0.113.96/28",)),), openings=(opening(PUBLIC, 80),))

    assert scene.other.ask(PUBLIC, 80)
    assert scene.world.is_refused(PUBLIC, 80)


@pytest.mark.parametrize(
    "sticky",
    [{"algorithm": "source"}, {"stickiness": Stickiness("SourceBased", "s", (("expire", "5m"),))}],
)
def test_a_client_stays_by_its_source_also_across_changes(scene: Scene, sticky: dict[str, object]) -> None:
    both_serve(scene)
    scene.want(balancers=(balancer(**sticky),), openings=(opening(PUBLIC, 80),))
    first = names([scene.world.ask(PUBLIC, 80) for _ in range(3)])
    other = Balancer(str(uuid.uuid4()), SECOND, 81, "leastconn", "tcp", (ONE,))

    scene.want(balancers=(balancer(**sticky), other))

    assert set(first) == set(names([scene.world.ask(PUBLIC, 80) for _ in range(3)]))
    assert len(set(first)) == 1


def test_datagrams_are_balanced_too(scene: Scene) -> None:
    scene.one.serve("one", 53, kind="udp")
    scene.two.serve("two", 53, kind="udp")
    members = (Member(ONE.ip, 53), Member(TWO.ip, 53))
    udp = balancer(*members, protocol="udp", port=53)
    scene.want(balancers=(udp,), openings=(opening(PUBLIC, 53, protocol=UDP),))

    assert sorted(names([scene.world.ask(PUBLIC, 53, "udp") for _ in range(4)])) == [
        "one", "one", "two", "two",
    ]  # fmt: skip
    scene.want(balancers=(replace(udp, algorithm="source"),))
    assert len(set(names([scene.world.ask(PUBLIC, 53, "udp") for _ in range(4)]))) == 1


def test_changes_fail_no_request(scene: Scene) -> None:
    both_serve(scene)
    scene.want(balancers=(balancer(),), openings=(opening(PUBLIC, 80),))

    with scene.world.asking(PUBLIC, 80, seconds=4, rate=200) as found:
        for n in range(6):
            scene.want(balancers=(balancer(*((ONE,) if n % 2 == 0 else (ONE, TWO))),))

    assert found["failed"] == []
    assert found["answers"]["two"] > 0


def test_a_member_that_dies_fails_no_request_after_a_second(scene: Scene) -> None:
    both_serve(scene)
    scene.want(balancers=(balancer(),), openings=(opening(PUBLIC, 80),))

    with scene.world.asking(PUBLIC, 80, seconds=5, rate=100) as found:
        scene.one.run("ip", "link", "set", "eth0", "down")  # not even a refusal comes back

    assert [at for at in found["failed"] if at > 1.5] == []
    until(lambda: "DOWN" in haproxy.ask(Path(scene.home), "show stat"), "the member is known to be down")


def test_a_member_is_asked_for_its_page(scene: Scene) -> None:
    both_serve(scene)  # they speak no HTTP
    check = HealthCheck("/health", interval_s=0.2, timeout_s=0.5, healthy=1, unhealthy=1)
    scene.want(balancers=(balancer(health=check),), openings=(opening(PUBLIC, 80),))

    until(lambda: scene.world.ask(PUBLIC, 80, patience_s=SHORT_S) == "", "no member is fit")


def test_a_cookie_keeps_a_browser_at_its_member(scene: Scene) -> None:
    for client, name in ((scene.one, "one"), (scene.two, "two")):
        page = Path(scene.wire.folder) / name
        page.mkdir()
        (page / "index.html").write_text(name)
        client.start("busybox", "httpd", "-f", "-p", "80", "-h", str(page))
        listens(client, 80)
    sticky = Stickiness(
        "LbCookie", "mine", (("cookie-name", "srv"), ("indirect", "true"), ("nocache", "true"))
    )
    scene.want(balancers=(balancer(stickiness=sticky),), openings=(opening(PUBLIC, 80),))

    for name in ("one", "two"):
        at = ONE if name == "one" else TWO
        told = [scene.world.get(f"http://{PUBLIC}/", Cookie=f"srv={at.ip}-80") for _ in range(3)]
        assert told == [name] * 3


def test_a_certificate_that_is_none_changes_nothing(scene: Scene) -> None:
    both_serve(scene)
    scene.want(balancers=(balancer(),), openings=(opening(PUBLIC, 80),))
    before = scene.spec

    with pytest.raises(AgentRefused, match="haproxy"):
        scene.want(balancers=(balancer(protocol="ssl", certificate="none"),))

    assert scene.world.ask(PUBLIC, 80)
    assert [it.version for it in scene.routers.all()] == [before.version]


def test_tls_ends_at_the_router(scene: Scene) -> None:
    both_serve(scene)
    files = Path(scene.wire.folder)
    made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=web.test", "-days", "2")
    scene.world.run(*made, "-keyout", f"{files}/key.pem", "-out", f"{files}/crt.pem", check=True)
    pem = (files / "crt.pem").read_text() + (files / "key.pem").read_text()
    scene.want(
        balancers=(balancer(protocol="ssl", certificate=pem, port=443),), openings=(opening(PUBLIC, 443),)
    )

    told = scene.world.run("openssl", "s_client", "-connect", f"{PUBLIC}:443", "-quiet", "-noservername")
    kept = Path(scene.home) / "current" / "certificates"

    assert told.split()[0] in ("one", "two")
    assert [oct(it.stat().st_mode & 0o777) for it in kept.iterdir()] == ["0o400"]
