"""``tegar ha check``: would it hold?  Looks at everything a failover stands on, and touches nothing."""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.guard.datagram import Answer
from tegar.guard.judge import majority
from tegar.ha.witnesses import Witnesses
from tegar.kernel.clock import WallClock
from tegar.kernel.db import Db, live
from tegar.kernel.errors import TegarError
from tegar.kernel.secret import Vault
from tegar.main.client import ApiFailed, Client
from tegar.main.config import ServerConfig, add_options, config_of
from tegar.main.links import AllLinks
from tegar.main.local import until
from tegar.model.timing import DEFAULT
from tegar.ops import guard
from tegar.ops.bootstrap import admin_keys
from tegar.store.hosts import Host
from tegar.store.leases import HostLease, Witness, witnesses_of
from tegar.wire.guard import GetGuard, GuardFacts

ASK_S, ANSWER_S, AT_ONCE = 5.0, 2.0, 32
MOST_PPM = DEFAULT.rho * 1e6
STA_UNSYNC = 0x40


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; ``why`` is empty when it is good."""

    subject: str
    what: str
    shown: str
    why: str = ""


@dataclass(frozen=True)
class Guarded:
    """A host, and the lease it holds."""

    name: str
    uuid: str
    url: str
    cluster_id: int
    lease: tuple[str, int] | None  # boot, epoch


def main_check(argv: Sequence[str]) -> int:
    """Run ``tegar ha check``; 0 when everything is good."""
    parser = argparse.ArgumentParser(
        prog="tegar ha check", description="Look at everything that a failover stands on; run on a server."
    )
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(argv)
    checks = check(config_of(given))
    bad = [c for c in checks if c.why]
    if given.json:
        print(json.dumps({"good": not bad, "checks": [asdict(c) for c in checks]}))
    else:
        print(_table(checks))
        print(f"\n{len(bad)} of {len(checks)} are bad." if bad else f"\nAll {len(checks)} are good.")
    return 1 if bad else 0


def check(config: ServerConfig) -> list[Check]:
    """Return everything that was looked at."""
    vault = Vault.at(config.state_dir / "vault.key")
    db = Db(config.url)
    try:
        hosts = db.read(_hosts)
        return [
            *_witnesses(db, vault, hosts),
            *_wardens(config, hosts),
            *_by_api(config, db, vault),
            clock_check(),
        ]
    finally:
        db.close()


def _hosts(s: Session) -> list[Guarded]:
    stmt = (
        select(Host, HostLease)
        .outerjoin(HostLease, HostLease.host_id == Host.id)
        .where(live(Host))
        .order_by(Host.name)
    )
    return [
        Guarded(h.name, h.uuid, h.url, h.cluster_id, (row.boot, row.epoch) if row and row.boot else None)
        for h, row in s.execute(stmt)
    ]


# ── witnesses ─────────────────────────────────────────────────────────────────────────────────────


def _witnesses(db: Db, vault: Vault, hosts: Sequence[Guarded]) -> list[Check]:
    circles = {c: db.read(lambda s, c=c: witnesses_of(s, c)) for c in {h.cluster_id for h in hosts}}  # type: ignore[misc]
    if not any(circles.values()):
        return [Check("cluster", "witnesses", "none", "there are no witnesses: no lease can be judged")]
    heard = _heard(db.read(lambda s: guard.secret(s, vault)), hosts, circles)
    return quorum_checks(hosts, {c: [w.name for w in circle] for c, circle in circles.items()}, heard)


def _heard(
    secret: bytes, hosts: Sequence[Guarded], circles: Mapping[int, Sequence[Witness]]
) -> dict[tuple[str, str], Answer]:
    """Ask every witness about every lease of its clusters; return the answers by witness and host."""
    answers: dict[tuple[str, str], Answer] = {}
    talk = Witnesses(secret, lambda _: {}, WallClock())
    talk.on_answer = lambda witness, answer: answers.__setitem__((witness, answer.host), answer)
    talk.start()
    try:
        expected = 0
        for cluster_id, circle in circles.items():
            leases = [(h.uuid, *h.lease) for h in hosts if h.lease and h.cluster_id == cluster_id]
            for witness in circle:
                talk.ask(witness.name, (witness.address, witness.port), leases)
                expected += len(leases)
        until(lambda: len(answers) >= expected, ANSWER_S, 0.02)
    finally:
        talk.close()
    return dict(answers)


def quorum_checks(
    hosts: Sequence[Guarded], circles: Mapping[int, Sequence[str]], heard: Mapping[tuple[str, str], Answer]
) -> list[Check]:
    """Return what the answers say of witnesses, and of the leases they hold."""
    of_witness: dict[str, list[Answer]] = defaultdict(list)
    for (witness, _), answer in heard.items():
        of_witness[witness].append(answer)
    checks = []
    for witness in sorted({w for circle in circles.values() for w in circle}):
        answers = of_witness[witness]
        ready = sum(a.ready for a in answers)
        why = "" if answers else "it does not answer"
        if answers and ready < len(answers):
            why = f"it knows {ready} of {len(answers)} hosts: it started a moment ago, or was not taught"
        checks.append(Check(witness, "witness", f"{ready} hosts", why))
    for host in hosts:
        circle = circles.get(host.cluster_id, ())
        if host.lease is None:
            checks.append(
                Check(host.name, "lease", "none", "it holds no lease: no VM of it is started elsewhere")
            )
            continue
        fresh = [w for w in circle if (a := heard.get((w, host.uuid))) and a.age_s < DEFAULT.soft_s]
        need = majority(len(circle))
        why = "" if len(fresh) >= need else f"a majority is {need}"
        checks.append(Check(host.name, "lease", f"fresh at {len(fresh)} of {len(circle)} witnesses", why))
    return checks


# ── wardens ───────────────────────────────────────────────────────────────────────────────────────


def _wardens(config: ServerConfig, hosts: Sequence[Guarded]) -> list[Check]:
    links = AllLinks(config.state_dir / "tls", config.sim)

    def ask(host: Guarded) -> Check:
        try:
            return warden_check(host.name, links.to(host.url).ask(GetGuard(), timeout_s=ASK_S))
        except TegarError as e:
            return Check(host.name, "warden", "?", f"the agent does not answer: {e}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, hosts))


def warden_check(name: str, facts: GuardFacts) -> Check:
    """Return what a host says of its warden and its watchdog."""
    shown = f"{facts.watchdog or 'no watchdog'}, W {facts.watchdog_s:g} s, D {facts.dead_s:.2f} s, {facts.verb or '-'}"
    troubles = []
    if not facts.configured:
        troubles.append("it is not guarded")
    elif not facts.watchdog:
        troubles.append("it has no watchdog")
    elif facts.order_age_s < 0:
        troubles.append("its warden never spoke")
    elif facts.verb != "open" or not facts.done:
        troubles.append("its guests are held")
    troubles += facts.lacking
    return Check(name, "warden", shown, "; ".join(troubles))


# ── what the API knows ────────────────────────────────────────────────────────────────────────────


@contextmanager
def _client(config: ServerConfig, db: Db, vault: Vault) -> Iterator[Client]:
    apikey, secretkey = db.read(lambda s: admin_keys(s, vault))
    yield Client(f"http://{config.listen}:{config.port}/client/api", apikey, secretkey, timeout_s=30)


def _by_api(config: ServerConfig, db: Db, vault: Vault) -> list[Check]:
    parts: tuple[tuple[str, Callable[[Client], list[Check]]], ...] = (
        ("power", _power), ("spare capacity", _capacity),
    )  # fmt: skip
    checks = []
    with _client(config, db, vault) as api:
        for what, look in parts:
            try:
                checks += look(api)
            except (ApiFailed, httpx.HTTPError) as e:
                checks.append(Check("server", what, "?", str(e) or type(e).__name__))
    return checks


def _power(api: Client) -> list[Check]:
    """Read the power of every host that has a baseboard controller."""
    checks = []
    for host in api("listHosts", type="Routing", pagesize=-1).get("host", []):
        if not host.get("outofbandmanagement", {}).get("enabled"):
            checks.append(Check(host["name"], "power", "no BMC"))
            continue
        try:
            said = api.job("issueOutOfBandManagementPowerAction", hostid=host["id"], action="STATUS")
            state = said.get("outofbandmanagement", said).get("powerstate", "?")
            why = "" if str(state).lower() == "on" else "a host that runs must read as On"
            checks.append(Check(host["name"], "power", f"reads {state}", why))
        except ApiFailed as e:
            checks.append(Check(host["name"], "power", "?", str(e)))
    return checks


def _capacity(api: Client) -> list[Check]:
    """Ask what each cluster can lose."""
    found = api("checkHighAvailability", pagesize=-1).get("highavailabilitycheck", [])
    return [
        Check(
            row["clustername"], "spare capacity",
            f"survives {row['tolerated']} of {row['promised']} promised",
            "" if row["survivable"] else str(row.get("reason") or "not every VM would find a place"),
        )
        for row in found
        if not row.get("hostid")
    ]  # fmt: skip


# ── the clock of this machine ─────────────────────────────────────────────────────────────────────


class _Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int),
                ("rest", ctypes.c_char * 512)]  # fmt: skip


def clock_check() -> Check:
    """Return how far the rate of this machine's clock is corrected; timers allow for ρ between any two."""
    told = _Timex()
    ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told))
    ppm = told.freq / 65536
    shown = f"corrected by {ppm:+.1f} ppm" + (", not synchronised" if told.status & STA_UNSYNC else "")
    why = "" if abs(ppm) <= MOST_PPM else f"timers allow for {MOST_PPM:.0f} ppm"
    return Check("this server", f"clock {time.strftime('%H:%M:%S')}", shown, why)


def _table(checks: Sequence[Check]) -> str:
    rows = [(c.subject, c.what, c.shown, f"BAD: {c.why}" if c.why else "good") for c in checks]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip()
        for row in rows
    )
