"""Rules of a network: what is let through and where it goes, as routers are told.  No row ever crosses the wire.

Ports are inclusive ranges; ``first_port`` None means all.  CIDRs are dotted IPv4; an empty tuple means anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Protocol(StrEnum):
    """What a rule is about; the values are the API's.  A number is kept in ``Match.number``."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    ALL = "all"
    NUMBER = "number"


class RuleState(StrEnum):
    """Where a rule is; the values are the API's: in force are only ``Active`` rules for certain."""

    ADD = "Add"
    ACTIVE = "Active"
    REVOKE = "Deleting"


@dataclass(frozen=True)
class Match:
    """Packets: by protocol, ports or ICMP kind, where from and where to."""

    protocol: Protocol
    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    first_port: int | None = None
    last_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    number: int | None = None


@dataclass(frozen=True)
class Opening:
    """A firewall rule of a public address: these packets may come in to it."""

    ip: str
    match: Match


@dataclass(frozen=True)
class PortForward:
    """Ports of a public address that lead to a guest; both ranges are as long."""

    ip: str
    protocol: Protocol
    first_port: int
    last_port: int
    to_ip: str
    to_first_port: int
    to_last_port: int
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class StaticNat:
    """A public address that stands for one guest, both ways."""

    ip: str
    to_ip: str


@dataclass(frozen=True)
class AclItem:
    """One line of a network ACL, in the order of its number; ``inbound``: to the tier, else out of it."""

    number: int
    allow: bool
    inbound: bool
    match: Match


@dataclass(frozen=True)
class StaticRoute:
    """A destination that is reached by a gateway on an uplink's or a subnet's segment."""

    cidr: str
    via: str


@dataclass(frozen=True)
class Stickiness:
    """How a balancer keeps a client at its member; the protocol's methods and their parameters.

    ``method`` is ``LbCookie``, ``AppCookie`` or ``SourceBased``.
    """

    method: str
    name: str
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class HealthCheck:
    """How a balancer finds out whether a member serves; ``path`` empty: by connecting."""

    path: str = ""
    interval_s: float = 1.0
    timeout_s: float = 1.0
    healthy: int = 2
    unhealthy: int = 2


@dataclass(frozen=True)
class Member:
    """A guest behind a balancer."""

    ip: str
    port: int


@dataclass(frozen=True)
class Balancer:
    """A load balancer rule: one address and port, many members.

    ``algorithm`` is ``roundrobin``, ``leastconn`` or ``source``; ``protocol`` is ``tcp``, ``udp``, ``tcp-proxy`` or
    ``ssl``; ``certificate`` is PEM text, key and chain included, for ``ssl``: a secret.
    """

    uuid: str
    ip: str
    port: int
    algorithm: str
    protocol: str
    members: tuple[Member, ...]
    sources: tuple[str, ...] = ()
    stickiness: Stickiness | None = None
    health: HealthCheck | None = None
    certificate: str = field(default="", repr=False)
