"""Every driver we ship: one line each."""

from __future__ import annotations

from tegar.driver.hypervisor.kvm import Kvm
from tegar.driver.hypervisor.port import Hypervisor
from tegar.driver.network.port import RouterProvider
from tegar.driver.network.virtual_router.driver import VirtualRouter
from tegar.driver.power.ipmi import Ipmitool
from tegar.driver.power.port import PowerDriver
from tegar.driver.power.redfish import Redfish
from tegar.driver.primary.files import Files as PoolFiles
from tegar.driver.primary.port import PrimaryStorage
from tegar.driver.secondary.files import Files as StoreFiles
from tegar.driver.secondary.port import SecondaryStorage
from tegar.model.spec import PoolKind

HYPERVISORS: dict[str, Hypervisor] = {"KVM": Kvm(), "Simulator": Kvm()}

PRIMARY: dict[PoolKind, PrimaryStorage] = {
    PoolKind.NFS: PoolFiles(),
    PoolKind.SHARED: PoolFiles(),
    PoolKind.LOCAL: PoolFiles(),
}

SECONDARY: dict[str, SecondaryStorage] = {"nfs": StoreFiles(), "file": StoreFiles()}

ROUTERS: dict[str, RouterProvider] = {"VirtualRouter": VirtualRouter()}

POWER: dict[str, PowerDriver] = {"ipmitool": Ipmitool(), "redfish": Redfish()}
