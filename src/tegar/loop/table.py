"""Every loop with its period: one line each.  They run on the one server that holds the lease ``loops``."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tegar.kernel import log
from tegar.kernel.errors import TegarError
from tegar.kernel.lease import BEAT_S, Leases
from tegar.kernel.loop import Loop
from tegar.loop import (
    bmc_state,
    expunge,
    filter_repair,
    guest_health,
    health,
    host_pulse,
    network_gc,
    router_repair,
    stats,
    stuck_jobs,
    tidy,
    vm_power,
)
from tegar.saga.env import Env

LEASE = "loops"


class Loops:
    """The loops of one server."""

    def __init__(
        self,
        env: Env,
        server_uuid: Callable[[], str],
        retry_stuck: Callable[[int], None],
        guard_secret: Callable[[], bytes],
    ) -> None:
        self._env, self._server_uuid = env, server_uuid
        self._leases = Leases(env.db, env.clock)
        self._fence: int | None = None
        self._holder = ""
        self._stop, self._rests = threading.Event(), False
        self.vm_power = self._loop("vm_power", 10, lambda: vm_power.round(env))
        self._all = (
            self._loop("host_pulse", 3, host_pulse.Pulses(env).round),
            self.vm_power,
            self._loop("guest_health", 10, lambda: guest_health.round(env)),
            self._loop("router_repair", 5, lambda: router_repair.round(env)),
            self._loop("filter_repair", 2, lambda: filter_repair.round(env)),
            self._loop("network_gc", 10, network_gc.Collector(env).round),
            self._loop("stuck_jobs", 30, lambda: stuck_jobs.round(env, retry_stuck)),
            self._loop("expunge", 60, lambda: expunge.round(env)),
            self._loop("bmc_state", 60, lambda: bmc_state.round(env)),
            self._loop("health", 5, lambda: health.round(env, guard_secret)),
            self._loop("stats", 30, lambda: stats.round(env)),
            self._loop("pools", 60, lambda: stats.pools(env)),
            self._loop("tidy", 600, lambda: tidy.round(env)),
        )
        self._thread = threading.Thread(target=self._lead, name="loops", daemon=True)

    def _loop(self, name: str, every_s: float, round: Callable[[], None]) -> Loop:
        def when_leading() -> None:
            if self._fence is not None:
                round()

        return Loop(name, every_s, when_leading, self._env.clock)

    def start(self) -> None:
        """Begin, as leader or in waiting."""
        self._thread.start()
        for loop in self._all:
            loop.start()

    def stop(self) -> None:
        """End, and let another lead at once."""
        self._stop.set()
        for loop in self._all:
            loop.stop()
        if self._fence is not None:
            self._leases.give_up(LEASE, self._holder, self._fence)

    def rest(self) -> None:
        """Let another lead, and do not lead again before ``work``."""
        self._rests = True

    def work(self) -> None:
        """Lead again when nobody else does."""
        self._rests = False

    def _lead(self) -> None:
        """Keep the lease, or take it when its holder is gone."""
        while not self._stop.is_set():
            try:
                self._once()
            except TegarError as e:
                self._fence = None
                log.get("loop").warning("cannot reach the database", error=str(e))
            self._stop.wait(BEAT_S)

    def _once(self) -> None:
        if self._rests:
            if self._fence is not None:
                fence, self._fence = self._fence, None
                self._leases.give_up(LEASE, self._holder, fence)
            return
        if self._fence is not None and self._leases.beat(LEASE, self._holder, self._fence):
            return
        self._holder = self._server_uuid()
        self._fence = self._leases.take(LEASE, self._holder, "loops")
        if self._fence is not None:
            log.get("loop").info("leading the loops", server=self._holder, fence=self._fence)
            for loop in self._all:
                loop.poke()
