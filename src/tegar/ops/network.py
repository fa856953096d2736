"""Guest networks."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_, select

from tegar.kernel.db import fire, live
from tegar.kernel.saga import SagaRow
from tegar.model.errors import InUse
from tegar.model.network import Event
from tegar.ops import access
from tegar.ops.ctx import Ctx
from tegar.saga.network_delete import DELETE_NETWORK, DeleteNetwork
from tegar.store.accounts import Account, Domain
from tegar.store.networks import Network, Nic


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
    was = network.state
    fire(ctx.s, network, Event.DELETE)
    ctx.note("NETWORK.DELETE", f"Deleting network {network.name}", network)
    return DELETE_NETWORK.submit(ctx.s, DeleteNetwork(network.id, forced, was), ctx.job(network))
