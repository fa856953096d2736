"""Weighers: (request, host) to a number; the highest sum wins."""

from __future__ import annotations

from collections.abc import Callable

from tegar.model.affinity import Kind
from tegar.scheduler.view import HostView, Request

Weigher = Callable[[Request, HostView], float]

_COMPANY = 100.0


def emptiest(request: Request, host: HostView) -> float:
    """Spread: the share of memory that is still free, 0 to 1 (more under over-commit)."""
    return host.free_memory_bytes / max(host.memory_bytes, 1)


def at_home(request: Request, host: HostView) -> float:
    """A little for where the VM ran last: its caches may be warm."""
    return 0.05 if host.id == request.last_host_id else 0.0


def company(request: Request, host: HostView) -> float:
    """Non-strict affinity: each VM of a group on the host counts more than all that is free."""
    weight = 0.0
    for group in request.groups:
        here = sum(mate.host_id == host.id for mate in group.mates)
        if group.kind == Kind.RATHER_TOGETHER:
            weight += _COMPANY * here
        elif group.kind == Kind.RATHER_APART:
            weight -= _COMPANY * here
    return weight


WEIGHERS: tuple[Weigher, ...] = (emptiest, at_home, company)
