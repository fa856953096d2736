"""What ``tegar ha check`` makes of what it is told."""

from __future__ import annotations

from dataclasses import replace

from tegar.guard.datagram import Answer
from tegar.ha.health import Guarded, clock_check, quorum_checks, warden_check
from tegar.wire.guard import GuardFacts

HOST = Guarded("h1", "u-1", "https://h1", 1, ("boot", 3))
CIRCLE = {1: ["w1", "w2", "w3"]}
GOOD = GuardFacts(True, "boot", 3, "open", True, 0.4, "lab:/x", 3.0, 6.5)


def answer(age_s: float = 0.3, *, ready: bool = True) -> Answer:
    return Answer(1, 1, "u-1", "boot", 3, ready, False, age_s, 6.5, "boot", 3, age_s)


def test_a_lease_is_good_when_a_majority_holds_it_fresh() -> None:
    heard = {("w1", "u-1"): answer(), ("w2", "u-1"): answer()}

    checks = {c.subject: c.why for c in quorum_checks([HOST], CIRCLE, heard)}

    assert checks == {"w1": "", "w2": "", "w3": "it does not answer", "h1": ""}


def test_a_lease_is_bad_without_a_majority_that_holds_it_fresh() -> None:
    heard = {("w1", "u-1"): answer(), ("w2", "u-1"): answer(age_s=3.0)}

    assert quorum_checks([HOST], CIRCLE, heard)[-1].why == "a majority is 2"


def test_a_witness_that_was_not_taught_is_named() -> None:
    heard = {(w, "u-1"): answer(ready=w != "w2") for w in CIRCLE[1]}

    assert [c.subject for c in quorum_checks([HOST], CIRCLE, heard) if c.why] == ["w2"]


def test_a_host_without_a_lease_is_named() -> None:
    assert quorum_checks([replace(HOST, lease=None)], CIRCLE, {})[-1].why.startswith("it holds no lease")


def test_a_warden_is_good_when_nothing_lacks() -> None:
    assert warden_check("h1", GOOD).why == ""


def test_each_thing_a_warden_can_lack_is_said() -> None:
    for facts, word in (
        (replace(GOOD, configured=False), "not guarded"),
        (replace(GOOD, watchdog=""), "no watchdog"),
        (replace(GOOD, order_age_s=-1.0), "never spoke"),
        (replace(GOOD, verb="close"), "held"),
        (replace(GOOD, done=False), "held"),
        (replace(GOOD, lacking=("SCHED_RR: Operation not permitted",)), "SCHED_RR"),
    ):
        assert word in warden_check("h1", facts).why


def test_the_clock_is_read() -> None:
    assert "ppm" in clock_check().shown
