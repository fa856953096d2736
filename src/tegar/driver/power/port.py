"""What a power driver does: read and change a host's power through its BMC."""

from __future__ import annotations

from typing import Protocol

from tegar.model.power import BmcSpec, Can, Power


class PowerDriver(Protocol):
    """Speaks to BMCs of one kind.

    An order that returns was *accepted*, not done: who wants to know reads.  Every call ends within
    ``within_s`` seconds, however the BMC behaves, and none says a password in an error.

    Every call may raise:
        Unreachable: no answer came; what was ordered may have happened.
        WrongPassword: the BMC does not let us in.
        BmcRefused: it answered with an error, or with something that makes no sense.
        Unavailable: the BMC or a tool we need cannot now.
    """

    caps: frozenset[Can]
    longest_password: int
    verifies_tls: bool

    def read(self, bmc: BmcSpec, *, within_s: float) -> Power:
        """Return what the BMC reads now; anything but a clear answer is Unknown or an error."""
        ...

    def force_off(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Order the power off at once; off already is a success."""
        ...

    def on(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Order the power on; on already is a success."""
        ...

    def reset(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Order a reset without taking the power away.  Not safe to repeat: twice is two resets."""
        ...

    def cycle(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Order the power off and on again.  Not safe to repeat."""
        ...

    def soft_off(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Press the power button: the operating system may shut down, or not."""
        ...

    def set_password(self, bmc: BmcSpec, new: str, *, within_s: float) -> None:
        """Give the account another password, and see that the BMC accepts it."""
        ...
