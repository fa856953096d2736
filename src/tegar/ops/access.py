"""Who sees what.  What a caller may not see does not exist for them: one table for every command."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, false, or_, select, true

from tegar.kernel.db import Row, live
from tegar.kernel.errors import NoSuchEntity, Refused
from tegar.kernel.saga import SagaRow
from tegar.model.access import Role
from tegar.model.errors import Denied
from tegar.ops.ctx import Ctx
from tegar.store.accounts import Account, Domain, User, named
from tegar.store.acls import NetworkAclItem, NetworkAclList
from tegar.store.addresses import PublicAddress
from tegar.store.addresses import State as AddressState
from tegar.store.affinity import AffinityGroup
from tegar.store.balancers import HealthPolicy, LoadBalancer, StickinessPolicy
from tegar.store.certificates import SslCert
from tegar.store.events import Alert, Event
from tegar.store.firewall import FirewallRule
from tegar.store.forwarding import ForwardingRule
from tegar.store.gateways import PrivateGateway, StaticRoute
from tegar.store.health import HealthCheck
from tegar.store.hosts import Host
from tegar.store.images import ImageStore, OsType, Template
from tegar.store.internal_balancers import InternalBalancer, InternalLb
from tegar.store.keys import SshKey
from tegar.store.leases import Witness
from tegar.store.networks import Network, Nic, VlanRange
from tegar.store.nic_addresses import NicAddress
from tegar.store.offerings import DiskOffering, NetworkOffering, ServiceOffering
from tegar.store.pools import Pool
from tegar.store.routers import Router
from tegar.store.security_groups import SecurityGroup, SecurityRule
from tegar.store.segments import DedicatedRange
from tegar.store.servers import Server
from tegar.store.vms import Vm
from tegar.store.volumes import Volume
from tegar.store.vpcs import Vpc, VpcOffering
from tegar.store.zones import Cluster, PhysicalNetwork, Pod, Provider, RouterElement, TrafficType, Zone

R = TypeVar("R", bound=Row)

OWNED: tuple[type[Row], ...] = (
    Vm, Volume, SshKey, AffinityGroup, FirewallRule, ForwardingRule, LoadBalancer, StickinessPolicy, HealthPolicy,
    SslCert, Vpc, PrivateGateway, StaticRoute, InternalBalancer, InternalLb, SecurityGroup, SecurityRule,
)  # fmt: skip
OPERATORS: tuple[type[Row], ...] = (
    Pod, Cluster, Host, Pool, ImageStore, PhysicalNetwork, TrafficType, Provider, RouterElement, VlanRange,
    DedicatedRange,
    Alert, Server, Witness, HealthCheck,
)  # fmt: skip
EVERYBODYS: tuple[type[Row], ...] = (OsType, DiskOffering, VpcOffering)


def subtree(ctx: Ctx, domain: Domain | None = None) -> ColumnElement[bool]:
    """Return the condition that a Domain row is *domain* (the caller's by default) or below it."""
    return Domain.path.startswith((domain or ctx.domain).path, autoescape=True)


def in_subtree(ctx: Ctx, column: Any, domain: Domain | None = None) -> ColumnElement[bool]:
    """Return the condition that a domain id column lies in the subtree."""
    condition: ColumnElement[bool] = column.in_(select(Domain.id).where(subtree(ctx, domain)))
    return condition


def _mine(ctx: Ctx, kind: Any) -> ColumnElement[bool]:
    if ctx.role == Role.ADMIN:
        return true()
    if ctx.role == Role.DOMAIN_ADMIN:
        return in_subtree(ctx, kind.domain_id)
    condition: ColumnElement[bool] = kind.account_id == ctx.account.id
    return condition


def _network(ctx: Ctx) -> ColumnElement[bool]:
    if ctx.is_admin:
        return true()
    above = [ctx.domain.path[: i + 1] for i, c in enumerate(ctx.domain.path) if c == "/"]
    shared = and_(
        Network.acl_type == "Domain",
        or_(
            Network.domain_id == ctx.domain.id,
            and_(
                Network.subdomain_access.is_(True),
                Network.domain_id.in_(select(Domain.id).where(Domain.path.in_(above))),
            ),
        ),
    )
    return or_(_mine(ctx, Network), shared)


def _free(ctx: Ctx) -> ColumnElement[bool]:
    """A free address is everybody's to see, unless its range is dedicated to somebody else."""
    if ctx.is_admin:
        return PublicAddress.state == AddressState.FREE
    account, domain = VlanRange.account_id, VlanRange.domain_id
    ours = and_(account.is_(None), or_(domain.is_(None), domain == ctx.account.domain_id))
    open_to_us = select(VlanRange.id).where(or_(ours, account == ctx.account.id))
    return and_(PublicAddress.state == AddressState.FREE, PublicAddress.range_id.in_(open_to_us))


def visible(ctx: Ctx, kind: type[Row]) -> ColumnElement[bool]:
    """Return the condition that the caller may see a row of that kind; false for kinds nobody listed here."""
    if kind in OWNED:
        return _mine(ctx, kind)
    if kind in OPERATORS:
        return true() if ctx.is_admin else false()
    if kind in EVERYBODYS:
        return true()
    if kind is Zone:
        return true() if ctx.is_admin else Zone.allocation == "Enabled"
    if kind is ServiceOffering:
        return true() if ctx.is_admin else _offered(ctx, ServiceOffering.domain_ids)
    if kind is NetworkOffering:
        return true() if ctx.is_admin else _offered(ctx, NetworkOffering.domain_ids)
    if kind is Template:
        return or_(_mine(ctx, Template), Template.public.is_(True), Template.featured.is_(True))
    if kind is Network:
        return _network(ctx)
    if kind in (NetworkAclList, NetworkAclItem):
        return or_(_mine(ctx, kind), kind.account_id.is_(None))
    if kind is PublicAddress:
        return or_(_mine(ctx, PublicAddress), _free(ctx))
    if kind is Router:
        return true() if ctx.is_admin else _of_networks(ctx)
    if kind is Nic:
        return Nic.vm_id.in_(select(Vm.id).where(_mine(ctx, Vm)))
    if kind is NicAddress:
        return NicAddress.nic_id.in_(select(Nic.id).where(visible(ctx, Nic)))
    if kind is Domain:
        return Domain.id == ctx.domain.id if ctx.role == Role.USER else subtree(ctx)
    if kind is Account:
        if ctx.role == Role.USER:
            return Account.id == ctx.account.id
        return true() if ctx.is_admin else in_subtree(ctx, Account.domain_id)
    if kind is User:
        return User.account_id.in_(select(Account.id).where(visible(ctx, Account)))
    if kind in (SagaRow, Event):
        return _of_accounts(ctx, kind)
    return false()


def _of_networks(ctx: Ctx) -> ColumnElement[bool]:
    """Domain administrators see the routers of their domains' networks."""
    if ctx.role != Role.DOMAIN_ADMIN:
        return false()
    condition: ColumnElement[bool] = Router.group_id.in_(
        select(Network.group_id).where(in_subtree(ctx, Network.domain_id), Network.group_id.is_not(None))
    )
    return condition


def _of_accounts(ctx: Ctx, kind: Any) -> ColumnElement[bool]:
    if ctx.is_admin:
        return true()
    if ctx.role == Role.USER:
        return _mine(ctx, kind)
    condition: ColumnElement[bool] = kind.account_id.in_(select(Account.id).where(visible(ctx, Account)))
    return condition


def _offered(ctx: Ctx, domain_ids: Any) -> ColumnElement[bool]:
    """An offering without domains is everybody's; with some, theirs and their subdomains'."""
    wanted: list[ColumnElement[bool]] = [domain_ids == ""]
    up: Domain | None = ctx.domain
    while up is not None:
        wanted.append(domain_ids.contains(f",{up.id},"))
        up = ctx.s.get(Domain, up.parent_id) if up.parent_id else None
    return or_(*wanted)


def see(ctx: Ctx, kind: type[Row], uuid: str) -> Row | None:
    """Return the row of that uuid if the caller may see it."""
    stmt = select(kind).where(kind.uuid == uuid, visible(ctx, kind))
    if kind not in (SagaRow, Event):
        stmt = stmt.where(live(kind))
    return ctx.s.scalars(stmt).one_or_none()


def must_operate(ctx: Ctx, row: Any) -> None:
    """Refuse a caller who may see a thing (a public template, a shared network) but does not own it.

    Raises:
        Denied: it belongs to somebody else.
    """
    if ctx.role == Role.ADMIN or row.account_id == ctx.account.id:
        return
    if ctx.role == Role.DOMAIN_ADMIN and ctx.s.get_one(Account, row.account_id).role != Role.ADMIN:
        domain = ctx.s.get_one(Domain, row.domain_id)
        if domain.path.startswith(ctx.domain.path):
            return
    raise Denied(f"Account {ctx.account.name} does not own {type(row).__name__.lower()} {row.uuid}")


def owner(ctx: Ctx, account: str | None, domain: Domain | None) -> Account:
    """Return for whom something is made: the caller, or who ``account`` and ``domainid`` name.

    Raises:
        Refused: a domain without an account.
        Denied: an account that the caller may not act for, or that is not there.
    """
    if account is None:
        if domain is not None and domain.id != ctx.account.domain_id:
            raise Refused("account must be given together with domainid")
        return ctx.account
    found = named(ctx.s, (domain or ctx.domain).id, account)
    above = found is not None and found.role == Role.ADMIN and not ctx.is_admin
    allowed = (
        found
        and not above
        and ctx.s.scalar(select(Account.id).where(Account.id == found.id, visible(ctx, Account)))
    )
    if not found or not allowed:
        raise Denied(f"Unable to find account {account} in domain {(domain or ctx.domain).uuid}")
    return found


def scope(
    ctx: Ctx,
    kind: Any,
    *,
    account: str | None,
    domain: Domain | None,
    listall: bool,
    recursive: bool,
    by_id: bool,
) -> ColumnElement[bool]:
    """Return what an owned kind's list shows: the caller's own, unless asked for more (protocol.md, section 7)."""
    base = visible(ctx, kind)
    if account is not None:
        return and_(base, kind.account_id == owner(ctx, account, domain).id)
    if domain is not None:
        if recursive:
            return and_(base, in_subtree(ctx, kind.domain_id, domain))
        return and_(base, kind.domain_id == domain.id)
    if listall or by_id:
        return base
    mine: ColumnElement[bool] = kind.account_id == ctx.account.id
    return and_(base, mine)


def must_see(ctx: Ctx, kind: type[R], uuid: str, name: str) -> R:
    """Return the row of an id that came inside a map.

    Raises:
        NoSuchEntity: it is not there for the caller.
    """
    row = see(ctx, kind, uuid)
    if row is None:
        raise NoSuchEntity(ctx.command.lower(), name, uuid)
    assert isinstance(row, kind)
    return row
