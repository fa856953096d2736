"""Every command of the API, by name."""

from __future__ import annotations

from tegar.api.commands import (
    account,
    capacity,
    cluster,
    domain,
    job,
    network_provider,
    os_type,
    physical_network,
    pod,
    user,
    zone,
)
from tegar.kernel.command import Command

MODULES = (
    zone,
    job,
    domain,
    account,
    user,
    capacity,
    cluster,
    network_provider,
    os_type,
    physical_network,
    pod,
)

COMMANDS: dict[str, type[Command]] = {c.name: c for module in MODULES for c in module.COMMANDS}
