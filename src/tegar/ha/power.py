"""P1: cut a host's power through its BMC, and believe only what is read afterwards."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.model.power import Power
from tegar.saga import bmc
from tegar.saga.env import Env
from tegar.store import bmcs
from tegar.store.bmcs import Bmc

WITHIN_S = 10.0  # a BMC that takes longer is slower than the lease


class BmcPower:
    """The power of hosts whose BMC may be used.  A host that was turned off stays off: an operator looks first."""

    def __init__(self, env: Env) -> None:
        self._env = env

    def hosts(self, s: Session) -> frozenset[int]:
        """Return the ids of hosts whose power can be cut."""
        return frozenset(s.scalars(select(Bmc.host_id).where(Bmc.host_id.in_(bmcs.usable()))))

    def off(self, host_id: int) -> str:
        """Cut a host's power and return the evidence that its BMC read Off.

        Raises:
            TegarError: it did not, or cannot be asked; nothing may be concluded.
        """
        row = self._env.db.read(lambda s: bmcs.usable_of(s, host_id))
        return bmc.prove_off(self._env, row, WITHIN_S) if row is not None else ""

    def reads_off(self, host_id: int) -> str:
        """Return the evidence that a host's BMC reads Off, empty when it reads anything else.

        Raises:
            TegarError: it cannot be asked.
        """
        row = self._env.db.read(lambda s: bmcs.usable_of(s, host_id))
        if row is None:
            return ""
        read = bmc.reach(self._env, row).ask(lambda driver, spec: driver.read(spec, within_s=WITHIN_S))
        return f"the BMC at {row.address} read Off; it was not told to" if read == Power.OFF else ""
