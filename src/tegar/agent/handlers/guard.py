"""The lease of this host."""

from __future__ import annotations

from tegar.agent.host import Host
from tegar.kernel.wire import Handlers
from tegar.wire.guard import GetGuard, GuardFacts, SetGuard

table: Handlers[Host] = Handlers()


@table.handles
def set_guard(host: Host, ask: SetGuard) -> GuardFacts:
    """Be guarded from now on."""
    with host.locks.of("guard"):
        return host.guard.set(ask)


@table.handles
def get_guard(host: Host, ask: GetGuard) -> GuardFacts:
    """Tell how the host is guarded."""
    return host.guard.facts()
