"""Virtual routers, as operators handle them."""

from __future__ import annotations

from sqlalchemy import select

from tegar.kernel.db import live
from tegar.kernel.errors import Refused
from tegar.kernel.saga import Saga, SagaRow
from tegar.model.network import State
from tegar.ops.ctx import Ctx
from tegar.saga.env import Env
from tegar.saga.router_power import REBOOT_ROUTER, START_ROUTER, STOP_ROUTER, OneRouter
from tegar.store.networks import Network
from tegar.store.routers import Router


def name(router: Router) -> str:
    """Return a router's name."""
    return f"r-{router.id}-VM"


def start(ctx: Ctx, router: Router) -> SagaRow:
    """Let a router run again that was stopped.

    Raises:
        Refused: it is not stopped, or its network is not up.
    """
    if not router.stopped:
        raise Refused(f"Router {name(router)} is not stopped")
    _must_be_wanted(ctx, router)
    router.stopped = False
    return _submit(ctx, START_ROUTER, router, OneRouter(router.id, router.group_id), "START", "Starting")


def stop(ctx: Ctx, router: Router, *, forced: bool) -> SagaRow:
    """Take a router off its host; what it did is not done until it is started, or a VM starts in its network.

    Raises:
        Refused: it is stopped already.
    """
    _must_run(router)
    router.stopped = True
    wish = OneRouter(router.id, router.group_id, forced=forced)
    return _submit(ctx, STOP_ROUTER, router, wish, "STOP", "Stopping")


def reboot(ctx: Ctx, router: Router, *, forced: bool) -> SagaRow:
    """Build a router from nothing where it is; the primary of a pair lets the other one lead first.

    Raises:
        Refused: it is stopped, or its network is not up.
    """
    _must_run(router)
    _must_be_wanted(ctx, router)
    wish = OneRouter(router.id, router.group_id, forced=forced)
    return _submit(ctx, REBOOT_ROUTER, router, wish, "REBOOT", "Rebooting")


def destroy(ctx: Ctx, router: Router) -> SagaRow:
    """Take a router away; the next VM that starts in its network brings another."""
    router.stopped = True
    wish = OneRouter(router.id, router.group_id, destroy=True)
    return _submit(ctx, STOP_ROUTER, router, wish, "DESTROY", "Destroying")


def _must_run(router: Router) -> None:
    if router.stopped:
        raise Refused(f"Router {name(router)} is stopped")


def _must_be_wanted(ctx: Ctx, router: Router) -> None:
    served = select(Network.id).where(
        Network.group_id == router.group_id, Network.state == State.IMPLEMENTED, live(Network)
    )
    if ctx.s.scalars(served.limit(1)).first() is None:
        raise Refused(
            f"The network of router {name(router)} is not implemented; a VM that starts in it does that"
        )


def _submit(
    ctx: Ctx, saga: Saga[Env, OneRouter], router: Router, wish: OneRouter, event: str, says: str
) -> SagaRow:
    ctx.s.flush()
    ctx.note(f"ROUTER.{event}", f"{says} router {name(router)}", router, state="Started")
    return saga.submit(ctx.s, wish, ctx.job(router))
