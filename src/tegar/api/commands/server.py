"""Management servers: which there are, and taking one out of service without losing anything."""

from __future__ import annotations

from sqlalchemy import select

from tegar.api.commands.base import List
from tegar.api.commands.where import only
from tegar.api.views.server import LeavingView, ServerView, leaving, servers
from tegar.kernel.command import ADMIN, Command, param
from tegar.kernel.db import live
from tegar.kernel.page import Page, matches
from tegar.ops import server as ops
from tegar.ops.ctx import Ctx
from tegar.store.servers import Server


class ListManagementServers(List):
    """List the management servers."""

    name = "listManagementServers"
    roles = ADMIN
    response = ServerView
    view = staticmethod(servers)

    id: Server | None = param("the management server", default=None)
    name_: str | None = param("its exact name", default=None, wire="name")
    version: str | None = param("of this version", default=None)

    def run(self, ctx: Ctx) -> Page[Server]:
        stmt = select(Server).where(live(Server)).order_by(Server.id)
        stmt = only(stmt, (Server.id, self.id), (Server.name, self.name_), (Server.software, self.version))
        if self.keyword:
            stmt = stmt.where(matches(self.keyword, Server.name))
        return self.fetch(ctx, stmt)


class ListManagementServersMetrics(ListManagementServers):
    """List the management servers, as clients ask that look for the version of the cloud."""

    name = "listManagementServersMetrics"
    envelope = "managementserver"


class PrepareForShutdown(Command):
    """Let a management server finish its work and take up nothing more; new requests go to the others."""

    name = "prepareForShutdown"
    roles = ADMIN
    response = LeavingView
    view = staticmethod(leaving)

    management_server_id: Server = param("the management server")

    def run(self, ctx: Ctx) -> Server:
        return ops.prepare(ctx, self.management_server_id)


class CancelShutdown(Command):
    """Put a management server that was prepared for shutdown back to work."""

    name = "cancelShutdown"
    roles = ADMIN
    response = LeavingView
    view = staticmethod(leaving)

    management_server_id: Server = param("the management server")

    def run(self, ctx: Ctx) -> Server:
        return ops.cancel(ctx, self.management_server_id)


class TriggerShutdown(Command):
    """End a management server as soon as it has finished its work, preparing it first if it was not."""

    name = "triggerShutdown"
    roles = ADMIN
    response = LeavingView
    view = staticmethod(leaving)

    management_server_id: Server = param("the management server")

    def run(self, ctx: Ctx) -> Server:
        return ops.trigger(ctx, self.management_server_id)


class ReadyForShutdown(Command):
    """Say whether a management server that was prepared for shutdown has finished its work."""

    name = "readyForShutdown"
    roles = ADMIN
    response = LeavingView
    view = staticmethod(leaving)
    writes = False

    management_server_id: Server = param("the management server")

    def run(self, ctx: Ctx) -> Server:
        return self.management_server_id


COMMANDS = (
    ListManagementServers,
    ListManagementServersMetrics,
    PrepareForShutdown,
    CancelShutdown,
    TriggerShutdown,
    ReadyForShutdown,
)
