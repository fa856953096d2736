"""The host's side of its lease: a pure machine that says what to do next and does nothing itself.

The effects of one step are carried out in their order, each to its end, before the next step.  That,
and two rules, are the whole safety of a host that is cut off (see docs/ha.md):

* a pet follows a majority's acks of a renewal that was sent *after the pet before*; or
* the host is quiet: guests paused and drained or gone, no start under way, and none possible, for the
  gate through which starts and resumes must go is closed and only an order of this machine opens it.

The hands (another process: it speaks to QEMU) carry out numbered orders and report the number of the
latest order with whether it is done.  Orders are repeated every round, so a restarted hand catches up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from tegar.guard.datagram import Ack, AnyMessage, Challenge, Moved, Renew
from tegar.model.timing import Timing


class Verb(Enum):
    """What the hands must make true."""

    CLOSE = "close"  # no start, no resume; every copy paused and drained
    OPEN = "open"  # copies of this epoch run, starts of this epoch may come
    CLEAR = "clear"  # as close, and no copy is left


@dataclass(frozen=True, slots=True)
class Order:
    """Make it so; orders with lower numbers are void."""

    number: int
    verb: Verb
    epoch: int


@dataclass(frozen=True, slots=True)
class Report:
    """From the hands: the latest order they know, whether it is done, the epoch they last opened for."""

    number: int
    done: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class Pet:
    """Restart the watchdog's timer; the first pet arms it."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send to a witness."""

    witness: str
    message: Renew


@dataclass(frozen=True, slots=True)
class Heard:
    """What a witness said."""

    witness: str
    message: AnyMessage


SENT_KEPT = 64
Effect = Pet | Send | Order
Input = Heard | Report


