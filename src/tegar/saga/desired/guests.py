"""What a router knows of the NICs in a network."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import live
from tegar.model.network import LEAVING
from tegar.model.router import GuestSpec
from tegar.store.networks import Network, Nic
from tegar.store.offerings import ServiceOffering
from tegar.store.vms import Vm
from tegar.store.zones import Zone


def of(s: Session, network: Network, zone: Zone) -> Iterable[GuestSpec]:
    """Give the NICs of VMs in a network, oldest first; those that leave their VM are left out."""
    stmt = (
        select(Nic, Vm, ServiceOffering.name)
        .join(Vm, Vm.id == Nic.vm_id)
        .join(ServiceOffering, ServiceOffering.id == Vm.offering_id)
        .where(Nic.network_id == network.id, Nic.state.not_in(LEAVING), live(Nic))
        .order_by(Nic.id)
    )
    for nic, vm, offering in s.execute(stmt):
        yield GuestSpec(
            vm_uuid=vm.uuid,
            mac=nic.mac,
            ip=nic.ip,
            hostname=vm.name,
            user_data=vm.user_data or "",
            is_default=nic.is_default,
            public_keys=tuple(k for k in vm.public_keys.splitlines() if k),
            meta=(
                ("instance-id", vm.uuid),
                ("vm-id", vm.uuid),
                ("local-hostname", vm.name),
                ("local-ipv4", nic.ip),
                ("service-offering", offering),
                ("availability-zone", zone.name),
            ),
        )
