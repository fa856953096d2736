"""Timers, and what they must keep."""

from dataclasses import replace

import pytest

from tegar.model.timing import DEFAULT, FAST, Timing, UnsafeTiming


def test_d_is_what_the_page_says() -> None:
    assert DEFAULT.check().dead_s == pytest.approx(6.5, abs=0.01)
    assert FAST.check().dead_s == pytest.approx(4.5, abs=0.01)
    assert DEFAULT.failover_s < 9


def test_a_two_stage_watchdog_doubles_d() -> None:
    assert replace(DEFAULT, stages=2).check().dead_s == pytest.approx(12.5, abs=0.02)


@pytest.mark.parametrize(
    "change, names",
    [
        ({"pad_s": 0.3}, "inequality 3"),
        ({"latency_s": 0.6}, "inequality 3"),
        ({"soft_s": 2.2}, "inequality 4"),
        ({"drain_s": 1.0}, "inequality 4"),
        ({"ack_wait_s": 0.5}, "inequality 2"),
        ({"soft_s": 1.2}, "one lost renewal"),
        ({"misses": 2}, "suspicion"),
        ({"misses": 14}, "suspicion"),
        ({"rho": 0.002}, "clock"),
        ({"watchdog_s": float("nan")}, "positive"),
        ({"renewal_s": 0.0}, "positive"),
    ],
)
def test_unsafe_numbers_are_refused_with_the_inequality(change: dict[str, float], names: str) -> None:
    with pytest.raises(UnsafeTiming, match=names):
        replace(DEFAULT, **change).check()  # type: ignore[arg-type]


def test_the_boundary_of_inequality_4_is_sharp() -> None:
    tick_s = 1e-6
    Timing(soft_s=2.0, drain_s=1.0 - tick_s).check()

    with pytest.raises(UnsafeTiming):
        Timing(soft_s=2.0, drain_s=1.0).check()
