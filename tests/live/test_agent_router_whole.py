"""A router is the old or the new bundle, whatever happens on the way, and is brought back to it."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from scenes import INSIDE, NEXT, PUBLIC, Scene, forward, opening
from wires import sh

from support.until import until
from tegar.agent.router import bundles, pair, serve
from tegar.agent.router.namespace import Namespace
from tegar.agent.router.process import Daemon
from tegar.agent.router.service import NamespaceRouters
from tegar.agent.segment.service import HostSegments
from tegar.kernel.errors import AgentRefused

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: needs root")]

STEPS = [
    (bundles, "write"), (serve, "try_out"), (serve, "rule"), (bundles, "switch"), (serve, "serve"),
    (pair, "settle"), (bundles, "note_served"), (bundles, "forget_others"), (Namespace, "make"), (Namespace, "trim"),
]  # fmt: skip


class Killed(BaseException):
    """The agent is no more."""


def kill(monkeypatch: pytest.MonkeyPatch, where: object, name: str, *, after: bool) -> None:
    """Let the agent die when it comes to a step, before or after it."""
    step = getattr(where, name)

    def dies(*args: object, **more: object) -> None:
        if after:
            step(*args, **more)
        raise Killed

    monkeypatch.setattr(where, name, dies)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("where, name", STEPS)
def test_killed_at_any_step_the_old_or_the_new_bundle_runs(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, where: object, name: str, after: bool
) -> None:
    old = (forward(PUBLIC, 81, f"{INSIDE}.11", 80),)
    new = (forward(PUBLIC, 82, f"{INSIDE}.11", 80),)
    scene.want(forwards=old, openings=(opening(PUBLIC, 81),))
    version = scene.spec.version
    scene.one.serve("one", 80)
    uplink = scene.spec.uplinks[0]
    fewer = replace(uplink, addresses=uplink.addresses[:2])

    with monkeypatch.context() as patched:
        kill(patched, where, name, after=after)
        with pytest.raises(Killed):
            scene.want(forwards=new, openings=(opening(PUBLIC, 82),), uplinks=(fewer,))
    again = NamespaceRouters(scene.wire.folder, HostSegments())
    again.revive()

    (found,) = again.all()
    assert found.version in (version, version + 1)
    open_port, closed_port = (81, 82) if found.version == version else (82, 81)
    assert scene.world.ask(PUBLIC, open_port) == f"one {NEXT}"
    assert scene.world.is_refused(PUBLIC, closed_port)


@pytest.mark.parametrize("name", ["dnsmasq", "metadata"])
def test_a_dead_process_makes_the_router_less_than_whole_until_it_is_mended(scene: Scene, name: str) -> None:
    scene.want()
    os.kill(Daemon(Path(scene.home) / f"{name}.run").pid(), signal.SIGKILL)

    until(lambda: [it.version for it in scene.routers.all()] == [0], "it is seen to be less than whole")
    scene.routers.mend()
    assert [it.version for it in scene.routers.all()] == [scene.spec.version]


def test_rules_that_were_flushed_come_back(scene: Scene) -> None:
    scene.want()
    sh("ip", "netns", "exec", scene.space.name, "nft", "flush", "ruleset")

    scene.routers.mend()

    assert "chain forward" in scene.space.run("nft", "list", "ruleset", what="nft").out


def test_rules_that_were_changed_by_hand_are_mended(scene: Scene) -> None:
    scene.want()
    scene.routers.mend()
    scene.space.run(
        "nft", "add", "rule", "inet", "tegar", "input", "tcp", "dport", "1", "accept", what="nft"
    ).must("nft")

    scene.routers.mend()

    assert "tcp dport 1 accept" not in scene.space.run("nft", "list", "ruleset", what="nft").out


def test_rules_that_the_kernel_refuses_leave_the_old_ones(scene: Scene) -> None:
    scene.want(forwards=(forward(PUBLIC, 81, f"{INSIDE}.11", 80),), openings=(opening(PUBLIC, 81),))
    scene.one.serve("one", 80)
    version = scene.spec.version
    twice = (forward(PUBLIC, 81, f"{INSIDE}.11", 80), forward(PUBLIC, 81, f"{INSIDE}.12", 80))

    with pytest.raises(AgentRefused):
        scene.want(forwards=twice)

    assert scene.world.ask(PUBLIC, 81) == f"one {NEXT}"
    assert [it.version for it in scene.routers.all()] == [version]


def test_a_router_is_built_anew_from_nothing(scene: Scene) -> None:
    scene.want(forwards=(forward(PUBLIC, 81, f"{INSIDE}.11", 80),), openings=(opening(PUBLIC, 81),))
    scene.one.serve("one", 80)

    scene.routers.remove(scene.spec.uuid)
    assert scene.routers.all() == ()
    assert not Path(scene.home).exists()
    scene.routers.apply(scene.spec)

    assert scene.world.ask(PUBLIC, 81) == f"one {NEXT}"


def test_a_password_is_told_until_the_guest_has_it_and_then_only_a_new_one(scene: Scene) -> None:
    def with_password(word: str) -> None:
        net = scene.spec.subnets[0]
        first = replace(net.guests[0], password=word)
        scene.want(subnets=scene.subnet(guests=(first, *net.guests[1:])))

    def ask(word: str) -> str:
        return scene.one.get("http://10.77.7.1:8080/", DomU_Request=word)

    with_password("se cret")
    assert ask("send_my_password") == "se cret"
    assert ask("send_my_password") == "se cret"
    assert ask("saved_password") == "saved_password"
    assert ask("send_my_password") == "saved_password"
    assert ask("anything") == ""  # refused
    with_password("other")
    assert ask("send_my_password") == "other"
    assert scene.two.get("http://10.77.7.1:8080/", DomU_Request="send_my_password") == "saved_password"
