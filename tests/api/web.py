"""A browser: keeps cookies, speaks HTTP to the ASGI application in this process."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from starlette.applications import Starlette


class Web:
    """An HTTP client whose calls wait for their answer."""

    def __init__(self, app: Starlette) -> None:
        self._loop = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://cloud.example:8080")

    @property
    def cookies(self) -> httpx.Cookies:
        """The cookies it holds."""
        return self._client.cookies

    def get(self, url: str, **how: Any) -> httpx.Response:
        """Send a GET."""
        return self._loop.run(self._client.get(url, **how))

    def post(self, url: str, **how: Any) -> httpx.Response:
        """Send a POST."""
        return self._loop.run(self._client.post(url, **how))

    def close(self) -> None:
        """End it."""
        self._loop.run(self._client.aclose())
        self._loop.close()
