"""What a BMC can do to its host."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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


class LabChassis:
    """A host of the lab; orders are carried out one after the other, in the order they came."""

    def __init__(self, host: LabHost) -> None:
        self._host, self._one = host, ThreadPoolExecutor(1, thread_name_prefix="chassis")

    def powered(self) -> bool:
        """Return whether its first process lives."""
        return self._host.powered()

    def on(self) -> None:
        """Boot it; a BMC does not wait for that."""
        self._one.submit(self._boot)

    def off(self) -> None:
        """Pull the plug."""
        self._one.submit(self._host.power_off).result()

    def _boot(self) -> None:
        try:
            self._host.boot()
        except LabError as e:
            print(f"{self._host.name}: {e}", flush=True)


def order(chassis: Chassis, what: str) -> None:
    """Carry out ``on``, ``off``, ``reset`` or ``soft``; guests of a lab host get no warning either way."""
    if what in ("off", "soft", "reset") and chassis.powered():
        chassis.off()
    if what in ("on", "reset"):
        chassis.on()
