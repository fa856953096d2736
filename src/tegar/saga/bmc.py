"""Ways to BMCs for sagas, loops and the HA manager: the row, its unsealed password, its driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography.exceptions import InvalidTag

from tegar.driver.power.port import PowerDriver
from tegar.driver.power.proof import power_off_proven
from tegar.kernel.errors import Refused, Unavailable
from tegar.kernel.secret import Vault
from tegar.model.errors import WrongPassword
from tegar.model.power import BmcSpec
from tegar.saga.env import Env
from tegar.store.bmcs import Bmc

T = TypeVar("T")


@dataclass(frozen=True)
class Reach:
    """A driver, and what it needs; two specs while the password is being changed."""

    driver: PowerDriver
    specs: tuple[BmcSpec, ...]

    def ask(self, call: Callable[[PowerDriver, BmcSpec], T]) -> T:
        """Ask the BMC with the password it takes.

        Raises:
            WrongPassword: it takes none that we know.
        """
        for spec in self.specs[:-1]:
            try:
                return call(self.driver, spec)
            except WrongPassword:
                continue
        return call(self.driver, self.specs[-1])


def vault_of(env: Env) -> Vault:
    """Return the vault.

    Raises:
        Unavailable: this process has none.
    """
    if env.vault is None:
        raise Unavailable("The vault", "this process has no key")
    return env.vault


def reach(env: Env, bmc: Bmc) -> Reach:
    """Return the way to a BMC.

    Raises:
        Refused: its driver is not one of ours any more, or its password was sealed with another key.
    """
    if bmc.driver not in env.power:
        raise Refused(f"There is no power driver {bmc.driver}; configure the BMC anew")
    vault = vault_of(env)
    try:
        passwords = [vault.open(sealed) for sealed in (bmc.password_sealed, bmc.pending_sealed) if sealed]
    except InvalidTag:
        raise Refused("The password of the BMC was sealed with another key; configure the BMC anew") from None
    specs = [BmcSpec(bmc.address, bmc.port, bmc.username, password, bmc.trust) for password in passwords]
    return Reach(env.power[bmc.driver], tuple(specs))


def prove_off(env: Env, bmc: Bmc, within_s: float) -> str:
    """Turn a host off and return the evidence of proof P1: its BMC read Off.  Asks; holds no transaction.

    Raises:
        NotProven: it did not read Off in time; nothing may be concluded.
        WrongPassword: the BMC does not let us in.
        BmcRefused: it does not do this.
    """
    return reach(env, bmc).ask(lambda driver, spec: power_off_proven(driver, spec, within_s, env.clock))
