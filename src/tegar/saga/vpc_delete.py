"""Delete a VPC without tiers: what belongs to it goes with it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import fire, live
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.errors import InUse
from tegar.model.vpc import Event, State
from tegar.saga.env import Env
from tegar.saga.router_leave import remove_routers
from tegar.store import addresses, routers, rules, vpcs
from tegar.store.acls import NetworkAclItem, NetworkAclList
from tegar.store.addresses import PublicAddress
from tegar.store.gateways import PrivateGateway, StaticRoute
from tegar.store.networks import Nic
from tegar.store.vpcs import Vpc


@dataclass(frozen=True)
class DeleteVpc:
    """Which VPC."""

    vpc_id: int


Delete = Run[Env, DeleteVpc]


def accepted(run: Delete) -> None:
    """Begin: the request made it Inactive, so it gets no tier."""


def keep(run: Delete) -> None:
    """Let it have tiers again."""

    def work(s: Session) -> None:
        vpc = s.get_one(Vpc, run.params.vpc_id)
        if vpc.state == State.INACTIVE and not vpc.removed_s:
            fire(s, vpc, Event.DELETE_FAILED)

    run.env.db.tx(work)


def take_routers(run: Delete) -> None:
    """Take what is left of its routers off their hosts; with its last tier they were taken off already."""
    group_id = run.env.db.read(lambda s: s.get_one(Vpc, run.params.vpc_id).group_id)
    remove_routers(run, group_id)


def later(run: Delete) -> None:
    """They are placed again with the next tier."""


def gone(run: Delete) -> None:
    """Forget it, unless it has a tier after all."""

    def work(s: Session) -> None:
        vpc = s.get_one(Vpc, run.params.vpc_id)
        if vpc.removed_s:
            return
        if vpcs.tiers(s, vpc.id):
            raise InUse(f"VPC {vpc.name}", "it has tiers")
        now_s = run.env.clock.now_s()
        mine = select(NetworkAclList.id).where(NetworkAclList.vpc_id == vpc.id)
        ids = [router.id for router in routers.of_group(s, vpc.group_id)]
        for found in (
            s.scalars(select(NetworkAclItem).where(NetworkAclItem.list_id.in_(mine), live(NetworkAclItem))),
            s.scalars(select(NetworkAclList).where(NetworkAclList.vpc_id == vpc.id, live(NetworkAclList))),
            s.scalars(select(StaticRoute).where(StaticRoute.vpc_id == vpc.id, live(StaticRoute))),
            s.scalars(select(PrivateGateway).where(PrivateGateway.vpc_id == vpc.id, live(PrivateGateway))),
            s.scalars(select(Nic).where(Nic.router_id.in_(ids), live(Nic))),
            routers.of_group(s, vpc.group_id),
            (vpc,),
        ):
            for row in found:
                row.removed_s = now_s
        held = select(PublicAddress).where(PublicAddress.vpc_id == vpc.id, live(PublicAddress))
        for address in s.scalars(held).all():
            rules.forget_address(s, address.id, now_s)
            addresses.let_go(address)

    run.env.db.tx(work)


DELETE_VPC = Saga[Env, DeleteVpc](
    "vpc.delete",
    DeleteVpc,
    Step(accepted, undo=keep),
    Step(take_routers, undo=later),
    Step(gone),
)
