"""Agents on two real hosts, asked over mutual TLS: guests start, grow disks, move, end."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from agents import NFS, PATIENCE_S, Cloud, Guest, answers, deploy, until

from tegar.kernel.errors import AgentRefused, TegarError, Unavailable
from tegar.lab import cloud
from tegar.lab.command import must
from tegar.model.lease import Permit
from tegar.model.spec import (
    DiskSpec,
    DomainSpec,
    NetworkSpec,
    NicSpec,
    StoreSpec,
)
from tegar.wire.disk import CreateDisk, DeleteDisk, DeleteSeed, OpenPool, SeedTemplate
from tegar.wire.guard import GetGuard, SetGuard, WitnessAt
from tegar.wire.host import GetFacts
from tegar.wire.image import DeleteImage, FetchImage, OpenStore
from tegar.wire.router import ApplyRouter, ListRouters, RemoveRouter
from tegar.wire.virt import (
    AttachDisk,
    DetachDisk,
    FindDomain,
    GetStats,
    ListDomains,
    MigrateDomain,
    PingGuests,
    PrepareMigration,
    ResumeDomain,
    StartDomain,
    StopDomain,
)

REASON = cloud.available()
pytestmark = [pytest.mark.live, pytest.mark.skipif(REASON is not None, reason=f"no lab here: {REASON}")]


@pytest.mark.parametrize("kind", ["shared", *(["nfs"] if NFS else [])])
def test_a_guest_lives_a_whole_life(world: Cloud, kind: str) -> None:
    guest = deploy(world, kind)
    id, pool = guest.spec.uuid, world.pools[kind]
    until(lambda: world.page(guest.ip).get("userdata") == "hello", "the guest's page")
    assert world.ask("h1", StartDomain(guest.spec)).uuid == id
    assert [d.name for d in world.ask("h1", ListDomains()).domains] == [guest.spec.name]

    data = DiskSpec(str(uuid.uuid4()), pool, 1 << 30, 1)
    world.ask("h1", CreateDisk(pool, data.volume_uuid, data.size_bytes))
    world.ask("h1", AttachDisk(id, data))
    world.ask("h1", AttachDisk(id, data))
    until(lambda: "vdb:1073741824" in world.page(guest.ip).get("disks", ""), "the disk in the guest")
    world.ask("h1", DetachDisk(id, data))
    world.ask("h1", DetachDisk(id, data))
    until(lambda: "vdb" not in world.page(guest.ip).get("disks", "vdb"), "the disk to go")

    stats = world.ask("h1", GetStats()).domains
    assert [s.uuid for s in stats] == [id]
    assert stats[0].cpu_ns > 0
    assert stats[0].disk_read_bytes > 0
    assert stats[0].net_read_bytes > 0

    world.ask("h2", PrepareMigration(guest.spec))
    start_s = time.monotonic()
    world.ask("h1", MigrateDomain(id, world.lab.hosts["h2"].mgmt_ip))
    print(f"the move took {time.monotonic() - start_s:.1f} s")
    assert world.ask("h1", FindDomain(id)).domains == ()
    assert [d.state.value for d in world.ask("h2", FindDomain(id)).domains] == ["paused"]
    world.ask("h2", ResumeDomain(id))
    world.ask("h2", ResumeDomain(id))
    until(
        lambda: [d.state.value for d in world.ask("h2", FindDomain(id)).domains] == ["running"], "the resume"
    )
    assert world.ask("h2", StartDomain(guest.spec)).vnc_port >= 5900
    until(lambda: world.page(guest.ip).get("boots") == "1", "the guest's page after the move")

    assert world.ask("h2", StopDomain(id, 60)).was_running
    assert not world.ask("h2", StopDomain(id, 60)).was_running
    assert world.reports == []
    for disk in (guest.spec.disks[0], data):
        world.ask("h2", DeleteDisk(pool, disk.volume_uuid))
        world.ask("h2", DeleteDisk(pool, disk.volume_uuid))


def test_a_guest_that_powers_itself_off_is_reported(world: Cloud) -> None:
    guest = deploy(world, "shared")
    until(lambda: bool(world.page(guest.ip)), "the guest's page")
    world.reports.clear()

    must(world.lab.hosts["h1"].enter(["virsh", "shutdown", "--mode", "acpi", guest.spec.name]))

    until(lambda: bool(world.reports), "the report")
    assert world.reports == [
        {
            "host_uuid": "h1",
            "what": "domain-stopped",
            "uuid": guest.spec.uuid,
            "reason": "shutdown",
            "secret": "s3cret",
        }
    ]


def test_libvirtd_may_restart_under_the_agent(world: Cloud) -> None:
    guest = deploy(world, "shared")
    host = world.lab.hosts["h1"]
    pid = host.service_pid("libvirtd")
    must(host.enter(["sh", "-c", "kill -9 $(cat /run/libvirtd.pid)"]))
    until(lambda: host.service_pid("libvirtd") not in (None, pid), "libvirtd")

    def found() -> bool:
        try:
            return len(world.ask("h1", FindDomain(guest.spec.uuid)).domains) == 1
        except Unavailable:
            return False

    until(found, "the domain")
    assert world.ask("h1", StopDomain(guest.spec.uuid, 0)).was_running


def test_a_foreign_domain_is_not_listed(world: Cloud) -> None:
    host = world.lab.hosts["h1"]
    (host.var_dir / "foreign.xml").write_text(
        "<domain type='qemu'><name>foreign</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os>"
        "</domain>"
    )
    must(host.enter(["virsh", "create", "/var/lib/tegar/foreign.xml"]))

    assert "foreign" not in [d.name for d in world.ask("h1", ListDomains()).domains]
    must(host.enter(["virsh", "destroy", "foreign"]))


def test_what_is_missing_is_refused_in_words(world: Cloud) -> None:
    network = NetworkSpec(str(uuid.uuid4()), "nobridge")
    nic = NicSpec(str(uuid.uuid4()), network, "02:00:00:00:08:fe", "10.0.0.9", 0)
    spec = DomainSpec(str(uuid.uuid4()), "i-9-9-VM", 1, 500, 64 << 20, (), (nic,))

    with pytest.raises(AgentRefused, match="there is no bridge nobridge"):
        world.ask("h1", StartDomain(spec))
    gone = replace(world.pools["shared"], path="/srv/nothing")
    with pytest.raises(Unavailable, match="is it mounted"):
        world.ask("h1", OpenPool(gone))


@pytest.mark.skipif(not NFS, reason="the NFS server's packages are missing")
def test_a_dead_nfs_server_hangs_nothing(world: Cloud) -> None:
    storage = world.lab.storage
    assert storage is not None
    assert world.ask("h1", OpenStore(StoreSpec(str(uuid.uuid4()), storage.secondary_url))).capacity_bytes > 0
    pid = storage.node.service_pid("ganesha")
    assert pid
    must(["kill", "-STOP", str(pid)])
    try:
        with pytest.raises(Unavailable):
            world.ask("h1", OpenPool(world.pools["nfs"]))
        assert world.ask("h1", GetFacts()).name == "h1"
    finally:
        must(["kill", "-CONT", str(pid)])


@pytest.mark.skipif(not NFS, reason="the NFS server's packages are missing")
def test_a_template_goes_into_an_nfs_store_and_from_there_to_a_pool(world: Cloud) -> None:
    assert world.lab.storage
    store, template = StoreSpec(str(uuid.uuid4()), world.lab.storage.secondary_url), str(uuid.uuid4())

    facts = world.ask("h1", FetchImage(store, template, world.url, "QCOW2", "", 1 << 30))
    assert world.ask("h2", FetchImage(store, template, world.url, "QCOW2", "", 1 << 30)) == facts
    seeded = world.ask("h2", SeedTemplate(world.pools["nfs"], template, store))
    assert seeded.size_bytes == facts.size_bytes
    for _ in range(2):
        world.ask("h1", DeleteSeed(world.pools["nfs"], template))
        world.ask("h1", DeleteImage(store, template))


def test_a_new_agent_finds_guests_and_routers_and_a_booted_host_has_none(world: Cloud) -> None:
    guest = deploy(world, "shared", "h2")
    host = world.lab.hosts["h2"]
    before = world.ask("h2", GetFacts())
    until(lambda: bool(world.page(guest.ip)), "the guest's page")
    dnsmasq = host.run(["sh", "-c", f"cat /var/lib/tegar/routers/{guest.router.uuid}/dnsmasq.run"]).stdout
    pid = host.service_pid("agent")
    assert pid
    must(["kill", "-9", str(pid)])
    until(lambda: host.service_pid("agent") not in (None, pid) and answers(world.links["h2"]), "the agent")

    assert guest.router.uuid in [r.uuid for r in world.ask("h2", ListRouters()).routers]
    assert guest.spec.uuid in [d.uuid for d in world.ask("h2", ListDomains()).domains]
    after = host.run(["sh", "-c", f"cat /var/lib/tegar/routers/{guest.router.uuid}/dnsmasq.run"]).stdout
    assert dnsmasq
    assert dnsmasq == after
    world.reports.clear()
    must(host.enter(["virsh", "destroy", guest.spec.name]))
    until(lambda: bool(world.reports), "the report")
    assert world.reports[0]["reason"] == "destroyed"

    host.power_off()
    host.power_on()
    until(lambda: answers(world.links["h2"]), "the agent after the boot")
    assert world.ask("h2", ListRouters()).routers == ()
    assert world.ask("h2", ListDomains()).domains == ()
    now = world.ask("h2", GetFacts())
    assert now.uuid == before.uuid
    assert now.boot_id != before.boot_id
    assert world.ask("h2", ApplyRouter(guest.router)).version == 1
    assert world.ask("h2", RemoveRouter(guest.router.uuid))


def qemu_pid(uuid: str, number: int = 1) -> int:
    """Return the first or second process of a domain, as this machine numbers it; 0: there is none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"qemu-system" in words[0] and any(f"/{uuid}.sock".encode() in word for word in words):
            found.append(int(folder.name))
    return sorted(found)[number - 1] if len(found) >= number else 0


