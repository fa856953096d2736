"""Ways to all hosts: agents over mutual TLS, simulated ones through ``tegar sim``."""

from __future__ import annotations

from pathlib import Path

from tegar.kernel.errors import Unreachable
from tegar.kernel.link import HttpLink, tls_client
from tegar.kernel.wire import Fence, Link
from tegar.sim.links import PREFIX, RemoteSimLinks


class AllLinks:
    """Chooses by the address."""

    def __init__(self, tls: Path, sim: str) -> None:
        """Take the server's identity in *tls* and the simulator's address (empty: none)."""
        self._client = tls_client(tls / "server.crt", tls / "server.key", tls / "agents-ca.crt")
        self._sim = RemoteSimLinks(sim) if sim else None

    def to(self, url: str, fence: Fence | None = None) -> Link:
        """Return a link.

        Raises:
            Unreachable: a simulated host, and this server knows no simulator.
        """
        if not url.startswith(PREFIX):
            return HttpLink(url, self._client, fence)
        if self._sim is None:
            raise Unreachable(url, "this server was started without --sim")
        return self._sim.to(url, fence)
