"""Management servers, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from tegar.api.views.base import date
from tegar.model.server import State
from tegar.ops.ctx import Ctx
from tegar.store import servers as store
from tegar.store.servers import Server


class ServerView(TypedDict, total=False):
    """A management server; ``pendingjobscount`` is of jobs under way in its hands."""

    id: str
    name: str
    state: str
    version: str
    osdistribution: str
    kernelversion: str
    lastserverstart: str | None
    lastserverstop: str | None
    lastboottime: str | None
    serviceip: str
    ipaddress: str
    pendingjobscount: int
    leads: list[str]


class LeavingView(TypedDict, total=False):
    """How far a management server is on its way out; agents belong to no server here, so none must leave it."""

    managementserverid: str
    state: str
    maintenanceinitiated: bool
    shutdowntriggered: bool
    readyforshutdown: bool
    pendingjobscount: int
    agentscount: int
    agents: list[str]


def servers(ctx: Ctx, rows: Sequence[Server]) -> list[ServerView]:
    """Return servers with what they have under way."""
    owned, leads = store.owned(ctx.s, [r.run for r in rows]), store.led(ctx.s)
    return [
        {
            "id": r.uuid,
            "name": r.name,
            "state": r.state.value,
            "version": r.software,
            "osdistribution": r.os,
            "kernelversion": r.kernel,
            "lastserverstart": date(r.started_s),
            "lastserverstop": date(r.stopped_s),
            "lastboottime": date(r.boot_s),
            "serviceip": r.address,
            "ipaddress": r.address,
            "pendingjobscount": owned.get(r.run, 0),
            "leads": leads.get(r.run, []),
        }
        for r in rows
    ]


def leaving(ctx: Ctx, rows: Sequence[Server]) -> list[LeavingView]:
    """Return how far servers are on their way out."""
    owned = store.owned(ctx.s, [r.run for r in rows])
    return [
        {
            "managementserverid": r.uuid,
            "state": r.state.value,
            "maintenanceinitiated": False,
            "shutdowntriggered": r.state == State.SHUTTING_DOWN,
            "readyforshutdown": r.state == State.READY,
            "pendingjobscount": owned.get(r.run, 0),
            "agentscount": 0,
            "agents": [],
        }
        for r in rows
    ]
