"""The agent's door: HTTPS for servers only.

There are two authorities: *servers* signs those who may ask, *agents* signs those who answer.  Only
the first is accepted here, so the key of a host that was broken into opens no other host.
"""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import anyio
import anyio.to_thread
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tegar.agent.handlers.table import answer
from tegar.agent.host import Host
from tegar.kernel.errors import AgentRefused, Fenced, NotYet, Refused, TegarError, Unavailable, Unreachable
from tegar.kernel.wire import FENCE_HEADER, read_fence

MAX_BODY_BYTES = 32 << 20  # a router with thousands of guests and their user data
STATUS: dict[type[TegarError], int] = {Fenced: 409, NotYet: 425, Unavailable: 503, Unreachable: 503}
KNOWN: dict[str, type[TegarError]] = {
    kind.__name__: kind for kind in (Unreachable, NotYet, Unavailable, AgentRefused, Refused, Fenced)
}
log = structlog.get_logger(__name__)


class TooLarge(Exception):
    """The body has more than is allowed."""


async def _body(request: Request) -> bytes:
    """Read the body, up to the limit and no further."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise TooLarge
        parts.append(part)
    return b"".join(parts)


def _problem(error: TegarError) -> Response:
    """Return an error as the wire has it."""
    if type(error).__name__ not in KNOWN:
        error = AgentRefused("The agent", type(error).__name__, str(error))
    status = STATUS.get(type(error), 422)
    text = json.dumps({"error": type(error).__name__, "facts": error.facts()}, default=str)
    return Response(text, status, media_type="application/json")


def application(machine: Host, *, threads: int = 64) -> Starlette:
    """Return the agent as a web application; handlers run in at most *threads* threads."""
    limiter = anyio.CapacityLimiter(threads)

    async def ask(request: Request) -> Response:
        """Answer one question."""
        name = request.path_params["name"]
        try:
            body = await _body(request)
            fence = read_fence(request.headers.get(FENCE_HEADER))
            text = await anyio.to_thread.run_sync(answer, machine, name, body, fence, limiter=limiter)
        except TooLarge:
            return PlainTextResponse("too large", 413)
        except TegarError as e:
            log.info("asked in vain", ask=name, error=type(e).__name__, why=str(e))
            return _problem(e)
        except Exception as e:
            log.exception("a handler failed", ask=name)
            return _problem(AgentRefused("The agent", name, f"{type(e).__name__}; see the agent's log"))
        return Response(text, media_type="application/json")

    async def health(_request: Request) -> Response:
        """Say that the agent is there, and nothing else."""
        return PlainTextResponse("ok\n")

    return Starlette(routes=[Route("/ask/{name}", ask, methods=["POST"]), Route("/healthz", health)])


def server(app: Starlette, *, host: str, port: int, tls: Path) -> uvicorn.Server:
    """Return the HTTPS server; a client without a certificate of the servers' authority gets no byte."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        ssl_certfile=tls / "agent.crt",
        ssl_keyfile=tls / "agent.key",
        ssl_ca_certs=str(tls / "servers-ca.crt"),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)
