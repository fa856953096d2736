"""Every command of the API, by name."""

from __future__ import annotations

from tegar.api.commands import (
    account,
    api,
    capability,
    capacity,
    cluster,
    configuration,
    deploy,
    disk_offering,
    domain,
    event,
    host,
    image_store,
    job,
    network_offering,
    network_provider,
    os_type,
    physical_network,
    pod,
    pool,
    service_offering,
    ssh_key,
    template,
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
    host,
    ssh_key,
    configuration,
    event,
    capability,
    api,
    pool,
    image_store,
    template,
)

COMMANDS: dict[str, type[Command]] = {c.name: c for module in MODULES for c in module.COMMANDS}
