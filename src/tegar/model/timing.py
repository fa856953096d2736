"""The timers of a host's lease, what follows from them, and the inequalities they must keep."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from tegar.kernel.errors import TegarError

WORST_RHO = 0.001  # a clock that is further off is broken


@dataclass(eq=False)
class UnsafeTiming(TegarError):
    """Numbers that break an inequality; the sentence names it."""

    says = "These timers are not safe: {why}"

    why: str


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The timers of one host.  All are seconds on the clock of whoever uses them."""

    watchdog_s: float = 3.0  # one stage of the timer, as read back from the device
    stages: int = 1  # a two-stage chipset timer resets at the second expiry
    soft_s: float = 2.0  # S: without a lease this long, pause and drain
    drain_s: float = 0.8  # what pausing and draining healthy guests may take
    renewal_s: float = 0.5
    ack_wait_s: float = 0.4
    misses: int = 3
    rho: float = 200e-6  # no clock's rate is further from true than this
    pad_s: float = 0.5
    latency_s: float = 0.4  # from the timer's expiry until no write can leave the host
    start_s: float = 1.0  # from a proof to the new QEMU process, for the derived figure

    @property
    def reset_s(self) -> float:
        """W: the longest time from a pet to the timer's last expiry."""
        return self.watchdog_s * self.stages

    @property
    def suspect_s(self) -> float:
        """Silence after which a host is suspect."""
        return self.renewal_s * self.misses

    @property
    def dead_s(self) -> float:
        """D: silence after which nothing of the lease can write."""
        return 2 * self.reset_s * (1 + 4 * self.rho) + self.pad_s

    @property
    def force_off_s(self) -> float:
        """Silence before which power is never cut: by then guests are paused or the timer is firing."""
        return self.reset_s

    @property
    def failover_s(self) -> float:
        """Power loss to the new QEMU process, by lease alone: for operators to read."""
        return self.dead_s + self.ack_wait_s + self.start_s

    def check(self) -> Timing:
        """Return these timers.

        Raises:
            UnsafeTiming: an inequality does not hold; the sentence says which and with what numbers.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise UnsafeTiming(f"{field.name} is {value}, and must be a positive number")
        for holds, why in self._inequalities():
            if not holds:
                raise UnsafeTiming(why)
        return self

    def _inequalities(self) -> list[tuple[bool, str]]:
        return [
            (self.rho <= WORST_RHO, f"rho {self.rho} is above {WORST_RHO}: such a clock measures nothing"),
            (
                self.dead_s / (1 + self.rho) >= 2 * self.reset_s / (1 - self.rho) + self.latency_s,
                f"inequality 3: D = {self.dead_s:g} s must outlast two watchdogs of {self.reset_s:g} s"
                f" and the reset's latency of {self.latency_s:g} s; raise pad_s",
            ),
            (
                self.soft_s + self.drain_s < self.watchdog_s,
                f"inequality 4: S + drain = {self.soft_s + self.drain_s:g} s must be less than W ="
                f" {self.watchdog_s:g} s, for the pet may directly follow the send",
            ),
            (
                self.ack_wait_s < self.renewal_s,
                f"inequality 2: the wait for acks, {self.ack_wait_s:g} s, must end before the next"
                f" renewal, {self.renewal_s:g} s, for rounds do not overlap",
            ),
            (
                self.renewal_s + 2 * self.ack_wait_s < self.soft_s,
                f"one lost renewal must not pause guests: {self.renewal_s:g} s + two waits of"
                f" {self.ack_wait_s:g} s must be less than S = {self.soft_s:g} s",
            ),
            (
                2 * self.renewal_s < self.suspect_s < self.dead_s,
                f"suspicion, {self.suspect_s:g} s, must be after two renewals and before D = {self.dead_s:g} s",
            ),
            (
                self.soft_s + self.drain_s < self.force_off_s < self.dead_s,
                f"power may be cut only after guests are paused, {self.soft_s + self.drain_s:g} s, and"
                f" to be of use before D = {self.dead_s:g} s",
            ),
        ]


DEFAULT = Timing()
FAST = Timing(watchdog_s=2.0, soft_s=1.4, drain_s=0.5)
