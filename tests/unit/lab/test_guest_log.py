"""The guest's log on its own disk, compiled for this machine and a file in place of the disk."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "guest" / "src" / "record.c"
SLOTS = 7

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")


class Guest:
    """A machine with a memory of its own, on a disk that others may have, too."""

    def __init__(self, tmp_path: Path, name: str, disk: Path, boots: int) -> None:
        self.run, self.program = tmp_path / name, tmp_path / f"record-{name}"
        self.run.mkdir()
        (self.run / "boots").write_text(f"{boots}\n")
        paths = [f'-DDISK="{disk}"', f'-DRUN="{self.run}"', f"-DSLOTS={SLOTS}"]
        subprocess.run(["gcc", "-Wall", "-Werror", *paths, "-o", str(self.program), str(SOURCE)], check=True)

    def say(self, *words: str) -> str:
        return subprocess.run(
            [str(self.program), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    def write(self, number: int) -> str:
        return self.say("write", str(number))

    def records(self) -> list[list[str]]:
        return [line.split() for line in self.say("log").splitlines()[1:]]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """An empty disk; it cannot be in memory, for it is written past the page cache."""
    path = tmp_path / "disk"
    path.write_bytes(bytes(512 * (SLOTS + 1)))
    return path


def test_what_was_acknowledged_is_there_after_a_boot(tmp_path: Path, disk: Path) -> None:
    first = Guest(tmp_path, "a", disk, 1)
    assert [first.write(n) for n in (10, 11, 12)] == ["ok 10 1", "ok 11 2", "ok 12 3"]

    again = Guest(tmp_path, "b", disk, 2)
    again.write(13)

    assert [(r[0], r[1], r[4], r[6]) for r in again.records()] == [
        ("1", "1", "10", "own"),
        ("2", "1", "11", "own"),
        ("3", "1", "12", "own"),
        ("4", "2", "13", "own"),
    ]


def test_the_log_is_a_ring_and_its_end_is_found_in_every_lap(tmp_path: Path, disk: Path) -> None:
    writer = Guest(tmp_path, "a", disk, 1)
    for n in range(1, 4 * SLOTS):
        assert writer.write(n) == f"ok {n} {n}"
        (writer.run / "log.state").unlink()  # what it knows it knows from the disk

    shown = writer.records()

    assert [int(r[0]) for r in shown] == list(range(3 * SLOTS, 4 * SLOTS))
    assert all(before[8] == after[7] for before, after in itertools.pairwise(shown))


def test_two_writers_on_one_disk_are_seen_at_the_first_write(tmp_path: Path, disk: Path) -> None:
    old, new = Guest(tmp_path, "a", disk, 1), Guest(tmp_path, "b", disk, 2)
    old.write(1)
    new.write(2)

    old.write(3)
    new.write(4)

    assert [r[6] for r in new.records()] == ["own", "own", "foreign", "foreign"]
    assert len({r[2] for r in new.records()}) == 2
