"""HTTPS to a device nobody should trust: a deadline over all, a limit on size, and TLS as the operator said.

The timeouts of an HTTP library start anew with each byte; a device that drips would hold a server
for ever.  So a timer cuts the connection when the time of the whole call is over.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tegar.kernel.errors import Unavailable, Unreachable
from tegar.model.errors import BmcRefused, WrongPassword
from tegar.model.power import BmcSpec

LONGEST_BYTES = 1 << 20
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "OData-Version": "4.0"}


@dataclass(frozen=True)
class Answer:
    """A status, headers with names in lower case, and a JSON object (empty when there was none)."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]


def trusting(bmc: BmcSpec, within_s: float) -> ssl.SSLContext:
    """Return a context that believes whom the operator said.

    Raises:
        BmcRefused: it shows another certificate than the pinned one.
        Unreachable: it does not answer.
        Unavailable: the file of authorities cannot be read.
    """
    if bmc.trust.startswith("sha256:"):
        key = (bmc.address, bmc.port, bmc.trust.removeprefix("sha256:"))
        if key not in _seen:
            _seen[key] = _pinned(*key, within_s)
        return _seen[key]
    if bmc.trust.startswith("ca:"):
        file = Path(bmc.trust.removeprefix("ca:"))
        try:
            return ssl.create_default_context(cafile=str(file))
        except (OSError, ssl.SSLError):
            raise Unavailable(
                f"The authorities for the BMC at {bmc.name}", f"{file} cannot be read"
            ) from None
    return ssl.create_default_context()


_seen: dict[tuple[str, int, str], ssl.SSLContext] = {}


def _pinned(address: str, port: int, fingerprint: str, within_s: float) -> ssl.SSLContext:
    """Fetch the certificate, compare, and from then on believe that one alone.

    The context's only authority is the certificate itself, so the connections made with it are as
    safe as the comparison.
    """
    name = f"{address}:{port}"
    try:
        text = ssl.get_server_certificate((address, port), timeout=within_s)
        shown = hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()
    except (OSError, ValueError) as e:
        raise Unreachable(f"The BMC at {name}", type(e).__name__) from None
    if shown != fingerprint:
        raise BmcRefused(name, f"its certificate is sha256:{shown}, not the pinned one")
    context = ssl.create_default_context(cadata=text)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class Https:
    """Requests to one BMC that together end within a time."""

    def __init__(self, bmc: BmcSpec, within_s: float) -> None:
        self._bmc, self._end_s = bmc, time.monotonic() + within_s
        self._sockets: list[Any] = []
        self._timer = threading.Timer(within_s, self._cut)
        self._timer.daemon = True
        context = trusting(bmc, max(0.05, within_s))
        self._client = httpx.Client(
            base_url=f"https://{_host(bmc.address)}:{bmc.port}",
            auth=(bmc.username, bmc.password.reveal()),
            verify=context,
            trust_env=False,
            follow_redirects=False,
            headers=_HEADERS,
            timeout=max(0.05, within_s),
        )

    def __enter__(self) -> Self:
        """Let the time run."""
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._timer.cancel()
        self._client.close()

    def _cut(self) -> None:
        for wire in self._sockets:
            try:
                wire.shutdown(2)
            except OSError:
                continue

    def _watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Note the socket of each new connection, to be cut when it is late."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._sockets.append(info["return_value"].get_extra_info("socket"))

    def get(self, path: str) -> Answer:
        """Read a resource.  Raises as ``ask``."""
        return self.ask("GET", path)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and return its answer, if it was well.

        Raises:
            Unreachable: no whole answer in time; what was asked may have happened.
            WrongPassword: 401 or 403.
            BmcRefused: another error, a certificate nobody vouches for, or what is not JSON.
            Unavailable: it is busy, or broken for the moment.
        """
        try:
            with self._client.stream(
                method, path, json=body, headers=dict(headers or {}), extensions={"trace": self._watch}
            ) as answer:
                raw = self._body(answer)
        except httpx.HTTPError as e:
            raise self._failed(e) from None
        if answer.status_code in (401, 403):
            raise WrongPassword(self._bmc.name, self._bmc.username)
        if answer.status_code >= 500:
            raise Unavailable(f"The BMC at {self._bmc.name}", f"HTTP {answer.status_code}")
        if answer.status_code >= 300:
            raise BmcRefused(self._bmc.name, f"HTTP {answer.status_code} to {method} {path[:100]}")
        return Answer(answer.status_code, dict(answer.headers), self._object(raw) if method == "GET" else {})

    def _body(self, answer: httpx.Response) -> bytes:
        raw = b""
        for piece in answer.iter_raw():
            raw += piece
            if len(raw) > LONGEST_BYTES:
                raise BmcRefused(self._bmc.name, "its answer does not end")
        return raw

    def _object(self, raw: bytes) -> Mapping[str, Any]:
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise BmcRefused(self._bmc.name, "its answer is not a JSON object")
        return found

    def _failed(self, e: httpx.HTTPError) -> Exception:
        peer = f"The BMC at {self._bmc.name}"
        if time.monotonic() >= self._end_s:
            return Unreachable(peer, "no answer in time")
        if "CERTIFICATE_VERIFY_FAILED" in str(e):
            return BmcRefused(
                self._bmc.name, "nobody we trust vouches for its certificate; pin it, or name its authority"
            )
        return Unreachable(peer, type(e).__name__)
