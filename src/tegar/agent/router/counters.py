"""The traffic counters of a router, read from its ruleset."""

from __future__ import annotations

import json

from tegar.agent.router import links
from tegar.agent.router.namespace import Namespace
from tegar.agent.router.render.traffic import RECEIVED, SENT, address_counter, counters, subnet_counter
from tegar.model.router import RouterSpec
from tegar.wire.router import RouterCounters, Traffic

FAMILY, TABLE = "inet", "tegar-traffic"


def read(space: Namespace, spec: RouterSpec) -> RouterCounters:
    """Return what each network and public address of a router received and sent since the router was made."""
    bytes = _all(space)

    def subnet(uuid: str) -> Traffic:
        return Traffic(uuid, *(bytes.get(subnet_counter(uuid, way), 0) for way in (RECEIVED, SENT)))

    def address(ip: str) -> Traffic:
        return Traffic(ip, *(bytes.get(address_counter(ip, way), 0) for way in (RECEIVED, SENT)))

    return RouterCounters(
        spec.uuid,
        subnets=tuple(subnet(it.network.uuid) for it in spec.subnets),
        addresses=tuple(address(ip) for ip in links.public_ips(spec)),
    )


def stale(space: Namespace, before: RouterSpec | None, spec: RouterSpec) -> str:
    """Return the commands that remove counters of what the router does not have any more."""
    known = set(counters(before)) if before else set(_all(space))
    lost = known - set(counters(spec))
    return "".join(f"delete counter {FAMILY} {TABLE} {name}\n" for name in sorted(lost))


def _all(space: Namespace) -> dict[str, int]:
    said = space.run("nft", "-j", "list", "counters", "table", FAMILY, TABLE, what="nft")
    if said.code != 0:
        return {}  # no ruleset yet
    rows = (row["counter"] for row in json.loads(said.out)["nftables"] if "counter" in row)
    return {row["name"]: int(row["bytes"]) for row in rows}
