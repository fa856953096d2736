"""The web page, as files that a browser runs."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

UI = Path(__file__).parent / "ui"


def routes() -> list[BaseRoute]:
    """Return the page's routes: ``/`` leads to ``/client/``, where CloudStack's page is too."""
    return [
        Route("/", lambda _: RedirectResponse("/client/")),
        Mount("/client", StaticFiles(directory=UI, html=True)),
    ]
