"""All that a step may touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from tegar.kernel.clock import Clock
from tegar.kernel.db import Db
from tegar.kernel.errors import Unavailable
from tegar.kernel.saga import Run, Saga
from tegar.kernel.wire import Link, Links
from tegar.store.hosts import Host

P = TypeVar("P")


@dataclass(frozen=True)
class Env:
    """The database, the ways to hosts, time, and what agents are told about the servers.

    ``report_urls`` are this cloud's addresses for agents' reports.
    """

    db: Db
    links: Links
    clock: Clock
    report_urls: tuple[str, ...] = ()


def link(run: Run[Env, P], host_id: int) -> Link:
    """Return a link to a host that speaks for this saga.

    Raises:
        Unavailable: the host was removed.
    """
    host = run.env.db.read(lambda s: s.get_one(Host, host_id))
    if host.removed_s:
        raise Unavailable(f"Host {host.name}", "it was removed")
    return run.env.links.to(host.url, run.fence)


__all__ = ["Env", "Run", "Saga", "link"]
