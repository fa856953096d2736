"""Taking management servers out of service.  Works from any of them: each obeys its own row."""

from __future__ import annotations

from tegar.kernel.db import fire
from tegar.model.server import Event
from tegar.ops.ctx import Ctx
from tegar.store.servers import Server


def prepare(ctx: Ctx, server: Server) -> Server:
    """Let a server finish what it has under way and take up nothing more.

    Raises:
        BadTransition: it is not Up.
    """
    fire(ctx.s, server, Event.PREPARE)
    ctx.note("MS.SHUTDOWN.PREPARE", f"Preparing management server {server.name} for shutdown", server)
    return server


def cancel(ctx: Ctx, server: Server) -> Server:
    """Put a server that was prepared back to work.

    Raises:
        BadTransition: it was not prepared, or it is ending already.
    """
    fire(ctx.s, server, Event.CANCEL)
    ctx.note("MS.SHUTDOWN.CANCEL", f"Management server {server.name} goes on working", server)
    return server


def trigger(ctx: Ctx, server: Server) -> Server:
    """Let a server end as soon as it has finished what it has under way.

    Raises:
        BadTransition: it is Down, or ending already.
    """
    fire(ctx.s, server, Event.TRIGGER)
    ctx.note("MS.SHUTDOWN", f"Shutting down management server {server.name}", server)
    return server
