"""Bridges with clients on them, each a namespace with one NIC, for tests of real routers."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.until import until
from tegar.agent.router.service import NamespaceRouters
from tegar.agent.segment.service import HostSegments
from tegar.model.spec import NetworkSpec

PEERS = str(Path(__file__).with_name("peers.py"))
SHORT_S = 0.7  # long enough for an answer on a busy machine, and short enough to wait for the lack of one
LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
busybox ip addr add "$ip/$mask" dev "$interface"
echo "$ip $mask router=$router dns=$dns domain=$domain hostname=$hostname routes=$staticroutes" > "$LEASE"
"""


def sh(*argv: str, check: bool = True, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program."""
    return subprocess.run(
        argv, check=check, capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})}
    )


@dataclass
class Client:
    """A namespace with one NIC, ``eth0``."""

    space: str
    mac: str = ""
    _servers: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, *argv: str, check: bool = False, env: dict[str, str] | None = None) -> str:
        """Run a program in it; return what it prints."""
        return sh("ip", "netns", "exec", self.space, *argv, check=check, env=env).stdout

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start a program in it that is ended with the test."""
        words = ("ip", "netns", "exec", self.space, *argv)
        self._servers.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        return self._servers[-1]

    def serve(self, name: str, *ports: int, kind: str = "tcp") -> None:
        """Answer at these ports with a name and the asker's address."""
        for port in ports:
            server = self.start(sys.executable, PEERS, "serve", name, kind, str(port))
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"

    def ask(self, ip: str, port: int, kind: str = "tcp", patience_s: float = 5.0) -> str:
        """Return what answers there: a name and the address that it sees; empty when nothing does."""
        return self.run(sys.executable, PEERS, "ask", kind, ip, str(port), str(patience_s))

    @contextmanager
    def asking(self, ip: str, port: int, seconds: float, rate: float) -> Iterator[dict[str, Any]]:
        """Ask so often while the block runs and until the time is over; then say what came of it."""
        argv = ("ip", "netns", "exec", self.space, sys.executable, PEERS, "keep", "tcp")
        words = (*argv, ip, str(port), str(seconds), str(rate))
        found: dict[str, Any] = {}
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == "ready\n"
            yield found
            found |= json.loads(client.stdout.read())

    @contextmanager
    def streaming(self, giver: Client, ip: str, port: int, seconds: float) -> Iterator[Transfer]:
        """Read for so long what another client sends from that address and port."""
        sender = giver.start(sys.executable, PEERS, "give", str(port), str(seconds))
        assert sender.stdout is not None
        assert sender.stdout.readline() == "ready\n"
        yield Transfer(self.start(sys.executable, PEERS, "take", ip, str(port)))

    def is_refused(self, ip: str, port: int, kind: str = "tcp") -> bool:
        """Return whether nothing answers there."""
        return self.ask(ip, port, kind, SHORT_S) == ""

    def pings(self, ip: str) -> bool:
        """Return whether an address answers a ping."""
        done = sh("ip", "netns", "exec", self.space, "busybox", "ping", "-c1", "-W1", ip, check=False)
        return done.returncode == 0

    def get(self, url: str, **headers: str) -> str:
        """Fetch a page; return it, empty when there is none."""
        script = (
            "import json, sys, urllib.request as u\n"
            "ask = u.Request(sys.argv[1], headers=json.loads(sys.argv[2]))\n"
            "print(u.urlopen(ask, timeout=3).read().decode(), end='')"
        )
        return self.run(sys.executable, "-c", script, url, json.dumps(headers))

    def stop(self) -> None:
        """End its servers."""
        while self._servers:
            server = self._servers.pop()
            server.kill()
            server.communicate()


@dataclass
class Transfer:
    """A long transfer that is under way."""

    process: subprocess.Popen[str]

    def bytes_seen(self) -> int:
        """Return how many bytes have come, once more have."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline() or 0)

    def result(self) -> dict[str, Any]:
        """Wait for the end; return what came of it."""
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.read().splitlines()[-1])
        return found


@dataclass
class Wire:
    """Bridges of one test and all that hangs on them."""

    tag: str
    folder: Path
    clients: list[Client] = field(default_factory=list)
    _bridges: list[str] = field(default_factory=list)
    _links: list[str] = field(default_factory=list)

    def bridge(self, name: str = "b") -> str:
        """Return a bridge, made when it is not there; *name* is one letter."""
        bridge = f"tgt{self.tag}{name}"
        if bridge not in self._bridges:
            sh("ip", "link", "add", bridge, "type", "bridge")
            sh("ip", "link", "set", bridge, "up")
            self._bridges.append(bridge)
        return bridge

    def cable(self, one: str, other: str) -> str:
        """Join two bridges; return the name of the end that can be cut."""
        end = f"tgt{self.tag}k{one}"
        sh("ip", "link", "add", end, "type", "veth", "peer", "name", f"{end}x")
        self._links.append(end)
        for name, at in ((end, one), (f"{end}x", other)):
            sh("ip", "link", "set", name, "master", self.bridge(at), "up")
        return end

    def network(self, name: str = "b") -> NetworkSpec:
        """Return the segment that is a bridge; the same for the same name."""
        return NetworkSpec(str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.tag}{name}")), self.bridge(name))

    def client(self, mac: str = "", on: str = "b", address: str = "", via: str = "") -> Client:
        """Add a client to a bridge, with an address and a default route if told."""
        n = len(self.clients)
        space, port = f"tgt{self.tag}-{n}", f"tgt{self.tag}c{n}"
        sh("ip", "netns", "add", space)
        own = ("address", mac) if mac else ()
        sh("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", *own, "netns", space)
        sh("ip", "link", "set", port, "master", self.bridge(on), "up")
        sh("ip", "-n", space, "link", "set", "lo", "up")
        sh("ip", "-n", space, "link", "set", "eth0", "up")
        if address:
            sh("ip", "-n", space, "addr", "add", address, "dev", "eth0")
        if via:
            sh("ip", "-n", space, "route", "add", "default", "via", via)
        self.clients.append(Client(space, mac))
        return self.clients[-1]

    def lease(self, client: Client) -> str:
        """Ask for a lease; return what it says, empty when there is none."""
        script, said = self.folder / "lease.sh", self.folder / f"{client.space}.lease"
        script.write_text(LEASE_SCRIPT)
        script.chmod(0o755)
        said.unlink(missing_ok=True)
        asking = ("busybox", "udhcpc", "-n", "-q", "-f", "-t", "4", "-T", "1", "-O", "staticroutes")
        client.run(*asking, "-i", "eth0", "-s", str(script), env={"LEASE": str(said)})
        return said.read_text() if said.exists() else ""

    def remove(self) -> None:
        """Take all of it away."""
        for client in self.clients:
            client.stop()
            sh("ip", "netns", "del", client.space, check=False)
        for link in (*self._links, *self._bridges):
            sh("ip", "link", "del", link, check=False)


@contextmanager
def making_wire() -> Iterator[Wire]:
    """Have a wire for as long as a test runs."""
    # not under pytest's own directory, which dnsmasq without root may not enter
    with tempfile.TemporaryDirectory(prefix="tegar-router-") as folder:
        os.chmod(folder, 0o755)
        made = Wire(secrets.token_hex(3), Path(folder))
        try:
            yield made
        finally:
            made.remove()


@contextmanager
def making_routers(folder: Path) -> Iterator[NamespaceRouters]:
    """Have routers for as long as a test runs."""
    service = NamespaceRouters(folder, HostSegments())
    try:
        yield service
    finally:
        for router in service.all():
            service.remove(router.uuid)


def listens(client: Client, port: int) -> None:
    """Wait until somebody listens at a TCP port."""
    until(lambda: f":{port} " in client.run("ss", "-ltn"), f"{client.space} listens at {port}")
