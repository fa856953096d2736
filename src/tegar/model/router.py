"""What a virtual router is told: its whole desired state, never a delta; and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tegar.model.rule import AclItem, Balancer, Match, Opening, PortForward, StaticNat, StaticRoute
from tegar.model.spec import NetworkSpec

SERVICES = ("Dhcp", "Dns", "UserData")


class Role(StrEnum):
    """What a router of a pair is at the moment; the values are the API's.  One that is alone is PRIMARY."""

    PRIMARY = "PRIMARY"
    BACKUP = "BACKUP"
    FAULT = "FAULT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class GuestSpec:
    """What a virtual router knows of one NIC: its lease, its name and what the metadata service tells it.

    ``user_data`` is base64 text as the caller gave it, empty when there is none.
    ``meta`` holds the keys under ``/latest/meta-data/`` (``instance-id``, ``local-hostname``, …).
    ``is_default``: the VM's default route leads here.  ``password`` is told once, to who asks for it first.
    """

    vm_uuid: str
    mac: str
    ip: str
    hostname: str
    user_data: str = ""
    public_keys: tuple[str, ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    is_default: bool = True
    password: str = ""


@dataclass(frozen=True)
class SubnetSpec:
    """A guest network that a router serves: one, or all tiers of a VPC.

    ``ip`` is this router's own address there; ``gateway`` what guests get as their default route (empty: none).  It is
    the same as ``ip`` for a router that is alone; of a pair the primary holds it; in a shared network it is somebody
    else's.  ``peer_ip`` is the other router's own address, of a pair.  ``dns`` are the resolvers it forwards to.
    ``services`` are out of ``SERVICES``.  ``egress_allowed`` says what happens to packets out of the network that no
    match of ``egress`` names: those that are named get the opposite.  ``acl`` None: the network has no ACL.
    """

    network: NetworkSpec
    mac: str
    ip: str
    prefix_len: int
    gateway: str
    domain: str
    dns: tuple[str, ...]
    guests: tuple[GuestSpec, ...]
    services: tuple[str, ...] = SERVICES
    peer_ip: str = ""
    egress_allowed: bool = True
    egress: tuple[Match, ...] = ()
    acl: tuple[AclItem, ...] | None = None


@dataclass(frozen=True)
class UplinkSpec:
    """A way out: to the public network, or a VPC's private gateway.

    A pair shares ``mac`` and all ``addresses``: the primary holds them.  ``source_nat`` is the address that guests go
    out by, empty when there is none.  ``gateway`` is the next router; the first uplink's is the default route.
    ``acl`` is of private gateways.
    """

    network: NetworkSpec
    mac: str
    addresses: tuple[str, ...]
    prefix_len: int
    gateway: str
    source_nat: str = ""
    private: bool = False
    acl: tuple[AclItem, ...] | None = None


@dataclass(frozen=True)
class PairSpec:
    """A router that is one of two.  ``vrid`` is 1 to 255, the same for both; the higher ``priority`` is primary."""

    vrid: int
    priority: int
    advert_s: float = 0.2


@dataclass(frozen=True)
class RouterSpec:
    """The whole desired state of a virtual router.

    ``version`` grows with every change; an agent that runs a newer one keeps it.
    """

    uuid: str
    version: int
    subnets: tuple[SubnetSpec, ...]
    uplinks: tuple[UplinkSpec, ...] = ()
    openings: tuple[Opening, ...] = ()
    forwards: tuple[PortForward, ...] = ()
    static_nats: tuple[StaticNat, ...] = ()
    balancers: tuple[Balancer, ...] = ()
    routes: tuple[StaticRoute, ...] = ()
    pair: PairSpec | None = None
