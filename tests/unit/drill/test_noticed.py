"""What clients noticed, and for how long two held one address."""

from __future__ import annotations

import pytest

from tegar.main.drill.holders import Sample, longest_shared_s, sample
from tegar.main.drill.noticed import noticed

WHOLE = {"times": [9.9, 10.0, 10.8, 10.9], "wrong": 0, "ended": "whole"}


def test_gaps_are_between_answers_after_the_fault_only() -> None:
    asked = [(1.0, 1.1), (9.9, 10.0), (10.1, 10.6), (10.2, None), (10.65, 10.7)]

    found = noticed(asked, WHOLE, fault_s=10.05)

    assert found.facts["requests_gap_s"] == pytest.approx(0.6)
    assert found.facts["transfer_gap_s"] == pytest.approx(0.8)
    assert found.facts["gap_s"] == found.facts["transfer_gap_s"]
    assert (found.facts["requests"], found.facts["failed_requests"]) == (3, 1)
    assert found.facts["slowest_answer_s"] == pytest.approx(0.5)
    assert [gap.whose for gap in found.gaps] == ["requests", "transfer"]
    assert found.failure == ""


def test_a_transfer_that_broke_is_a_failure_and_wrong_blocks_are_lost() -> None:
    found = noticed([(10.0, 10.1)], {"times": [], "wrong": 2, "ended": "broken"}, fault_s=9.0)

    assert found.failure == "the transfer did not survive: broken"
    assert found.lost == 2


def test_two_share_only_when_they_hold_the_same_address() -> None:
    one, other = frozenset({"10.1.1.1"}), frozenset({"203.0.113.9"})

    assert not sample(0, 1, {"h1": one, "h2": other, "h3": frozenset()}).shared
    assert sample(0, 1, {"h1": one | other, "h2": other}).shared
    assert sample(0, 1, {"h1": one, "h2": other}).holders == ("h1", "h2")


def test_sharing_lasts_from_the_look_before_to_the_look_after() -> None:
    def look(at_s: float, *, shared: bool) -> Sample:
        return Sample(at_s - 1, at_s, ("h1", "h2"), shared)

    looks = [look(1, shared=False), look(2, shared=True), look(3, shared=True), look(4, shared=False)]

    assert longest_shared_s(looks) == 3
    assert longest_shared_s(looks[:3]) == 2
    assert longest_shared_s(looks[:1]) == 0
