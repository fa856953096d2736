"""What clients of a load balancer notice: of a member that dies on a host that lives, and of changed settings.

The router is real, on the stage of the router's own measurement; members are namespaces with a NIC on its network.
Five hundred requests a second come from the outside, each a connection of its own, a tenth of them by TLS.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from statistics import median
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tegar.main.bench import router
from tegar.main.bench.router import PUBLIC, Stage
from tegar.main.drill.marks import figures
from tegar.main.local import spend, until
from tegar.model.rule import Balancer, Member

MEMBERS = ("10.88.0.21", "10.88.0.22", "10.88.0.23", "10.88.0.24")
PORT, TLS_PORT, BEHIND = 8000, 8443, 80
RATE, TLS_SHARE = 500, 0.1
DEATHS, GRACE_S = 3, 1.0
Asked = Sequence[Sequence[float | None]]


def measure(*, say: Callable[[str], None], seconds: float) -> dict[str, Any]:
    """Let members die one after the other, then change members and certificates all the time."""
    with router.staged() as stage, _members(stage) as members:
        _want(stage, MEMBERS, certificate("one.test"))
        until(lambda: _answers(stage), 20, 0.1)
        found = {"death": _deaths(stage, members, seconds)}
        say(f"death: {json.dumps(found['death'])}")
        found["changes"] = _changes(stage, seconds)
        say(f"changes: {json.dumps(found['changes'])}")
    fine = found["death"]["failed_later"] == 0 and found["changes"]["failed"] == 0
    return {**found, "limits": {"grace_s": GRACE_S, "failed": 0}, "ok": fine}


@dataclass
class Load:
    """Requests while they go on; ``asked`` holds them all afterwards."""

    asked: list[Sequence[float | None]]


@contextmanager
def _load(stage: Stage) -> Iterator[Load]:
    """Ask as long as the block runs."""
    found = Load([])
    words = (("ask", PUBLIC, str(PORT), str(RATE * (1 - TLS_SHARE))),
             ("ask", PUBLIC, str(TLS_PORT), str(RATE * TLS_SHARE), "tls"))  # fmt: skip
    clients = [_end(stage, "w", *it) for it in words]
    try:
        yield found
        found.asked += [pair for client in clients for pair in json.loads(client.communicate(timeout=60)[0])]
    finally:
        for client in clients:
            client.kill()


def _end(stage: Stage, at: str, *words: str) -> subprocess.Popen[str]:
    argv = (
        "ip",
        "netns",
        "exec",
        stage.name(at),
        sys.executable,
        "-P",
        "-m",
        "tegar.main.bench.traffic",
        *words,
    )
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _deaths(stage: Stage, members: list[str], seconds: float) -> dict[str, Any]:
    """Let the host of a member swallow all its packets, again and again; it comes back in between."""
    after_s, asked = list[float](), list[Sequence[float | None]]()
    for name in members[:DEATHS]:
        with _load(stage) as load:
            spend(seconds / DEATHS / 3)
            died_s = time.time()
            router.ip("link", "set", stage.name(f"{name}i"), "down")
            spend(seconds / DEATHS * 2 / 3)
        router.ip("link", "set", stage.name(f"{name}i"), "up")
        asked += load.asked
        after_s += [sent_s - died_s for sent_s, done_s in load.asked if sent_s is not None and done_s is None]
        spend(GRACE_S)
    return {
        "deaths": DEATHS, **_told(asked), "last_failed_s": round(max(after_s, default=0.0), 3),
        "failed_later": sum(s > GRACE_S for s in after_s),
    }  # fmt: skip


def _changes(stage: Stage, seconds: float) -> dict[str, Any]:
    """Change members and certificate, one after the other, for so long."""
    took, turns = list[float](), cycle((MEMBERS[:2], MEMBERS, MEMBERS[1:]))
    certificates = cycle([certificate(name) for name in ("two.test", "one.test")])
    now = next(certificates)
    with _load(stage) as load:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            took.append(_want(stage, next(turns), now))
            now = next(certificates)
            took.append(_want(stage, MEMBERS, now))
    return {"changes": len(took), "change_s": round(median(took), 3), **_told(load.asked)}


def _told(asked: Asked) -> dict[str, Any]:
    waits = [done_s - sent_s for sent_s, done_s in asked if sent_s is not None and done_s is not None]
    return {
        "requests": len(asked), "failed": len(asked) - len(waits),
        "answer_s": figures(waits),
    }  # fmt: skip


def _want(stage: Stage, members: Sequence[str], pem: str) -> float:
    behind = tuple(Member(ip, BEHIND) for ip in members)
    plain = Balancer(str(uuid.UUID(int=1)), PUBLIC, PORT, "roundrobin", "tcp", behind)
    secured = replace(plain, uuid=str(uuid.UUID(int=2)), port=TLS_PORT, protocol="ssl", certificate=pem)
    openings = (router.opening(PORT), router.opening(TLS_PORT))
    return stage.want(balancers=(plain, secured), openings=openings)


def _answers(stage: Stage) -> bool:
    with _load(stage) as load:
        spend(0.2)
    return all(done_s is not None for _, done_s in load.asked)


@contextmanager
def _members(stage: Stage) -> Iterator[list[str]]:
    """Have members for as long as the block runs."""
    names, serving = [f"m{n}" for n in range(len(MEMBERS))], list[subprocess.Popen[str]]()
    try:
        for name, ip in zip(names, MEMBERS, strict=True):
            router.ip("netns", "add", stage.name(name))
            router.nic(stage, name, "i", f"{ip}/24")
            router.ip("-n", stage.name(name), "route", "add", "default", "via", router.GATEWAY)
            serving.append(_end(stage, name, "serve", str(BEHIND), "7000"))
        yield names
    finally:
        for process in serving:
            process.kill()
            process.communicate()
        for name in names:
            router.ip("netns", "del", stage.name(name), check=False)


def certificate(name: str) -> str:
    """Return a certificate of one's own with its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30)).sign(key, hashes.SHA256())
    )  # fmt: skip
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret.decode() + made.public_bytes(serialization.Encoding.PEM).decode()
