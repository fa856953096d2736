"""The HTTP shell: parse, hand to a worker thread, answer.  Async lives here and nowhere above."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qsl

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tegar.api import render
from tegar.api.serve import Answer, Api, Request
from tegar.kernel.errors import Refused

MAX_BODY_BYTES = 1024 * 1024 + 64 * 1024  # user data may be 1 MiB of base64
MAX_PARAMETERS = 2000
WORKERS = 32
READY_WITHIN_S = 2.5


class NotReady(Exception):
    """No requests should come here now; the reasons are for everybody to read and name no secrets."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = list(reasons)


def params_of(query: str, body: str) -> dict[str, str]:
    """Return the parameters of a request; the query string wins over the body (as CloudStack does)."""
    merged: dict[str, str] = {}
    for text in (body, query):
        for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS):
            merged[name] = value
    return merged


def respond(answer: Answer, form: str, secure: bool) -> Response:
    """Return an answer as an HTTP response."""
    if form == "json":
        content, media = render.as_json(answer.key, answer.inner), "application/json; charset=UTF-8"
    else:
        content, media = render.as_xml(answer.key, answer.inner), "text/xml; charset=UTF-8"
    response = Response(content, answer.status, media_type=media)
    response.headers["cache-control"] = "no-store"
    response.headers["x-content-type-options"] = "nosniff"
    if answer.status != 200 and "errortext" in answer.inner:
        text = str(answer.inner["errortext"])
        response.headers["x-description"] = text.encode("ascii", "replace").decode().replace("\n", " ")[:500]
    for name, value in answer.cookies.items():
        path = "/client" if name == "JSESSIONID" else "/client/api"
        if value is None:
            response.delete_cookie(name, path=path)
        else:
            response.set_cookie(name, value, path=path, httponly=True, samesite="lax", secure=secure)
    return response


def app(
    api: Api, ready: Callable[[], Mapping[str, object]], extra: list[BaseRoute] | None = None
) -> Starlette:
    """Return the ASGI application of a management server.

    Args:
        api: what answers.
        ready: facts for ``/readyz``; raises NotReady when this server should get no requests.
        extra: routes beside the API (pages, agents).
    """
    workers, checkers = CapacityLimiter(WORKERS), CapacityLimiter(2)  # readiness never waits for commands

    async def client_api(http: HttpRequest) -> Response:
        body = await _body(http)
        if body is None:
            return _refuse(f"The request is larger than {MAX_BODY_BYTES} bytes")
        try:
            params = params_of(http.url.query, body)
        except ValueError:
            return _refuse(f"The request has more than {MAX_PARAMETERS} parameters")
        asked = {name.lower(): value.lower() for name, value in params.items()}
        form = "json" if asked.get("response") == "json" else "xml"
        request = Request(params, http.cookies, http.method)
        answer = await anyio.to_thread.run_sync(api.answer, request, limiter=workers)
        return respond(answer, form, http.url.scheme == "https")

    async def healthz(_: HttpRequest) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: HttpRequest) -> Response:
        try:
            with anyio.fail_after(READY_WITHIN_S):
                facts = await anyio.to_thread.run_sync(ready, limiter=checkers, abandon_on_cancel=True)
        except NotReady as e:
            return JSONResponse({"status": "not ready", "why": e.reasons}, 503)
        except Exception as e:
            return JSONResponse({"status": "not ready", "why": [type(e).__name__]}, 503)
        return JSONResponse({"status": "ready", **facts})

    routes = [
        Route("/client/api", client_api, methods=["GET", "POST"]),
        Route("/client/api/", client_api, methods=["GET", "POST"]),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        *(extra or []),
    ]
    return Starlette(routes=routes)


def _refuse(why: str) -> Response:
    """Return the answer to a request that is too much to be read."""
    return respond(Answer(431, "errorresponse", render.failure(Refused(why), is_admin=False)), "json", False)


async def _body(http: HttpRequest) -> str | None:
    """Return the body of a form, None when it is too large."""
    if http.method != "POST":
        return ""
    if not http.headers.get("content-type", "application/x-www-form-urlencoded").startswith(
        "application/x-www-form"
    ):
        return ""
    parts, size = [], 0
    async for part in http.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")
