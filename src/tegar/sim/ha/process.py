"""A process of a simulated host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tegar.sim.ha.host import Host


class Process:
    """Something the kernel may not run for a while, at any point."""

    def __init__(self, host: Host, name: str) -> None:
        """Begin running."""
        self.host, self.name, self.held_until_s, self.dead = host, name, 0.0, False
        self._queued = False

    def suspend(self, seconds: float) -> None:
        """Stop it as SIGSTOP would."""
        world = self.host.world
        self.held_until_s = max(self.held_until_s, world.engine.now_s + seconds)
        self.host.excused_until_s = max(
            self.host.excused_until_s, self.held_until_s + 2 * self.host.timing.reset_s
        )
        world.engine.say(f"{self.host.name}: {self.name} suspended for {seconds:.2f} s")

    def soon(self, delay_s: float = 0.0) -> None:
        """Run one piece of work after the delay, or when it is allowed to run again."""
        if not self._queued:
            self._queued = True
            self.host.world.engine.after(delay_s, self._go)

    def _go(self) -> None:
        if self.dead:
            return
        engine = self.host.world.engine
        if engine.now_s < self.held_until_s:
            engine.at(self.held_until_s, self._go)
            return
        self._queued = False
        self.work()

    def work(self) -> None:
        """Do one piece of work."""
        raise NotImplementedError
