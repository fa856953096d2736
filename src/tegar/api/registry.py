"""Every command of the API, by name."""

from __future__ import annotations

from tegar.api.commands import (
    account,
    capacity,
    cluster,
    deploy,
    disk_offering,
    domain,
    job,
    network_offering,
    network_provider,
    os_type,
    physical_network,
    pod,
    service_offering,
    user,
    vm,
    volume,
    zone,
)
from tegar.kernel.command import Command

MODULES = (
    zone,
    job,
    deploy,
    vm,
    volume,
    domain,
    account,
    user,
    capacity,
    cluster,
    network_provider,
    os_type,
    physical_network,
    pod,
    service_offering,
    disk_offering,
    network_offering,
)

COMMANDS: dict[str, type[Command]] = {c.name: c for module in MODULES for c in module.COMMANDS}
