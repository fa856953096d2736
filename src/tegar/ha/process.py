"""High availability in a management server: a thread that leads, or waits to lead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tegar.guard.datagram import Answer, AnyMessage
from tegar.ha import enroll
from tegar.ha.decide import LeaseId
from tegar.ha.manager import LEASE, Leading, Manager
from tegar.ha.ways import NoPower, Power
from tegar.ha.witnesses import Witnesses
from tegar.kernel import log
from tegar.kernel.errors import TegarError
from tegar.kernel.lease import BEAT_S, Leases
from tegar.saga.env import Env

ENROLL_S = 5.0
Work = Callable[[], Callable[[], None]]


class HighAvailability:
    """The HA manager of one server: leads when it holds the lease ``ha``."""

    def __init__(
        self,
        env: Env,
        witnesses: Witnesses,
        secret: bytes,
        server_uuid: Callable[[], str],
        power: Power | None = None,
    ) -> None:
        """Take what it works with; nothing begins yet."""
        self._env, self._witnesses, self._secret = env, witnesses, secret
        self._server_uuid, self._power = server_uuid, power or NoPower()
        self._leases = Leases(env.db, env.clock)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="ha")
        self._stop = threading.Event()
        self._leading: Leading | None = None
        self._manager: Manager | None = None
        self._beat_s = self._enroll_s = -1e9
        self._enrolling = self._resting = False
        self._thread = threading.Thread(target=self._run, name="ha", daemon=True)
        witnesses.on_answer = self._hear

    @property
    def leads(self) -> bool:
        """Whether this server leads."""
        return self._leading is not None

    def start(self) -> None:
        """Begin."""
        self._witnesses.start()
        self._thread.start()

    def rest(self) -> None:
        """Lead no more: this server leaves, and another may at once."""
        self._resting = True
        self._inbox.put(self._abdicate)

    def work(self) -> None:
        """Lead again if nobody does."""
        self._resting = False

    def stop(self) -> None:
        """End, and let another lead at once."""
        self._stop.set()
        self._inbox.put(lambda: None)
        self._thread.join(timeout=5)
        self._abdicate()
        self._witnesses.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # ── ways, as the manager sees them ────────────────────────────────────────────────────────────

    def say(self, witness: str, address: tuple[str, int], message: AnyMessage) -> None:
        """Send a datagram."""
        self._witnesses.send(witness, address, message)

    def ask(self, witness: str, address: tuple[str, int], leases: Sequence[LeaseId]) -> None:
        """Ask about many leases."""
        self._witnesses.ask(witness, address, leases)

    def nonce(self) -> int:
        """Return the next number."""
        return self._witnesses.nonce()

    def apart(self, work: Work) -> None:
        """Do something in another thread, and what comes of it in the manager's, if it still leads."""
        manager = self._manager

        def do() -> None:
            after = work()
            self._inbox.put(lambda: after() if self._manager is manager else None)

        self._pool.submit(do)

    # ── the thread ────────────────────────────────────────────────────────────────────────────────

    def _hear(self, witness: str, answer: Answer) -> None:
        if self._manager is not None:
            self._inbox.put(partial(self._heard, witness, answer))

    def _heard(self, witness: str, answer: Answer) -> None:
        if self._manager is not None:
            self._manager.hear(witness, answer)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._once()
            except TegarError as e:
                log.get("ha").warning("round failed", error=str(e))
                self._begin_anew()
            except Exception as e:
                log.get("ha").error("round failed", error=repr(e), exc_info=True)
                self._begin_anew()

    def _once(self) -> None:
        now_s = self._env.clock.mono_s()
        if now_s - self._beat_s >= BEAT_S:
            self._beat_s = now_s
            self._lead()
        if self._manager is not None:
            self._manager.turn()
            self._enroll(now_s)
        self._drain()

    def _drain(self) -> None:
        """Do what has come, waiting for it until the next thing is due."""
        due_s = self._beat_s + BEAT_S
        if self._manager is not None:
            due_s = min(due_s, self._manager.due_s())
        try:
            work = self._inbox.get(timeout=max(0.0, due_s - self._env.clock.mono_s()))
            while True:
                work()
                work = self._inbox.get_nowait()
        except queue.Empty:
            return

    def _abdicate(self) -> None:
        mine, self._leading, self._manager = self._leading, None, None
        if mine is not None:
            self._leases.give_up(LEASE, mine.holder, mine.fence)

    def _lead(self) -> None:
        """Keep the lease, or take it when its holder is gone; a manager that failed is made anew."""
        mine = self._leading
        if mine is not None and not self._leases.beat(LEASE, mine.holder, mine.fence):
            log.get("ha").error("another server leads high availability")
            self._leading = self._manager = None
        if self._leading is None and not self._resting:
            holder = self._server_uuid()
            fence = self._leases.take(LEASE, holder, "high availability")
            if fence is not None:
                log.get("ha").info("leading high availability", server=holder, fence=fence)
                self._leading = Leading(holder, fence)
        if self._leading is not None and self._manager is None:
            self._manager = Manager(self._env, self, self._leading, self._power)

    def _begin_anew(self) -> None:
        """Forget what was heard, for half of it may have been acted upon; it will be heard again."""
        self._manager = None
        self._stop.wait(0.1)

    def _enroll(self, now_s: float) -> None:
        if now_s - self._enroll_s < ENROLL_S or self._enrolling:
            return
        self._enroll_s, self._enrolling = now_s, True

        def work() -> Callable[[], None]:
            try:
                enroll.round(self._env, self._secret)
            finally:
                self._enrolling = False
            return lambda: None

        self.apart(work)
