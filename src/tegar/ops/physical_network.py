"""Physical networks and what they carry."""

from __future__ import annotations

import re

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model import vlan as vlans
from tegar.model.errors import Exists, InUse
from tegar.model.network import Traffic
from tegar.model.service import GROUPS, INTERNAL_LB, ROUTER, VPC_ROUTER
from tegar.ops import job
from tegar.ops.ctx import Ctx
from tegar.store.segments import DedicatedRange, SegmentUse
from tegar.store.serial import alone
from tegar.store.zones import PhysicalNetwork, Provider, RouterElement, TrafficType, Zone

PROVIDERS = (ROUTER, GROUPS, VPC_ROUTER, INTERNAL_LB)
WITH_ELEMENT = (ROUTER, VPC_ROUTER, INTERNAL_LB)
ISOLATIONS = ("VLAN", "VXLAN", "L3")
_BRIDGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")


def isolation(methods: list[str]) -> str:
    """Return the isolation method.

    Raises:
        BadParameter: more than one, or one that this cloud does not have.
    """
    if not methods:
        return "VLAN"
    if len(methods) > 1 or methods[0].upper() not in ISOLATIONS:
        raise BadParameter("isolationmethods", f"give one of {', '.join(ISOLATIONS)}")
    return methods[0].upper()


def create(ctx: Ctx, made: PhysicalNetwork) -> SagaRow:
    """Make a physical network with its providers, all disabled.

    Raises:
        Exists: the zone has one of that name.
    """
    alone(ctx.s)
    taken = select(PhysicalNetwork.id).where(
        PhysicalNetwork.zone_id == made.zone_id, PhysicalNetwork.name == made.name, live(PhysicalNetwork)
    )
    if ctx.s.scalars(taken).first():
        raise Exists("physical network", made.name)
    ctx.s.add(made)
    ctx.s.flush()
    providers = [Provider(physical_network_id=made.id, name=name) for name in PROVIDERS]
    ctx.s.add_all(providers)
    ctx.s.flush()
    ctx.s.add_all(RouterElement(provider_id=p.id) for p in providers if p.name in WITH_ELEMENT)
    ctx.note("PHYSICAL.NETWORK.CREATE", f"Physical network {made.name} created", made)
    return job.done(ctx, made)


def ranges(isolation: str, text: str | None) -> str | None:
    """Return ranges of ids for guest networks in normal form, None for none.

    Raises:
        BadParameter: one is no range, or out of what the isolation method has.
    """
    return vlans.ranges(text, most=vlans.highest(isolation)) if text else None


def give_ranges(ctx: Ctx, network: PhysicalNetwork, text: str) -> None:
    """Give a physical network other ranges; ids that are in use, or dedicated, stay in them.

    Raises:
        InUse: an id that would be gone is some network's, or dedicated.
        BadParameter: one is no range.
    """
    wanted, had = ranges(network.isolation, text), network.vlan or ""
    alone(ctx.s)
    taken = ctx.s.scalars(select(SegmentUse.tag).where(SegmentUse.physical_network_id == network.id))
    for tag in sorted(taken):
        if vlans.within(had, tag) and not vlans.within(wanted or "", tag):
            raise InUse(f"VLAN {tag} of {network.name}", "a guest network has it; keep it in the ranges")
    kept = select(DedicatedRange).where(
        DedicatedRange.physical_network_id == network.id, live(DedicatedRange)
    )
    for row in ctx.s.scalars(kept):
        if not any(first <= row.first and row.last <= last for first, last in vlans.spans(wanted or "")):
            raise InUse(
                f"VLANs {row.first}-{row.last} of {network.name}", "they are dedicated; release them first"
            )
    network.vlan = wanted


def changed(ctx: Ctx, network: PhysicalNetwork) -> SagaRow:
    """Note that a physical network was changed."""
    ctx.note("PHYSICAL.NETWORK.UPDATE", f"Physical network {network.name} changed", network)
    return job.done(ctx, network)


def bridge(label: str) -> str:
    """Return the name of a bridge.

    Raises:
        BadParameter: no bridge can have it.
    """
    if not _BRIDGE.fullmatch(label):
        raise BadParameter(
            "kvmnetworklabel", f"{label[:40]!r} is not the name of a bridge (15 letters, digits, . _ -)"
        )
    return label


