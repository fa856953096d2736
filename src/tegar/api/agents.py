"""What agents ask of servers: the authorities, to join, and to report what happened by itself.

Served on a port of its own over TLS with a certificate of the ``servers`` authority.  A host proves
itself by its token when it joins, and by the secret it was given when it reports.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import anyio.to_thread
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tegar.kernel import log
from tegar.kernel.db import Db, live
from tegar.kernel.errors import Refused, TegarError
from tegar.kernel.secret import digest, same
from tegar.ops import authority
from tegar.ops.ctx import World
from tegar.store.hosts import Host

MAX_BODY_BYTES = 64 * 1024
SECRET_HEADER = "x-tegar-secret"  # noqa: S105 - the name of a header


def app(db: Db, world: World, look: Callable[[Host], None], hung: Callable[[Host, str], None]) -> Starlette:
    """Return the ASGI application for agents.

    Args:
        db: the database.
        world: time and the vault.
        look: compares a host's VMs with their rows, when it reported something.
        hung: is told when a host reports that the watchdog of a guest, by its uuid, fired.
    """

    async def run(work: Callable[[], Response]) -> Response:
        try:
            return await anyio.to_thread.run_sync(work)
        except TegarError as e:
            return JSONResponse({"error": str(e)}, 503 if e.retry else 403)

    async def authorities(_: Request) -> Response:
        return await run(lambda: JSONResponse(_authorities(db)))

    async def join(http: Request) -> Response:
        body = await _json(http)
        return await run(lambda: JSONResponse(_join(db, world, body)))

    async def report(http: Request) -> Response:
        body, secret = await _json(http), http.headers.get(SECRET_HEADER, "")
        return await run(lambda: _report(db, body, secret, look, hung))

    return Starlette(
        routes=[
            Route("/agent/ca", authorities),
            Route("/agent/join", join, methods=["POST"]),
            Route("/agent/report", report, methods=["POST"]),
        ]
    )


async def _json(http: Request) -> dict[str, str]:
    body = b""
    async for part in http.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            return {}
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _authorities(db: Db) -> dict[str, str]:
    agents, servers = db.read(
        lambda s: (
            authority.certificate_of(s, authority.AGENTS),
            authority.certificate_of(s, authority.SERVERS),
        )
    )
    return {"agents": agents, "servers": servers, "listener": servers}


def _join(db: Db, world: World, body: dict[str, str]) -> dict[str, str]:
    for name in ("token", "name", "address", "csr_pem"):
        if not body.get(name):
            raise Refused(f"{name} is missing")
    certificate = db.tx(
        lambda s: authority.admit(
            s, world.vault, secret=body["token"], name=body["name"][:64], address=body["address"][:255],
            csr_pem=body["csr_pem"], now_s=world.clock.now_s(),
        )
    )  # fmt: skip
    log.get("agents").info("host joined", name=body["name"], address=body["address"])
    return {"certificate": certificate, "servers_ca": _authorities(db)["servers"]}


def _report(
    db: Db,
    body: dict[str, str],
    secret: str,
    look: Callable[[Host], None],
    hung: Callable[[Host, str], None],
) -> Response:
    stmt = select(Host).where(Host.uuid == body.get("host_uuid", ""), live(Host))
    host = db.read(lambda s: s.scalars(stmt).one_or_none())
    if host is None or not host.report_digest or not same(host.report_digest, digest(secret)):
        raise Refused("this host is not known, or the secret is not its own")
    log.get("agents").info("report", host=host.name, what=body.get("what", ""), vm=body.get("uuid", ""))
    if body.get("what") == "guest-hung":
        hung(host, body.get("uuid", ""))
    else:
        look(host)
    return JSONResponse({"status": "heard"})
