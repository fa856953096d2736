"""``tegar sim``: all hosts of one simulated world behind one address.

``POST /sim/<name>/ask/<Question>`` is what an agent answers, ``POST /control`` orders faults and
``GET /state`` shows everything.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import httpx
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tegar.agent.report import SECRET_HEADER
from tegar.kernel.errors import AgentRefused, Fenced, NotYet, TegarError, Unavailable, Unreachable
from tegar.kernel.wire import FENCE_HEADER, read_fence
from tegar.model.units import GIB
from tegar.sim.control import control, state
from tegar.sim.hosts import answer
from tegar.sim.things import ReportTo, Shape
from tegar.sim.wardens import Wardens
from tegar.sim.world import World

THREADS = 256
REPORT_TIMEOUT_S = 5.0
STATUS: dict[type[TegarError], int] = {Fenced: 409, NotYet: 425, Unavailable: 503, Unreachable: 504}
log = structlog.get_logger(__name__)


def problem(error: TegarError) -> Response:
    """Return an error as the wire has it."""
    text = json.dumps({"error": type(error).__name__, "facts": error.facts()}, default=str)
    return Response(text, STATUS.get(type(error), 422), media_type="application/json")


def application(world: World) -> Starlette:
    """Return the world as a web application."""
    limiter = anyio.CapacityLimiter(THREADS)

    async def ask(request: Request) -> Response:
        name, question = request.path_params["name"], request.path_params["question"]
        body = await request.body()
        try:
            fence = read_fence(request.headers.get(FENCE_HEADER))
            said = await anyio.to_thread.run_sync(answer, world, name, question, body, fence, limiter=limiter)
        except TegarError as e:
            return problem(e)
        except Exception as e:
            log.exception("a handler failed", ask=question)
            return problem(AgentRefused("The agent", question, f"{type(e).__name__}: {e}"))
        return Response(said, media_type="application/json")

    async def order(request: Request) -> Response:
        orders = await request.json()
        try:
            await anyio.to_thread.run_sync(control, world, orders)
        except (TegarError, KeyError, TypeError, ValueError) as e:
            return JSONResponse({"error": repr(e)}, 400)
        return JSONResponse({})

    async def look(_: Request) -> Response:
        return JSONResponse(await anyio.to_thread.run_sync(state, world))

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/sim/{name}/ask/{question}", ask, methods=["POST"]),
            Route("/control", order, methods=["POST"]),
            Route("/state", look),
            Route("/healthz", health),
        ]
    )


def poster(pool: ThreadPoolExecutor) -> Callable[[ReportTo, str, str], None]:
    """Return a function that reports stopped guests as agents do, without waiting."""
    client = httpx.Client(trust_env=False, timeout=REPORT_TIMEOUT_S, verify=False)  # noqa: S501 - simulated

    def post(to: ReportTo, uuid: str, reason: str) -> None:
        body = {"host_uuid": to.host_uuid, "what": "domain-stopped", "uuid": uuid, "reason": reason}
        headers = {SECRET_HEADER: to.secret, "content-type": "application/json"}
        for url in to.urls:
            try:
                address = f"{url.rstrip('/')}/agent/report"
                if client.post(address, content=json.dumps(body), headers=headers).is_success:
                    return
            except httpx.HTTPError as e:
                log.info("report not taken", url=url, why=str(e))

    return lambda to, uuid, reason: _forget(pool.submit(post, to, uuid, reason))


def _forget(_: Any) -> None:
    """Wait for nothing."""


def main_sim(argv: Sequence[str]) -> int:
    """Serve a simulated world until told to stop."""
    parser = argparse.ArgumentParser("tegar sim", description="Serve simulated hosts h1 to hN.")
    parser.add_argument("--listen", default="127.0.0.1:8470", help="address:port")
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--memory-gib", type=int, default=64)
    parser.add_argument("--cpus", type=int, default=16)
    parser.add_argument("--cpu-mhz", type=int, default=2400)
    parser.add_argument("--pool-gib", type=int, default=10240)
    for name in ("start", "shutdown", "migrate", "seed", "fetch"):
        parser.add_argument(f"--{name}-s", type=float, default=0.0, help=f"seconds to {name}")
    given = parser.parse_args(list(argv))
    world = World(
        given.hosts,
        shape=Shape(given.cpus, given.cpu_mhz, given.memory_gib * GIB, given.pool_gib * GIB),
    )
    for name in ("start", "shutdown", "migrate", "seed", "fetch"):
        setattr(world.times, f"{name}_s", getattr(given, f"{name}_s"))
    world.on_stopped = poster(ThreadPoolExecutor(4, thread_name_prefix="report"))
    address, _, port = given.listen.rpartition(":")
    config = uvicorn.Config(
        application(world), host=address or "127.0.0.1", port=int(port), log_config=None, access_log=False,
        lifespan="off", timeout_graceful_shutdown=1,
    )  # fmt: skip
    wardens = Wardens(world)
    wardens.start()
    uvicorn.Server(config).run()
    wardens.close()
    return 0
