"""What the HA manager reaches the world by, besides SQL and agents: witnesses, power, and what takes long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy.orm import Session

from tegar.guard import datagram
from tegar.ha.decide import LeaseId


class Ways(Protocol):
    """What the manager reaches the world by, besides SQL and agents."""

    def say(self, witness: str, address: tuple[str, int], message: datagram.AnyMessage) -> None:
        """Send a datagram to a witness."""
        ...

    def ask(self, witness: str, address: tuple[str, int], leases: Sequence[LeaseId]) -> None:
        """Ask a witness about many leases, in few datagrams."""
        ...

    def nonce(self) -> int:
        """Return a number that grows: the time of now in microseconds on the manager's clock."""
        ...

    def apart(self, work: Callable[[], Callable[[], None]]) -> None:
        """Do something that takes long elsewhere; what it returns is called in the manager's thread."""
        ...


class Power(Protocol):
    """Cuts the power of hosts and reads what came of it."""

    def hosts(self, s: Session) -> frozenset[int]:
        """Return the ids of hosts whose power can be cut."""
        ...

    def off(self, host_id: int) -> str:
        """Cut a host's power; return the evidence that it was read as Off, empty when it was not."""
        ...

    def reads_off(self, host_id: int) -> str:
        """Cut nothing; return the evidence that a host's power reads Off, empty when it does not."""
        ...


class NoPower:
    """No host has a BMC."""

    def hosts(self, s: Session) -> frozenset[int]:
        """Return none."""
        return frozenset()

    def off(self, host_id: int) -> str:
        """Return no evidence."""
        return ""

    def reads_off(self, host_id: int) -> str:
        """Return no evidence."""
        return ""