def test_a_dead_qemu_is_reported_at_once_and_listed(world: Cloud) -> None:
    guest = deploy(world, "shared")
    world.reports.clear()
    must(["kill", "-9", str(qemu_pid(guest.spec.uuid))])
    start_s = time.monotonic()

    while not world.reports:
        assert time.monotonic() - start_s < PATIENCE_S
        time.sleep(0.001)
    print(f"the report of a dead QEMU came after {1000 * (time.monotonic() - start_s):.0f} ms")
    assert world.reports[0]["reason"] == "failed"
    listed = world.ask("h1", ListDomains())
    assert (guest.spec.uuid, "failed") in [(it.uuid, it.reason) for it in listed.ended]
    world.ask("h1", StartDomain(guest.spec))
    until(lambda: guest.spec.uuid not in [it.uuid for it in world.ask("h1", ListDomains()).ended], "the list")
    info = must(world.lab.hosts["h1"].enter(["virsh", "dominfo", guest.spec.name]))
    assert "Persistent:     no" in str(info)
    assert world.ask("h1", StopDomain(guest.spec.uuid, 0)).was_running


def test_a_guest_without_an_agent_holds_nobody_up(world: Cloud) -> None:
    guest = deploy(world, "shared")

    pulses = world.ask("h1", PingGuests()).guests

    assert [p.answered_ago_s for p in pulses if p.uuid == guest.spec.uuid] == [-1.0]
    world.ask("h1", StopDomain(guest.spec.uuid, 0))