def carry(ctx: Ctx, network: PhysicalNetwork, traffic: Traffic, label: str) -> SagaRow:
    """Let a physical network carry a kind of traffic, on the bridge of that name on KVM hosts.

    Raises:
        Exists: it does already.
        BadParameter: no such bridge can be.
        Refused: another physical network of the zone carries what only one may.
    """
    bridge(label)
    alone(ctx.s)
    carried = ctx.s.execute(
        select(TrafficType.physical_network_id, PhysicalNetwork.name)
        .join(PhysicalNetwork, PhysicalNetwork.id == TrafficType.physical_network_id)
        .where(PhysicalNetwork.zone_id == network.zone_id, TrafficType.traffic == traffic)
        .where(live(TrafficType), live(PhysicalNetwork))
    ).all()
    if any(network_id == network.id for network_id, _ in carried):
        raise Exists("traffic type", traffic)
    if carried and traffic != Traffic.GUEST:
        raise Refused(f"Physical network {carried[0][1]} of the zone carries {traffic} traffic already")
    row = TrafficType(physical_network_id=network.id, traffic=traffic, kvm_label=label)
    ctx.s.add(row)
    ctx.s.flush()
    ctx.note("TRAFFIC.TYPE.CREATE", f"Physical network {network.name} carries {traffic} traffic", row)
    return job.done(ctx, row)


def enable_provider(ctx: Ctx, provider: Provider, state: str) -> SagaRow:
    """Enable or disable a provider.

    Raises:
        Refused: its virtual router element is not enabled.
    """
    if state == "Enabled" and provider.name in WITH_ELEMENT:
        element = ctx.s.scalars(
            select(RouterElement).where(RouterElement.provider_id == provider.id, live(RouterElement))
        ).one()
        if not element.enabled:
            raise Refused(
                f"{provider.name} cannot be enabled yet: first call {_configure(provider)} "
                f"with id={element.uuid} and enabled=true"
            )
    provider.state = state
    ctx.note("SERVICE.PROVIDER.UPDATE", f"Provider {provider.name} is {state}", provider)
    return job.done(ctx, provider)


def _configure(provider: Provider) -> str:
    kind = "InternalLoadBalancer" if provider.name == INTERNAL_LB else "VirtualRouter"
    return f"configure{kind}Element"


def make_element(ctx: Ctx, provider: Provider) -> SagaRow:
    """Make the element of a provider of load balancers inside of tiers, which has one already if it was made here.

    Raises:
        Refused: the provider is another.
        Exists: it has one.
    """
    if provider.name != INTERNAL_LB:
        raise Refused(f"{provider.name} has no internal load balancer element; {INTERNAL_LB} has")
    there = select(RouterElement.id).where(RouterElement.provider_id == provider.id, live(RouterElement))
    if ctx.s.scalars(there).first():
        raise Exists("internal load balancer element", provider.name)
    element = RouterElement(provider_id=provider.id)
    ctx.s.add(element)
    ctx.s.flush()
    ctx.note("NETWORK.ELEMENT.CREATE", "Internal load balancer element created", element)
    return job.done(ctx, element)


def enable_element(ctx: Ctx, element: RouterElement, *, enabled: bool) -> SagaRow:
    """Allow or forbid the virtual router of a provider."""
    element.enabled = enabled
    ctx.note("NETWORK.ELEMENT.CONFIGURE", f"Virtual router element enabled: {enabled}", element)
    return job.done(ctx, element)


def of_zone(
    ctx: Ctx, zone: Zone, wanted: PhysicalNetwork | None, *, tags: str = ""
) -> tuple[PhysicalNetwork, str]:
    """Return the physical network for guests of a zone, and the bridge that carries them.

    With *tags* (of an offering) only those that have all of them will do.

    Raises:
        Refused: none or several will do, or the one wanted does not carry guests.
    """
    stmt = (
        select(PhysicalNetwork, TrafficType.kvm_label)
        .join(TrafficType, TrafficType.physical_network_id == PhysicalNetwork.id)
        .where(TrafficType.traffic == Traffic.GUEST, live(TrafficType), live(PhysicalNetwork))
        .where(PhysicalNetwork.zone_id == zone.id)
    )
    found = [(p, label) for p, label in ctx.s.execute(stmt.order_by(PhysicalNetwork.id))]
    if wanted is not None:
        found = [(p, label) for p, label in found if p.id == wanted.id]
        if not found:
            raise Refused(
                f"Physical network {wanted.name} does not carry Guest traffic in zone {zone.name}; "
                "add it with addTrafficType"
            )
    if tags:
        found = [(p, label) for p, label in found if set(tags.split(",")) <= set((p.tags or "").split(","))]
    up = [(p, label) for p, label in found if p.state == "Enabled"]
    if not up:
        tagged = f" and has the tags {tags}" if tags else ""
        raise Refused(f"Zone {zone.name} has no enabled physical network that carries Guest traffic{tagged}")
    if len(up) > 1:
        names = ", ".join(p.name for p, _ in up)
        raise Refused(f"Several physical networks carry Guest traffic ({names}); say physicalnetworkid")
    return up[0]
