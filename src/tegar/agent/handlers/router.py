"""Virtual routers."""

from __future__ import annotations

from tegar.agent.host import Host
from tegar.kernel.wire import Handlers
from tegar.wire.router import (
    ApplyRouter,
    CheckPort,
    CounterReport,
    Knocked,
    ListRouterCounters,
    ListRouters,
    RemoveRouter,
    RouterGone,
    RouterReport,
    RouterUp,
)

table: Handlers[Host] = Handlers()


@table.handles
def apply_router(host: Host, ask: ApplyRouter) -> RouterUp:
    """Make the router as the spec says."""
    with host.locks.of(ask.spec.uuid):
        return RouterUp(ask.spec.uuid, host.routers.apply(ask.spec))


@table.handles
def remove_router(host: Host, ask: RemoveRouter) -> RouterGone:
    """Take the router away."""
    with host.locks.of(ask.uuid):
        host.routers.remove(ask.uuid)
        return RouterGone()


@table.handles
def list_routers(host: Host, ask: ListRouters) -> RouterReport:
    """Report what runs."""
    return RouterReport(host.routers.all())


@table.handles
def check_port(host: Host, ask: CheckPort) -> Knocked:
    """Knock at a guest's port."""
    return Knocked(host.routers.knock(ask.uuid, ask.ip, ask.port))


@table.handles
def list_router_counters(host: Host, ask: ListRouterCounters) -> CounterReport:
    """Report the traffic of all routers."""
    return CounterReport(host.routers.counters())
