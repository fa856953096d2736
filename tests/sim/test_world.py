"""The simulator itself: what is impossible is refused or recorded, and faults do what they say."""

from __future__ import annotations

import pytest

from tegar.kernel.clock import ManualClock
from tegar.kernel.errors import AgentRefused, Fenced, NotYet, Unreachable
from tegar.kernel.wire import Fence, Link
from tegar.model.router import GuestSpec, RouterSpec, SubnetSpec
from tegar.model.spec import (
    DiskSpec,
    DomainSpec,
    NetworkSpec,
    NicSpec,
    PoolKind,
    PoolSpec,
    StoreSpec,
)
from tegar.model.units import GIB
from tegar.sim.links import SimLinks
from tegar.sim.page import NotAnswering, page
from tegar.sim.world import World
from tegar.wire.disk import CreateDisk, DeleteDisk, DeleteSeed, OpenPool, SeedTemplate
from tegar.wire.host import GetFacts
from tegar.wire.image import FetchImage
from tegar.wire.router import ApplyRouter
from tegar.wire.virt import AttachDisk, FindDomain, ListDomains, MigrateDomain, StartDomain, StopDomain

POOL = PoolSpec("pool", PoolKind.NFS, "/p", "nfs")
STORE = StoreSpec("store", "nfs://nfs/s")
NET = NetworkSpec("net", "cloudbr1", 100)