def test_locks_of_a_dead_copy_are_waited_for_unless_its_death_is_proven(world: Cloud) -> None:
    guest = deploy(world, "shared", "h1")
    id = guest.spec.uuid
    must(["kill", "-STOP", str(qemu_pid(id))])
    try:
        with pytest.raises(AgentRefused, match="lock"):
            world.ask("h2", StartDomain(replace(guest.spec, nics=())))
        assert world.ask("h2", FindDomain(id)).domains == ()

        start_s = time.monotonic()
        world.ask("h2", StartDomain(replace(guest.spec, nics=()), None, True))
        print(f"a start without locks took {time.monotonic() - start_s:.2f} s")
        until(lambda: [d.state.value for d in world.ask("h2", FindDomain(id)).domains] == ["running"], "it")
    finally:
        world.ask("h2", StopDomain(id, 0))
        must(["kill", "-9", str(qemu_pid(id))])


class WardenOf:
    """A warden by hand, from outside of the host."""

    def __init__(self, world: Cloud, name: str) -> None:
        self._root = Path(f"/proc/{world.lab.hosts[name].init_pid}/root/run/tegar")
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        (self._root / "warden.sock").unlink(missing_ok=True)
        self._ear.bind(str(self._root / "warden.sock"))
        self._ear.settimeout(PATIENCE_S)
        self._number = time.monotonic_ns()

    def done(self, verb: str, epoch: int = 0) -> float:
        """Give an order, repeat it as the warden does, and return how many seconds it took."""
        self._number, start_s = self._number + 1, time.monotonic()
        order = json.dumps({"number": self._number, "verb": verb, "epoch": epoch}).encode()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(order, str(self._root / "hands.sock"))
        while time.monotonic() - start_s < PATIENCE_S:
            said = json.loads(self._ear.recv(4096))
            if said.get("number") == self._number and said["done"]:
                return time.monotonic() - start_s
        raise AssertionError(f"{verb} was never done")

    def close(self) -> None:
        """Stop listening."""
        self._ear.close()


