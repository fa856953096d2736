"""Ways to simulated hosts: in this process, or in the process of ``tegar sim``."""

from __future__ import annotations

import httpx

from tegar.kernel import codec
from tegar.kernel.db import must_not_hold_tx
from tegar.kernel.errors import Unreachable
from tegar.kernel.link import HttpLink
from tegar.kernel.wire import A, Ask, Fence, Link
from tegar.sim.hosts import answer
from tegar.sim.world import World

PREFIX = "http://sim/"


def host_of(url: str) -> str:
    """Return the host's name in ``http://sim/<name>``.

    Raises:
        Unreachable: the address is of another world.
    """
    name = url.removeprefix(PREFIX).rstrip("/")
    if not url.startswith(PREFIX) or not name or "/" in name:
        raise Unreachable(url, "no such host in the simulated world")
    return name


class SimLink:
    """A way to one host of a world in this process; what crosses it is encoded as on the wire."""

    def __init__(self, world: World, name: str, fence: Fence | None) -> None:
        self._world, self._name, self._fence = world, name, fence

    def ask(self, message: Ask[A], *, timeout_s: float = 60) -> A:
        """Ask; see ``wire.Link``."""
        must_not_hold_tx()
        began_s = self._world.clock.mono_s()
        said = answer(self._world, self._name, type(message).__name__, codec.encode(message), self._fence)
        if self._world.clock.mono_s() - began_s > timeout_s:
            raise Unreachable(self._name, f"no answer within {timeout_s:g} s")
        found: A = codec.decode(type(message).answer, said)
        return found


class SimLinks:
    """Ways to the hosts of a world in this process."""

    def __init__(self, world: World) -> None:
        self._world = world

    def to(self, url: str, fence: Fence | None = None) -> Link:
        """Return a link to ``http://sim/<name>``."""
        return SimLink(self._world, host_of(url), fence)


class RemoteSimLinks:
    """Ways to the hosts that a ``tegar sim`` serves at *endpoint*."""

    def __init__(self, endpoint: str, connections: int = 200) -> None:
        self._endpoint = endpoint.rstrip("/")
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx.Client(trust_env=False, limits=limits)

    def to(self, url: str, fence: Fence | None = None) -> Link:
        """Return a link to ``http://sim/<name>``."""
        name = host_of(url)
        return HttpLink(f"{self._endpoint}/sim/{name}", self._client, fence, name)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
