"""One isolated network with its router between two guests and the world outside."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from functools import cached_property

from wires import Client, Wire

from tegar.agent.router.namespace import Namespace
from tegar.agent.router.service import NamespaceRouters
from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec, UplinkSpec
from tegar.model.rule import Match, Opening, PortForward, Protocol, StaticNat

INSIDE, OUTSIDE = "10.77.7", "203.0.113"
GATEWAY, NEXT = f"{INSIDE}.1", f"{OUTSIDE}.1"
PUBLIC, SECOND, THIRD = f"{OUTSIDE}.10", f"{OUTSIDE}.11", f"{OUTSIDE}.12"
TCP, UDP = Protocol.TCP, Protocol.UDP


def guest_mac(n: int) -> str:
    """Return the MAC of the n-th guest."""
    return f"02:00:00:00:07:{n:02x}"


def opening(ip: str, first: int, last: int = 0, *sources: str, protocol: Protocol = TCP) -> Opening:
    """Return a firewall rule."""
    return Opening(ip, Match(protocol, sources=sources, first_port=first, last_port=last or first))


def forward(ip: str, port: int, to: str, to_port: int, protocol: Protocol = TCP) -> PortForward:
    """Return a port forwarding."""
    return PortForward(ip, protocol, port, port, to, to_port, to_port)


@dataclass
class Scene:
    """The router's desired state, grown by ``want``; clients appear when they are first needed."""

    wire: Wire
    routers: NamespaceRouters
    spec: RouterSpec = field(init=False)

    def __post_init__(self) -> None:
        net = SubnetSpec(
            network=self.wire.network("g"), mac="02:00:00:00:07:fe", ip=GATEWAY, prefix_len=24,
            gateway=GATEWAY, domain="cs.test", dns=(NEXT,),
            guests=tuple(
                GuestSpec(str(uuid.uuid4()), guest_mac(n), f"{INSIDE}.{n}", f"vm-{n}") for n in (11, 12)
            ),
        )  # fmt: skip
        uplink = UplinkSpec(
            network=self.wire.network("p"), mac="02:00:00:00:08:fe", addresses=(PUBLIC, SECOND, THIRD),
            prefix_len=24, gateway=NEXT, source_nat=PUBLIC,
        )  # fmt: skip
        self.spec = RouterSpec(str(uuid.uuid4()), 0, (net,), (uplink,))

    def want(self, **more: object) -> None:
        """Change the desired state and apply it."""
        self.spec = replace(self.spec, version=self.spec.version + 1, **more)  # type: ignore[arg-type]
        assert self.routers.apply(self.spec) == self.spec.version

    def subnet(self, **more: object) -> tuple[SubnetSpec]:
        """Return the guest network, changed."""
        return (replace(self.spec.subnets[0], **more),)  # type: ignore[arg-type]

    def static(self, ip: str = SECOND, to: str = f"{INSIDE}.11") -> None:
        """Want a public address to stand for a guest."""
        self.want(static_nats=(StaticNat(ip, to),))

    @property
    def home(self) -> str:
        """Return the router's directory."""
        return f"{self.wire.folder}/{self.spec.uuid}"

    @property
    def space(self) -> Namespace:
        """Return the router's namespace."""
        return Namespace(self.spec.uuid)

    @cached_property
    def one(self) -> Client:
        """Return a guest."""
        return self.wire.client(guest_mac(11), on="g", address=f"{INSIDE}.11/24", via=GATEWAY)

    @cached_property
    def two(self) -> Client:
        """Return another guest."""
        return self.wire.client(guest_mac(12), on="g", address=f"{INSIDE}.12/24", via=GATEWAY)

    @cached_property
    def world(self) -> Client:
        """Return the host that public addresses have as their next router."""
        return self.wire.client(on="p", address=f"{NEXT}/24")

    @cached_property
    def other(self) -> Client:
        """Return another host outside."""
        return self.wire.client(on="p", address=f"{OUTSIDE}.99/24")
