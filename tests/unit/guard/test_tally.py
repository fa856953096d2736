"""When an epoch is agreed upon."""

import pytest

from tegar.guard.datagram import Recorded
from tegar.guard.tally import TOGETHER_S, Tally

THREE, FIVE = ("w1", "w2", "w3"), ("w1", "w2", "w3", "w4", "w5")
YES, NO, BLANK, NO_BLANK = (True, False), (False, False), (True, True), (False, True)


def tally(names: tuple[str, ...], *said: tuple[bool, bool]) -> Tally:
    made = Tally(names, dict.fromkeys(names, 1), 100.0)
    for name, (granted, blank) in zip(names, said, strict=False):
        made.take(name, Recorded(1, 1, "vm", 2, "a", granted, blank))
    return made


@pytest.mark.parametrize(
    ("names", "said", "agreed"),
    [
        (THREE, [YES], None),
        (THREE, [YES, YES], True),
        (THREE, [YES, NO], None),
        (THREE, [NO, NO], False),
        (THREE, [YES, NO, YES], True),
        (THREE, [YES, BLANK], None),  # the third may know better
        (THREE, [YES, BLANK, NO], False),
        (THREE, [YES, BLANK, YES], True),
        (THREE, [BLANK, BLANK], None),
        (THREE, [BLANK, BLANK, YES], True),  # a majority has forgotten: only what all grant is agreed upon
        (THREE, [BLANK, BLANK, NO], False),
        (THREE, [BLANK, BLANK, BLANK], True),
        (THREE, [YES, YES, NO_BLANK], True),
        (THREE, [YES, BLANK, NO_BLANK], False),
        (FIVE, [YES, YES, BLANK, BLANK], None),
        (FIVE, [YES, YES, BLANK, BLANK, YES], True),
        (FIVE, [YES, YES, BLANK, BLANK, NO], False),
        (("w1",), [BLANK], True),
    ],
)
def test_blank_grants_make_no_majority(
    names: tuple[str, ...], said: list[tuple[bool, bool]], agreed: bool | None
) -> None:
    assert tally(names, *said).verdict(100.0) is agreed


def test_grants_that_are_far_apart_are_not_counted_together() -> None:
    assert tally(THREE, YES, YES).verdict(100.0 + TOGETHER_S)
    assert tally(THREE, YES, YES).verdict(100.001 + TOGETHER_S) is None


def test_only_witnesses_that_had_begun_before_the_question_are_told() -> None:
    made = Tally(THREE, {"w1": 1, "w2": 1, "w3": 4}, 0.0)
    made.take("w1", Recorded(1, 1, "vm", 2, "a", True, False))
    made.take("w2", Recorded(2, 1, "vm", 2, "a", True, True))
    made.take("w3", Recorded(4, 1, "vm", 2, "a", True, True))

    assert made.blank() == {"w3": 4}
