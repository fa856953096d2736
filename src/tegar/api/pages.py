"""The web page, as files that a browser runs."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UI = Path(__file__).parent / "ui"

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",  # ask each time: a new server's page is whole or not there
}


def routes() -> list[BaseRoute]:
    """Return the page's routes: ``/`` leads to ``/client/``, where CloudStack's page is too."""
    return [
        Route("/", lambda _: RedirectResponse("/client/")),
        Mount("/client", guarded(StaticFiles(directory=UI, html=True))),
    ]


def guarded(inner: ASGIApp) -> ASGIApp:
    """Return an application whose answers carry ``HEADERS``."""

    def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        def send_on(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            return send(message)

        return inner(scope, receive, send_on)

    return app
