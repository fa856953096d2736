"""What speaks to QEMU on a simulated host: the warden's orders, the agent's gate, and the guests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tegar.guard.warden import Order, Report, Verb
from tegar.sim.ha.agent import Drop, Ended, Look, Move, Permit, Resume, Seen, Start, Stop
from tegar.sim.ha.process import Process

if TYPE_CHECKING:
    from tegar.sim.ha.host import Host

TELL_AGAIN_S, TELL_TIMES = 3.0, 20


@dataclass(eq=False)
class Copy:
    """A QEMU process; one that arrives by migration runs only once it was admitted."""

    vm: str
    vm_epoch: int
    host: Host
    boot: str
    epoch: int
    writing: bool = False
    ran: bool = False  # before: its start was judged
    admitted: bool = True
    moving: bool = False
    as_of: int | None = None  # it arrived with the memory of the copy that was the VM's n-th to write


@dataclass(frozen=True)
class Asked:
    """A question, and where its answer goes."""

    question: Any
    answer: Callable[[Any], None]


class Hands(Process):
    """What speaks to QEMU: strictly one thing after the other."""

    def __init__(self, host: Host, boot: str, copies: dict[str, Copy]) -> None:
        """Begin with a closed gate, and say so; guests may have been left by hands before."""
        super().__init__(host, "hands")
        self.boot = boot
        self.order: Order | None = None
        self.copies = copies
        self.open_epoch = host.opened_epoch
        self.soon()
        self._todo: deque[Order | Asked] = deque()
        self._drained_s: dict[str, float] = {}
        self._act: Callable[[], None] | None = None

    def take(self, it: Order | Asked) -> None:
        """Queue it."""
        self._todo.append(it)
        self.soon(0.0005)

    def work(self) -> None:
        """Finish what was checked before, then the next in the queue, then report."""
        if self._act is not None:
            act, self._act = self._act, None
            act()
        elif self._todo:
            it = self._todo.popleft()
            if isinstance(it, Asked):
                self._answer(it)
            else:
                self._obey(it)
        self._settle()
        if self._todo or self._act is not None:
            self.soon(0.0005)
        self._report()

    # ── the agent ─────────────────────────────────────────────────────────────────────────────────

    def _answer(self, it: Asked) -> None:
        question = it.question
        if isinstance(question, Look):
            waiting = frozenset(vm for vm, copy in self.copies.items() if not copy.admitted)
            it.answer(Seen(self.boot, frozenset(self.copies), waiting))
        elif isinstance(question, Drop):
            if question.vm in self.copies and not self.copies[question.vm].admitted:
                self._stop(question.vm)
            it.answer("done")
        elif question.fence.number < self.host.fences.get(question.fence.saga, 0):
            it.answer("refused")
        else:
            self.host.fences[question.fence.saga] = question.fence.number
            if isinstance(question, Stop):
                it.answer(self._end(question))
            elif isinstance(question, Move):
                self._move(question, it.answer)
            else:
                self.check_start(question, it.answer)

    def _end(self, stop: Stop) -> str:
        """End a VM's copy, unless a newer one was let start here."""
        if stop.vm_epoch < self.host.vm_epochs.get(stop.vm, -1):
            return "refused"
        self.host.vm_ended[stop.vm] = max(stop.vm_epoch, self.host.vm_ended.get(stop.vm, -1))
        self._stop(stop.vm)
        return "done"

    def refusal(self, vm: str, permit: Permit) -> str:
        """Return why a start or resume may not come now, empty when it may: see ``agent/gate.py``."""
        outdated = permit.vm_epoch < self.host.vm_epochs.get(vm, -1)
        outdated |= permit.vm_epoch <= self.host.vm_ended.get(vm, -1)
        if permit.boot != self.boot or permit.epoch < self.open_epoch or outdated:
            return "refused"
        is_open = self.order is not None and self.order.verb is Verb.OPEN
        return "" if is_open and permit.epoch == self.open_epoch else "closed"

    def check_start(self, it: Start | Resume, answer: Callable[[Any], None]) -> None:
        """First look, then act: between the two the process may be suspended, but does nothing else."""
        copy = self.copies.get(it.vm)
        if isinstance(it, Resume) and copy is None:
            answer("refused")
        elif copy is not None and copy.admitted:
            answer("done" if copy.vm_epoch == it.permit.vm_epoch else "refused")
        else:
            why = self.refusal(it.vm, it.permit)
            if why:
                answer(why)
            else:
                self.host.vm_epochs[it.vm] = it.permit.vm_epoch
                self._act = lambda: self._start(it, answer)

    def _start(self, it: Start | Resume, answer: Callable[[Any], None]) -> None:
        copy = self.copies.get(it.vm) if isinstance(it, Resume) else None
        copy = copy or Copy(it.vm, 0, self.host, self.boot, self.open_epoch)
        copy.vm_epoch, copy.admitted = it.permit.vm_epoch, True
        self.copies[it.vm] = copy
        self.host.world.engine.say(
            f"{self.host.name}: {it.vm} {'starts' if isinstance(it, Start) else 'goes on'}, epoch {copy.vm_epoch}"
        )
        self.host.world.writes(copy)
        answer("done")

    def _stop(self, vm: str) -> None:
        copy = self.copies.pop(vm, None)
        if copy is not None:
            self._drained_s.pop(vm, None)
            self.host.world.stops_writing(copy)
            self.host.world.engine.say(f"{self.host.name}: {vm} stopped")

    def _move(self, it: Move, answer: Callable[[Any], None]) -> None:
        """Begin to send a guest away; QEMU does it, whatever becomes of the hands."""
        copy, world = self.copies.get(it.vm), self.host.world
        if copy is None:
            answer("done")
        elif not copy.writing:
            answer("closed")
        elif not copy.moving:
            copy.moving = True
            world.engine.say(f"{self.host.name}: {it.vm} begins to move to {it.to}")
            world.engine.after(world.plan.move_s, self.host.hand_over, copy, it, answer)

    def arrive(self, copy: Copy) -> None:
        """A guest has arrived, paused."""
        self.copies[copy.vm] = copy

    def end(self, vm: str) -> None:
        """The guest's process ends by itself; the agent says so until somebody cares."""
        copy = self.copies.pop(vm, None)
        if copy is None:
            return
        self._drained_s.pop(vm, None)
        self.host.world.stops_writing(copy)
        self.host.world.engine.say(f"{self.host.name}: the process of {vm} dies")
        self.host.world.engine.after(0.05, self._tell, vm, TELL_TIMES)
        self.soon()

    def _tell(self, vm: str, times: int) -> None:
        world = self.host.world
        if self.host.powered and self.host.boot == self.boot and times and vm not in world.writers:
            if world.engine.now_s >= self.host.hands.held_until_s:
                for server in world.servers:
                    world.net.send(self.host.name, server, Ended(self.host.name))
            world.engine.after(TELL_AGAIN_S, self._tell, vm, times - 1)

    # ── the warden's orders ───────────────────────────────────────────────────────────────────────

    def _obey(self, order: Order) -> None:
        if self.order is not None and order.number < self.order.number:
            return
        if self.order is None or order.number > self.order.number:
            self.order = order
            if order.verb is Verb.OPEN:
                self._resume(order)
            else:
                self._pause(order)

    def _resume(self, order: Order) -> None:
        self.open_epoch = self.host.opened_epoch = order.epoch
        self._drained_s.clear()
        for copy in self.copies.values():
            if copy.admitted and not copy.writing:
                self.host.world.engine.say(f"{self.host.name}: {copy.vm} resumes")
                self.host.world.writes(copy)

    def _pause(self, order: Order) -> None:
        world = self.host.world
        for vm, copy in self.copies.items():
            if copy.writing and vm not in self._drained_s:
                drain_s = world.engine.rng.uniform(0.001, self.host.drain_s)
                self._drained_s[vm] = max(world.engine.now_s, self.host.stalled_until_s) + drain_s
                world.engine.at(self._drained_s[vm], self.soon)

    def _settle(self) -> None:
        """Guests whose last request came back are paused now, or gone."""
        if self.order is None or self.order.verb is Verb.OPEN:
            return
        world = self.host.world
        for vm, copy in list(self.copies.items()):
            if copy.writing:
                due_s = self._drained_s.get(vm, 0.0)
                if world.engine.now_s < due_s < self.host.stalled_until_s:
                    self._drained_s[vm] = self.host.stalled_until_s + 0.001
                    world.engine.at(self._drained_s[vm], self.soon)
                elif due_s <= world.engine.now_s:
                    self._drained_s.pop(vm, None)
                    world.stops_writing(copy)
                    world.engine.say(f"{self.host.name}: {vm} paused")
            if not copy.writing and self.order.verb is Verb.CLEAR:
                del self.copies[vm]
                world.engine.say(f"{self.host.name}: {vm} destroyed, its epoch is over")

    def is_done(self) -> bool:
        """Whether the latest order is carried out."""
        if self.order is None:
            return False
        if self.order.verb is Verb.OPEN:
            return True
        return self._act is None and not any(copy.writing for copy in self.copies.values())

    def _report(self) -> None:
        number = self.order.number if self.order is not None else 0
        report = Report(number, self.is_done(), self.open_epoch)
        self.host.world.engine.after(0.0002, self._tell_warden, report)

    def _tell_warden(self, report: Report) -> None:
        self.host.warden.hear(report)
