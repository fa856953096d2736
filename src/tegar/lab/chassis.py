"""What a BMC can do to its host."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from tegar.lab.cloud import LabHost
from tegar.lab.errors import LabError


class Chassis(Protocol):
    """A host, seen from its BMC: wires to the power supply."""

    def powered(self) -> bool:
        """Return whether it has power."""
        ...

    def on(self) -> None:
        """Give it power; returns at once."""
        ...

    def off(self) -> None:
        """Take the power away."""
        ...


@dataclass
class LabChassis:
    """A host of the lab."""

    host: LabHost

    def __post_init__(self) -> None:
        self._one = threading.Lock()

    def powered(self) -> bool:
        """Return whether its first process lives."""
        return self.host.powered()

    def on(self) -> None:
        """Boot it; that takes seconds, and a BMC does not wait for them."""
        threading.Thread(target=self._boot, name=f"boot-{self.host.name}").start()

    def off(self) -> None:
        """Pull the plug; a boot under way dies with it."""
        self.host.power_off()

    def _boot(self) -> None:
        if not self._one.acquire(blocking=False):
            return
        try:
            self.host.power_on()
        except LabError as e:  # its power went away while it booted
            print(f"{self.host.name}: {e}", flush=True)
        finally:
            self._one.release()


def order(chassis: Chassis, what: str) -> None:
    """Carry out ``on``, ``off``, ``reset`` or ``soft``; guests of a lab host get no warning either way."""
    if what in ("off", "soft", "reset") and chassis.powered():
        chassis.off()
    if what in ("on", "reset"):
        chassis.on()
