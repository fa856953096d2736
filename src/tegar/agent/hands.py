"""What carries the warden's orders out: one thread that speaks to every QEMU itself, libvirtd alive or not.

It does strictly one thing after the other and never waits for a QEMU: commands are sent, answers are
taken as they come.  So between the check of a start and its ``cont`` no order can be obeyed, and a
QEMU that hangs holds up nobody; it only keeps the host from being quiet.

* A copy is quiet when its QEMU answered ``stop``, which it does after all requests are drained and
  flushed, and says that it does not run; or when its process has ended.
* CLEAR kills and never says ``quit``: a QEMU that ends in good order may write to its images, and by
  then they may be somebody else's.
* A guest that is being sent elsewhere is frozen (SIGSTOP) as well, once it is drained: libvirt would
  resume it when the migration fails, and asks no gate.
* OPEN resumes what went through the gate before.  A guest that stopped on an I/O error stays stopped:
  whoever sees its storage return calls :meth:`QmpHands.retry`, which goes through the gate as well.
* A copy that appears while the gate is closed is killed: it never ran.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import msgspec
import structlog

from tegar.agent.copies import Copies, Copy
from tegar.agent.gate import Gate, Order, Report, Verb
from tegar.agent.paths import Paths, recall, remember
from tegar.agent.qmp import Answer, Event
from tegar.kernel.errors import AgentRefused, TegarError, Unavailable
from tegar.model.lease import Permit

OPEN_TICK_S = 1.0
CLOSED_TICK_S = 0.1  # how soon a copy that appears, or loses its socket, is seen
RESUME_DEADLINE_S = 30.0  # a new QEMU on a busy host, until it answers
MOVING = {"setup", "active", "pre-switchover", "device", "wait-unplug", "cancelling", "postcopy-active"}
RESUMABLE = {"paused", "prelaunch"}
UP = {"running", "io-error"}
log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Wish:
    """A handler wants a guest to run; the thread grants it or says why not."""

    uuid: str
    permit: Permit | None
    retry: bool  # only what stopped on an I/O error
    over: threading.Event = field(default_factory=threading.Event)
    error: TegarError | None = None
    asked: bool = False  # its QEMU is being asked
    given_up: bool = False

    def end(self, error: TegarError | None = None) -> None:
        """Tell the handler."""
        self.error = error
        self.over.set()


class QmpHands:
    """The Hands port."""

    def __init__(self, paths: Paths, boot: str, *, guarded: bool, on_failure: Callable[[], None]) -> None:
        """Begin closed, and say so.

        Args:
            paths: where files and sockets are.
            boot: this boot.
            guarded: whether permits are wanted.
            on_failure: called when the thread died of a mistake: the agent must end and be restarted.
        """
        self._paths = paths
        for folder in (paths.run_dir, paths.sockets, paths.marks):
            folder.mkdir(parents=True, exist_ok=True)
        self.gate = Gate(
            recall(paths.memory, boot), guarded=guarded, keep=lambda memory: remember(paths.memory, memory)
        )
        self._copies = Copies(paths.sockets, paths.marks)
        self._door = _door(paths.orders)
        self._bell, self._on_failure = os.eventfd(0, os.EFD_NONBLOCK), on_failure
        self._wishes: list[Wish] = []
        self._new_wishes: deque[Wish] = deque()
        self._moving: set[str] = set()
        self._killed: set[str] = set()
        self._closed, self._first = threading.Event(), True
        self._reported: Report | None = None
        self._ordered_s = -1.0
        self._thread = threading.Thread(target=self._run, name="hands", daemon=True)
        self._thread.start()

    # ── for handlers ──────────────────────────────────────────────────────────────────────────────

    def check(self, uuid: str, permit: Permit | None) -> None:
        """Raise unless a start of the VM would be admitted now."""
        self.gate.check(uuid, permit)

    def resume(self, uuid: str, permit: Permit | None) -> None:
        """Let a copy run that is here and was made paused, or arrived; one that runs is success.

        Raises:
            Unavailable: no lease at the moment, the copy is still arriving, or its QEMU does not answer.
            AgentRefused: the permit is outdated, or the copy is in no state to run.
        """
        self.gate.check(uuid, permit)
        self._wait(Wish(uuid, permit, retry=False))

    def may_end(self, uuid: str, vm_epoch: int | None) -> None:
        """Raise if a later epoch of the VM was let start here."""
        self.gate.may_end(uuid, vm_epoch)

    def ends(self, uuid: str, vm_epoch: int | None) -> None:
        """Let no start of this epoch through any more."""
        self.gate.ends(uuid, vm_epoch)

    def waits(self, uuid: str) -> bool:
        """Return whether a copy is here that never went through the gate; one not found yet does not count."""
        copy = self._copies.known.get(uuid)
        return copy is not None and not copy.mark.admitted

    def retry(self, uuid: str) -> None:
        """Let a guest go on that stopped on an I/O error, if guests may run now; others are left alone."""
        self._wait(Wish(uuid, None, retry=True))

    @contextmanager
    def moving(self, uuid: str) -> Iterator[None]:
        """Say that the copy is being sent to another host."""
        self._moving.add(uuid)
        try:
            yield
            self.gate.left(uuid)
        finally:
            self._moving.discard(uuid)

    def killed(self, uuid: str) -> bool:
        """Return whether the hands ended the domain, which is no news to servers."""
        return uuid in self._killed

    def guard(self) -> None:
        """Want permits from now on."""
        self.gate.guard()
        self._ring()

    def restart_warden(self) -> None:
        """Tell the warden to read its configuration again."""
        self._say(b'{"restart": true}')

    @property
    def report(self) -> Report:
        """What the warden was told last."""
        return self._reported or Report(0, False, self.gate.epoch)

    @property
    def order_age_s(self) -> float:
        """How long ago the warden spoke; negative: never."""
        return time.monotonic() - self._ordered_s if self._ordered_s >= 0 else -1.0

    @property
    def out_of_reach(self) -> tuple[str, ...]:
        """The uuids of copies that have a socket or a process, and cannot be spoken to."""
        known = (copy.uuid for copy in list(self._copies.known.values()) if copy.qmp is None)
        return tuple(sorted({*known, *self._copies.strangers}))

    def close(self) -> None:
        """End the thread; guests go on as they are."""
        self._closed.set()
        self._ring()
        self._thread.join(5)

    def _wait(self, wish: Wish) -> None:
        self._new_wishes.append(wish)
        self._ring()
        if not wish.over.wait(RESUME_DEADLINE_S):
            wish.given_up = True
            raise Unavailable("The hypervisor", f"QEMU did not answer within {RESUME_DEADLINE_S:g} s")
        if wish.error is not None:
            raise wish.error

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    # ── the thread ────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                self._turn()
        finally:
            if not self._closed.is_set():
                self._on_failure()
            for copy in self._copies.known.values():
                if copy.qmp is not None:
                    copy.qmp.close()
            self._door.close()

    def _turn(self) -> None:
        """Hear, act, report, wait."""
        orders = self._orders()
        if orders:
            self._ordered_s = time.monotonic()
        for order in orders:
            self._obey(order)
        for copy in list(self._copies.known.values()):
            for event in copy.hear():
                self._event(copy, event)
        self._look()
        self._settle()
        self._grant()
        self._report(again=bool(orders))
        self._sleep()

    def _sleep(self) -> None:
        poll = select.poll()
        for copy in self._copies.known.values():
            poll.register(copy.pidfd, select.POLLIN)
            if copy.qmp is not None:
                poll.register(copy.qmp, select.POLLIN)
        poll.register(self._door, select.POLLIN)
        poll.register(self._bell, select.POLLIN)
        held = any(copy.held for copy in self._copies.known.values())
        eager = held or not self.gate.is_open or self._wishes
        poll.poll(1000 * (CLOSED_TICK_S if eager else OPEN_TICK_S))
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)

    def _look(self) -> None:
        """See which processes have ended and which are new."""
        for uuid in self._copies.forget_gone():
            log.info("a QEMU process has ended", uuid=uuid)
        for copy in self._copies.scan():
            self._killed.discard(copy.uuid)
            if self._first or self.gate.is_open:
                continue
            log.warning("a copy that appears while the gate is closed is ended", uuid=copy.uuid)
            self._kill(copy)
        self._first = self._first and bool(self._copies.strangers)  # those are not new either

    # ── orders ────────────────────────────────────────────────────────────────────────────────────

    def _obey(self, order: Order) -> None:
        if not self.gate.take(order):
            return
        log.info("ordered", number=order.number, verb=order.verb, epoch=order.epoch)
        for copy in self._copies.known.values():
            copy.quiet, copy.held = False, order.verb is Verb.OPEN

    def _settle(self) -> None:
        """Resume what is held by us, or pause what is not quiet, and end what must not be."""
        order = self.gate.order
        if order is None:
            return
        for copy in list(self._copies.known.values()):
            if order.verb is Verb.OPEN:
                if copy.held and copy.qmp is not None and not copy.busy:
                    self._let_run(copy)
                continue
            if copy.mark.frozen:
                self._keep_frozen(copy)
            elif not copy.quiet and not copy.busy:
                self._pause(copy)
            if copy.quiet and order.verb is Verb.CLEAR and copy.uuid not in self._killed:
                self._kill(copy)

    def _keep_frozen(self, copy: Copy) -> None:
        copy.quiet = copy.is_stopped()
        if not copy.quiet:
            copy.signal(SIGSTOP)

    def _pause(self, copy: Copy) -> None:
        """Ask for a pause; the answers tell whether the copy is quiet."""

        def before(said: Answer) -> None:
            if _status(said) in UP and not copy.mark.admitted:
                copy.keep(admitted=True)  # it ran before there was a gate

        def after(said: Answer, moving: bool) -> None:
            if said.error or not isinstance(said.value, dict) or said.value.get("running", True):
                return
            if moving and not self.gate.is_open:
                copy.keep(frozen=True)
                copy.signal(SIGSTOP)
                return  # quiet once the kernel says that it is stopped
            copy.quiet = True

        copy.ask("query-status", before)
        copy.ask("stop", lambda said: None)
        self._look_at(copy, after)

    def _look_at(self, copy: Copy, then: Callable[[Answer, bool], None]) -> None:
        """Ask for the status, and whether it is on its way to another host; in this order.

        A guest that is sent away must not be resumed: its QEMU would obey even when all is sent.
        """
        moving = False

        def moves(said: Answer) -> None:
            nonlocal moving
            moving = _status(said) in MOVING

        copy.ask("query-migrate", moves)
        copy.ask("query-status", lambda said: then(said, moving or copy.uuid in self._moving))

    def _let_run(self, copy: Copy) -> None:
        """Resume what went through the gate before; an order that came meanwhile finds it closed.

        What is on its way is looked at again until it is gone or its journey has failed.
        """
        if copy.mark.frozen:
            copy.keep(frozen=False)
            copy.signal(SIGCONT)

        def go_on(said: Answer, moving: bool) -> None:
            copy.held = moving
            if _status(said) in RESUMABLE and not moving and self.gate.is_open and copy.mark.admitted:
                copy.ask("cont", lambda said: None)

        self._look_at(copy, go_on)

    def _kill(self, copy: Copy) -> None:
        self._killed.add(copy.uuid)
        log.info("a copy is ended", uuid=copy.uuid)
        copy.signal(SIGKILL)

    def _event(self, copy: Copy, event: Event) -> None:
        """Something resumed a guest around the gate: it is not quiet, and is paused again."""
        if event.name == "RESUME" and not self.gate.is_open:
            copy.quiet = False

    # ── wishes ────────────────────────────────────────────────────────────────────────────────────

    def _grant(self) -> None:
        while self._new_wishes:
            self._wishes.append(self._new_wishes.popleft())
        self._wishes = [w for w in self._wishes if not (w.over.is_set() or w.given_up)]
        for wish in self._wishes:
            copy = self._copies.known.get(wish.uuid)
            if wish.retry and copy is None:
                wish.end()
            elif not self.gate.is_open:
                wish.end(Unavailable("The host", "it has no lease at the moment"))
            elif copy is not None and copy.qmp is not None and not wish.asked:
                wish.asked = True
                self._ask_for(wish, copy)

    def _ask_for(self, wish: Wish, copy: Copy) -> None:
        def look(said: Answer, moving: bool) -> None:
            try:
                self._admit(wish, copy, _status(said), moving)
            except TegarError as e:
                wish.end(e)

        self._look_at(copy, look)

    def _admit(self, wish: Wish, copy: Copy, status: str, moving: bool) -> None:
        """Check once more and act at once: no order is obeyed between."""
        if wish.given_up:
            return
        if status == "inmigrate":
            raise Unavailable("The domain", "it is still arriving")
        if not wish.retry and status not in RESUMABLE | UP:
            raise AgentRefused("The host", "a start", f"QEMU says that the domain is {status or 'unwell'}")
        if not wish.retry:
            self.gate.check(wish.uuid, wish.permit)
        if not self.gate.is_open:
            raise Unavailable("The host", "it has no lease at the moment")
        if not wish.retry:
            copy.keep(admitted=True)
        if status not in ({"io-error"} if wish.retry else RESUMABLE) or not copy.mark.admitted:
            wish.end()
        elif moving:
            raise Unavailable("The domain", "it is on its way to another host")
        else:
            copy.ask("cont", lambda said: self._went_on(wish, said))

    def _went_on(self, wish: Wish, said: Answer) -> None:
        wish.end(AgentRefused("The host", "a start", said.error) if said.error else None)

    # ── reports ───────────────────────────────────────────────────────────────────────────────────

    def _is_done(self) -> bool:
        order = self.gate.order
        if order is None:
            return False
        if order.verb is Verb.OPEN:
            return True
        copies = self._copies.known.values()
        left = order.verb is Verb.CLEAR and bool(copies)
        return not left and not self._copies.strangers and all(copy.quiet for copy in copies)

    def _report(self, *, again: bool) -> None:
        order = self.gate.order
        report = Report(order.number if order else 0, self._is_done(), self.gate.epoch)
        unheard = self.gate.guarded and order is None  # a lost report would leave the warden in error
        if again or unheard or report != self._reported:
            self._reported = report
            self._say(msgspec.json.encode(asdict(report)))

    def _say(self, data: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out, suppress(OSError):
            out.sendto(data, socket.MSG_DONTWAIT, str(self._paths.reports))

    def _orders(self) -> list[Order]:
        orders: list[Order] = []
        with suppress(BlockingIOError):
            while len(orders) < 100:
                data = self._door.recv(4096)
                with suppress(msgspec.MsgspecError):
                    orders.append(msgspec.json.decode(data, type=Order))
        return orders


def _door(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(path))
    path.chmod(0o600)
    made.setblocking(False)
    return made


def _status(said: Answer) -> str:
    return str(said.value.get("status", "")) if isinstance(said.value, dict) else ""
