"""NICs of running virtual machines: plugged in and out, and what they may send and receive."""

from __future__ import annotations

from dataclasses import dataclass

from tegar.kernel.wire import Ask
from tegar.model.spec import NicSpec
from tegar.wire.virt import Done


@dataclass(frozen=True)
class VmNics:
    """All NICs of a VM."""

    vm_uuid: str
    nics: tuple[NicSpec, ...]


@dataclass(frozen=True)
class FiltersSet:
    """The filters are in force; ``absent`` are the VMs that are not here, which were passed over."""

    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetNicFilters(Ask[FiltersSet]):
    """Change the filters of running VMs: the whole state of each VM's NICs, each bridge at once.

    A filter of an older version than the one in force is passed over.
    """

    vms: tuple[VmNics, ...]


@dataclass(frozen=True)
class AttachNic(Ask[Done]):
    """Plug a NIC into a running domain, filtered before it can send; already plugged is success."""

    uuid: str
    nic: NicSpec


@dataclass(frozen=True)
class UpdateNic(Ask[Done]):
    """Let a NIC be as the spec says: its segment, its addresses, its filter.  Its MAC stays."""

    uuid: str
    nic: NicSpec


@dataclass(frozen=True)
class DetachNic(Ask[Done]):
    """Take a NIC out of a running domain and wait until the guest let go; already gone is success."""

    uuid: str
    nic: NicSpec
