"""Segments between two real hosts: guests on one reach each other, others do not, and the wire shows why."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from agents import Cloud, until
from captures import wire_of
from tenants import PREFIX, Tenancy, Tenant, make_key

from tegar.lab import cloud, machine
from tegar.lab.command import run
from tegar.model.router import GuestSpec
from tegar.model.spec import NetworkSpec, NicFilter, NicSpec, SecurityRules
from tegar.wire.host import GetFacts
from tegar.wire.net import AttachNic, DetachNic, UpdateNic
from tegar.wire.router import RemoveRouter
from tegar.wire.virt import MigrateDomain, PrepareMigration, ResumeDomain, StopDomain

REASON = cloud.available() or (
    None if shutil.which("ssh") and shutil.which("tcpdump") else "ssh, tcpdump are missing"
)
pytestmark = [pytest.mark.live, pytest.mark.skipif(REASON is not None, reason=f"no lab here: {REASON}")]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key that opens the guests."""
    return make_key(tmp_path_factory.mktemp("key"))


def vlan(world: Cloud, tag: int) -> NetworkSpec:
    """Return a VLAN of the guest network."""
    return NetworkSpec(str(uuid.uuid4()), world.lab.hosts["h1"].guest_bridge, tag)


def test_guests_of_a_vlan_reach_each_other_over_the_wire_and_no_other_vlan(world: Cloud, key: Path) -> None:
    red, blue = Tenancy(world, vlan(world, 100), key), Tenancy(world, vlan(world, 201), key, "h2")
    one, two, stranger = red.add("h1", 11), red.add("h2", 12), blue.add("h2", 13)
    for tenancy, guest in ((red, one), (red, two), (blue, stranger)):
        tenancy.await_login(guest)

    with wire_of(world.lab, "h1", "vlan 100 and tcp port 80") as seen:
        until(lambda: red.reaches(one, two.nic.ip), "the way there")
        until(lambda: red.reaches(two, one.nic.ip), "the way back")
    assert not red.reaches(one, stranger.nic.ip)
    assert not blue.reaches(stranger, one.nic.ip)
    print(seen[0].strip())
    assert "802.1Q" in seen[0]
    assert "vlan 100" in seen[0]

    assert red.run_in(one, f"ping -c 1 -W 3 {two.nic.ip}").returncode == 0
    red.run_in(one, f"ip addr add {PREFIX}.99/24 dev eth0")
    assert red.run_in(one, f"ping -c 1 -W 3 -I {PREFIX}.99 {two.nic.ip}").returncode != 0

    world.ask("h2", PrepareMigration(one.spec))
    world.ask("h1", MigrateDomain(one.spec.uuid, world.lab.hosts["h2"].mgmt_ip))
    world.ask("h2", ResumeDomain(one.spec.uuid))
    until(lambda: red.reaches(one, two.nic.ip), "the guest after its move")
    assert not red.reaches(one, stranger.nic.ip)
    assert red.run_in(one, f"ping -c 1 -W 3 -I {PREFIX}.99 {two.nic.ip}").returncode != 0
    end(world, {red: (one, two), blue: (stranger,)}, "h2")


def end(world: Cloud, tenancies: dict[Tenancy, tuple[Tenant, ...]], host: str = "") -> None:
    """Stop guests and routers."""
    for tenancy, tenants in tenancies.items():
        for tenant in tenants:
            world.ask(host or tenant.host, StopDomain(tenant.spec.uuid, 0))
        world.ask(tenancy.router_host, RemoveRouter(tenancy.router.uuid))


def test_a_nic_is_plugged_into_a_running_guest_and_out_again(world: Cloud, key: Path) -> None:
    red, blue = Tenancy(world, vlan(world, 110), key), Tenancy(world, vlan(world, 111), key, "h2")
    one = red.add("h1", 11)
    red.await_login(one)
    mac = f"{blue.router.subnets[0].mac[:-2]}21"
    more = NicSpec(str(uuid.uuid4()), blue.network, mac, f"{PREFIX}.33", 1)
    blue.tell(GuestSpec(one.spec.uuid, mac, more.ip, "second", is_default=False))

    for _ in range(2):
        world.ask("h1", AttachNic(one.spec.uuid, more))
    until(lambda: more.ip in red.run_in(one, "ip addr").stdout, "the second address")

    closed = replace(more, filter=NicFilter(groups=SecurityRules(), version=1))
    beside = ["timeout", "5", "busybox", "wget", "-q", "-O", "-", f"http://{more.ip}/"]
    for _ in range(2):
        world.ask("h1", UpdateNic(one.spec.uuid, closed))
    assert run(blue.beside(*beside)).returncode != 0

    for _ in range(2):
        world.ask("h1", DetachNic(one.spec.uuid, more))
    assert mac not in red.run_in(one, "ip link").stdout
    assert red.run_in(one, "true").returncode == 0
    end(world, {red: (one,), blue: ()})


def test_guests_of_a_vni_reach_each_other_over_the_storage_network(world: Cloud, key: Path) -> None:
    red, blue = (
        Tenancy(world, NetworkSpec(str(uuid.uuid4()), "storage0", vni=vni), key, host)
        for vni, host in ((5001, "h1"), (5002, "h2"))
    )
    one, two, stranger = red.add("h1", 11), red.add("h2", 12), blue.add("h1", 13)
    for tenancy, guest in ((red, one), (red, two), (blue, stranger)):
        tenancy.await_login(guest)

    until(lambda: red.reaches(one, two.nic.ip), "the way there")
    assert not red.reaches(one, stranger.nic.ip)
    assert not blue.reaches(stranger, one.nic.ip)
    assert "mtu 1450" in red.run_in(one, "ip link show eth0").stdout
    end(world, {red: (one, two), blue: (stranger,)})


def test_a_host_tells_how_it_can_cut_segments(world: Cloud) -> None:
    can = world.ask("h1", GetFacts()).can

    assert "vlan" in can
    assert ("ovs" in can) is not machine.has_vlan_devices()


def test_the_outside_is_behind_the_public_network_and_nowhere_else(world: Cloud) -> None:
    lab, topology = world.lab, world.lab.topology
    ping = ["busybox", "ping", "-c", "1", "-W", "2"]

    assert run([*ping, topology.public_gateway]).returncode == 0
    assert run(lab.outside([*ping, topology.public_address])).returncode == 0
    for ip in (topology.mgmt_gateway, lab.hosts["h1"].mgmt_ip, topology.guest_gateway):
        assert run(lab.outside([*ping, ip])).returncode != 0
