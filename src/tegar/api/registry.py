"""Every command of the API, by name."""

from __future__ import annotations

from tegar.api.commands import job, zone
from tegar.kernel.command import Command

MODULES = (zone, job)

COMMANDS: dict[str, type[Command]] = {c.name: c for module in MODULES for c in module.COMMANDS}
