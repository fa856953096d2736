"""``HttpLink``: a Link to one agent over HTTPS with client certificates."""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tegar.kernel import codec
from tegar.kernel.clock import WallClock
from tegar.kernel.db import must_not_hold_tx
from tegar.kernel.errors import AgentRefused, Fenced, NotYet, Refused, TegarError, Unavailable, Unreachable
from tegar.kernel.gate import outside
from tegar.kernel.wire import A, Ask, Fence, fence_header

CONNECT_TIMEOUT_S = 5.0
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=200)  # threads bound them
STARTING_S, KNOCK_S = 5.0, 0.05  # an agent that died is there again within so long; how often it is sought
DEAD_S = 5  # a machine that lost its power says nothing: its kernel's silence for so long ends a question
NOTICE_THE_DEAD = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
TCP = {socket.TCP_KEEPIDLE: 2, socket.TCP_KEEPINTVL: 1, socket.TCP_USER_TIMEOUT: DEAD_S * 1000}
NOTICE_THE_DEAD += [(socket.IPPROTO_TCP, option, value) for option, value in TCP.items()]
_clock = WallClock()
_ERRORS: dict[str, type[TegarError]] = {
    kind.__name__: kind for kind in (Unreachable, NotYet, Unavailable, AgentRefused, Refused, Fenced)
}


def tls_client(cert: Path, key: Path, ca: Path) -> httpx.Client:
    """Return a client for all agents: shows *cert*, trusts *ca* only, ignores proxies of the environment."""
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(cert, key)
    transport = httpx.HTTPTransport(context, limits=LIMITS, socket_options=NOTICE_THE_DEAD)
    return httpx.Client(transport=transport, trust_env=False, follow_redirects=False)


class HttpLink:
    """A way to one host.

    Args:
        base_url: ``https://address:port`` of the agent.
        client: shared by all links, see ``tls_client``.
        fence: who asks, when a saga does.
        name: the host's name, for errors.
    """

    def __init__(
        self, base_url: str, client: httpx.Client, fence: Fence | None = None, name: str = ""
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._client = client
        self._fence = fence
        self._name = name or base_url

    def ask(self, message: Ask[A], *, timeout_s: float = 60) -> A:
        """Send a question to the host and wait for its answer; see ``wire.Link``."""
        must_not_hold_tx()
        name = type(message).__name__
        body = codec.encode(message)
        try:
            with outside():
                response = self._post(name, body, timeout_s)
        except httpx.HTTPError as e:
            raise Unreachable(self._name, f"{type(e).__name__}: {e}") from e
        if response.status_code != 200:
            raise self._error(name, response)
        try:
            answer: A = codec.decode(type(message).answer, response.content)
        except ValueError as e:
            raise AgentRefused(self._name, name, f"its answer is malformed: {e}") from e
        return answer

    def _post(self, name: str, body: str, timeout_s: float) -> httpx.Response:
        """Send; a host that refuses the connection lives, and its agent is being started again: wait for it."""
        end_s = _clock.mono_s() + min(STARTING_S, timeout_s / 4)
        while True:
            try:
                return self._client.post(
                    f"{self._base_url}/ask/{quote(name)}",
                    content=body,
                    headers={"content-type": "application/json", **fence_header(self._fence)},
                    timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
                )
            except httpx.ConnectError as e:
                if not _refused(e) or _clock.mono_s() >= end_s:
                    raise
            _clock.sleep(KNOCK_S)

    def _error(self, ask: str, response: httpx.Response) -> TegarError:
        """Return the error an answer stands for."""
        try:
            said = json.loads(response.content)
            kind, facts = _ERRORS[said["error"]], dict(said["facts"])
        except (ValueError, KeyError, TypeError):
            return AgentRefused(self._name, ask, f"it answered {response.status_code}")
        if kind in (Unreachable, AgentRefused) and "why" in facts:
            why = str(facts["why"])
            return Unreachable(self._name, why) if kind is Unreachable else _refusal(self._name, ask, facts)
        known = {f.name for f in fields(kind)}
        try:
            return kind(**{name: value for name, value in facts.items() if name in known})
        except TypeError:
            return AgentRefused(self._name, ask, str(said))


def _refused(error: BaseException | None) -> bool:
    """Return whether the other side's kernel answered that nobody listens."""
    while error is not None and not isinstance(error, ConnectionRefusedError):
        error = error.__cause__ or error.__context__
    return error is not None


def _refusal(host: str, ask: str, facts: dict[str, Any]) -> AgentRefused:
    """Return the agent's refusal with the host's name, and who of the host it was that refused."""
    peer, inner, why = str(facts.get("peer", "")), str(facts.get("ask", "")), str(facts["why"])
    words = why if peer in ("The host", "The agent", "") else f"{peer} ({inner}): {why}"
    return AgentRefused(host, ask, words)
