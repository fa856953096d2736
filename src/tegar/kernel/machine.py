"""State machines as one table of (from, event, to)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Generic, TypeVar

from tegar.kernel.errors import BadTransition

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class Machine(Generic[S, E]):
    """All the states of one noun and the only ways between them."""

    def __init__(self, name: str, *, start: S, table: Iterable[tuple[S, E, S]]) -> None:
        self.name = name
        self.start = start
        self.table = tuple(table)
        self._next = {(state, event): to for state, event, to in self.table}
        if len(self._next) != len(self.table):
            raise ValueError(f"{name}: two arrows leave one state on one event")

    def after(self, state: S, event: E) -> S:
        """Return the state that follows.

        Raises:
            BadTransition: no arrow; says from which states there is one.
        """
        if (state, event) not in self._next:
            wanted = " or ".join(sorted({s.value for s, e, _ in self.table if e == event}))
            raise BadTransition(self.name, state.value, event.value, wanted)
        return self._next[(state, event)]

    def can(self, state: S, event: E) -> bool:
        """Return whether there is an arrow."""
        return (state, event) in self._next

    def mermaid(self) -> str:
        """Return the picture of the machine, for the docs."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.start.value}"]
        lines += [f"    {a.value} --> {b.value}: {e.value}" for a, e, b in self.table]
        return "\n".join(lines) + "\n"
