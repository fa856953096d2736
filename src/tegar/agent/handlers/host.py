"""The host itself."""

from __future__ import annotations

from tegar.agent.host import Host
from tegar.kernel.wire import Handlers
from tegar.wire.host import GetFacts, GetLoad, HostFacts, HostLoad, SetReportTo

table: Handlers[Host] = Handlers()


@table.handles
def get_facts(host: Host, ask: GetFacts) -> HostFacts:
    """Tell what the host is."""
    return host.box.facts()


@table.handles
def get_load(host: Host, ask: GetLoad) -> HostLoad:
    """Tell how busy it is.  An agent that restarted learns so which pools to look after."""
    for pool in ask.pools:
        host.disks.watch(pool)
    return host.box.load()


@table.handles
def set_report_to(host: Host, ask: SetReportTo) -> HostLoad:
    """Remember where to report."""
    host.box.report_to(ask.host_uuid, ask.urls, ask.secret)
    return host.box.load()
