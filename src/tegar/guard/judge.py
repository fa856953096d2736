"""Is a lease proven dead?  Pure: what witnesses answered, and the manager's own clock, go in.

A witness says how long ago, on its clock, it last accepted the lease; the manager adds what passed on
its own since the answer arrived.  The answer's way is not counted, so the sum is never too long.  Every
D has room for both clocks (see timing.py).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tegar.guard.datagram import Answer

FRESH_S = 1.0  # an answer to an older question says nothing about now


@dataclass(frozen=True, slots=True)
class Seen:
    """The latest answer of one witness about one lease; times are of the manager's clock."""

    witness: str
    answer: Answer
    asked_s: float  # it was written after this
    at_s: float  # and before this

    def silent_s(self, now_s: float) -> float:
        """Return how long the witness has surely not accepted the lease, if it promised."""
        return self.answer.age_s + now_s - self.at_s


@dataclass(frozen=True, slots=True)
class LeaseProof:
    """P2: nothing of the lease can write, and nothing ever will."""

    host: str
    boot: str
    epoch: int
    at_s: float
    witnesses: tuple[str, ...]
    silent_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Lacking:
    """Why there is no proof yet."""

    why: str


def majority(witnesses: int) -> int:
    """Return how many are more than half."""
    return witnesses // 2 + 1


def silent(seen: Collection[Seen], witnesses: int, now_s: float, for_s: float) -> bool:
    """Return whether a majority says, now, that it has heard nothing of the host for so long: of no boot.

    One witness that hears nothing says more about its own cable than about the host.  And only what a
    witness *said* counts, not what passed since: a manager that hears no witness knows nothing of hosts.
    """
    silences = [min(it.answer.age_s, it.answer.now_age_s) for it in _fresh(seen, now_s)]
    return sum(silence_s >= for_s for silence_s in silences) >= majority(witnesses)


def ripe_in_s(seen: Collection[Seen], witnesses: int, now_s: float) -> float:
    """Return in how many seconds to ask for promises: when a majority will have been silent for D.

    A promise cannot be taken back: asked for at suspicion it would destroy guests that a host, back
    after a moment, could have gone on running.  Asked for at D it costs one round trip.  Infinite when
    no majority spoke lately.
    """
    left = sorted(it.answer.dead_s - it.silent_s(now_s) for it in _fresh(seen, now_s))
    need = majority(witnesses)
    return max(0.0, left[need - 1]) if len(left) >= need else math.inf


def _fresh(seen: Collection[Seen], now_s: float) -> list[Seen]:
    return [it for it in seen if it.answer.ready and now_s - it.asked_s <= FRESH_S]


def lease_proof(
    seen: Collection[Seen], incarnations: Mapping[str, int], witnesses: int, now_s: float
) -> LeaseProof | Lacking:
    """Return P2, or what is lacking.

    Args:
        seen: the latest answers about one lease, one per witness.
        incarnations: the latest incarnation the manager knows of each witness: promises of an earlier
            one are forgotten and count for nothing.
        witnesses: how many the cluster has, not how many answer.
        now_s: the manager's CLOCK_BOOTTIME.
    """
    need = majority(witnesses)
    promised = [
        it
        for it in seen
        if it.answer.ready and it.answer.promised and incarnations.get(it.witness) == it.answer.incarnation
    ]
    if len(promised) < need:
        return Lacking(f"{len(promised)} of {witnesses} witnesses promised, {need} must")
    old = [it for it in promised if it.silent_s(now_s) >= it.answer.dead_s]
    if len(old) < need:
        left_s = min(it.answer.dead_s - it.silent_s(now_s) for it in promised if it not in old)
        return Lacking(
            f"D has passed at {len(old)} of {witnesses} witnesses, {left_s:.1f} s more at the next"
        )
    first = old[0].answer
    return LeaseProof(
        first.host,
        first.boot,
        first.epoch,
        now_s,
        tuple(it.witness for it in old),
        tuple(it.silent_s(now_s) for it in old),
    )


def storm(suspects: int, hosts: int) -> bool:
    """Return whether so many hosts are suspect that silence alone proves nothing worth acting on."""
    return suspects > max(2, hosts // 5)
