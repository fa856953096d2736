"""One run under observation: makes the fault known, waits for what follows, and says what it proves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from tegar.main.drill import proof, story
from tegar.main.drill.copies import Copies, Copy
from tegar.main.drill.marks import ANSWER, END, FAULT, PAUSE, START, Mark, Run
from tegar.main.drill.prober import Prober, get
from tegar.main.drill.stage import DrillError, Guest, Stage

T = TypeVar("T")
PATIENCE_S = 30.0
ANSWER_PATIENCE_S = 120.0
PAUSED_S = 1.5
"""A guest that computed nothing for so long is paused: each writes to its disk five times a second."""


@dataclass
class Watch:
    """What is seen during one run."""

    stage: Stage
    copies: Copies
    probers: dict[str, Prober]
    log_starts: dict[str, int]
    began_s: float
    marks: list[Mark] = field(default_factory=list)

    def fault(self, what: str) -> float:
        """Note that the fault is being made now; return when, in seconds since 1970."""
        self.began_s = time.time()
        self.mark(FAULT, what, self.began_s)
        return self.began_s

    def mark(self, kind: str, what: str, at_s: float | None = None) -> None:
        """Note something."""
        self.marks.append(Mark(time.time() if at_s is None else at_s, kind, what))

    def only_copy(self, guest: Guest) -> Copy:
        """Return the one process that runs a VM.

        Raises:
            DrillError: there is none, or more than one.
        """
        alive = self.copies.alive(guest.uuid)
        if len(alive) != 1:
            raise DrillError(f"{guest.name} has {len(alive)} processes")
        return alive[0]

    def new_copy(self, guest: Guest, since_s: float, patience_s: float = PATIENCE_S) -> Copy:
        """Wait for a new process of a VM.

        Raises:
            DrillError: none came.
        """
        return self.awaited(
            lambda: next(iter(self.copies.since(guest.uuid, since_s)), None),
            f"{guest.name} was not started again",
            patience_s,
        )

    def answer(self, guest: Guest, since_s: float) -> float:
        """Wait until a guest acknowledges a write after a moment; return when it did.

        Raises:
            DrillError: it never did.
        """
        what = f"{guest.name} does not answer any more"
        return self.awaited(lambda: self.probers[guest.uuid].first_after(since_s), what, ANSWER_PATIENCE_S)

    def awaited(self, find: Callable[[], T | None], failure: str, patience_s: float = PATIENCE_S) -> T:
        """Wait for something that is not None.

        Raises:
            DrillError: it did not come, in the words of *failure*.
        """
        end_s = time.monotonic() + patience_s
        while (found := find()) is None:
            if time.monotonic() > end_s:
                raise DrillError(f"{failure} within {patience_s:g} s")
            time.sleep(0.02)
        return found

    def run(self, number: int, seconds: float | None, failure: str, facts: dict[str, float]) -> Run:
        """Return what this run was, with what the guests' disks and the cloud's own records say."""
        for prober in self.probers.values():
            prober.stop()
        ours = {guest.uuid for guest in self.stage.guests}
        signs = [sign for sign in self.copies.twice if sign.vm in ours]
        lost, twice, troubles = 0, {sign.vm for sign in signs}, [failure] if failure else []
        for sign in signs[:5]:
            self.mark(FAULT, f"TWICE: {sign.older} {sign.did} while {sign.newer} runs it", sign.at_s)
        for guest in self.stage.guests:
            verdict = self._verdict(guest)
            if verdict is None:
                troubles.append(f"the log of {guest.name} could not be read")
                continue
            lost += len(verdict.lost)
            troubles += [f"{guest.name}: {words}" for words in verdict.damage[:3]]
            if verdict.writers:
                twice.add(guest.uuid)
                troubles += [f"{guest.name}: {words}" for words in verdict.writers[:3]]
        self._mark_copies()
        marks = sorted([*self.marks, *self._told()], key=lambda m: m.at_s)
        text = "; ".join(troubles)
        return Run(number, self.began_s, seconds, lost, len(twice), text, marks, facts)

    def _verdict(self, guest: Guest) -> proof.Verdict | None:
        begin = self.log_starts[guest.uuid]
        end_s = time.monotonic() + 20
        while time.monotonic() < end_s:
            page = get(guest.address, f"/cgi-bin/log?from={begin}", 15)
            if page is not None and page.startswith("run "):
                return proof.judge(page, self.probers[guest.uuid].acknowledged)
            time.sleep(0.3)
        return None

    def _told(self) -> list[Mark]:
        since_s = self.began_s - 1
        rows = self.stage.db.read(lambda s: story.from_rows(s, since_s))
        logged = story.from_logs(self.stage.place.root / "log", since_s)
        return [*rows, *logged, *story.from_watchdogs(self.stage.lab, since_s)]

    def _mark_copies(self) -> None:
        names = {guest.uuid: guest.name for guest in self.stage.guests}
        for copy in self.copies.all:  # of every lab on this machine
            if copy.vm not in names:
                continue
            name = names[copy.vm]
            if copy.started_s > self.began_s:
                self.mark(START, f"{name} starts on {copy.host}", copy.started_s)
            ran_s, until_s = copy.last_ran_s, copy.ended_s or time.time()
            if ran_s is not None and ran_s > self.began_s and until_s - ran_s > PAUSED_S:
                self.mark(PAUSE, f"{name} computes no more on {copy.host}", ran_s)
            if copy.ended_s is not None and copy.ended_s > self.began_s:
                self.mark(END, f"{name} is gone from {copy.host}", copy.ended_s)
        for guest in self.stage.guests:
            started_s = max((c.started_s for c in self.copies.since(guest.uuid, self.began_s)), default=None)
            if started_s and (at_s := self.probers[guest.uuid].first_after(started_s)):
                self.mark(ANSWER, f"{guest.name} acknowledges a write", at_s)


@contextmanager
def watching(stage: Stage) -> Iterator[Watch]:
    """Watch all guests of a stage."""
    starts = {guest.uuid: _log_end(guest) for guest in stage.guests}
    copies = Copies(stage.places)
    copies.start()
    probers = {guest.uuid: Prober(guest.address) for guest in stage.guests}
    try:
        yield Watch(stage, copies, probers, starts, time.time())
    finally:
        for prober in probers.values():
            prober.stop()
        copies.stop()


def _log_end(guest: Guest) -> int:
    """Return the number of the last record, the first one that this run judges."""
    page = get(guest.address, "/cgi-bin/log?from=1000000000", 10)
    if page is None:
        raise DrillError(f"the log of {guest.name} could not be read")
    return max(1, int(page.split("\n", 1)[0].split()[-1]))
