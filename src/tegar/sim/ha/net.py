"""The network: cuts per direction, loss, delay, duplicates and, from differing delays, reordering."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tegar.guard import datagram
from tegar.guard.datagram import AnyMessage
from tegar.sim.ha.engine import Engine

KEY = b"k" * 32


class Net:
    """Links between all names."""

    def __init__(self, engine: Engine, *, wire: bool = False) -> None:
        """Deliver within a millisecond; with *wire*, as real datagrams."""
        self._engine, self._wire = engine, wire
        self.loss = self.double = 0.0
        self.delay_s = 0.001
        self.cut: set[tuple[str, str]] = set()
        self._doors: dict[str, Callable[[str, AnyMessage], None]] = {}

    def listen(self, name: str, door: Callable[[str, AnyMessage], None]) -> None:
        """Give what comes for the name to *door*."""
        self._doors[name] = door

    def send(self, sender: str, receiver: str, message: AnyMessage) -> None:
        """Send, perhaps in vain, perhaps twice."""
        if (sender, receiver) in self.cut:
            return
        rng = self._engine.rng
        if self.loss and rng.random() < self.loss:
            return
        self._engine.after(
            0.0001 + rng.random() * self.delay_s, lambda: self._give(sender, receiver, message)
        )
        if self.double and rng.random() < self.double:
            self._engine.after(rng.random() * 3, lambda: self._give(sender, receiver, message))

    def _give(self, sender: str, receiver: str, message: AnyMessage) -> None:
        if self._wire:
            heard = datagram.decode(lambda _: KEY, receiver, datagram.encode(KEY, sender, receiver, message))
            if heard is None:
                self._engine.violate(f"a datagram did not survive its encoding: {message}")
                return
            message = heard[1]
        door = self._doors.get(receiver)
        if door is not None:
            door(sender, message)

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
