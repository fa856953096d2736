"""What counts as a proof."""

import math

import pytest

from tegar.guard.datagram import Answer
from tegar.guard.judge import Lacking, LeaseProof, Seen, lease_proof, ripe_in_s, silent, storm

D = 6.5
TICK = 1e-6


def seen(
    w: str, age_s: float, *, promised: bool = True, ready: bool = True, inc: int = 1, at_s: float = 0.0
) -> Seen:
    return Seen(w, Answer(inc, 1, "h1", "b1", 0, ready, promised, age_s, D, "b1", 0, age_s), at_s, at_s)


KNOWN = {"w1": 1, "w2": 1, "w3": 1}


@pytest.mark.parametrize("late_s, proven", [(-TICK, False), (0.0, True), (TICK, True)])
def test_a_proof_needs_d_since_the_last_accept(late_s: float, proven: bool) -> None:
    got = lease_proof([seen("w1", 0.0), seen("w2", 0.0)], KNOWN, 3, D + late_s)

    assert isinstance(got, LeaseProof) is proven


def test_a_proof_needs_a_majority_of_all_witnesses_not_of_those_that_answer() -> None:
    got = lease_proof([seen("w1", 60)], KNOWN, 3, 0)

    assert got == Lacking("1 of 3 witnesses promised, 2 must")
    assert isinstance(lease_proof([seen("w1", 60), seen("w2", 60)], KNOWN, 4, 0), Lacking)


def test_promises_of_an_earlier_incarnation_count_for_nothing() -> None:
    both = [seen("w1", 60), seen("w2", 60)]

    assert isinstance(lease_proof(both, KNOWN, 3, 0), LeaseProof)
    assert isinstance(lease_proof(both, KNOWN | {"w2": 2}, 3, 0), Lacking)


def test_unready_and_unpromised_answers_count_for_nothing() -> None:
    assert isinstance(lease_proof([seen("w1", 60), seen("w2", 60, ready=False)], KNOWN, 3, 0), Lacking)
    assert isinstance(lease_proof([seen("w1", 60), seen("w2", 60, promised=False)], KNOWN, 3, 0), Lacking)


def test_the_time_of_the_next_witness_is_said() -> None:
    got = lease_proof([seen("w1", 5.5), seen("w2", 6.5)], KNOWN, 3, 0)

    assert got == Lacking("D has passed at 1 of 3 witnesses, 1.0 s more at the next")


def test_a_manager_that_hears_nobody_suspects_nobody() -> None:
    both = [seen("w1", 0.1, promised=False), seen("w2", 0.1, promised=False)]

    assert not silent(both, 3, 60, 1.5)
    assert ripe_in_s(both, 3, 60) == math.inf


def test_silence_needs_a_majority_that_says_so() -> None:
    assert not silent([seen("w1", 9), seen("w2", 0.1), seen("w3", 0.1)], 3, 0, 1.5)
    assert silent([seen("w1", 9), seen("w2", 9), seen("w3", 0.1)], 3, 0, 1.5)


def test_promises_are_asked_for_when_a_majority_reaches_d() -> None:
    assert ripe_in_s([seen("w1", 6), seen("w2", 5), seen("w3", 0)], 3, 0) == pytest.approx(1.5)


def test_a_storm_is_more_than_two_hosts_and_more_than_a_fifth() -> None:
    assert [storm(n, 3) for n in (1, 2, 3)] == [False, False, True]
    assert [storm(n, 20) for n in (4, 5)] == [False, True]
