"""All that a step may touch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tegar.driver.power.port import PowerDriver
from tegar.driver.registry import POWER
from tegar.kernel.clock import Clock
from tegar.kernel.db import Db
from tegar.kernel.errors import Unavailable
from tegar.kernel.saga import Run, Saga
from tegar.kernel.secret import Vault
from tegar.kernel.wire import Link, Links
from tegar.store.hosts import Host

P = TypeVar("P")


class Quorum(Protocol):
    """The witnesses, as sagas use them."""

    def record(self, cluster_id: int, vm_uuid: str, epoch: int, owner: str) -> bool:
        """Raise a VM's epoch at a majority of the cluster's witnesses.

        Args:
            cluster_id: whose witnesses.
            vm_uuid: the VM.
            epoch: its new epoch.
            owner: the name of this raise of it; the same again is granted again.

        Returns:
            Whether a majority granted it.  False: somebody has raised it as far before.

        Raises:
            Unavailable: no majority answered; worth asking again.
        """
        ...

    def remind(self, cluster_id: int, vm_uuid: str, epoch: int, owner: str, blank: Mapping[str, int]) -> bool:
        """Record a VM's epoch, and wait until those witnesses that restarted have answered, too.

        Args:
            cluster_id: whose witnesses.
            vm_uuid: the VM.
            epoch: its epoch in the database.
            owner: the name of that epoch.
            blank: witnesses that restarted, and their incarnations.

        Returns:
            Whether a majority granted it; then the blank ones are told that they know the VM.

        Raises:
            Unavailable: too few answered; worth asking again.
        """
        ...

    def say_whole(self, cluster_id: int, blank: Mapping[str, int]) -> None:
        """Tell witnesses of the cluster that restarted that they were reminded of every VM."""
        ...


class NoQuorum:
    """A cloud without witnesses: hosts have no leases, and nothing needs to be granted."""

    def record(self, cluster_id: int, vm_uuid: str, epoch: int, owner: str) -> bool:
        """Grant."""
        return True

    def remind(self, cluster_id: int, vm_uuid: str, epoch: int, owner: str, blank: Mapping[str, int]) -> bool:
        """Grant."""
        return True

    def say_whole(self, cluster_id: int, blank: Mapping[str, int]) -> None:
        """Tell nobody."""


@dataclass(frozen=True)
class Env:
    """The database, the ways to hosts, time, and what agents are told about the servers.

    ``report_urls`` are this cloud's addresses for agents' reports; ``vault`` opens passwords of BMCs,
    which ``power`` speaks to.
    """

    db: Db
    links: Links
    clock: Clock
    report_urls: tuple[str, ...] = ()
    quorum: Quorum = field(default_factory=NoQuorum)
    vault: Vault | None = None
    power: Mapping[str, PowerDriver] = field(default_factory=lambda: POWER)


def link(run: Run[Env, P], host_id: int) -> Link:
    """Return a link to a host that speaks for this saga.

    Raises:
        Unavailable: the host was removed.
    """
    host = run.env.db.read(lambda s: s.get_one(Host, host_id))
    if host.removed_s:
        raise Unavailable(f"Host {host.name}", "it was removed")
    return run.env.links.to(host.url, run.fence)


__all__ = ["Env", "NoQuorum", "Quorum", "Run", "Saga", "link"]
