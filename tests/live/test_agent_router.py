"""A real router in a real namespace, asked by real DHCP clients."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from support.until import until
from tegar.agent.router.namespace import Namespace
from tegar.agent.router.process import Daemon
from tegar.agent.router.service import NamespaceRouters
from tegar.agent.segment.service import HostSegments
from tegar.kernel.errors import AgentRefused
from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec
from tegar.model.spec import NetworkSpec

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: needs root")]

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
class Wire:
    """A bridge with clients on it, each a namespace with one NIC."""

    tag: str
    folder: Path

    @property
    def bridge(self) -> str:
        return f"tgt{self.tag}b"

    def client(self, n: int, mac: str) -> str:
        """Add a client; return its namespace."""
        space, port = f"tgt{self.tag}-{n}", f"tgt{self.tag}c{n}"
        sh("ip", "netns", "add", space)
        sh("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", space)
        sh("ip", "link", "set", port, "master", self.bridge, "up")
        sh("ip", "-n", space, "link", "set", "lo", "up")
        sh("ip", "-n", space, "link", "set", "eth0", "up")
        return space

    def lease(self, space: str) -> str:
        """Ask for a lease; return what it says, empty when there is none."""
        script, said = self.folder / "lease.sh", self.folder / f"{space}.lease"
        script.write_text(LEASE_SCRIPT)
        script.chmod(0o755)
        said.unlink(missing_ok=True)
        argv = (
            "ip",
            "netns",
            "exec",
            space,
            "busybox",
            "udhcpc",
            "-n",
            "-q",
            "-f",
            "-t",
            "4",
            "-T",
            "1",
            "-O",
            "staticroutes",
        )
        sh(*argv, "-i", "eth0", "-s", str(script), check=False, env={"LEASE": str(said)})
        return said.read_text() if said.exists() else ""

    def get(self, space: str, path: str, at: str) -> str:
        """Fetch a page; return it, empty when there is none."""
        script = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=3).read().decode(), end='')"
        return sh(
            "ip", "netns", "exec", space, sys.executable, "-c", script, f"http://{at}{path}", check=False
        ).stdout

    def remove(self) -> None:
        """Take all of it away."""
        for row in json.loads(sh("ip", "-json", "netns", "list").stdout or "[]"):
            if row["name"].startswith(f"tgt{self.tag}"):
                sh("ip", "netns", "del", row["name"])
        sh("ip", "link", "del", self.bridge, check=False)


@pytest.fixture
def wire() -> Iterator[Wire]:
    # not under pytest's own directory, which dnsmasq without root may not enter
    with tempfile.TemporaryDirectory(prefix="tegar-router-") as folder:
        os.chmod(folder, 0o755)
        made = Wire(secrets.token_hex(3), Path(folder))
        sh("ip", "link", "add", made.bridge, "type", "bridge")
        sh("ip", "link", "set", made.bridge, "up")
        yield made
        made.remove()


@pytest.fixture
def routers(wire: Wire) -> Iterator[NamespaceRouters]:
    service = NamespaceRouters(wire.folder, HostSegments())
    yield service
    for router in service.all():
        service.remove(router.uuid)


def guest(n: int, **more: object) -> GuestSpec:
    """Return the n-th guest."""
    base = GuestSpec(str(uuid.uuid4()), f"02:00:00:00:07:{n:02x}", f"10.77.7.{10 + n}", f"vm-{n}")
    return replace(base, **more)  # type: ignore[arg-type]


def router(wire: Wire, version: int, *guests: GuestSpec, id: str) -> RouterSpec:
    """Return a router's spec."""
    net = SubnetSpec(
        network=NetworkSpec(str(uuid.uuid5(uuid.NAMESPACE_DNS, id)), wire.bridge),
        mac="02:00:00:00:07:ff", ip="10.77.7.2", prefix_len=24, gateway="10.77.7.1", domain="shared.test",
        dns=("10.77.7.1",), guests=guests,
    )  # fmt: skip
    return RouterSpec(id, version, (net,))


def test_a_guest_gets_its_lease_its_name_and_its_metadata(wire: Wire, routers: NamespaceRouters) -> None:
    data = base64.b64encode(b"#!/bin/sh\necho hello\n").decode()
    one = guest(
        1, user_data=data, public_keys=("ssh-ed25519 AAAA one",), meta=(("service-offering", "small"),)
    )
    routers.apply(router(wire, 1, one, guest(2), id=str(uuid.uuid4())))
    space = wire.client(1, one.mac)

    lease = wire.lease(space)

    assert lease.startswith("10.77.7.11 24 router=10.77.7.1 dns=10.77.7.2 domain=shared.test hostname=vm-1")
    assert "169.254.169.254/32 10.77.7.2" in lease
    assert wire.get(space, "/latest/user-data", "10.77.7.2") == "#!/bin/sh\necho hello\n"
    assert wire.get(space, "/latest/meta-data/service-offering", "10.77.7.2") == "small"
    assert wire.get(space, "/latest/meta-data/public-keys", "10.77.7.2") == "ssh-ed25519 AAAA one\n"
    sh("ip", "-n", space, "route", "add", "169.254.169.254/32", "via", "10.77.7.2")
    assert wire.get(space, "/latest/meta-data/instance-id", "169.254.169.254") == one.vm_uuid
    told = json.loads(wire.get(space, "/openstack/latest/meta_data.json", "169.254.169.254"))
    assert told["uuid"] == one.vm_uuid
    resolved = sh("ip", "netns", "exec", space, "busybox", "nslookup", "vm-2.shared.test", "10.77.7.2").stdout
    assert "10.77.7.12" in resolved


