"""The order of restarts after a host's loss."""

from __future__ import annotations

from tegar.main.drill.mass import Restarted, out_of_order


def test_who_begins_after_all_more_urgent_ones_run_is_in_order() -> None:
    restarts = [
        Restarted(1, 0, began_s=7.0, ran_s=8.0),
        Restarted(2, 0, began_s=7.5, ran_s=8.5),
        Restarted(3, 2, began_s=8.5, ran_s=9.0),
        Restarted(4, 4, began_s=9.0, ran_s=None),
    ]

    assert out_of_order(restarts) == []


def test_who_begins_before_one_that_is_more_urgent_runs_is_not() -> None:
    urgent = Restarted(1, 0, began_s=7.0, ran_s=8.0)

    assert out_of_order([urgent, Restarted(2, 2, began_s=7.9, ran_s=8.1)]) == [2]
    assert out_of_order([Restarted(1, 0, began_s=7.0, ran_s=None), Restarted(2, 2, 9.0, 9.5)]) == [2]
