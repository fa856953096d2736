"""NICs of running guests on simulated hosts: plugged in and out, and filtered wherever the guest is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tegar.kernel.clock import ManualClock
from tegar.kernel.errors import AgentRefused, Unavailable
from tegar.kernel.wire import Link
from tegar.model.spec import DomainSpec, NetworkSpec, NicFilter, NicSpec, SecurityRules
from tegar.sim.links import SimLinks
from tegar.sim.world import World
from tegar.wire.net import AttachNic, DetachNic, SetNicFilters, UpdateNic, VmNics
from tegar.wire.virt import MigrateDomain, PrepareMigration, ResumeDomain, StartDomain, StopDomain

NET, OTHER = NetworkSpec("net", "cloudbr1", 100), NetworkSpec("other", "cloudbr1", 101)
NIC = NicSpec("nic-0", NET, "02:00:00:00:00:02", "10.0.0.2", 0)
MORE = NicSpec("nic-1", OTHER, "02:00:00:00:00:03", "10.1.0.2", 1)
SPEC = DomainSpec("vm", "vm", 1, 1000, 1 << 30, (), (NIC,))


class Lab:
    """Two hosts, and a guest on one of them."""

    def __init__(self) -> None:
        self.world = World(2, clock=ManualClock())
        self.links = SimLinks(self.world)
        self.on("h1").ask(StartDomain(SPEC))

    def on(self, name: str) -> Link:
        """Return a link to a host."""
        return self.links.to(f"http://sim/{name}", None)

    def filters(self, name: str) -> dict[str, tuple[NicSpec, ...]]:
        """Return what is in force on a host."""
        return self.world.machine(name).filters


@pytest.fixture
def lab() -> Lab:
    """Two hosts."""
    return Lab()


def test_a_nic_is_plugged_in_once_and_filtered(lab: Lab) -> None:
    for _ in range(2):
        lab.on("h1").ask(AttachNic("vm", MORE))

    assert lab.filters("h1")["vm"] == (NIC, MORE)
    assert lab.world.machine("h1").guests["vm"].spec.nics == (NIC, MORE)


def test_a_nic_may_move_to_another_segment(lab: Lab) -> None:
    lab.on("h1").ask(UpdateNic("vm", replace(NIC, network=OTHER)))

    assert [nic.network for nic in lab.world.machine("h1").guests["vm"].spec.nics] == [OTHER]


def test_a_nic_is_taken_out_once_the_guest_lets_go(lab: Lab) -> None:
    lab.on("h1").ask(AttachNic("vm", MORE))
    lab.world.machine("h1").guests["vm"].deaf = True
    with pytest.raises(Unavailable, match="does not let go"):
        lab.on("h1").ask(DetachNic("vm", MORE))
    lab.world.machine("h1").guests["vm"].deaf = False

    for _ in range(2):
        lab.on("h1").ask(DetachNic("vm", MORE))

    assert lab.filters("h1")["vm"] == (NIC,)
    lab.on("h2").ask(DetachNic("vm", MORE))


def test_a_nic_for_a_guest_that_is_not_here_is_refused(lab: Lab) -> None:
    for ask in (AttachNic("vm", MORE), UpdateNic("vm", MORE)):
        with pytest.raises(AgentRefused, match="does not run here"):
            lab.on("h2").ask(ask)


def test_filters_change_where_the_guest_is_and_an_older_one_changes_nothing(lab: Lab) -> None:
    new = replace(NIC, filter=NicFilter(groups=SecurityRules(), version=2))

    assert lab.on("h1").ask(SetNicFilters((VmNics("vm", (new,)), VmNics("gone", ())))).absent == ("gone",)
    lab.on("h1").ask(SetNicFilters((VmNics("vm", (NIC,)),)))

    assert lab.filters("h1")["vm"] == (new,)


def test_filters_go_where_the_guest_goes(lab: Lab) -> None:
    lab.on("h2").ask(PrepareMigration(SPEC))
    lab.on("h1").ask(MigrateDomain("vm", "h2.sim"))
    assert lab.filters("h1") == lab.filters("h2") == {}

    lab.on("h2").ask(ResumeDomain("vm"))

    assert lab.filters("h2") == {"vm": (NIC,)}
    lab.on("h2").ask(StopDomain("vm", 0))
    assert lab.filters("h2") == {}
