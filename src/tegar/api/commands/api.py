"""The commands themselves."""

from __future__ import annotations

from tegar.api.commands.base import Plain
from tegar.api.views.api import ApiView, apis
from tegar.kernel.command import Command, param
from tegar.kernel.errors import BadParameter
from tegar.ops.ctx import Ctx


class ListApis(Command):
    """List the commands that the caller may use, with their parameters and answers."""

    name = "listApis"
    response = ApiView
    writes = False

    name_: str | None = param("the command's exact name", default=None, wire="name")

    def run(self, ctx: Ctx) -> Plain:
        found = apis(ctx.role)
        if self.name_:
            found = tuple(api for api in found if api["name"] == self.name_)
            if not found:
                raise BadParameter("name", f"there is no command {self.name_[:100]} for this caller")
        return Plain({"count": len(found), "api": list(found)})


COMMANDS = (ListApis,)