@contextmanager
def guarded(world: Cloud, name: str) -> Iterator[WardenOf]:
    """Guard a host for a while."""
    world.ask(name, SetGuard(name, "00" * 32, (WitnessAt("w1", "127.0.0.1", 9),)))
    warden, host = WardenOf(world, name), world.lab.hosts[name]
    yield warden
    warden.close()
    (host.var_dir / "guard.json").unlink()
    must(["kill", "-9", str(host.service_pid("agent"))])
    until(lambda: answers(world.links[name]), "the agent")


def test_a_guarded_host_runs_guests_by_its_lease_alone(world: Cloud) -> None:
    spare = [deploy(world, "shared", "h2")]
    with guarded(world, "h2") as warden:
        live_by_lease(world, spare[0], warden)


def live_by_lease(world: Cloud, spare: Guest, warden: WardenOf) -> None:
    host, facts = world.lab.hosts["h2"], world.ask("h2", GetGuard())
    assert (facts.configured, facts.verb) == (True, "")
    permit = Permit(facts.boot, 0, 1)

    def states() -> list[str]:
        return sorted({d.state.value for d in world.ask("h2", ListDomains()).domains})

    warden.done("close")
    until(lambda: states() == ["paused"], "the pause of what ran before")
    warden.done("open")
    until(lambda: states() == ["running"], "the resume")
    with pytest.raises(AgentRefused, match="only with a permit"):
        world.ask("h2", StartDomain(spare.spec))
    pool = world.pools["shared"]
    for number in range(2, 6):
        disk = DiskSpec(str(uuid.uuid4()), pool, 64 << 20, 0)
        world.ask("h2", CreateDisk(pool, disk.volume_uuid, disk.size_bytes, world.template_uuid))
        spec = DomainSpec(str(uuid.uuid4()), f"i-3-{number}-VM", 1, 500, 96 << 20, (disk,), ())
        start_s = time.monotonic()
        world.ask("h2", StartDomain(spec, permit))
        print(f"a start through the gate took {time.monotonic() - start_s:.2f} s")
    for _ in range(3):
        print(
            f"5 guests: pause {1000 * warden.done('close'):.1f} ms, resume {1000 * warden.done('open'):.1f} ms"
        )

    libvirtd = host.service_pid("libvirtd")
    must(["kill", "-STOP", str(libvirtd)])
    try:
        print(f"with libvirtd stopped: pause {1000 * warden.done('close'):.1f} ms")
    finally:
        must(["kill", "-CONT", str(libvirtd)])
    until(lambda: states() == ["paused"], "libvirt to see it")
    with pytest.raises(Unavailable, match="no lease"):
        world.ask("h2", StartDomain(spare.spec, permit))

    pid = host.service_pid("agent")
    must(["kill", "-9", str(pid)])
    until(lambda: host.service_pid("agent") not in (None, pid) and answers(world.links["h2"]), "the agent")
    assert world.ask("h2", GetGuard()).verb == ""
    assert states() == ["paused"]
    warden.done("open")
    until(lambda: states() == ["running"], "the resume by the new agent")

    world.ask("h1", PrepareMigration(spare.spec))
    world.ask("h2", MigrateDomain(spare.spec.uuid, world.lab.hosts["h1"].mgmt_ip))
    world.ask("h1", ResumeDomain(spare.spec.uuid))
    world.ask("h1", MigrateDomain(spare.spec.uuid, host.mgmt_ip))
    with pytest.raises(AgentRefused, match="permit"):
        world.ask("h2", ResumeDomain(spare.spec.uuid))
    world.ask("h2", ResumeDomain(spare.spec.uuid, permit))

    world.reports.clear()
    warden.done("close")
    print(f"5 guests: clear {1000 * warden.done('clear'):.1f} ms")
    until(lambda: states() == [], "libvirt to see it")
    assert world.reports == []


