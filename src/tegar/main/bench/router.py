"""What a virtual router costs: its throughput and connection rate against plain forwarding, side by side.

The same two namespaces talk through a namespace that only forwards and through a real router, in turn.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from tegar.agent.router.service import NamespaceRouters
from tegar.agent.segment.service import HostSegments
from tegar.model.router import RouterSpec, SubnetSpec, UplinkSpec
from tegar.model.rule import Balancer, Match, Member, Opening, PortForward, Protocol
from tegar.model.spec import NetworkSpec

GUEST, GATEWAY, WORLD, PUBLIC = "10.88.0.11", "10.88.0.1", "203.0.113.1", "203.0.113.10"
PLAIN_IN, PLAIN_OUT = "10.88.0.254", "203.0.113.254"
PORT, BALANCED, CHANGED = 5001, 5002, 6000
RULES, CHANGES, MOST_S = 1000, 20, 1.0
ROUNDS = 3


@dataclass
class Stage:
    """Two bridges, a guest, the world, and two ways between them."""

    tag: str
    routers: NamespaceRouters
    spec: RouterSpec

    def name(self, what: str) -> str:
        """Return the name of a namespace."""
        return f"tgn{self.tag}{what}"

    def start(self, at: str, *words: str) -> subprocess.Popen[str]:
        """Start an end in a namespace."""
        argv = (
            "ip",
            "netns",
            "exec",
            self.name(at),
            sys.executable,
            "-m",
            "tegar.main.bench.packets",
            *words,
        )
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def measure(self, at: str, *words: str) -> dict[str, Any]:
        """Run an end in a namespace; return what it prints."""
        with self.start(at, *words) as running:
            found: dict[str, Any] = json.loads(running.communicate(timeout=120)[0])
        return found

    def go_by(self, *, plain: bool) -> None:
        """Let guest and world reach each other by plain forwarding, or by the router."""
        inner, outer = (PLAIN_IN, PLAIN_OUT) if plain else (GATEWAY, PUBLIC)
        ip("-n", self.name("g"), "route", "replace", "default", "via", inner)
        ip("-n", self.name("w"), "route", "replace", "10.88.0.0/24", "via", outer)

    def want(self, **more: object) -> float:
        """Change the router; return how long that took in seconds."""
        self.spec = replace(self.spec, version=self.spec.version + 1, **more)  # type: ignore[arg-type]
        began_s = time.monotonic()
        self.routers.apply(self.spec)
        return time.monotonic() - began_s


def measure(*, say: Callable[[str], None], seconds: float) -> dict[str, Any]:
    """Measure ratios first, then changes of many rules, then a transfer during changes."""
    with staged() as stage, _sinks(stage):
        balancer = Balancer(str(uuid.uuid4()), PUBLIC, BALANCED, "roundrobin", "tcp", (Member(GUEST, PORT),))
        stage.want(balancers=(balancer,), openings=(opening(BALANCED),))
        found: dict[str, Any] = {}
        for kind, role in (("throughput", "pour"), ("connections", "connect")):
            found[kind] = _ratios(stage, role, seconds)
            say(f"{kind}: {json.dumps(found[kind])}")
        found["rules"] = _many_rules(stage)
        say(f"rules: {json.dumps(found['rules'])}")
        found["transfer"] = _transfer(stage, max(5.0, seconds))
        say(f"transfer: {json.dumps(found['transfer'])}")
    fine = found["rules"]["seconds"] <= MOST_S and found["transfer"]["whole"]
    return {**found, "limits": {"rules_s": MOST_S}, "ok": fine}


def _ratios(stage: Stage, role: str, seconds: float) -> dict[str, Any]:
    """Return the medians of each way, and what the router leaves of plain forwarding."""
    ways: dict[str, tuple[bool, tuple[str, ...]]] = {
        "plain_out": (True, ("g", role, WORLD, str(PORT))),
        "source_nat": (False, ("g", role, WORLD, str(PORT))),
        "plain_in": (True, ("w", role, GUEST, str(PORT))),
        "balanced": (False, ("w", role, PUBLIC, str(BALANCED))),
    }
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (plain, words) in ways.items():
            stage.go_by(plain=plain)
            seen[name].append(stage.measure(*words, str(seconds))["per_s"])
    per_s = {name: median(values) for name, values in seen.items()}
    return {
        "per_s": {name: round(value) for name, value in per_s.items()},
        "source_nat_ratio": round(per_s["source_nat"] / per_s["plain_out"], 2),
        "balanced_ratio": round(per_s["balanced"] / per_s["plain_in"], 2),
    }


def opening(port: int) -> Opening:
    """Return what lets everybody to a port of the public address."""
    return Opening(PUBLIC, Match(Protocol.TCP, first_port=port, last_port=port))


def _many_rules(stage: Stage) -> dict[str, Any]:
    """Apply as many port forwardings and as many firewall rules at once, and one more of each."""

    def forward(n: int) -> PortForward:
        return PortForward(PUBLIC, Protocol.TCP, 10_000 + n, 10_000 + n, GUEST, 20_000 + n, 20_000 + n)

    openings = (*stage.spec.openings, *(opening(10_000 + n) for n in range(RULES)))
    took_s = stage.want(forwards=tuple(map(forward, range(RULES))), openings=openings)
    more_s = stage.want(
        forwards=tuple(map(forward, range(RULES + 1))), openings=(*openings, opening(10_000 + RULES))
    )
    return {"forwards": RULES, "openings": RULES, "seconds": round(took_s, 3), "one_more_s": round(more_s, 3)}


def _transfer(stage: Stage, seconds: float) -> dict[str, Any]:
    """Send through source NAT while rules change."""
    stage.go_by(plain=False)
    with stage.start("g", "pour", WORLD, str(PORT), str(seconds)) as running:
        before = stage.spec.openings
        took: list[float] = []
        while running.poll() is None and len(took) < CHANGES:
            took.append(stage.want(openings=(*before, opening(CHANGED + len(took)))))
        said = running.communicate(timeout=120)[0]
    found = json.loads(said) if running.returncode == 0 else {}
    return {
        "whole": running.returncode == 0,
        "changes": len(took),
        "change_s": round(median(took), 3),
        "longest_wait_s": round(found.get("longest_wait_s", 0.0), 3),
    }


@contextmanager
def _sinks(stage: Stage) -> Iterator[None]:
    running = [stage.start(at, "sink", str(PORT)) for at in ("g", "w")]
    try:
        for it in running:
            assert it.stdout is not None
            it.stdout.readline()
        yield
    finally:
        for it in running:
            it.kill()
            it.communicate()


@contextmanager
def staged() -> Iterator[Stage]:
    """Build it, and take it away again."""
    if os.geteuid() != 0:
        raise SystemExit("the router's measurement makes namespaces: run it as root")
    tag = secrets.token_hex(3)
    with tempfile.TemporaryDirectory(prefix="tegar-bench-") as folder:
        Path(folder).chmod(0o711)
        routers = NamespaceRouters(Path(folder), HostSegments())
        stage = Stage(tag, routers, _spec(tag))
        try:
            _build(stage)
            stage.want()
            yield stage
        finally:
            routers.remove(stage.spec.uuid)
            for what in ("g", "w", "p"):
                ip("netns", "del", stage.name(what), check=False)
            for side in ("i", "o"):
                ip("link", "del", stage.name(side), check=False)


def _spec(tag: str) -> RouterSpec:
    inner, outer = (NetworkSpec(str(uuid.uuid4()), f"tgn{tag}{side}") for side in ("i", "o"))
    subnet = SubnetSpec(
        network=inner, mac="02:00:00:00:0b:01", ip=GATEWAY, prefix_len=24, gateway=GATEWAY,
        domain="bench.test", dns=(WORLD,), guests=(),
    )  # fmt: skip
    uplink = UplinkSpec(
        network=outer, mac="02:00:00:00:0b:02", addresses=(PUBLIC,), prefix_len=24, gateway=WORLD,
        source_nat=PUBLIC,
    )  # fmt: skip
    return RouterSpec(str(uuid.uuid4()), 0, (subnet,), (uplink,))


def _build(stage: Stage) -> None:
    for side in ("i", "o"):
        ip("link", "add", stage.name(side), "type", "bridge")
        ip("link", "set", stage.name(side), "up")
    for what in ("g", "w", "p"):
        ip("netns", "add", stage.name(what))
    nic(stage, "g", "i", f"{GUEST}/24")
    nic(stage, "w", "o", f"{WORLD}/24")
    nic(stage, "p", "i", f"{PLAIN_IN}/24")
    nic(stage, "p", "o", f"{PLAIN_OUT}/24")
    ip("netns", "exec", stage.name("p"), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")


def nic(stage: Stage, what: str, side: str, address: str) -> None:
    """Give a namespace a NIC on the inner (``i``) or outer (``o``) bridge."""
    end, link, space = stage.name(f"{what}{side}"), f"to-{side}", stage.name(what)
    ip("link", "add", end, "type", "veth", "peer", "name", link, "netns", space)
    ip("link", "set", end, "master", stage.name(side), "up")
    ip("-n", space, "link", "set", link, "up")
    ip("-n", space, "addr", "add", address, "dev", link)


def ip(*words: str, check: bool = True) -> None:
    """Run ``ip``."""
    argv: Sequence[str] = ("ip", *words)
    subprocess.run(argv, check=check, stdout=subprocess.DEVNULL, stderr=None if check else subprocess.DEVNULL)
