"""A test of the tests: each known mistake must be caught within a bounded number of seeds."""

from dataclasses import replace

import pytest
from ha_mutants import (
    MUTANTS,
    STORAGE_FENCE,
    AnyBoot,
    ArmsAtOnce,
    ForgetsPromises,
    Mutant,
    NeverBlank,
    RunsTwice,
    StartsDoNotCount,
)
from scenario import FOLDER, play, read

from tegar.ha.decide import LeaseId
from tegar.model.timing import Timing
from tegar.sim.ha.agent import Fence, Permit, Start
from tegar.sim.ha.chaos import run_seed
from tegar.sim.ha.engine import Violation
from tegar.sim.ha.hands import Asked
from tegar.sim.ha.sql import Place
from tegar.sim.ha.world import Parts, Plan, World

BOUND = 100


def caught(mutant: Mutant) -> tuple[int, str]:
    """Return the first seed that catches it, and what it said."""
    for seed in range(1, BOUND + 1):
        try:
            run_seed(seed, mutant.parts, mutant.timings)
        except Violation as e:
            return seed, str(e).splitlines()[0]
    return 0, f"not caught in {BOUND} seeds"


@pytest.mark.parametrize("name", MUTANTS)
def test_each_of_the_six_mutants_is_caught(name: str) -> None:
    seed, says = caught(MUTANTS[name])

    assert seed, says
    assert ("before the first lease" if name == "VM before the first lease" else "two writers") in says


# ── where the page leaves room for a mistake; docs/ha.md says what was done instead ───────────────


def test_a_witness_that_only_waits_for_d_gives_a_fenced_host_its_lease_back() -> None:
    script, _ = read(FOLDER / "witness-forgets-a-promise.txt")

    with pytest.raises(Violation, match="two writers: vm1 runs on h2 and on h1"):
        play(script, Parts(witness=ForgetsPromises))


def test_a_restarted_witness_that_does_not_say_it_is_blank_lets_a_lost_start_happen_again() -> None:
    script, _ = read(FOLDER / "witness-restarts-and-the-database-forgets-a-raise-that-another-missed.txt")

    with pytest.raises(Violation, match="two writers: vm1 runs on h2 and on h3"):
        play(script, Parts(witness=NeverBlank))


def test_a_restarted_warden_that_pets_at_once_outlives_d() -> None:
    restarts = "".join(f"at {6.5 + 2 * i} restart-warden h1\n" for i in range(6))
    script = f"at 4.0 stop-hands h1 30\nat 4.1 cut h1 from all\n{restarts}end 20\n"

    with pytest.raises(Violation, match="two writers"):
        play(script, Parts(warden=ArmsAtOnce))
    play(script)


def test_an_order_that_names_no_boot_starts_a_second_copy() -> None:
    def late_order(parts: Parts) -> None:
        world = play("at 4.0 power-off h1\nat 13.0 power-on h1\nend 20\n", parts)
        late = Start("vm1", Permit("h1.1", 0, 1), Fence("saga1", 1))
        world.hosts["h1"].hands.take(Asked(late, lambda _: None))  # delayed by 19 s
        world.run(1)

    with pytest.raises(Violation, match="two writers"):
        late_order(Parts(hands=AnyBoot))
    late_order(Parts())


def test_a_start_under_way_makes_a_host_not_quiet() -> None:
    def slow_start(parts: Parts) -> None:
        world = play("at 4.0 power-off h2\nvms 2\nend 4.1\n", parts)
        hands = world.hosts["h1"].hands
        place = Place(LeaseId("h1", "h1.1", 0), 2)
        world.sql.placed("vm2", place)
        world.sql.tables.put("vm2", replace(world.sql.tables.vms["vm2"], host="h1", epoch=2, places=(place,)))
        world.sql.proofs[LeaseId("h2", "h2.1", 0)] = "by an operator"
        late = Start("vm2", Permit("h1.1", 0, 2), Fence("saga2", 1))
        hands.check_start(late, lambda _: None)  # let through, and not yet made
        act, hands._act = hands._act, None
        assert act is not None
        hands._act = lambda: world.engine.at(16, act)  # the process stands there
        world.net.part(["h1"], ["w1", "w2", "w3", "m", "h2", "h3"])
        world.run(16)

    with pytest.raises(Violation, match="two writers"):
        slow_start(Parts(hands=StartsDoNotCount))


class Page(Timing):
    """As the page has inequality 4: S + drain < 2W."""

    def check(self) -> Timing:
        return self


@pytest.mark.parametrize("drain_s", [1.5, 2.0, 3.5])
def test_s_plus_drain_below_2w_is_not_enough(drain_s: float) -> None:
    world = World(1, Plan(hosts=(Page(drain_s=drain_s),) * 3, bmcs=("none",) * 3))
    world.engine.rng.uniform = lambda low, high: high  # type: ignore[method-assign]
    for host in world.hosts.values():
        host.drain_s = drain_s
    world.engine.at(4, lambda: world.net.part(world.hosts, world.witnesses))

    with pytest.raises(Violation, match="was reset though nothing on it had stopped"):
        world.run(12)


# ── P3: a fence at the storage ends writing, and not running ──────────────────────────────────────


def test_by_a_storage_fence_alone_a_vm_runs_twice_though_it_never_writes_twice() -> None:
    with pytest.raises(Violation, match="runs twice: vm1, on h1 and on h2"):
        play("bmcs works none none\nat 4.0 ambush h1\nend 16\n", STORAGE_FENCE)


def test_seeds_find_that_a_storage_fence_is_no_proof() -> None:
    seed, says = caught(Mutant(STORAGE_FENCE))

    assert seed, says
    assert "runs twice" in says


def test_power_that_is_read_off_passes_the_same_watch_for_running_twice() -> None:
    for seed in range(1, BOUND + 1):
        run_seed(seed, Parts(hands=RunsTwice))
