"""Would a failover hold?  Looks at everything that it stands on, and touches nothing.

Both ``tegar ha check`` and the nightly check look here.
"""

from __future__ import annotations

import ctypes
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.guard.datagram import Answer
from tegar.guard.judge import majority
from tegar.ha.witnesses import Witnesses
from tegar.kernel.clock import Clock
from tegar.kernel.db import live
from tegar.kernel.errors import TegarError
from tegar.model.power import Power
from tegar.model.timing import DEFAULT
from tegar.saga import promise
from tegar.saga.bmc import reach
from tegar.saga.env import Env
from tegar.store import bmcs
from tegar.store.bmcs import Bmc
from tegar.store.hosts import Host
from tegar.store.leases import HostLease, Witness, witnesses_of
from tegar.store.zones import Cluster
from tegar.wire.guard import GetGuard, GuardFacts

ASK_S, ANSWER_S, LOOK_S, AT_ONCE = 5.0, 2.0, 0.02, 32
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


def look(env: Env, secret: bytes) -> list[Check]:
    """Return everything that was looked at, by one who may ask hosts, BMCs and witnesses; *secret* is the guard's."""
    hosts = env.db.read(_hosts)
    now_s = env.clock.now_s()
    return [
        *_of_witnesses(env, secret, hosts),
        *_of_wardens(env, hosts),
        *_of_power(env),
        *env.db.read(lambda s: _of_promises(s, now_s)),
        clock_check(),
    ]


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


def _of_witnesses(env: Env, secret: bytes, hosts: Sequence[Guarded]) -> list[Check]:
    clusters = {h.cluster_id for h in hosts}
    circles = env.db.read(lambda s: {c: witnesses_of(s, c) for c in clusters})
    if not any(circles.values()):
        return [Check("cluster", "witnesses", "none", "there are no witnesses: no lease can be judged")]
    heard = _heard(env.clock, secret, hosts, circles)
    return quorum_checks(hosts, {c: [w.name for w in circle] for c, circle in circles.items()}, heard)


def _heard(
    clock: Clock, secret: bytes, hosts: Sequence[Guarded], circles: Mapping[int, Sequence[Witness]]
) -> dict[tuple[str, str], Answer]:
    """Ask every witness about every lease of its clusters; return the answers by witness and host."""
    answers: dict[tuple[str, str], Answer] = {}
    talk = Witnesses(secret, lambda _: {}, clock)
    talk.on_answer = lambda witness, answer: answers.__setitem__((witness, answer.host), answer)
    talk.start()
    try:
        expected, end_s = 0, clock.mono_s() + ANSWER_S
        for cluster_id, circle in circles.items():
            leases = [(h.uuid, *h.lease) for h in hosts if h.lease and h.cluster_id == cluster_id]
            for witness in circle:
                talk.ask(witness.name, (witness.address, witness.port), leases)
                expected += len(leases)
        while len(answers) < expected and clock.mono_s() < end_s:
            clock.sleep(LOOK_S)
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


def _of_wardens(env: Env, hosts: Sequence[Guarded]) -> list[Check]:
    def ask(host: Guarded) -> Check:
        try:
            return warden_check(host.name, env.links.to(host.url).ask(GetGuard(), timeout_s=ASK_S))
        except TegarError as e:
            return Check(host.name, "warden", "?", f"the agent does not answer: {e}")

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check") as pool:
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


# ── power ─────────────────────────────────────────────────────────────────────────────────────────


def _of_power(env: Env) -> list[Check]:
    """Read the power of every host, of many at once; no order is given."""

    def what(s: Session) -> list[tuple[str, Bmc | None]]:
        usable = {bmc.host_id: bmc for bmc in bmcs.all_usable(s)}
        named = s.execute(select(Host.id, Host.name).where(live(Host)).order_by(Host.name))
        return [(name, usable.get(id)) for id, name in named]

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check") as pool:
        return list(pool.map(lambda found: _power(env, *found), env.db.read(what)))


def _power(env: Env, name: str, bmc: Bmc | None) -> Check:
    if bmc is None:
        return Check(name, "power", "no BMC")
    try:
        read = reach(env, bmc).ask(lambda driver, spec: driver.read(spec, within_s=ASK_S))
    except TegarError as e:
        return Check(name, "power", "?", str(e))
    why = "" if read == Power.ON else "a host that runs must read as On"
    return Check(name, "power", f"reads {read.value}", why)


# ── room ──────────────────────────────────────────────────────────────────────────────────────────


def _of_promises(s: Session, now_s: float) -> list[Check]:
    """Ask of each cluster whether what it promises could be kept now."""
    checks = []
    for cluster in s.scalars(select(Cluster).where(live(Cluster)).order_by(Cluster.id)):
        wanted, shown = promise.promised(s, cluster), promise.picture(s, cluster, now_s)
        kept, why = promise.kept(shown, wanted)
        checks.append(Check(cluster.name, "spare capacity", f"survives {kept} of {wanted} promised", why))
    return checks


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
