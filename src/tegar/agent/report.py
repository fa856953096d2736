"""Tells the servers what happened on the host by itself; never makes anybody wait for it."""

from __future__ import annotations

import json
import os
import queue
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import httpx
import structlog

from tegar.kernel import codec

SECRET_HEADER = "x-tegar-secret"  # noqa: S105 - the name of a header
POST_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 1.0  # a server that is down must not hold up the news for the next one
AT_ONCE = 4  # nor one report that nobody takes the others
ROUNDS = 6  # times the whole list of servers is tried; their own reconciliation finds what is lost
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ReportTo:
    """Where to report, and what proves who does."""

    host_uuid: str
    urls: tuple[str, ...]
    secret: str


@dataclass(frozen=True)
class Stopped:
    """A domain stopped and nobody had asked for it."""

    uuid: str
    reason: str


@dataclass(frozen=True)
class Hung:
    """A guest did not pet its watchdog device."""

    uuid: str


class Reporter:
    """Posts reports from threads of its own, to any server that takes them; the last one that did comes first."""

    def __init__(self, file: Path, verify: ssl.SSLContext | bool = True) -> None:
        self._file = file
        self._to: ReportTo | None = codec.decode(ReportTo, file.read_bytes()) if file.exists() else None
        self._waiting: queue.Queue[Stopped | Hung] = queue.Queue(maxsize=1000)
        self._closed = threading.Event()
        self._last_good = ""
        timeout = httpx.Timeout(POST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        self._client = httpx.Client(verify=verify, trust_env=False, timeout=timeout)
        for number in range(AT_ONCE):
            threading.Thread(target=self._run, name=f"reports-{number}", daemon=True).start()

    def report_to(self, to: ReportTo) -> None:
        """Remember where to report, also after a restart."""
        if to == self._to:
            return
        spare = self._file.with_suffix(".new")
        fd = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as f:
            f.write(codec.encode(to))
        spare.replace(self._file)
        self._to = to

    def tell(self, what: Stopped | Hung) -> None:
        """Report a domain that stopped by itself, or hangs."""
        try:
            self._waiting.put_nowait(what)
        except queue.Full:
            log.warning("report dropped", uuid=what.uuid)

    def close(self) -> None:
        """Stop reporting."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                what = self._waiting.get(timeout=1)
            except queue.Empty:
                continue
            for round_number in range(ROUNDS):
                if self._post(what) or self._closed.wait(2.0**round_number):
                    break
            else:
                log.warning("report lost", uuid=what.uuid, what=type(what).__name__)

    def _post(self, what: Stopped | Hung) -> bool:
        """Try every server once; return whether one took it."""
        to = self._to
        if to is None:
            return True
        body = {"host_uuid": to.host_uuid, "uuid": what.uuid, **_words(what)}
        headers = {SECRET_HEADER: to.secret, "content-type": "application/json"}
        for url in sorted(to.urls, key=lambda url: url != self._last_good):
            try:
                answer = self._client.post(
                    f"{url.rstrip('/')}/agent/report", content=json.dumps(body), headers=headers
                )
            except httpx.HTTPError as e:
                log.info("report not taken", url=url, why=str(e))
                continue
            if answer.is_success:
                self._last_good = url
                return True
            log.info("report not taken", url=url, status=answer.status_code)
        return False


def _words(what: Stopped | Hung) -> dict[str, str]:
    if isinstance(what, Hung):
        return {"what": "guest-hung", "reason": "watchdog"}
    return {"what": "domain-stopped", "reason": what.reason}
