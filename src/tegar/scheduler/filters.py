"""Filters: (request, host) to None, or the reason why not.  Each reason is read by an operator."""

from __future__ import annotations

from collections.abc import Callable

from tegar.model.affinity import Kind
from tegar.scheduler.view import HostView, Request

Filter = Callable[[Request, HostView], "str | None"]


def wanted(request: Request, host: HostView) -> str | None:
    """Only the host that was asked for, never the one to leave."""
    if request.only_host_id is not None and host.id != request.only_host_id:
        return "is not the host that was asked for"
    if host.id == request.not_host_id:
        return "is where the VM is now"
    if request.only_cluster_id is not None and host.cluster_id != request.only_cluster_id:
        return "is in another cluster"
    return None


def speaks(request: Request, host: HostView) -> str | None:
    """The VM's hypervisor."""
    return (
        None if host.hypervisor == request.hypervisor else f"runs {host.hypervisor}, not {request.hypervisor}"
    )


def is_up(request: Request, host: HostView) -> str | None:
    """Answers."""
    return None if host.up else "is not up"


def may_work(request: Request, host: HostView) -> str | None:
    """Not disabled, not in maintenance."""
    if not host.enabled:
        return "is disabled or in maintenance"
    return None if host.cluster_enabled else "its cluster is disabled"


def is_calm(request: Request, host: HostView) -> str | None:
    """Not believed dead, and found alive, again and again."""
    if host.quarantined and not request.shaky:
        return "is in quarantine: it fell silent several times within minutes"
    return None


def has_tags(request: Request, host: HostView) -> str | None:
    """All tags of the offering."""
    missing = request.host_tags - host.tags
    return f"lacks the tags {', '.join(sorted(missing))}" if missing else None


def has_cpu(request: Request, host: HostView) -> str | None:
    """Cores as many and as fast, and unpromised MHz."""
    if host.cores < request.cpus:
        return f"has {host.cores} cores of the {request.cpus} wanted"
    if host.core_mhz < request.cpu_mhz:
        return f"its cores run at {host.core_mhz} MHz of the {request.cpu_mhz} wanted"
    lacks = request.cpus * request.cpu_mhz - host.free_cpu_mhz
    return f"lacks {lacks} MHz of CPU" if lacks > 0 else None


def has_memory(request: Request, host: HostView) -> str | None:
    """Unpromised memory."""
    lacks = request.memory_bytes - host.free_memory_bytes
    return f"lacks {lacks} bytes of memory" if lacks > 0 else None


def keeps_apart(request: Request, host: HostView) -> str | None:
    """No other VM of a strict anti-affinity group, not even one that is leaving or coming."""
    for group in request.groups:
        if group.kind == Kind.APART:
            for mate in group.mates:
                if mate.host_id == host.id:
                    return f"has VM {mate.vm} of {group.kind.value} group {group.name}"
    return None


def keeps_together(request: Request, host: HostView) -> str | None:
    """All other VMs of a strict affinity group; while one of them moves, no host has them all."""
    for group in request.groups:
        if group.kind == Kind.TOGETHER:
            for mate in group.mates:
                if mate.host_id != host.id:
                    return f"is not where VM {mate.vm} of {group.kind.value} group {group.name} is"
    return None


FILTERS: tuple[Filter, ...] = (
    wanted,
    speaks,
    is_up,
    may_work,
    is_calm,
    has_tags,
    keeps_apart,
    keeps_together,
    has_cpu,
    has_memory,
)