class Lab:
    """Three hosts, a pool, a template on it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.world = World(3, clock=self.clock)
        self.links = SimLinks(self.world)
        for name in ("h1", "h2", "h3"):
            self.on(name).ask(OpenPool(POOL))
        self.on("h1").ask(FetchImage(STORE, "t", f"http://sim/t?size={GIB}", "QCOW2", "", 9 * GIB))
        self.on("h1").ask(SeedTemplate(POOL, "t", STORE))

    def on(self, name: str, fence: Fence | None = None) -> Link:
        """Return a link to a host."""
        return self.links.to(f"http://sim/{name}", fence)

    def spec(self, vm: str = "vm", mac: str = "02:00:00:00:00:02", memory_bytes: int = GIB) -> DomainSpec:
        """Return a domain with a disk of its own, which is made."""
        self.on("h1").ask(CreateDisk(POOL, f"{vm}-root", GIB, "t"))
        disk = DiskSpec(f"{vm}-root", POOL, GIB, 0)
        nic = NicSpec(f"{vm}-nic", NET, mac, "10.0.0.2", 0)
        return DomainSpec(vm, vm, 1, 1000, memory_bytes, (disk,), (nic,))


@pytest.fixture
def lab() -> Lab:
    """Three hosts and no violation yet."""
    return Lab()


def test_a_domain_started_on_two_hosts_is_recorded(lab: Lab) -> None:
    spec = lab.spec()
    lab.on("h1").ask(StartDomain(spec))
    lab.world.faults("h1").connected = False

    lab.on("h2").ask(StartDomain(spec))

    assert lab.world.violations == [
        "domain vm runs on h1 and on h2",
        "disk vm-root is open for writing on h1 by vm and on h2 by vm",
    ]


def test_a_migration_hands_the_disk_over_without_two_writers(lab: Lab) -> None:
    lab.on("h1").ask(StartDomain(lab.spec()))
    to = lab.on("h2").ask(GetFacts()).migration_address

    lab.on("h1").ask(MigrateDomain("vm", to))

    assert lab.world.where("vm") == ["h2"]
    assert lab.world.violations == []


def test_a_migration_to_a_host_that_is_away_or_full_leaves_the_guest_where_it_is(lab: Lab) -> None:
    lab.on("h1").ask(StartDomain(lab.spec()))
    lab.world.faults("h2").connected = False
    lab.on("h3").ask(StartDomain(lab.spec("big", "02:00:00:00:00:03", 64 * GIB)))

    for name in ("h2", "h3"):
        with pytest.raises(AgentRefused):
            lab.on("h1").ask(MigrateDomain("vm", f"{name}.sim"))

    assert lab.world.where("vm") == ["h1"]


def test_deleting_what_is_in_use_is_recorded(lab: Lab) -> None:
    lab.on("h1").ask(StartDomain(lab.spec()))

    lab.on("h2").ask(DeleteSeed(POOL, "t"))
    lab.on("h2").ask(DeleteDisk(POOL, "vm-root"))

    assert len(lab.world.violations) == 2


def test_one_mac_twice_on_a_segment_is_recorded(lab: Lab) -> None:
    lab.on("h1").ask(StartDomain(lab.spec()))
    lab.on("h2").ask(StartDomain(lab.spec("other")))

    assert len(lab.world.violations) == 1


def test_memory_is_finite_and_ports_differ(lab: Lab) -> None:
    ports = {
        lab.on("h1").ask(StartDomain(lab.spec(f"v{n}", f"02:00:00:00:01:0{n}", 16 * GIB))).vnc_port
        for n in range(4)
    }

    assert len(ports) == 4
    with pytest.raises(AgentRefused, match="memory"):
        lab.on("h1").ask(StartDomain(lab.spec("more", "02:00:00:00:02:00")))


def test_a_disk_that_is_not_there_or_whose_pool_is_not_open_starts_nothing(lab: Lab) -> None:
    spec = lab.spec()
    lab.on("h1").ask(DeleteDisk(POOL, "vm-root"))

    with pytest.raises(AgentRefused, match="No such file"):
        lab.on("h1").ask(StartDomain(spec))
    with pytest.raises(AgentRefused):
        lab.on("h1").ask(AttachDisk("vm", spec.disks[0]))


def test_a_guest_answers_when_its_router_knows_it_and_counts_its_boots(lab: Lab) -> None:
    lab.on("h1").ask(StartDomain(lab.spec()))
    with pytest.raises(NotAnswering):
        page(lab.world, "vm")

    guest = GuestSpec("vm", "02:00:00:00:00:02", "10.0.0.2", "web", "aGVsbG8=")
    net = SubnetSpec(NET, "02:00:00:00:00:01", "10.0.0.1", 24, "10.0.0.1", "x", (), (guest,))
    router = RouterSpec("r", 1, (net,))
    lab.on("h2").ask(ApplyRouter(router))
    assert (page(lab.world, "vm").name, page(lab.world, "vm").user_data) == ("web", "hello")
    assert page(lab.world, "vm").boots == 1

    lab.world.power_off("h1")
    lab.world.power_on("h1")
    lab.on("h1").ask(StartDomain(lab.spec()))
    assert page(lab.world, "vm").boots == 2


def test_power_cut_and_return_change_the_boot(lab: Lab) -> None:
    lab.on("h1").ask(StartDomain(lab.spec()))
    before = lab.on("h1").ask(GetFacts()).boot_id

    lab.world.power_off("h1")
    with pytest.raises(Unreachable):
        lab.on("h1").ask(GetFacts())
    lab.world.power_on("h1")

    assert lab.on("h1").ask(GetFacts()).boot_id != before
    assert lab.on("h1").ask(ListDomains()).domains == ()


def test_a_lost_answer_took_effect_and_a_refusal_did_not(lab: Lab) -> None:
    faults = lab.world.faults("h1")
    faults.refuse["StartDomain"] = 1
    faults.lose["StartDomain"] = 1
    spec = lab.spec()

    with pytest.raises(AgentRefused):
        lab.on("h1").ask(StartDomain(spec))
    assert lab.world.where("vm") == []
    with pytest.raises(Unreachable):
        lab.on("h1").ask(StartDomain(spec))
    assert lab.world.where("vm") == ["h1"]
    assert lab.on("h1").ask(StartDomain(spec)).vnc_port > 0


def test_long_work_is_not_done_yet(lab: Lab) -> None:
    lab.world.times.fetch_s = 60
    ask = FetchImage(STORE, "u", "http://sim/u", "QCOW2", "", 9 * GIB)

    with pytest.raises(NotYet):
        lab.on("h1").ask(ask)
    lab.clock.sleep(61)

    assert lab.on("h2").ask(ask).size_bytes > 0


def test_hosts_refuse_an_owner_who_was_taken_over(lab: Lab) -> None:
    spec = lab.spec()
    lab.on("h1", Fence("saga", 2)).ask(FindDomain("vm"))

    with pytest.raises(Fenced):
        lab.on("h1", Fence("saga", 1)).ask(StartDomain(spec))


def test_a_deaf_guest_is_ended_after_its_grace(lab: Lab) -> None:
    lab.on("h1").ask(StartDomain(lab.spec()))
    lab.world.machines["h1"].guests["vm"].deaf = True
    began_s = lab.clock.mono_s()

    lab.on("h1").ask(StopDomain("vm", 30))

    assert lab.clock.mono_s() - began_s == 30
    assert lab.world.where("vm") == []


def test_only_the_hosts_of_the_world_exist(lab: Lab) -> None:
    for url in ("http://sim/h4", "http://sim/h0", "http://sim/x", "https://10.0.0.1:8443"):
        with pytest.raises(Unreachable):
            lab.links.to(url).ask(GetFacts())
