"""A router's host is lost, or the two of a pair cannot hear each other: what their clients notice.

Each run asks the guest behind the router a hundred times a second from the outside and reads one long transfer from
it, from before the fault until the routers are whole again, so what comes back afterwards is measured, too.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tegar.lab.cloud import LabHost
from tegar.lab.errors import LabError
from tegar.lab.topology import GUEST, PUBLIC
from tegar.main.client import ApiFailed
from tegar.main.drill import story
from tegar.main.drill.holders import Holders, longest_shared_s
from tegar.main.drill.marks import ANSWER, END, FAULT, PAUSE, START, Mark, Run
from tegar.main.drill.noticed import Noticed, noticed
from tegar.main.drill.stage import DrillError, Needs, Options, Say, Stage, open_stage
from tegar.main.drill.tenant import PORT, STREAM_PORT, Tenant, python, tenant
from tegar.main.local import spend, until

RATE = 100
WARM_S, AFTER_S, CUT_S = 1.5, 1.0, 6.0
WHOLE_S, TAKEN_OVER_S = 180.0, 60.0
NEEDS = Needs(hosts=3, vms=0)
SIDES = {"guest": GUEST, "public": PUBLIC}


@dataclass
class Round:
    """One run while it goes on."""

    tenant: Tenant
    holders: Holders
    marks: list[Mark] = field(default_factory=list)
    fault_s: float = 0.0

    def mark(self, kind: str, what: str) -> float:
        """Note that something happens now; return when."""
        self.marks.append(Mark(time.time(), kind, what))
        return self.marks[-1].at_s

    def await_(self, true: Callable[[], object], what: str, patience_s: float = WHOLE_S) -> None:
        """Wait for a condition.

        Raises:
            DrillError: it did not come.
        """
        if not until(true, patience_s, 0.05):
            raise DrillError(f"{what} did not come within {patience_s:g} s")


Hurt = Callable[[Round, list[str]], dict[str, float]]
"""Makes the fault, waits for what follows, and mends it; told the routers' hosts, returns further figures."""


def pair_loss(root: Path, options: Options, say: Say) -> list[Run]:
    """The host of the primary loses its power: the longest gap that clients see."""
    return _all(root, options, say, redundant=True, hurt=_lose_host)


def single_loss(root: Path, options: Options, say: Say) -> list[Run]:
    """The host of a router that is alone loses its power: the gap until it answers from another host."""
    return _all(root, options, say, redundant=False, hurt=_lose_host, figure="requests_gap_s")


def guest_partition(root: Path, options: Options, say: Say) -> list[Run]:
    """The two of a pair cannot hear each other on the guests' side: how long both are primary."""
    return _all(root, options, say, redundant=True, hurt=_cut("guest"), figure="both_primary_s")


def public_partition(root: Path, options: Options, say: Say) -> list[Run]:
    """The same on the public side."""
    return _all(root, options, say, redundant=True, hurt=_cut("public"), figure="both_primary_s")


def _all(
    root: Path, options: Options, say: Say, *, redundant: bool, hurt: Hurt, figure: str = "gap_s"
) -> list[Run]:
    stage = open_stage(root, NEEDS, say)
    try:
        network = tenant(stage, redundant=redundant)
        runs = []
        for number in range(1, options.runs + 1):
            runs.append(_one(network, number, hurt, figure))
            facts = ", ".join(f"{name} {value:.2f}" for name, value in runs[-1].facts.items())
            say(f"run {number}: {runs[-1].seconds} s ({facts}) {runs[-1].failure}")
            stage.restore()
        return runs
    finally:
        stage.db.close()


def _one(network: Tenant, number: int, hurt: Hurt, figure: str) -> Run:
    holders = Holders(network.places, network.watched)
    round = Round(network, holders)
    began_s, failure, facts = time.time(), "", dict[str, float]()
    seen: list[Noticed] = []
    holders.start()
    try:
        round.await_(lambda: _whole(round), "a whole router group")
        at = network.where()
        with _traffic(round, _away_from(network.stage, at), seen):
            spend(WARM_S)
            round.fault_s = began_s = time.time()
            facts |= hurt(round, at)
            spend(AFTER_S)
    except (DrillError, LabError, ApiFailed) as e:
        failure = str(e)
    finally:
        holders.stop()
    after = [s for s in holders.samples if s.to_s >= began_s]
    facts["both_primary_s"] = longest_shared_s(after) if after else 0.0
    lost = 0
    for it in seen:
        facts |= it.facts
        failure = failure or (it.failure if network.count > 1 else "")
        lost = it.lost
        round.marks += [Mark(g.from_s, PAUSE, f"no {g.whose} for {g.length_s:.2f} s") for g in it.gaps]
    _mark_holders(round, began_s)
    marks = sorted([*round.marks, *_told(network.stage, began_s - 1)], key=lambda m: m.at_s)
    twice = int(facts["both_primary_s"] > 2.0)
    return Run(number, began_s, facts.get(figure), lost, twice, failure, marks, facts)


