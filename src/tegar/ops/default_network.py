"""The network of a VM whose deployer names none: the account's own isolated network, made when there is none."""

from __future__ import annotations

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.model.network import JOINABLE, Traffic
from tegar.ops import access, network_create
from tegar.ops.ctx import Ctx
from tegar.ops.network_create import NetworkWish
from tegar.store.accounts import Account, Domain
from tegar.store.networks import Network
from tegar.store.offerings import NetworkOffering
from tegar.store.serial import alone
from tegar.store.zones import PhysicalNetwork, TrafficType, Zone


def of(ctx: Ctx, owner: Account, zone: Zone) -> list[Network]:
    """Return the network to deploy into: the account's isolated one; none yet: a new one, or the only shared one.

    Empty when there is none and none can be made.

    Raises:
        Refused: there are several to choose from.
    """
    alone(ctx.s)
    own = _own(ctx, owner, zone)
    if not own and _can_have(ctx, zone):
        own = [_make(ctx, owner, zone)]
    found = own or _shared(ctx, zone)
    if len(found) > 1:
        raise Refused("networkids is missing, and there is more than one network to choose from")
    return found


def _own(ctx: Ctx, owner: Account, zone: Zone) -> list[Network]:
    with_nat = select(NetworkOffering.id).where(NetworkOffering.services.contains("SourceNat="))
    stmt = select(Network).where(
        Network.zone_id == zone.id, Network.account_id == owner.id, Network.guest_type == "Isolated",
        Network.vpc_id.is_(None), Network.state.in_(JOINABLE), Network.offering_id.in_(with_nat), live(Network),
    )  # fmt: skip
    return list(ctx.s.scalars(stmt.order_by(Network.id).limit(2)))


def _shared(ctx: Ctx, zone: Zone) -> list[Network]:
    stmt = select(Network).where(
        Network.zone_id == zone.id,
        Network.guest_type == "Shared",
        live(Network),
        access.visible(ctx, Network),
    )
    return list(ctx.s.scalars(stmt.order_by(Network.id).limit(2)))


def _can_have(ctx: Ctx, zone: Zone) -> bool:
    """Return whether the zone carries isolated networks with a way out: it has segments, and public traffic."""
    carries = select(TrafficType.physical_network_id).where(live(TrafficType))
    near = (PhysicalNetwork.zone_id == zone.id, PhysicalNetwork.state == "Enabled", live(PhysicalNetwork))
    guest = select(PhysicalNetwork.id).where(
        *near, PhysicalNetwork.vlan.is_not(None),
        PhysicalNetwork.id.in_(carries.where(TrafficType.traffic == Traffic.GUEST)),
    )  # fmt: skip
    public = select(PhysicalNetwork.id).where(
        *near, PhysicalNetwork.id.in_(carries.where(TrafficType.traffic == Traffic.PUBLIC))
    )
    return bool(ctx.s.scalars(guest.limit(1)).first() and ctx.s.scalars(public.limit(1)).first())


def _make(ctx: Ctx, owner: Account, zone: Zone) -> Network:
    stmt = select(NetworkOffering).where(
        NetworkOffering.availability == "Required", NetworkOffering.state == "Enabled",
        NetworkOffering.guest_type == "Isolated", NetworkOffering.for_vpc.is_(False), live(NetworkOffering),
    )  # fmt: skip
    offering = ctx.s.scalars(stmt.order_by(NetworkOffering.id)).first()
    if offering is None:
        raise Refused("networkids is missing, and no enabled network offering has availability Required")
    name = f"{owner.name}-network"
    home = ctx.s.get_one(Domain, owner.domain_id)
    mine = owner.id == ctx.account.id
    wish = NetworkWish(
        name, name, offering, zone, account=None if mine else owner.name, domain=None if mine else home
    )
    return network_create.create(ctx, wish)
