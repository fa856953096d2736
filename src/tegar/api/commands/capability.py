"""What this cloud can do."""

from __future__ import annotations

from tegar.api.commands.base import Plain
from tegar.api.views.capability import CapabilityView, capability
from tegar.kernel.command import Command
from tegar.ops.ctx import Ctx


class ListCapabilities(Command):
    """Say what this cloud can do, and its version."""

    name = "listCapabilities"
    response = CapabilityView
    writes = False

    def run(self, ctx: Ctx) -> Plain:
        return Plain({"capability": dict(capability(ctx))})


COMMANDS = (ListCapabilities,)