def test_an_unknown_mac_gets_no_lease_and_an_unknown_address_no_metadata(
    wire: Wire, routers: NamespaceRouters
) -> None:
    routers.apply(router(wire, 1, guest(1, user_data="c2VjcmV0"), id=str(uuid.uuid4())))
    space = wire.client(9, "02:00:00:00:07:99")

    assert wire.lease(space) == ""
    sh("ip", "-n", space, "addr", "add", "10.77.7.200/24", "dev", "eth0")
    assert wire.get(space, "/latest/user-data", "10.77.7.2") == ""


def test_a_guests_port_is_knocked_at_from_beside_it(wire: Wire, routers: NamespaceRouters) -> None:
    id, one = str(uuid.uuid4()), guest(1)
    routers.apply(router(wire, 1, one, id=id))
    space = wire.client(1, one.mac)
    sh("ip", "-n", space, "addr", "add", f"{one.ip}/24", "dev", "eth0")
    assert not routers.knock(id, one.ip, 5432)

    argv = ("ip", "netns", "exec", space, "busybox", "nc", "-l", "-p", "5432")
    with subprocess.Popen(argv) as listener:
        try:
            until(
                lambda: "5432" in sh("ip", "netns", "exec", space, "ss", "-ltn").stdout, "the guest listens"
            )
            accepted = routers.knock(id, one.ip, 5432)
        finally:
            listener.kill()

    assert accepted
    with pytest.raises(AgentRefused, match="is not here"):
        routers.knock(str(uuid.uuid4()), one.ip, 5432)


def test_one_more_guest_restarts_nothing(wire: Wire, routers: NamespaceRouters) -> None:
    id = str(uuid.uuid4())
    one, two = guest(1), guest(2)
    routers.apply(router(wire, 1, one, id=id))
    assert wire.lease(wire.client(1, one.mac))
    before = [Daemon(wire.folder / id / name).pid() for name in ("dnsmasq.run", "metadata.run")]

    assert routers.apply(router(wire, 2, one, two, id=id)) == 2

    assert [Daemon(wire.folder / id / name).pid() for name in ("dnsmasq.run", "metadata.run")] == before
    space = wire.client(2, two.mac)
    assert wire.lease(space).startswith("10.77.7.12 ")
    assert wire.get(space, "/latest/meta-data/instance-id", "10.77.7.2") == two.vm_uuid


def test_an_address_leased_to_a_guest_that_is_gone_goes_to_the_next_one(
    wire: Wire, routers: NamespaceRouters
) -> None:
    id = str(uuid.uuid4())
    old = guest(1)
    routers.apply(router(wire, 1, old, id=id))
    assert wire.lease(wire.client(1, old.mac))

    routers.apply(router(wire, 2, guest(1, mac="02:00:00:00:07:55"), id=id))

    assert wire.lease(wire.client(2, "02:00:00:00:07:55")).startswith("10.77.7.11 ")


def test_an_older_version_is_ignored_and_a_restarted_agent_finds_the_newer(
    wire: Wire, routers: NamespaceRouters
) -> None:
    id = str(uuid.uuid4())
    routers.apply(router(wire, 5, guest(1), id=id))
    dnsmasq = Daemon(wire.folder / id / "dnsmasq.run").pid()

    again = NamespaceRouters(wire.folder, HostSegments())
    again.revive()

    assert again.apply(router(wire, 4, id=id)) == 5
    assert [(r.uuid, r.version) for r in again.all()] == [(id, 5)]
    assert Daemon(wire.folder / id / "dnsmasq.run").pid() == dnsmasq


def test_a_process_that_died_is_revived_and_a_vanished_namespace_is_not_listed(
    wire: Wire, routers: NamespaceRouters
) -> None:
    id = str(uuid.uuid4())
    routers.apply(router(wire, 1, guest(1), id=id))
    service = Daemon(wire.folder / id / "metadata.run")
    service.stop()

    routers.revive()

    assert service.pid()
    sh("ip", "netns", "del", Namespace(id).name)
    assert routers.all() == ()
    routers.apply(router(wire, 1, guest(1), id=id))
    assert wire.lease(wire.client(1, guest(1).mac)).startswith("10.77.7.11 ")


def test_nothing_but_the_services_answers(wire: Wire, routers: NamespaceRouters) -> None:
    id, one = str(uuid.uuid4()), guest(1)
    routers.apply(router(wire, 1, one, id=id))
    space = wire.client(1, one.mac)
    wire.lease(space)
    sh(*Namespace(id).enter("busybox", "httpd", "-p", "8080", "-h", "/usr/share"))

    assert wire.get(space, "/", "10.77.7.2:8080") == ""
    assert (
        sh("ip", "netns", "exec", space, "busybox", "ping", "-c1", "-W3", "10.77.7.2", check=False).returncode
        == 0
    )
    pids = sh("ip", "netns", "pids", Namespace(id).name).stdout.split()
    httpd = [pid for pid in pids if b"httpd" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    sh("kill", *httpd)


def test_a_vlan_is_cut_or_refused_in_words(wire: Wire) -> None:
    sh("ip", "link", "add", f"tgt{wire.tag}u", "type", "veth", "peer", "name", f"tgt{wire.tag}w")
    try:
        sh("ip", "link", "set", f"tgt{wire.tag}u", "master", wire.bridge)
        bridges = HostSegments()
        network = NetworkSpec(str(uuid.uuid4()), wire.bridge, 77)
        if bridges.vlan_devices:
            assert bridges.ensure(network) == bridges.ensure(network)
            sh("ip", "link", "del", bridges.ensure(network).bridge)
        else:
            with pytest.raises(AgentRefused, match=r"802\.1Q"):
                bridges.ensure(network)
    finally:
        sh("ip", "link", "del", f"tgt{wire.tag}u")
