"""Changing networks, and restarting them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.kernel.saga import SagaRow
from tegar.model.errors import InUse
from tegar.model.network import State
from tegar.ops import access, job
from tegar.ops.ctx import Ctx
from tegar.ops.network_create import checked_domain
from tegar.saga.network_restart import RESTART_NETWORK, RestartNetworks
from tegar.saga.network_single import MAKE_SINGLE, MakeSingle
from tegar.store import networks, routers
from tegar.store.networks import Network, Nic
from tegar.store.offerings import NetworkOffering
from tegar.store.routers import Router, RouterGroup
from tegar.store.rules import RULES

NEEDS = {"firewall": "Firewall", "forward": "PortForwarding", "balancer": "Lb"}


@dataclass(frozen=True)
class NetworkChange:
    """What is to be different; None stays as it is."""

    name: str | None = None
    display_text: str | None = None
    network_domain: str | None = None
    dns1: str | None = None
    dns2: str | None = None
    offering: NetworkOffering | None = None


def update(ctx: Ctx, network: Network, change: NetworkChange) -> SagaRow:
    """Change a network; done when its routers do what that means.

    An offering with one router, also the one that the network has, makes one of a pair.

    Raises:
        Denied: somebody else's.
        Refused: it is being deleted, or the offering will not do.
        InUse: rules need a service that the offering does not have.
        BadParameter: the domain is none.
    """
    access.must_operate(ctx, network)
    if network.state == State.DESTROY:
        raise Refused(f"Network {network.name} is being deleted")
    network.name = change.name or network.name
    network.display_text = change.display_text or network.display_text
    seen = (network.network_domain, network.dns1, network.dns2, network.offering_id)
    if change.network_domain:
        network.network_domain = checked_domain(change.network_domain)
    network.dns1, network.dns2 = change.dns1 or network.dns1, change.dns2 or network.dns2
    if change.offering is not None and change.offering.id != network.offering_id:
        _offer(ctx, network, change.offering)
    ctx.note("NETWORK.UPDATE", f"Network {network.name} changed", network)
    if change.offering is not None and _has_one_too_many(ctx, network, change.offering):
        routers.want_again(ctx.s, network.group_id)
        return MAKE_SINGLE.submit(ctx.s, MakeSingle(network.id, network.group_id or 0), ctx.job(network))
    same = seen == (network.network_domain, network.dns1, network.dns2, network.offering_id)
    if same or network.group_id is None or network.state != State.IMPLEMENTED:
        return job.done(ctx, network)
    return _restart(ctx, network, cleanup=False)


def restart(ctx: Ctx, network: Network, *, cleanup: bool, redundant: bool) -> SagaRow:
    """Tell a network's routers all anew; with *cleanup* they are built from nothing; *redundant* makes two of one.

    Raises:
        Denied: somebody else's.
        Refused: it is not up, or has no routers to make redundant.
    """
    access.must_operate(ctx, network)
    if network.state not in (State.IMPLEMENTED, State.SETUP):
        raise Refused(
            f"Network {network.name} is {network.state.value}; it can be restarted when it is Implemented or Setup"
        )
    if network.vpc_id is not None and cleanup:
        raise Refused(f"Network {network.name} is a tier of a VPC, whose routers restartVPC builds anew")
    if redundant:
        _make_redundant(ctx, network)
    ctx.note("NETWORK.RESTART", f"Restarting network {network.name}", network, state="Started")
    return _restart(ctx, network, cleanup=cleanup)


def _restart(ctx: Ctx, network: Network, *, cleanup: bool) -> SagaRow:
    routers.want_again(ctx.s, network.group_id)
    wish = RestartNetworks((network.id,), network.group_id or 0, cleanup)
    return RESTART_NETWORK.submit(ctx.s, wish, ctx.job(network))


def _offer(ctx: Ctx, network: Network, offering: NetworkOffering) -> None:
    """Give a network another offering.

    Raises:
        Refused: it is of other networks, or not enabled.
        InUse: rules need a service that it does not have.
    """
    before = ctx.s.get_one(NetworkOffering, network.offering_id)
    if offering.state != "Enabled":
        raise Refused(f"Network offering {offering.name} is not enabled")
    if network.guest_type == "Shared" or (offering.guest_type, offering.for_vpc) != (
        before.guest_type, before.for_vpc
    ):  # fmt: skip
        raise Refused(f"Network offering {offering.name} is not for networks such as {network.name}")
    if offering.specify_vlan != before.specify_vlan or offering.specify_ip_ranges != before.specify_ip_ranges:
        raise Refused(f"Network offering {offering.name} differs in who chooses VLAN and addresses")
    for noun, kind in RULES.items():
        service = NEEDS.get(noun, "")
        if not service or offering.offers(service) or not before.offers(service):
            continue
        if ctx.s.scalars(select(kind.id).where(kind.network_id == network.id, live(kind)).limit(1)).first():
            raise InUse(f"Service {service} of network {network.name}", "it has rules; delete them first")
    network.offering_id = offering.id
    if offering.redundant:
        _make_redundant(ctx, network)


def _has_one_too_many(ctx: Ctx, network: Network, offering: NetworkOffering) -> bool:
    """Return whether a network has a pair of routers where its offering has one; a tier has what its VPC has."""
    group = ctx.s.get(RouterGroup, network.group_id) if network.group_id and not network.vpc_id else None
    return group is not None and group.redundant and not offering.redundant


def _make_redundant(ctx: Ctx, network: Network) -> None:
    """Let a network have a pair of routers: each has an address of its own, and the primary the gateway's too."""
    if network.group_id is None:
        raise Refused(f"Network {network.name} has no routers that could be redundant")
    group = ctx.s.get_one(RouterGroup, network.group_id)
    if group.redundant:
        return
    if network.vpc_id is not None:
        raise Refused(f"Network {network.name} is a tier of a VPC: its VPC is made redundant")
    group.redundant = True
    routers.want_again(ctx.s, group.id)
    ids = [r.id for r in ctx.s.scalars(select(Router).where(Router.group_id == group.id))]
    for nic in ctx.s.scalars(select(Nic).where(Nic.router_id.in_(ids), Nic.ip == network.gateway, live(Nic))):
        networks.free_address(ctx.s, nic.id)
        nic.ip = networks.take_address(ctx.s, network.id, nic.id) or nic.ip
