"""Seeds of random faults; a failing one names itself and tells its story."""

import pytest

from tegar.guard.timing import DEFAULT
from tegar.sim.ha.__main__ import main
from tegar.sim.ha.chaos import run_seed
from tegar.sim.ha.world import Plan, World

SEEDS = 300
BATCH = 50


@pytest.mark.parametrize("first", range(1, SEEDS + 1, BATCH))
def test_no_seed_breaks_an_invariant(first: int) -> None:
    for seed in range(first, first + BATCH):
        run_seed(seed)


def test_a_seed_replays_exactly() -> None:
    assert run_seed(63).engine.story == run_seed(63).engine.story


def test_the_program_tells_one_story_and_counts_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3"]) == 0
    assert "seed 3: no invariant broke" in capsys.readouterr().out

    assert main(["--seeds", "2", "--seed", "3"]) == 0
    assert '"seeds": 2, "violations": 0' in capsys.readouterr().out


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
