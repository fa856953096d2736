"""The lab's watchdog timer: armed once, petted, never disarmed."""

from __future__ import annotations

import pytest

from tegar.lab.watchdog import Timer


def armed(at_s: float = 100.0, watchdog_s: int = 3) -> Timer:
    timer = Timer()
    assert timer.hear(at_s, f"arm {watchdog_s}".encode()) == f"arm {watchdog_s}\n".encode()
    return timer


def test_it_fires_w_after_it_was_armed_and_not_before() -> None:
    timer = armed(at_s=100.0)

    assert timer.left_s(102.999) == pytest.approx(0.001)
    assert timer.left_s(103.0) == 0.0
    assert timer.left_s(200.0) == 0.0


def test_a_pet_starts_it_again() -> None:
    timer = armed(at_s=100.0)

    assert timer.hear(102.0, b"pet") == b""

    assert timer.left_s(103.0) == 2.0


def test_arming_it_again_is_answered_and_extends_nothing() -> None:
    timer = armed(at_s=100.0)

    assert timer.hear(102.0, b"arm 3") == b"arm 3\n"

    assert timer.left_s(103.0) == 0.0


def test_another_time_is_refused_by_answering_with_the_one_that_is_set() -> None:
    timer = armed(at_s=100.0)

    assert timer.hear(101.0, b"arm 60") == b"arm 3\n"

    assert timer.left_s(101.0) == 2.0


def test_a_pet_before_it_is_armed_does_nothing() -> None:
    timer = Timer()

    assert timer.hear(100.0, b"pet") == b""

    assert timer.left_s(1000.0) is None


@pytest.mark.parametrize("line", [b"arm", b"arm x", b"arm -1", b"arm inf", b"arm nan", b"disarm", b"V", b""])
def test_nonsense_neither_arms_nor_disarms(line: bytes) -> None:
    fresh, running = Timer(), armed(at_s=100.0)

    assert fresh.hear(100.0, line) == b"what\n"
    running.hear(101.0, line)

    assert fresh.left_s(100.0) is None
    assert running.left_s(101.0) == 2.0
