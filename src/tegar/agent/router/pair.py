"""A router of a pair while it runs: its role, and what has to be true when it is primary."""

from __future__ import annotations

import json
from pathlib import Path

from tegar.agent.router import bundles, links
from tegar.agent.router.namespace import Namespace
from tegar.agent.router.process import Daemon
from tegar.agent.router.render.doors import PRIMARY_GROUP
from tegar.kernel.clock import WallClock
from tegar.model.router import Role, RouterSpec

SETTLE_S = 3.0
LOOK_AGAIN_S = 0.05


def role(home: Path, spec: RouterSpec) -> Role:
    """Return what the router is at the moment; one that is alone is primary."""
    if not links.is_pair(spec):
        return Role.PRIMARY
    if not Daemon(home / "keepalived.run").pid():
        return Role.UNKNOWN
    said = (bundles.read(home / "role") or "").strip()
    return Role(said) if said in list(Role) else Role.UNKNOWN


def settle(space: Namespace, home: Path, spec: RouterSpec) -> None:
    """Let a primary have the addresses and NICs that came with a change, before it is called done."""
    if role(home, spec) is not Role.PRIMARY or not links.is_pair(spec):
        return
    for link in links.links(spec):
        if link.name.startswith(links.GUEST):
            space.run("ip", "link", "set", link.name, "group", str(PRIMARY_GROUP), what="role").must("role")
    wanted = {address.partition("/")[0] for link in links.links(spec) for address in link.floating}
    clock = WallClock()
    deadline_s = clock.mono_s() + SETTLE_S
    while role(home, spec) is Role.PRIMARY and not wanted <= _held(space) and clock.mono_s() < deadline_s:
        clock.sleep(LOOK_AGAIN_S)


def part(home: Path) -> None:
    """Let a router be one of a pair no more; the addresses that it had as primary stay where they are."""
    Daemon(home / "keepalived.run").kill()


def join(space: Namespace, home: Path, spec: RouterSpec) -> None:
    """Let a router that was alone be primary of a pair, or give up what it had alone: another one is."""
    if not links.is_pair(spec):
        return
    clock = WallClock()
    deadline_s = clock.mono_s() + SETTLE_S
    while role(home, spec) is not Role.PRIMARY and clock.mono_s() < deadline_s:
        clock.sleep(LOOK_AGAIN_S)
    if role(home, spec) is not Role.PRIMARY:
        space.give_up(spec)


def _held(space: Namespace) -> set[str]:
    shown = space.run("ip", "-json", "-4", "addr", "show", what="addresses").must("addresses")
    return {info["local"] for row in json.loads(shown.out) for info in row.get("addr_info", ())}
