"""What a guest's log proves, on logs that were tampered with."""

from __future__ import annotations

from collections.abc import Sequence

from tegar.main.drill.proof import checksum, judge

OLD, NEW = "aaaaaaaa-0000", "bbbbbbbb-0000"


def log(*written: tuple[int, str, int] | tuple[int, str, int, str]) -> list[str]:
    """Return a log's lines: for each record boot, run, number and perhaps flag."""
    lines, previous = [], "0"
    for seq, (boot, run, number, *flag) in enumerate(written, start=1):
        text = f"{seq} {boot} {run} write {number} 1700000000000 {flag[0] if flag else 'own'} {previous}"
        previous = checksum(text)
        lines.append(f"{text} {previous}")
    return lines


def page(lines: Sequence[str]) -> str:
    return "\n".join([f"run {NEW} boots 2 seq {len(lines)}", *lines]) + "\n"


def test_a_restart_that_lost_nothing_is_proven() -> None:
    verdict = judge(page(log((1, OLD, 10), (1, OLD, 11), (2, NEW, 12))), {10, 11, 12})

    assert verdict.lost == ()
    assert verdict.writers == ()
    assert verdict.damage == ()


def test_an_acknowledged_write_that_is_not_there_is_lost() -> None:
    assert judge(page(log((1, OLD, 10), (2, NEW, 12))), {10, 11, 12}).lost == (11,)


def test_a_writer_that_found_a_strangers_record_says_so() -> None:
    verdict = judge(page(log((1, OLD, 10), (2, NEW, 11), (1, OLD, 12, "foreign"))), set())

    assert len(verdict.writers) == 2  # the flag, and the old boot after the new one


def test_two_writers_that_did_not_notice_each_other_are_told_by_their_order() -> None:
    verdict = judge(page(log((1, OLD, 10), (2, NEW, 11), (1, OLD, 12), (2, NEW, 13))), set())

    assert len(verdict.writers) == 2


def test_two_copies_of_one_boot_are_two_writers() -> None:
    assert judge(page(log((2, OLD, 10), (2, NEW, 11))), set()).writers


def test_a_record_that_was_overwritten_breaks_the_chain() -> None:
    lines, others = log((1, OLD, 10), (1, OLD, 11), (1, OLD, 12)), log((1, OLD, 10), (1, OLD, 99))
    lines[1] = others[1]

    assert judge(page(lines), set()).damage == ("record 3 does not know its forerunner",)


def test_a_torn_record_is_damage() -> None:
    lines = log((1, OLD, 10), (1, OLD, 11))
    lines[1] = lines[1][:-3] + "000"

    assert len(judge(page(lines), {11}).damage) == 1
    assert judge(page(lines), {11}).lost == (11,)
