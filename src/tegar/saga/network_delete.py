"""Delete a network that no VM uses: its router goes, then its addresses and the row."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.driver.registry import ROUTERS
from tegar.kernel.db import fire, live
from tegar.kernel.errors import Fenced, NotYet, TegarError
from tegar.kernel.saga import Run, Saga, Step
from tegar.model.errors import InUse
from tegar.model.host import State as HostState
from tegar.model.network import Event, State
from tegar.saga import vpc_routers
from tegar.saga.env import Env
from tegar.saga.network_implement import obey_later
from tegar.store import segments
from tegar.store.hosts import Host
from tegar.store.networks import GuestAddress, Network, Nic, VlanRange
from tegar.store.routers import Router


@dataclass(frozen=True)
class DeleteNetwork:
    """Which network; ``forced``: also when its router's host does not answer."""

    network_id: int
    forced: bool


Delete = Run[Env, DeleteNetwork]


def accepted(run: Delete) -> None:
    """Begin: the request made it Shutdown, so no VM joins it."""


def keep(run: Delete) -> None:
    """Let VMs join it again; a router that it had runs again."""

    def work(s: Session) -> list[int]:
        network = s.get_one(Network, run.params.network_id)
        if network.state == State.SHUTDOWN:
            fire(s, network, Event.DELETE_FAILED)
        mine = s.scalars(select(Router).where(Router.group_id == network.group_id, live(Router))).all()
        for router in mine:
            router.applied = 0
        return [network.group_id] if mine and network.group_id else []

    obey_later(run, run.env.db.tx(work))


def take_routers(run: Delete) -> None:
    """Take the routers off their hosts; a host that was deleted, or lost its power, has none.

    Those of a VPC that has other tiers to serve only leave this one.
    """
    shared = run.env.db.tx(lambda s: vpc_routers.leave(s, run.params.network_id))
    if shared is not None:
        vpc_routers.told(run, shared, forced=run.params.forced)
        return

    def read(s: Session) -> list[tuple[str, str]]:
        stmt = (
            select(Router.uuid, Host.url)
            .join(Host, Host.id == Router.host_id)
            .join(Network, Network.group_id == Router.group_id)
            .where(Network.id == run.params.network_id, live(Host), Host.state == HostState.UP)
        )
        return [(uuid, url) for uuid, url in s.execute(stmt)]

    for uuid, url in run.env.db.read(read):
        try:
            ROUTERS["VirtualRouter"].remove(uuid, run.env.links.to(url, run.fence))
        except (Fenced, NotYet):
            raise
        except TegarError:
            if not run.params.forced:
                raise


def later(run: Delete) -> None:
    """It is applied again when VMs may join again."""


def gone(run: Delete) -> None:
    """Forget the network, unless a VM has an address of it after all."""

    def work(s: Session) -> None:
        network = s.get_one(Network, run.params.network_id)
        if network.state != State.SHUTDOWN:
            return
        now_s = run.env.clock.now_s()
        own = _own_nics(s, network)
        s.execute(
            delete(GuestAddress).where(
                GuestAddress.network_id == network.id,
                GuestAddress.nic_id.is_(None) | GuestAddress.nic_id.in_([nic.id for nic in own]),
            )
        )
        if s.scalars(select(GuestAddress.id).where(GuestAddress.network_id == network.id).limit(1)).first():
            raise InUse(f"Network {network.name}", "a VM has an address of it")
        ranges = select(VlanRange).where(VlanRange.network_id == network.id, live(VlanRange))
        mine = select(Router).where(Router.group_id == network.group_id, live(Router))
        for row in (*s.scalars(ranges), *(s.scalars(mine) if network.vpc_id is None else ())):
            row.removed_s = now_s
        if network.vpc_id is not None:
            vpc_routers.rest(s, network, now_s)
        for nic in own:
            nic.removed_s = now_s
        segments.give_back(s, network.id)
        fire(s, network, Event.DELETED)
        network.removed_s = now_s

    run.env.db.tx(work)


def _own_nics(s: Session, network: Network) -> list[Nic]:
    """Return the NICs of the network's router.

    Raises:
        InUse: a VM has one in the network.
    """
    found = s.scalars(select(Nic).where(Nic.network_id == network.id, live(Nic))).all()
    if any(nic.vm_id is not None for nic in found):
        raise InUse(f"Network {network.name}", "a VM has a NIC in it")
    return list(found)


DELETE_NETWORK = Saga[Env, DeleteNetwork](
    "network.delete",
    DeleteNetwork,
    Step(accepted, undo=keep),
    Step(take_routers, undo=later),
    Step(gone),
)
