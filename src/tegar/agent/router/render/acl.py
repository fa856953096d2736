"""What may be forwarded, NIC by NIC: a packet passes ``from-`` the NIC it came by and ``to-`` the one it leaves by."""

from __future__ import annotations

from collections.abc import Iterable

from tegar.agent.router import links
from tegar.agent.router.render.match import chain, condition, nics, rule
from tegar.model.router import RouterSpec, SubnetSpec, UplinkSpec
from tegar.model.rule import AclItem


def names(spec: RouterSpec) -> tuple[str, ...]:
    """Return the NICs between which anything is forwarded: none without a way out or a second network."""
    found = (
        *(links.subnet_link(subnet) for subnet in spec.subnets),
        *(links.uplink_link(uplink) for uplink in spec.uplinks),
    )
    return found if spec.uplinks or len(found) > 1 else ()


def jumps(way: str, nics: Iterable[str]) -> str:
    """Return the map from NICs to their chains, ``from`` or ``to`` them."""
    return "{ " + ", ".join(f'"{nic}" : jump {way}-{nic}' for nic in nics) + " }"


def chains(spec: RouterSpec) -> Iterable[str]:
    """Return two chains for each NIC; who returns is let through."""
    if not names(spec):
        return
    public = [links.uplink_link(uplink) for uplink in spec.uplinks if not uplink.private]
    for subnet in spec.subnets:
        yield from _guest(subnet, public)
    for uplink in spec.uplinks:
        yield from _private(uplink, public) if uplink.private else _public(uplink, public)


def _guest(subnet: SubnetSpec, public: list[str]) -> Iterable[str]:
    link = links.subnet_link(subnet)
    if subnet.acl is None:
        yield chain(f"from-{link}", _egress(subnet, public))
        yield chain(f"to-{link}", ("ct status dnat return", "drop"))
        return
    outward, inward = _listed(subnet.acl)
    yield chain(f"from-{link}", (*outward, *(("drop",) if outward else ())))
    yield chain(f"to-{link}", (*inward, "drop"))


def _egress(subnet: SubnetSpec, public: list[str]) -> list[str]:
    """Return the rules of packets out of a network: those named get the opposite of the rest."""
    ways = f"oifname {nics(public)}" if public else ""
    if not ways:
        return []
    named, rest = ("drop", "return") if subnet.egress_allowed else ("return", "drop")
    rows = [rule(ways, words, named) for words in sorted({condition(match) for match in subnet.egress})]
    return [*rows, f"{ways} {rest}"]


def _listed(items: Iterable[AclItem]) -> tuple[list[str], list[str]]:
    """Return the lines of an ACL, outward and inward: the first that fits decides."""
    outward: list[str] = []
    inward: list[str] = []
    for item in sorted(items, key=lambda item: item.number):
        row = rule(condition(item.match), "return" if item.allow else "drop")
        (inward if item.inbound else outward).append(row)
    return outward, inward


def _public(uplink: UplinkSpec, public: list[str]) -> Iterable[str]:
    """From outside comes only what a rule translates to a guest, and nothing goes out where it came in."""
    link = links.uplink_link(uplink)
    yield chain(f"from-{link}", (f"oifname {nics(public)} drop", "ct status dnat return", "drop"))
    yield chain(f"to-{link}", ())


def _private(uplink: UplinkSpec, public: list[str]) -> Iterable[str]:
    """A private gateway leads to another network of the tenant, never on to the public one."""
    link = links.uplink_link(uplink)
    closed = [f"oifname {nics(public)} drop"] if public else []
    if uplink.acl is None:
        yield chain(f"from-{link}", closed)
        yield chain(f"to-{link}", ())
        return
    outward, inward = _listed(uplink.acl)
    yield chain(f"from-{link}", (*closed, *inward, "drop"))
    yield chain(f"to-{link}", (*outward, *(("drop",) if outward else ())))