class Warden:
    """Renew, pet, pause, resume, clear."""

    def __init__(self, host: str, boot: str, witnesses: Sequence[str], timing: Timing) -> None:
        """Begin closed and unarmed: petting a timer that another warden left needs quiet first."""
        self.host, self.boot, self.witnesses, self.timing = host, boot, tuple(witnesses), timing.check()
        self.majority = len(witnesses) // 2 + 1
        self.epoch = 0
        self.armed = False
        self.leased_s: float | None = None  # when the last renewal that a majority acked was sent
        self.order = Order(0, Verb.CLOSE, 0)
        self.done = False  # the hands carried out this very order
        self.wake_s = 0.0  # step again then, or when something is heard
        self._began_s = self._round_s = 0.0  # this round began; the next will
        self._seq = 0
        self._sent: dict[int, float] = {}  # since the last pet: sequence, when
        self._acked: dict[str, int] = {}
        self._floors: dict[str, int] = {}
        self._tokens: dict[str, bytes] = {}

    def step(self, now_s: float, inputs: Iterable[Input]) -> list[Effect]:
        """Take what was heard and return what to do, in this order.

        Args:
            now_s: CLOCK_BOOTTIME of the host, read before the step.
            inputs: what witnesses and hands said since the last step.
        """
        effects: list[Effect] = []
        if self.order.number == 0:
            self._give(Verb.CLOSE, now_s, effects)
        for it in inputs:
            if isinstance(it, Report):
                self._take_report(it)
            else:
                self._take(it.witness, it.message)
        self._rule(now_s, effects)
        if now_s >= self._round_s:
            self._round(now_s, effects)
        self.wake_s = self._round_s
        if self.order.verb is Verb.OPEN and self.leased_s is not None:
            self.wake_s = min(self.wake_s, self.leased_s + self.timing.soft_s)
        return effects

    # ── what was heard ────────────────────────────────────────────────────────────────────────────

    def _take_report(self, report: Report) -> None:
        was, self.done = self.done, report.done and report.number == self.order.number
        if self.done and not was and self.order.verb is not Verb.OPEN:
            self._round_s = 0.0  # quiet at last: the timer may be about to expire, so pet now
        if not self.armed:
            self.epoch = max(self.epoch, report.epoch)  # a warden before us had it

    def _take(self, witness: str, message: AnyMessage) -> None:
        if witness not in self.witnesses or not isinstance(message, Ack | Moved | Challenge):
            return
        if message.host != self.host or message.boot != self.boot:
            return
        if isinstance(message, Challenge):
            self._tokens[witness] = message.token
        elif isinstance(message, Moved):
            self._floors[witness] = max(message.epoch, self._floors.get(witness, 0))
        elif message.epoch == self.epoch:
            self._acked[witness] = max(message.seq, self._acked.get(witness, 0))

    def _acked_s(self) -> float | None:
        """Return when the youngest majority-acked renewal was sent; None if before the last pet."""
        if len(self._acked) < self.majority:
            return None
        seq = sorted(self._acked.values(), reverse=True)[self.majority - 1]
        return self._sent.get(seq)

    def _moved(self) -> bool:
        """Whether no majority can ever accept this epoch again."""
        return sum(floor > self.epoch for floor in self._floors.values()) >= self.majority

    # ── what follows ──────────────────────────────────────────────────────────────────────────────

    def _rule(self, now_s: float, effects: list[Effect]) -> None:
        verb, acked_s = self.order.verb, self._acked_s()
        if not self.armed:
            if self.done:
                self.armed, self._round_s = True, now_s
        elif verb is not Verb.CLEAR and self._moved():
            self._give(Verb.CLEAR, now_s, effects)
        elif verb is Verb.CLEAR and self.done and self._moved():
            self.epoch = max(self._floors.values())
            self._acked.clear()
        elif verb is Verb.OPEN:
            self._rule_open(now_s, acked_s, effects)
        elif (verb is Verb.CLOSE or self.done) and self._young(now_s, acked_s):
            self.leased_s = acked_s
            self._give(Verb.OPEN, now_s, effects)

    def _rule_open(self, now_s: float, acked_s: float | None, effects: list[Effect]) -> None:
        """Pet once for the acks, but never before the guests have resumed; close when the lease is old."""
        if acked_s is not None:
            self.leased_s = acked_s
            if self.done:
                self._pet(effects)
                self._round_s = max(now_s, self._began_s + self.timing.renewal_s)
        if not self._young(now_s, self.leased_s):
            self._give(Verb.CLOSE, now_s, effects)

    def _young(self, now_s: float, lease_s: float | None) -> bool:
        return lease_s is not None and now_s - lease_s < self.timing.soft_s

    def _round(self, now_s: float, effects: list[Effect]) -> None:
        """Begin a round: pet if the host is quiet, repeat the order, send."""
        if self.armed and self.done and self.order.verb is not Verb.OPEN:
            self._pet(effects)
        if not self.done and self.order not in effects:
            effects.append(self.order)
        self._began_s, self._round_s = now_s, now_s + self.timing.ack_wait_s
        if self.armed:
            self._send(now_s, effects)

    def _send(self, now_s: float, effects: list[Effect]) -> None:
        """Send one renewal to every witness; its number grows over restarts, for it is the time."""
        self._seq = max(self._seq + 1, int(now_s * 1e6))
        self._sent[self._seq] = now_s
        if len(self._sent) > SENT_KEPT:
            del self._sent[min(self._sent)]
        for witness in self.witnesses:
            token = self._tokens.get(witness, b"")
            renew = Renew(self.host, self.boot, self.epoch, self._seq, self.timing.dead_s, token)
            effects.append(Send(witness, renew))

    def _give(self, verb: Verb, now_s: float, effects: list[Effect]) -> None:
        """Give an order; its number, too, is the time."""
        self.order = Order(max(self.order.number + 1, int(now_s * 1e6)), verb, self.epoch)
        self.done = False
        effects.append(self.order)

    def _pet(self, effects: list[Effect]) -> None:
        """Pet; acks of what was sent before no longer count."""
        effects.append(Pet())
        self._sent.clear()
