"""The gate of simulated hosts, asked through the agent's handlers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tegar.agent.gate import Verb
from tegar.kernel.clock import ManualClock
from tegar.kernel.errors import AgentRefused, Unavailable
from tegar.model.lease import Permit
from tegar.model.spec import DiskSpec, DomainSpec, PoolKind, PoolSpec
from tegar.sim.hands import SimHands
from tegar.sim.links import SimLinks
from tegar.sim.world import World
from tegar.wire.disk import CreateDisk, OpenPool
from tegar.wire.guard import GetGuard, SetGuard, WitnessAt
from tegar.wire.virt import (
    DropWaiting,
    FindDomain,
    ListDomains,
    MigrateDomain,
    PingGuests,
    ResumeDomain,
    StartDomain,
    StopDomain,
)

POOL = PoolSpec("pool", PoolKind.SHARED, "/srv/pool")
VM = DomainSpec("vm", "i-2-3-VM", 1, 500, 1 << 28, (DiskSpec("root", POOL, 1 << 30, 0),), ())
GUARD = SetGuard("h", "00" * 32, (WitnessAt("w1", "10.0.0.1", 1),))


class Hosts:
    """Two simulated hosts that share a disk."""

    def __init__(self) -> None:
        self.world = World(2, clock=ManualClock())
        links = SimLinks(self.world)
        self.links = {name: links.to(f"http://sim/{name}") for name in ("h1", "h2")}
        for link in self.links.values():
            link.ask(OpenPool(POOL))
        self.links["h1"].ask(CreateDisk(POOL, "root", 1 << 30))

    def guard(self, name: str) -> SimHands:
        self.links[name].ask(GUARD)
        hands = self.world.machine(name).hands
        assert hands
        return hands

    def permit(self, name: str, epoch: int = 0, vm_epoch: int = 1) -> Permit:
        return Permit(self.links[name].ask(GetGuard()).boot, epoch, vm_epoch)

    def state(self, name: str) -> list[str]:
        return [d.state.value for d in self.links[name].ask(FindDomain("vm")).domains]


def test_a_guarded_host_starts_by_permit_pauses_resumes_and_clears() -> None:
    hosts = Hosts()
    hands, h1 = hosts.guard("h1"), hosts.links["h1"]
    with pytest.raises(AgentRefused, match="only with a permit"):
        h1.ask(StartDomain(VM))
    with pytest.raises(Unavailable):
        h1.ask(StartDomain(VM, hosts.permit("h1")))
    assert hosts.state("h1") == []

    assert hands.order(1, Verb.OPEN, 0).done
    h1.ask(StartDomain(VM, hosts.permit("h1")))
    assert hosts.state("h1") == ["running"]
    hands.order(2, Verb.CLOSE, 0)
    assert hosts.state("h1") == ["paused"]
    hands.order(1, Verb.OPEN, 0)
    assert hosts.state("h1") == ["paused"]
    hands.restart()
    hands.order(3, Verb.OPEN, 0)
    assert hosts.state("h1") == ["running"]
    hands.order(4, Verb.CLEAR, 0)
    assert hosts.state("h1") == []


def test_a_paused_copy_writes_nothing_and_a_second_one_may_run() -> None:
    hosts = Hosts()
    first, second = hosts.guard("h1"), hosts.guard("h2")
    for hands in (first, second):
        hands.order(1, Verb.OPEN, 0)
    hosts.links["h1"].ask(StartDomain(VM, hosts.permit("h1")))
    first.order(2, Verb.CLOSE, 0)

    hosts.links["h2"].ask(StartDomain(VM, hosts.permit("h2"), unlocked=True))
    assert hosts.world.violations == []
    first.order(3, Verb.OPEN, 0)
    assert hosts.world.violations != []


def test_a_migrated_guest_waits_to_be_resumed() -> None:
    hosts = Hosts()
    hosts.links["h1"].ask(StartDomain(VM))
    hosts.links["h1"].ask(MigrateDomain("vm", "h2.sim"))

    assert (hosts.state("h1"), hosts.state("h2")) == ([], ["paused"])
    hosts.links["h2"].ask(ResumeDomain("vm"))
    assert hosts.state("h2") == ["running"]
    with pytest.raises(AgentRefused):
        hosts.links["h1"].ask(ResumeDomain("vm"))


def test_a_host_without_a_lease_lets_no_guest_in() -> None:
    hosts = Hosts()
    hosts.links["h1"].ask(StartDomain(VM))
    hosts.guard("h2")

    with pytest.raises(AgentRefused, match="lets none in"):
        hosts.links["h1"].ask(MigrateDomain("vm", "h2.sim"))
    assert hosts.state("h1") == ["running"]


def test_a_boot_forgets_orders_and_permits_name_it() -> None:
    hosts = Hosts()
    hands = hosts.guard("h1")
    hands.order(1, Verb.OPEN, 0)
    old = hosts.permit("h1")
    hosts.world.power_off("h1")
    hosts.world.power_on("h1")

    assert hosts.links["h1"].ask(GetGuard()).verb == ""
    hands.order(2, Verb.OPEN, 0)
    with pytest.raises(AgentRefused, match="another boot"):
        hosts.links["h1"].ask(StartDomain(VM, replace(old)))


def test_ends_and_pulses_are_listed() -> None:
    hosts = Hosts()
    h1 = hosts.links["h1"]
    h1.ask(StartDomain(VM))
    assert [p.answered_ago_s for p in h1.ask(PingGuests()).guests] == [0.0]
    hosts.world.die("vm", "crashed")

    assert [(it.uuid, it.reason) for it in h1.ask(ListDomains()).ended] == [("vm", "crashed")]
    h1.ask(StartDomain(VM))
    assert h1.ask(ListDomains()).ended == ()


def test_a_copy_that_arrived_and_was_forgotten_is_no_start_and_can_be_dropped() -> None:
    hosts = Hosts()
    for name in ("h1", "h2"):
        hosts.guard(name).order(1, Verb.OPEN, 0)
    h1, h2 = hosts.links["h1"], hosts.links["h2"]
    h2.ask(OpenPool(POOL))
    h1.ask(StartDomain(VM, hosts.permit("h1")))
    h1.ask(MigrateDomain("vm", "h2.sim"))
    assert [d.waits for d in h2.ask(ListDomains()).domains] == [True]

    h2.ask(StartDomain(VM, hosts.permit("h2", vm_epoch=2)))

    assert [(d.state.value, d.waits) for d in h2.ask(ListDomains()).domains] == [("running", False)]
    boots = [g.boots for _, g in hosts.world.guests()]
    assert boots == [2], "its memory was older than its disk: it had to boot"
    assert not h2.ask(DropWaiting("vm")).was_running
    h2.ask(MigrateDomain("vm", "h1.sim"))
    assert h1.ask(DropWaiting("vm")).was_running
    assert hosts.state("h1") == hosts.state("h2") == []


def test_a_late_order_ends_no_newer_start_and_starts_none_that_was_ended() -> None:
    hosts = Hosts()
    hands, h1 = hosts.guard("h1"), hosts.links["h1"]
    hands.order(1, Verb.OPEN, 0)
    boot = hands.gate.boot
    h1.ask(StartDomain(VM, Permit(boot, 0, 3)))

    with pytest.raises(AgentRefused, match="VM epoch 2 is over: 3 was seen here"):
        h1.ask(StopDomain("vm", 0, 2))
    with pytest.raises(AgentRefused, match="VM epoch 2 is over"):
        h1.ask(MigrateDomain("vm", "h2", 2))
    assert h1.ask(FindDomain("vm")).domains

    for _ in range(2):
        h1.ask(StopDomain("vm", 0, 3))
    with pytest.raises(AgentRefused, match="VM epoch 3 is over: it was ended here"):
        h1.ask(StartDomain(VM, Permit(boot, 0, 3)))
    h1.ask(StartDomain(VM, Permit(boot, 0, 4)))
