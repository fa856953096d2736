"""Seeds of random faults; a failing one names itself and tells its story."""

import json

import pytest

from tegar.model.timing import DEFAULT
from tegar.sim.ha.__main__ import main, many
from tegar.sim.ha.chaos import broken, run_seed
from tegar.sim.ha.world import Plan, World

SEEDS = 2000
BATCH = 50


@pytest.mark.parametrize("first", range(1, SEEDS + 1, BATCH))
def test_no_seed_breaks_an_invariant(first: int) -> None:
    assert broken(first, BATCH) == []


def test_a_seed_replays_exactly() -> None:
    assert run_seed(63).engine.story == run_seed(63).engine.story


def test_the_program_tells_one_story_and_counts_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3"]) == 0
    assert "seed 3: no invariant broke" in capsys.readouterr().out

    assert main(["--seeds", "2", "--seed", "3", "--jobs", "1"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["violations"] == 0


def every_tenth(first: int, count: int) -> list[tuple[int, str]]:
    return [(seed, "is a tenth") for seed in range(first, first + count) if seed % 10 == 0]


def test_the_findings_are_the_same_however_many_processes_look_for_them() -> None:
    seeds = range(7, 333)
    alone = list(many(every_tenth, seeds, jobs=1))

    assert [seed for seed, _ in alone] == list(range(10, 333, 10))
    assert list(many(every_tenth, seeds, jobs=3)) == alone


def test_a_power_loss_is_over_within_the_figure_that_operators_are_shown() -> None:
    slowest_s = 0.0
    for seed in range(40):
        world = World(seed, Plan(hosts=(DEFAULT,) * 3, bmcs=("none",) * 3, vms=1))
        world.run(4 + world.engine.rng.random())
        lost_s = world.engine.now_s
        world.hosts["h1"].power_off("power lost")
        while "vm1" not in world.writers:
            world.run(0.05)
        slowest_s = max(slowest_s, world.engine.now_s - lost_s)

    assert slowest_s <= DEFAULT.failover_s <= 9
