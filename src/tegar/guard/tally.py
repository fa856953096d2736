"""Is the epoch of a VM agreed upon?  Pure: what witnesses said of one record goes in.

A witness that restarted grants what it is asked, for it may have forgotten a later epoch, and says that
it is blank.  Blank grants make no majority: beside a witness that missed a raise they would outvote the
one that knows it, and a database that lost its latest commits could start a second copy.

When a majority agreed, blank witnesses are told so, and are blank no more.  Only those that had begun,
and waited for D, before the question was put: what was granted to it was granted after all that they
have forgotten.  For the same reason grants are counted together only within less than any D.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tegar.guard.datagram import Recorded
from tegar.guard.judge import majority

TOGETHER_S = 2.0  # from the first question to the verdict; a witness that restarts says nothing for D


class Tally:
    """Counts what the witnesses of a cluster say of one epoch of one VM."""

    def __init__(self, witnesses: Collection[str], begun: Mapping[str, int], now_s: float) -> None:
        """Begin, before the first question is put.

        Args:
            witnesses: all of the cluster.
            begun: incarnations of witnesses that are known to answer such questions already.
            now_s: a monotonic clock.
        """
        self._of, self._began_s = len(witnesses), now_s
        self._begun = {witness: begun[witness] for witness in witnesses if witness in begun}
        self.said: dict[str, Recorded] = {}

    def take(self, witness: str, said: Recorded) -> None:
        """Count an answer: the first of a witness."""
        self.said.setdefault(witness, said)

    def verdict(self, now_s: float) -> bool | None:
        """Return whether it is agreed upon; None: too few have answered, or too slowly.

        When so many are blank that the others are no majority, all witnesses must grant.
        """
        if now_s - self._began_s > TOGETHER_S:
            return None
        granted = [it for it in self.said.values() if it.granted]
        refused = len(self.said) - len(granted)
        need = majority(self._of)
        if sum(not it.blank for it in granted) >= need or len(granted) == self._of:
            return True
        if refused > self._of - need or len(self.said) == self._of:
            return False
        return None

    def blank(self) -> dict[str, int]:
        """Return the blank witnesses, and their incarnations, that are told when it is agreed upon."""
        return {
            witness: it.incarnation
            for witness, it in self.said.items()
            if it.blank and self._begun.get(witness) == it.incarnation
        }
