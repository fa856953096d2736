"""Shut networks down in which no VM has run for a while: their segments and routers serve others."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from tegar.kernel import log
from tegar.kernel.db import fire, live
from tegar.model.host import State as HostState
from tegar.model.network import Event, State
from tegar.model.settings import NETWORK_GC_INTERVAL_S, NETWORK_GC_WAIT_S
from tegar.model.vm import State as VmState
from tegar.saga.env import Env
from tegar.saga.network_shutdown import SHUT_DOWN_NETWORK, ShutdownNetwork
from tegar.store.hosts import Host
from tegar.store.networks import Network, Nic
from tegar.store.offerings import NetworkOffering
from tegar.store.routers import Router
from tegar.store.vms import Vm

RESTING = (VmState.STOPPED, VmState.DESTROYED, VmState.EXPUNGED, VmState.ERROR)


class Collector:
    """What one leader of the loops knows: when it looked last."""

    def __init__(self, env: Env) -> None:
        self._env, self._looked_s = env, -1e9

    def round(self) -> None:
        """Look, when ``network.gc.interval`` has passed since the last look."""
        now_s = self._env.clock.mono_s()
        if now_s - self._looked_s >= self._env.db.read(NETWORK_GC_INTERVAL_S.of):
            self._looked_s = now_s
            collect(self._env)


def collect(env: Env) -> None:
    """Note which networks have no VM that runs, and begin to shut those down that have had none for long enough."""
    for network_id in env.db.read(_candidates):
        env.db.tx(lambda s, n=network_id: _look(s, n, env.clock.now_s()))  # type: ignore[misc]


def _candidates(s: Session) -> list[int]:
    """Return networks that are up and may be shut down, and are idle or were."""
    kept = select(NetworkOffering.id).where(NetworkOffering.persistent.is_(True))
    stmt = select(Network.id).where(
        Network.state == State.IMPLEMENTED, Network.guest_type != "Shared", Network.offering_id.not_in(kept),
        live(Network), or_(Network.idle_since_s.is_not(None), ~_busy()),
    )  # fmt: skip
    return list(s.scalars(stmt.order_by(Network.id)))


def _busy() -> ColumnElement[bool]:
    """Return the condition that a VM runs in a network, or is about to."""
    uses = select(Nic.id).join(Vm, Vm.id == Nic.vm_id)
    return uses.where(Nic.network_id == Network.id, live(Nic), Vm.state.not_in(RESTING)).exists()


def _look(s: Session, network_id: int, now_s: float) -> None:
    """Count the time that a network is idle; when it is up, shut it down.

    A VM that starts at the same moment is seen here, or finds the network's row changed, or changes it under us:
    it clears ``idle_since_s``, which was written by a look before this one.
    """
    network = s.get_one(Network, network_id)
    if network.state != State.IMPLEMENTED or network.removed_s:
        return
    if s.scalars(select(Network.id).where(Network.id == network_id, _busy())).first() is not None:
        network.idle_since_s = None
    elif network.idle_since_s is None:
        network.idle_since_s = now_s
    elif now_s - network.idle_since_s >= NETWORK_GC_WAIT_S.of(s) and not _unsure(s, network):
        fire(s, network, Event.RELEASE)
        SHUT_DOWN_NETWORK.submit(s, ShutdownNetwork(network.id))
        log.get("loop").info("network is shut down, no VM runs in it", network=network.name)


def _unsure(s: Session, network: Network) -> bool:
    """Return whether a router may run on a host that does not answer: its segment must not be another's yet."""
    quiet = (HostState.DISCONNECTED, HostState.ALERT)
    stmt = select(Router.id).join(Host, Host.id == Router.host_id)
    stmt = stmt.where(Router.group_id == network.group_id, live(Host), Host.state.in_(quiet))
    return s.scalars(stmt.limit(1)).first() is not None
