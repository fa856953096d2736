"""What a guest's own disk proves: that it has what it acknowledged, and that one machine wrote it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_WORDS = 9


@dataclass(frozen=True)
class Record:
    """One record of the guest's log: see ``guest/README.md``."""

    seq: int
    boot: int
    run: str
    kind: str
    number: int
    wall_ms: int
    flag: str
    previous: str
    total: str


@dataclass(frozen=True)
class Verdict:
    """What the log says.

    Attributes:
        lost: acknowledged numbers that are not there.
        writers: signs that two machines wrote, in words; none is good.
        damage: records that cannot be right, in words; none is good.
    """

    lost: tuple[int, ...]
    writers: tuple[str, ...]
    damage: tuple[str, ...]


def checksum(text: str) -> str:
    """Return the guest's checksum of a text (FNV-1a)."""
    found = 2166136261
    for byte in text.encode():
        found = ((found ^ byte) * 16777619) & 0xFFFFFFFF
    return f"{found:08x}"


def parse(line: str) -> Record | None:
    """Return a line of the log as a record, or None if it is none or its checksum is wrong."""
    words = line.split(" ")
    if len(words) != _WORDS or checksum(" ".join(words[:-1])) != words[-1]:
        return None
    try:
        seq, boot, number, wall_ms = int(words[0]), int(words[1]), int(words[4]), int(words[5])
    except ValueError:
        return None
    return Record(seq, boot, words[2], words[3], number, wall_ms, words[6], words[7], words[8])


def judge(page: str, acknowledged: Collection[int]) -> Verdict:
    """Return what ``/cgi-bin/log`` proves.

    Args:
        page: all that the page said; the first line is about the guest and not a record.
        acknowledged: the numbers whose writing the guest answered with ``ok``.
    """
    lines = page.splitlines()[1:]
    parsed = [(line, parse(line)) for line in lines]
    damage = [f"no record: {line[:60]!r}" for line, record in parsed if record is None]
    records = [record for _, record in parsed if record is not None]
    for before, after in itertools.pairwise(records):
        if after.seq != before.seq + 1:
            damage.append(f"record {before.seq} is followed by {after.seq}")
        elif after.previous != before.total:
            damage.append(f"record {after.seq} does not know its forerunner")
    there = {record.number for record in records if record.kind == "write"}
    return Verdict(tuple(sorted(set(acknowledged) - there)), tuple(_writers(records)), tuple(damage))


def _writers(records: Sequence[Record]) -> list[str]:
    signs = [f"record {r.seq} of boot {r.boot} found a stranger's" for r in records if r.flag != "own"]
    ended: set[str] = set()
    for before, after in itertools.pairwise(records):
        if after.run == before.run:
            continue
        ended.add(before.run)
        if after.run in ended:
            signs.append(f"boot {after.boot} wrote record {after.seq} after boot {before.boot} had begun")
        elif after.boot <= before.boot:
            signs.append(f"record {after.seq}: another machine in boot {after.boot}")
    return signs
