"""Every command of the API, by name."""

from __future__ import annotations

from tegar.api.commands import (
    account,
    domain,
    job,
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
)

COMMANDS: dict[str, type[Command]] = {c.name: c for module in MODULES for c in module.COMMANDS}
