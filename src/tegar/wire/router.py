"""Virtual routers on a host."""

from __future__ import annotations

from dataclasses import dataclass

from tegar.kernel.wire import Ask
from tegar.model.router import Role, RouterSpec


@dataclass(frozen=True)
class RouterUp:
    """The router runs this version of its desired state; 0 when it is not whole and has to be told again."""

    uuid: str
    version: int
    role: Role = Role.PRIMARY


@dataclass(frozen=True)
class RouterGone:
    """The router is not on the host any more."""


@dataclass(frozen=True)
class RouterReport:
    """All routers on the host and the versions they run."""

    routers: tuple[RouterUp, ...]


@dataclass(frozen=True)
class ApplyRouter(Ask[RouterUp]):
    """Make the router as the whole spec says; the old or the new bundle runs, never half."""

    spec: RouterSpec


@dataclass(frozen=True)
class RemoveRouter(Ask[RouterGone]):
    """Take the router away; already gone is success."""

    uuid: str


@dataclass(frozen=True)
class ListRouters(Ask[RouterReport]):
    """Report what runs."""


@dataclass(frozen=True)
class Knocked:
    """Whether the port accepted."""

    accepts: bool


@dataclass(frozen=True)
class CheckPort(Ask[Knocked]):
    """Try whether a TCP port of a guest accepts, seen from beside it: from inside the router's namespace."""

    uuid: str
    ip: str
    port: int


@dataclass(frozen=True)
class Traffic:
    """What a guest network (by uuid) or a public address received from outside and sent there."""

    of: str
    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True)
class RouterCounters:
    """The traffic of one router since it was made on this host; changes of rules do not reset it."""

    uuid: str
    subnets: tuple[Traffic, ...]
    addresses: tuple[Traffic, ...]


@dataclass(frozen=True)
class CounterReport:
    """The traffic of all routers on the host."""

    routers: tuple[RouterCounters, ...]


@dataclass(frozen=True)
class ListRouterCounters(Ask[CounterReport]):
    """Report the traffic of all routers."""
