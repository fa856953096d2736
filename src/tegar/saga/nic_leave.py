"""What goes when NICs go: their rules, their addresses, and what routers know of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.saga import Run
from tegar.saga.env import Env
from tegar.saga.network_implement import P, obey_later
from tegar.saga.router_obey import obey
from tegar.store import addresses, networks, nic_addresses, routers, rules
from tegar.store.addresses import PublicAddress
from tegar.store.networks import Network, Nic


def drop(s: Session, nics: Sequence[Nic], now_s: float) -> None:
    """NICs are gone, with the rules that lead to them; their addresses are free again."""
    rules.forget_nics(s, [nic.id for nic in nics], now_s)
    nic_addresses.forget(s, nics, now_s)
    for nic in nics:
        networks.free_address(s, nic.id)
        nic.removed_s = now_s
        routers.want_again(s, s.get_one(Network, nic.network_id).group_id)


def tell_routers(run: Run[Env, P], network_ids: Sequence[int]) -> None:
    """Let routers forget NICs that are gone; an address that came with one goes to others when no router has it."""
    group_ids = run.env.db.read(lambda s: networks.groups_of(s, network_ids))
    leaving = run.env.db.read(lambda s: [a.id for a in rules.elastic_leaving(s, network_ids)])
    if not leaving:
        obey_later(run, group_ids)
        return
    for group_id in group_ids:
        obey(run.env, group_id, run.fence)
    run.env.db.tx(lambda s: let_go(s, leaving))


def let_go(s: Session, address_ids: Sequence[int]) -> None:
    """Addresses that are being released are anybody's."""
    for address in s.scalars(select(PublicAddress).where(PublicAddress.id.in_(address_ids))):
        if address.state == addresses.State.RELEASING:
            addresses.let_go(address)