def test_a_guest_on_its_way_stands_still_while_its_host_has_no_lease(world: Cloud) -> None:
    guest = deploy(world, "shared", "h2")
    id, said = guest.spec.uuid, []
    with guarded(world, "h2") as warden:
        warden.done("open")
        until(lambda: bool(world.page(guest.ip)), "the guest's page")
        world.ask("h1", PrepareMigration(guest.spec))

        def move() -> None:
            try:
                world.ask("h2", MigrateDomain(id, world.lab.hosts["h1"].mgmt_ip))
            except TegarError as e:
                said.append(str(e))

        mover = threading.Thread(target=move)
        mover.start()
        until(lambda: qemu_pid(id, 2) > 0, "the process at the destination")
        source = qemu_pid(id, 1)
        print(f"moving: pause {1000 * warden.done('close'):.1f} ms, process {process_state(source)}")
        for _ in range(20):
            assert "running" not in [d.state.value for d in world.ask("h1", FindDomain(id)).domains]
            time.sleep(0.05)
        print(f"a second later: process {process_state(source)}, {said or 'no word'}")
        warden.done("open")
        mover.join(PATIENCE_S)

        places = {h: [d.state.value for d in world.ask(h, FindDomain(id)).domains] for h in ("h1", "h2")}
        print(f"the end: {places}, {said or 'moved'}")
        if places["h1"]:
            assert places == {"h1": ["paused"], "h2": []}
            world.ask("h1", ResumeDomain(id))
        until(lambda: world.page(guest.ip).get("boots") == "1", "the guest's page")
        for name in ("h1", "h2"):
            world.ask(name, StopDomain(id, 0))


def process_state(pid: int) -> str:
    """Return the letter the kernel gives a process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


def test_facts_tell_the_box(world: Cloud) -> None:
    facts = world.ask("h1", GetFacts())

    assert (facts.name, facts.cpus, facts.migration_address) == ("h1", 1, world.lab.hosts["h1"].mgmt_ip)
    assert facts.uuid != world.ask("h2", GetFacts()).uuid
    assert facts.boot_id != world.ask("h2", GetFacts()).boot_id
    assert shutil.which("dnsmasq") is None or "router" in facts.can
