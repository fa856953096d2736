"""The network: cuts per direction, loss, delay, duplicates and, from differing delays, reordering."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tegar.guard import datagram
from tegar.sim.ha.agent import Request
from tegar.sim.ha.engine import Engine

KEY = b"k" * 32
LATEST_S = (
    3.0  # what is heard twice is heard again within so long, a question to an agent in three times that
)
WIRE_EVERY = 7


class Net:
    """Links between all names."""

    def __init__(self, engine: Engine, *, wire: bool = False) -> None:
        """Deliver within a millisecond; with *wire*, many as real datagrams."""
        self._engine, self._wire, self._given = engine, wire, 0
        self.loss = self.double = 0.0
        self.delay_s = 0.001
        self.quiet_s = 0.0  # by then everything late has come
        self.cut: set[tuple[str, str]] = set()
        self._doors: dict[str, Callable[[str, Any], None]] = {}

    def listen(self, name: str, door: Callable[[str, Any], None]) -> None:
        """Give what comes for the name to *door*."""
        self._doors[name] = door

    def send(self, sender: str, receiver: str, message: Any) -> None:
        """Send, perhaps in vain, perhaps twice."""
        if self.cut and (sender, receiver) in self.cut:
            return
        engine = self._engine
        rng = engine.rng
        if self.loss and rng.random() < self.loss:
            return
        engine.after(0.0001 + rng.random() * self.delay_s, self._give, sender, receiver, message)
        if self.double and rng.random() < self.double:
            late_s = rng.random() * LATEST_S
            if isinstance(message, Request):
                late_s += LATEST_S * 2
            self.quiet_s = max(self.quiet_s, engine.now_s + late_s)
            engine.after(late_s, self._give, sender, receiver, message)

    def _give(self, sender: str, receiver: str, message: Any) -> None:
        if self._wire and isinstance(message, datagram.Message):
            message = self._over_the_wire(sender, receiver, message)
        door = self._doors.get(receiver)
        if door is not None:
            door(sender, message)

    def _over_the_wire(self, sender: str, receiver: str, message: Any) -> Any:
        """Encode and decode every so many datagrams: it takes longer than all the rest of their way."""
        self._given += 1
        if self._given % WIRE_EVERY:
            return message
        heard = datagram.decode(lambda _: KEY, receiver, datagram.encode(KEY, sender, receiver, message))
        if heard is None:
            self._engine.violate(f"a datagram did not survive its encoding: {message}")
            return message
        return heard[1]

    def part(self, some: Iterable[str], others: Iterable[str], *, one_way: bool = False) -> None:
        """Cut every link between the two sides."""
        others = list(others)
        for a in some:
            for b in others:
                if a != b:
                    self.cut.add((a, b))
                    if not one_way:
                        self.cut.add((b, a))

    def join(self, some: Iterable[str], others: Iterable[str]) -> None:
        """Mend every link between the two sides."""
        others = list(others)
        for a in some:
            for b in others:
                self.cut -= {(a, b), (b, a)}

    def heal(self) -> None:
        """Mend everything."""
        self.cut.clear()
        self.loss = self.double = 0.0
        self.delay_s = 0.001
