"""The right to run a VM on a host, as servers grant it and agents check it (docs/ha.md)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Permit:
    """Names the lease under which a VM may run: of this host, in this boot, of this epoch.

    ``vm_epoch`` is the VM's own number: it grows with every placement, and an agent that has seen a
    higher one of that VM refuses a lower.
    """

    boot: str
    epoch: int
    vm_epoch: int


class Proof:
    """What proves that a copy neither runs nor writes any more; the values are shown to operators.

    There is no P3: a fence at the storage ends writing, and not running (docs/decisions/0015-no-proof-by-storage.md).
    """

    POWER = "P1 power"
    LEASE = "P2 lease"
    REBOOT = "P4 reboot"
    GONE = "P5 gone"