def _whole(round: Round) -> bool:
    """Return whether all routers obey on hosts that are up, and the one that is to be primary is, and it alone."""
    there = round.tenant.where()
    return len(there) == round.tenant.count and round.holders.now() == (there[0],)


def _away_from(stage: Stage, at: list[str]) -> LabHost:
    """Return the best host for the guest: without a router, or else with the backup."""
    free = [name for name in stage.lab.hosts if name not in at]
    return stage.lab.hosts[free[0] if free else at[-1]]


@contextmanager
def _traffic(round: Round, host: LabHost, seen: list[Noticed]) -> Iterator[None]:
    """Keep the guest on a host and clients outside busy; what they noticed is in *seen* afterwards."""
    network, ends = round.tenant, list[subprocess.Popen[str]]()
    try:
        ends.append(network.guest_on(host))
        ends.append(network.outside("ask", network.public_ip, str(PORT), str(RATE)))
        ends.append(network.outside("take", network.public_ip, str(STREAM_PORT)))
        round.mark(START, f"the guest is on {host.name}, the clients ask")
        try:
            yield
        finally:
            asked, took = _last_words(ends[1]), _last_words(ends[2])
            seen.append(noticed(json.loads(asked), json.loads(took), round.fault_s))
    finally:
        for end in reversed(ends):
            _end(end)
        if host.powered():
            host.run(python("tegar.main.drill.plug", "off"))


def _last_words(end: subprocess.Popen[str]) -> str:
    said, trouble = end.communicate(timeout=60)
    if end.returncode != 0:
        raise DrillError(f"a client failed: {trouble[-300:]}")
    return said


def _end(end: subprocess.Popen[str]) -> None:
    """Let an end go whose input is closed or not, and which may be gone with its host."""
    for stream in (end.stdin, end.stdout, end.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    try:
        end.wait(5)
    except subprocess.TimeoutExpired:
        end.kill()
        end.wait()


def _lose_host(round: Round, at: list[str]) -> dict[str, float]:
    """Cut the power of the primary's host, wait until the routers are whole elsewhere, and give it back."""
    victim = round.tenant.stage.lab.hosts[at[0]]
    fault_s = round.mark(FAULT, f"{victim.name} loses its power")
    victim.power_off()
    round.await_(
        lambda: round.holders.first_after(fault_s, victim.name),
        "another router with the address",
        TAKEN_OVER_S,
    )
    taken_s = round.holders.first_after(fault_s, victim.name) or 0.0
    round.await_(lambda: victim.name not in round.tenant.where() and _whole(round), "a whole group elsewhere")
    whole_s = round.mark(ANSWER, "the routers are whole again, on other hosts")
    return {"taken_over_s": taken_s - fault_s, "whole_again_s": whole_s - fault_s}


def _cut(side: str) -> Hurt:
    def hurt(round: Round, at: list[str]) -> dict[str, float]:
        lab = round.tenant.stage.lab
        round.mark(FAULT, f"{at[0]} and {at[1]} do not hear each other on the {side} side")
        lab.separate([at[0]], [at[1]], SIDES[side])
        spend(CUT_S)
        lab.heal()
        round.mark(FAULT, "the cables are mended")
        spend(CUT_S)
        round.await_(lambda: _whole(round), "a whole pair")
        return {}

    return hurt


def _mark_holders(round: Round, since_s: float) -> None:
    """Note each change of who holds the addresses."""
    before: tuple[str, ...] | None = None
    for one in round.holders.samples:
        if one.to_s >= since_s - 1 and one.holders != before:
            before = one.holders
            what = f"held by {' and '.join(one.holders)}" if one.holders else "nobody holds the addresses"
            round.marks.append(
                Mark(one.to_s, FAULT if one.shared else END if not one.holders else START, what)
            )


def _told(stage: Stage, since_s: float) -> list[Mark]:
    rows = stage.db.read(lambda s: story.from_rows(s, since_s))
    return [*rows, *story.from_logs(stage.place.root / "log", since_s)]
