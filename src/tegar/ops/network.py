"""Guest networks."""

from __future__ import annotations

import re
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, or_, select

from tegar.kernel.db import fire, live
from tegar.kernel.errors import BadParameter, Refused
from tegar.kernel.saga import SagaRow
from tegar.model import vlan as vlans
from tegar.model.errors import Denied, InUse
from tegar.model.network import Event
from tegar.model.span import span, subnet
from tegar.ops import access, vlan_range
from tegar.ops import physical_network as wires
from tegar.ops.ctx import Ctx
from tegar.saga.network_delete import DELETE_NETWORK, DeleteNetwork
from tegar.store.accounts import Account, Domain
from tegar.store.networks import Network, Nic
from tegar.store.offerings import NetworkOffering
from tegar.store.routers import RouterGroup
from tegar.store.serial import alone
from tegar.store.zones import PhysicalNetwork, Zone

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,190}}$){_LABEL}(?:\.{_LABEL})*")


def must_be_shared(ctx: Ctx, offering: NetworkOffering) -> None:
    """Refuse networks that this release does not have, and callers who may not make those it has.

    Raises:
        Refused: the offering is not of shared networks, or not enabled.
        Denied: only administrators make shared networks.
    """
    if offering.guest_type != "Shared":
        raise Refused(
            f"Network offering {offering.name} is of {offering.guest_type} networks; this release has only "
            "shared networks: use an offering of guest type Shared"
        )
    if not ctx.is_admin:
        raise Denied("Only an administrator can create shared networks, and this release has no others")
    if offering.state != "Enabled":
        raise Refused(f"Network offering {offering.name} is not enabled")


def owner_of(ctx: Ctx, acl_type: str, account: str | None, domain: Domain | None) -> tuple[int, int]:
    """Return the account and the domain that a shared network is for.

    Raises:
        Refused: access by account without one, or by domain with one.
    """
    if acl_type == "Account":
        if not account or domain is None:
            raise Refused("acltype Account needs account and domainid: who may use the network")
        found = access.owner(ctx, account, domain)
        return found.id, found.domain_id
    if account:
        raise Refused("With account, say acltype=Account; acltype Domain is for all of domainid")
    return ctx.account.id, (domain or ctx.domain).id


def dns_domain(text: str | None, zone: Zone, uuid: str) -> str:
    """Return the DNS domain of a network: as given, else the zone's, else one of its own.

    Raises:
        BadParameter: it is no domain.
    """
    if text and not _DOMAIN.fullmatch(text):
        raise BadParameter("networkdomain", f"{text[:80]!r} is not a DNS domain, such as cloud.example.org")
    return text or zone.network_domain or f"cs{uuid[:8]}cloud.internal"


def create(
    ctx: Ctx,
    network: Network,
    zone: Zone,
    wanted: PhysicalNetwork | None,
    *,
    start: str,
    end: str | None,
) -> Network:
    """Make a shared network with its first range; nothing happens on hosts until a VM joins.

    Args:
        ctx: the caller.
        network: the row, with all but its place, VLAN form, subnet and domain checked.
        zone: where.
        wanted: the physical network, or None for the zone's only one for guests.
        start: first address of guests.
        end: the last; None: one address.

    Raises:
        Refused: no physical network will do, or another network has the VLAN.
        BadParameter: an address, the netmask or the VLAN makes no sense.
    """
    within = subnet(network.gateway, network.netmask)
    found = span(within, start, end)
    network.uuid = str(uuid4())
    network.vlan = vlans.normal(network.vlan)
    network.gateway, network.netmask, network.cidr = str(within.gateway), within.netmask, str(within.network)
    network.network_domain = dns_domain(network.network_domain, zone, network.uuid)
    alone(ctx.s)
    physical, network.bridge = wires.of_zone(ctx, zone, wanted)
    network.physical_network_id = physical.id
    same = select(Network).where(
        Network.physical_network_id == physical.id, Network.vlan == network.vlan, live(Network)
    )
    other = ctx.s.scalars(same).first()
    if other:
        raise Refused(
            f"Network {other.name} is on VLAN {network.vlan} of physical network {physical.name} already"
        )
    network.group_id = _group(ctx).id
    ctx.s.add(network)
    ctx.s.flush()
    vlan_range.give(ctx, network, within, found)
    ctx.note("NETWORK.CREATE", f"Network {network.name} created", network)
    return network


def _group(ctx: Ctx) -> RouterGroup:
    group = RouterGroup()
    ctx.s.add(group)
    ctx.s.flush()
    return group


def usable(domain: Domain) -> ColumnElement[bool]:
    """Return the condition that a network is for everybody in that domain."""
    above = [domain.path[: i + 1] for i, c in enumerate(domain.path) if c == "/"]
    return and_(
        Network.acl_type == "Domain",
        or_(
            Network.domain_id == domain.id,
            and_(
                Network.subdomain_access.is_(True),
                Network.domain_id.in_(select(Domain.id).where(Domain.path.in_(above))),
            ),
        ),
    )


def shown(
    ctx: Ctx, *, account: str | None, domain: Domain | None, everything: bool, recursive: bool
) -> ColumnElement[bool]:
    """Return what the list shows: networks that the caller, or who was named, can deploy into."""
    seen = access.visible(ctx, Network)
    if account is not None:
        named = access.owner(ctx, account, domain)
        home = ctx.s.get_one(Domain, named.domain_id)
        return and_(seen, or_(_of(named), usable(home)))
    if domain is not None:
        inside = access.in_subtree(ctx, Network.domain_id, domain)
        return and_(seen, or_(inside if recursive else Network.domain_id == domain.id, usable(domain)))
    if everything:
        return seen
    return and_(seen, or_(_of(ctx.account), usable(ctx.domain)))


def _of(account: Account) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = Network.account_id == account.id
    return condition


def delete(ctx: Ctx, network: Network, *, forced: bool) -> SagaRow:
    """Ask for a network to be removed.

    Raises:
        Denied: somebody else's.
        InUse: VMs have NICs in it, stopped ones too.
        BadTransition: it is being deleted already.
    """
    access.must_operate(ctx, network)
    nics = select(Nic.id).where(Nic.network_id == network.id, Nic.vm_id.is_not(None), live(Nic))
    count = len(ctx.s.scalars(nics.limit(100)).all())
    if count:
        raise InUse(
            f"Network {network.name}", f"{count} VMs have NICs in it, stopped ones too; expunge them first"
        )
    fire(ctx.s, network, Event.DELETE)
    ctx.note("NETWORK.DELETE", f"Deleting network {network.name}", network)
    return DELETE_NETWORK.submit(ctx.s, DeleteNetwork(network.id, forced), ctx.job(network))
