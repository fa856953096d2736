"""BMCs of simulated hosts: a power driver whose addresses are names of the world's hosts."""

from __future__ import annotations

from tegar.kernel.db import must_not_hold_tx
from tegar.kernel.errors import Unreachable
from tegar.model.errors import WrongPassword
from tegar.model.power import BmcSpec, Can, Power
from tegar.sim.things import Machine
from tegar.sim.world import World

USERNAME = "admin"


class SimPower:
    """See ``driver.power.port.PowerDriver``."""

    caps = frozenset(Can)
    longest_password = 20
    verifies_tls = True

    def __init__(self, world: World) -> None:
        self._world = world

    def _machine(self, bmc: BmcSpec, what: str, within_s: float) -> Machine:
        must_not_hold_tx()
        machine = self._world.machine(bmc.address)
        self._world.asked.append((bmc.address, f"bmc {what}"))
        if machine.bmc.dark:
            self._world.clock.sleep(within_s)
            raise Unreachable(f"The BMC at {bmc.name}", "no answer in time")
        if (bmc.username, bmc.password.reveal()) != (USERNAME, machine.bmc.password):
            raise WrongPassword(bmc.name, bmc.username)
        return machine

    def read(self, bmc: BmcSpec, *, within_s: float) -> Power:
        """Read."""
        return Power.ON if self._machine(bmc, "read", within_s).powered else Power.OFF

    def force_off(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Cut the power."""
        if not self._machine(bmc, "off", within_s).bmc.lies:
            self._world.power_off(bmc.address)

    def on(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Boot."""
        if not self._machine(bmc, "on", within_s).bmc.lies:
            self._world.power_on(bmc.address)

    def reset(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Cut and boot."""
        machine = self._machine(bmc, "reset", within_s)
        if not machine.bmc.lies:
            machine.bmc.resets += 1
            self._world.power_off(bmc.address)
            self._world.power_on(bmc.address)

    def cycle(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Cut and boot."""
        self.reset(bmc, within_s=within_s)

    def soft_off(self, bmc: BmcSpec, *, within_s: float) -> None:
        """Let it shut down, which takes no time here."""
        self.force_off(bmc, within_s=within_s)

    def set_password(self, bmc: BmcSpec, new: str, *, within_s: float) -> None:
        """Take another password."""
        self._machine(bmc, "password", within_s).bmc.password = new
