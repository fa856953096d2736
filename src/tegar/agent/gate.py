"""The gate that every start and resume of a guest goes through, and what it remembers.  Pure.

On a host that was never told to be guarded it is open to all.  On a guarded one it begins closed, and
is open only between the warden's order to open and the next one; then for permits of this boot and of
the epoch that was opened for, whose VM epoch is none that a newer placement has outdated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tegar.kernel.errors import AgentRefused, Unavailable
from tegar.model.lease import Permit


class Verb(StrEnum):
    """What the warden orders."""

    CLOSE = "close"  # no start, no resume; every copy paused and drained
    OPEN = "open"  # copies of this epoch run, starts of this epoch may come
    CLEAR = "clear"  # as close, and no copy is left


@dataclass(frozen=True)
class Order:
    """Make it so; orders with lower numbers are void."""

    number: int
    verb: Verb
    epoch: int


@dataclass(frozen=True)
class Report:
    """The latest order that is known, whether it is done, and the epoch that was last opened for."""

    number: int
    done: bool
    epoch: int


@dataclass
class Memory:
    """What lives as long as the boot: the epoch last opened for; of each VM the highest let start, and ended."""

    boot: str
    epoch: int = 0
    vms: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)


class Gate:
    """Admits, or says why not.

    Args:
        memory: what is remembered of this boot.
        guarded: whether permits are wanted.
        keep: called with the memory whenever it changed, before anything follows from the change.
    """

    def __init__(self, memory: Memory, *, guarded: bool, keep: Callable[[Memory], None]) -> None:
        self._memory, self._keep, self._lock = memory, keep, threading.Lock()
        self.guarded = guarded
        self.order: Order | None = None

    @property
    def boot(self) -> str:
        """The boot that permits must name."""
        return self._memory.boot

    @property
    def epoch(self) -> int:
        """The epoch that was last opened for."""
        return self._memory.epoch

    @property
    def is_open(self) -> bool:
        """Whether guests may run now."""
        return not self.guarded or (self.order is not None and self.order.verb is Verb.OPEN)

    def guard(self) -> None:
        """Want permits from now on."""
        self.guarded = True

    def remember(self, before: Gate) -> None:
        """Know what an earlier gate of the same boot knew; its orders are not among that."""
        self._memory = before._memory

    def take(self, order: Order) -> bool:
        """Take an order; return whether it is news.  One with a lower number is void."""
        with self._lock:
            if self.order is not None and order.number <= self.order.number:
                return False
            if order.verb is Verb.OPEN and order.epoch != self._memory.epoch:
                self._memory.epoch = order.epoch
                self._keep(self._memory)
            self.order = order
            return True

    def left(self, uuid: str) -> None:
        """Remember that a VM has moved away: a late order to start it here is void."""
        with self._lock:
            if uuid in self._memory.vms:
                self._end(uuid, self._memory.vms[uuid])

    def may_end(self, uuid: str, vm_epoch: int | None) -> None:
        """Raise if a later epoch of the VM was let start here.

        Raises:
            AgentRefused: it was, so whoever asks is late, or its database has lost commits.
        """
        seen = self._memory.vms.get(uuid, -1)
        if self.guarded and vm_epoch is not None and vm_epoch < seen:
            raise AgentRefused("The host", "an end", f"VM epoch {vm_epoch} is over: {seen} was seen here")

    def ends(self, uuid: str, vm_epoch: int | None) -> None:
        """Remember that a VM's epoch ends here: a late order to start it is void.

        Raises:
            AgentRefused: a later one was let start here.
        """
        with self._lock:
            self.may_end(uuid, vm_epoch)
            if self.guarded and vm_epoch is not None:
                self._end(uuid, vm_epoch)

    def _end(self, uuid: str, vm_epoch: int) -> None:
        if vm_epoch > self._memory.ended.get(uuid, -1):
            self._memory.ended[uuid] = vm_epoch
            self._keep(self._memory)

    def check(self, uuid: str, permit: Permit | None) -> None:
        """Admit a start or resume of a VM, and remember its epoch.

        Raises:
            Unavailable: the host has no lease at the moment; ask again.
            AgentRefused: the permit is none, or of another boot, lease or placement.
        """
        if not self.guarded:
            return
        with self._lock:
            why = self._outdated(uuid, permit)
            if why or permit is None:
                raise AgentRefused("The host", "a start", why)
            if not self.is_open or permit.epoch > self._memory.epoch:
                raise Unavailable("The host", "it has no lease at the moment")
            if permit.vm_epoch > self._memory.vms.get(uuid, -1):
                self._memory.vms[uuid] = permit.vm_epoch
                self._keep(self._memory)

    def _outdated(self, uuid: str, permit: Permit | None) -> str:
        """Return why a permit will never do, empty when it may."""
        if permit is None:
            return "it is guarded, and guests run only with a permit"
        if permit.boot != self._memory.boot:
            return "the permit is of another boot of it"
        if permit.epoch < self._memory.epoch:
            return f"the permit is of lease {permit.epoch}, and the host has {self._memory.epoch}"
        seen = self._memory.vms.get(uuid, -1)
        if permit.vm_epoch <= self._memory.ended.get(uuid, -1):
            return f"VM epoch {permit.vm_epoch} is over: it was ended here"
        return f"VM epoch {permit.vm_epoch} is over: {seen} was seen here" if permit.vm_epoch < seen else ""
