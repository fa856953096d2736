"""A real router in a real namespace, asked by real DHCP clients."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from wires import Wire, sh

from tegar.agent.router.namespace import Namespace
from tegar.agent.router.process import Daemon
from tegar.agent.router.service import NamespaceRouters
from tegar.agent.segment.service import HostSegments
from tegar.kernel.errors import AgentRefused
from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec
from tegar.model.spec import NetworkSpec

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: needs root")]


def guest(n: int, **more: object) -> GuestSpec:
    """Return the n-th guest."""
    base = GuestSpec(str(uuid.uuid4()), f"02:00:00:00:07:{n:02x}", f"10.77.7.{10 + n}", f"vm-{n}")
    return replace(base, **more)  # type: ignore[arg-type]


def router(wire: Wire, version: int, *guests: GuestSpec, id: str) -> RouterSpec:
    """Return a router's spec."""
    net = SubnetSpec(
        network=wire.network(),
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
    space = wire.client(one.mac)

    lease = wire.lease(space)

    assert lease.startswith("10.77.7.11 24 router=10.77.7.1 dns=10.77.7.2 domain=shared.test hostname=vm-1")
    assert "169.254.169.254/32 10.77.7.2" in lease
    assert space.get("http://10.77.7.2/latest/user-data") == "#!/bin/sh\necho hello\n"
    assert space.get("http://10.77.7.2/latest/meta-data/service-offering") == "small"
    assert space.get("http://10.77.7.2/latest/meta-data/public-keys") == "ssh-ed25519 AAAA one\n"
    space.run("ip", "route", "add", "169.254.169.254/32", "via", "10.77.7.2")
    assert space.get("http://169.254.169.254/latest/meta-data/instance-id") == one.vm_uuid
    told = json.loads(space.get("http://169.254.169.254/openstack/latest/meta_data.json"))
    assert told["uuid"] == one.vm_uuid
    resolved = space.run("busybox", "nslookup", "vm-2.shared.test", "10.77.7.2")
    assert "10.77.7.12" in resolved


def test_an_unknown_mac_gets_no_lease_and_an_unknown_address_no_metadata(
    wire: Wire, routers: NamespaceRouters
) -> None:
    routers.apply(router(wire, 1, guest(1, user_data="c2VjcmV0"), id=str(uuid.uuid4())))
    space = wire.client("02:00:00:00:07:99")

    assert wire.lease(space) == ""
    space.run("ip", "addr", "add", "10.77.7.200/24", "dev", "eth0")
    assert space.get("http://10.77.7.2/latest/user-data") == ""


def test_a_guests_port_is_knocked_at_from_beside_it(wire: Wire, routers: NamespaceRouters) -> None:
    id, one = str(uuid.uuid4()), guest(1)
    routers.apply(router(wire, 1, one, id=id))
    space = wire.client(one.mac)
    space.run("ip", "addr", "add", f"{one.ip}/24", "dev", "eth0")
    assert not routers.knock(id, one.ip, 5432)

    space.serve("one", 5432)
    accepted = routers.knock(id, one.ip, 5432)

    assert accepted
    with pytest.raises(AgentRefused, match="is not here"):
        routers.knock(str(uuid.uuid4()), one.ip, 5432)


def test_one_more_guest_restarts_nothing(wire: Wire, routers: NamespaceRouters) -> None:
    id = str(uuid.uuid4())
    one, two = guest(1), guest(2)
    routers.apply(router(wire, 1, one, id=id))
    assert wire.lease(wire.client(one.mac))
    before = [Daemon(wire.folder / id / name).pid() for name in ("dnsmasq.run", "metadata.run")]

    assert routers.apply(router(wire, 2, one, two, id=id)) == 2

    assert [Daemon(wire.folder / id / name).pid() for name in ("dnsmasq.run", "metadata.run")] == before
    space = wire.client(two.mac)
    assert wire.lease(space).startswith("10.77.7.12 ")
    assert space.get("http://10.77.7.2/latest/meta-data/instance-id") == two.vm_uuid


def test_an_address_leased_to_a_guest_that_is_gone_goes_to_the_next_one(
    wire: Wire, routers: NamespaceRouters
) -> None:
    id = str(uuid.uuid4())
    old = guest(1)
    routers.apply(router(wire, 1, old, id=id))
    assert wire.lease(wire.client(old.mac))

    routers.apply(router(wire, 2, guest(1, mac="02:00:00:00:07:55"), id=id))

    assert wire.lease(wire.client("02:00:00:00:07:55")).startswith("10.77.7.11 ")


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
    assert wire.lease(wire.client(guest(1).mac)).startswith("10.77.7.11 ")


def test_a_router_is_made_anew_while_its_old_namespace_is_not_gone_yet(
    wire: Wire, routers: NamespaceRouters
) -> None:
    id = str(uuid.uuid4())
    routers.apply(router(wire, 1, guest(1), id=id))
    with subprocess.Popen(Namespace(id).enter("cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stays:
        assert stays.stdin
        assert stays.stdout
        stays.stdin.write(b"in\n")
        stays.stdin.flush()
        assert stays.stdout.readline() == b"in\n"
        sh("ip", "netns", "del", Namespace(id).name)

        routers.apply(router(wire, 1, guest(1), id=id))

        assert wire.lease(wire.client(guest(1).mac)).startswith("10.77.7.11 ")


def test_nothing_but_the_services_answers(wire: Wire, routers: NamespaceRouters) -> None:
    id, one = str(uuid.uuid4()), guest(1)
    routers.apply(router(wire, 1, one, id=id))
    space = wire.client(one.mac)
    wire.lease(space)
    sh(*Namespace(id).enter("busybox", "httpd", "-p", "8080", "-h", "/usr/share"))

    assert space.get("http://10.77.7.2:8080/") == ""
    assert space.pings("10.77.7.2")
    pids = sh("ip", "netns", "pids", Namespace(id).name).stdout.split()
    httpd = [pid for pid in pids if b"httpd" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    sh("kill", *httpd)


def test_a_vlan_is_cut_or_refused_in_words(wire: Wire) -> None:
    sh("ip", "link", "add", f"tgt{wire.tag}u", "type", "veth", "peer", "name", f"tgt{wire.tag}w")
    try:
        sh("ip", "link", "set", f"tgt{wire.tag}u", "master", wire.bridge())
        bridges = HostSegments()
        network = NetworkSpec(str(uuid.uuid4()), wire.bridge(), 77)
        if bridges.vlan_devices:
            assert bridges.ensure(network) == bridges.ensure(network)
            sh("ip", "link", "del", bridges.ensure(network).bridge)
        else:
            with pytest.raises(AgentRefused, match=r"802\.1Q"):
                bridges.ensure(network)
    finally:
        sh("ip", "link", "del", f"tgt{wire.tag}u")
