"""Two routers of a pair on two hosts: a bridge of each network on each of them, and cables between that can be cut."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from functools import cached_property

from scenes import GATEWAY, INSIDE, NEXT, PUBLIC, SECOND, guest_mac
from wires import Client, Wire, sh

from support.until import until
from tegar.agent.router import links
from tegar.agent.router.namespace import Namespace
from tegar.agent.router.service import NamespaceRouters
from tegar.model.router import GuestSpec, PairSpec, Role, RouterSpec, SubnetSpec, UplinkSpec

OWN = (f"{INSIDE}.2", f"{INSIDE}.3")
BRIDGES = (("g", "p"), ("h", "q"))  # guest and public of the first host, of the second


@dataclass
class Pair:
    """The routers and the clients, all of which hang on the second host: they survive the first."""

    wire: Wire
    routers: NamespaceRouters
    specs: list[RouterSpec] = field(default_factory=list)

    def __post_init__(self) -> None:
        for one, other in zip(*BRIDGES, strict=True):
            self.wire.cable(one, other)
        guest = GuestSpec(str(uuid.uuid4()), guest_mac(11), f"{INSIDE}.11", "vm-11")
        for here in (0, 1):
            inner, outer = (self.wire.network(name) for name in BRIDGES[0])
            net = SubnetSpec(
                network=replace(inner, bridge=self.wire.bridge(BRIDGES[here][0])), mac=f"02:00:00:00:07:f{here}",
                ip=OWN[here], peer_ip=OWN[1 - here], prefix_len=24, gateway=GATEWAY, domain="cs.test",
                dns=(NEXT,), guests=(guest,),
            )  # fmt: skip
            uplink = UplinkSpec(
                network=replace(outer, bridge=self.wire.bridge(BRIDGES[here][1])), mac="02:00:00:00:08:fe",
                addresses=(PUBLIC, SECOND), prefix_len=24, gateway=NEXT, source_nat=PUBLIC,
            )  # fmt: skip
            pair = PairSpec(vrid=7, priority=(200, 100)[here])
            self.specs.append(RouterSpec(str(uuid.uuid4()), 0, (net,), (uplink,), pair=pair))

    def want(self, **more: object) -> None:
        """Change the desired state of both and apply it."""
        for here in (0, 1):
            self.want_of(here, **more)

    def want_of(self, here: int, **more: object) -> None:
        """Change the desired state of one and apply it."""
        spec = self.specs[here]
        self.specs[here] = replace(spec, version=spec.version + 1, **more)  # type: ignore[arg-type]
        self.routers.apply(self.specs[here])

    def roles(self) -> list[Role]:
        """Return what the two are."""
        found = {router.uuid: router.role for router in self.routers.all()}
        return [found.get(spec.uuid, Role.UNKNOWN) for spec in self.specs]

    def become(self, *roles: Role, within_s: float = 20.0) -> None:
        """Wait until they have these roles."""
        until(lambda: self.roles() == list(roles), f"they are {roles}", within_s=within_s)

    def cut(self, name: str, state: str = "down") -> None:
        """Cut (or mend: ``up``) the cable of the guest (``g``) or public (``p``) network."""
        sh("ip", "link", "set", f"tgt{self.wire.tag}k{name}", state)

    def space(self, here: int) -> Namespace:
        """Return the namespace of one of them."""
        return Namespace(self.specs[here].uuid)

    def lose(self, here: int) -> None:
        """Let the host of a router die: nothing leaves it any more, not even a last word, and nothing runs."""
        space = self.space(here)
        for link in links.links(self.specs[here]):
            sh("ip", "link", "set", links.host_end(self.specs[here].uuid, link.name), "down")
        sh("kill", "-9", *sh("ip", "netns", "pids", space.name).stdout.split(), check=False)

    @cached_property
    def guest(self) -> Client:
        """Return the guest."""
        return self.wire.client(guest_mac(11), on="h", address=f"{INSIDE}.11/24", via=GATEWAY)

    @cached_property
    def world(self) -> Client:
        """Return the host that public addresses have as their next router."""
        return self.wire.client(on="q", address=f"{NEXT}/24")
