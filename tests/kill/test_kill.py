"""kill -9 at every point of every step: another server takes over within five seconds, and nothing is left."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from support.servers import Remote, Server
from support.until import until
from tegar.kernel.saga import SagaRow
from tegar.saga.table import SAGAS

TAKEN_OVER_WITHIN_S = 5.0
LAST = {"vm.deploy": "say_running", "vm.migrate": "say_moved"}
COMMAND = {"vm.deploy": "deployVirtualMachine", "vm.migrate": "migrateVirtualMachine"}


@dataclass(frozen=True)
class Death:
    """Where a server dies; ``unwinding`` when its last step was made to fail before."""

    saga: str
    step: str
    point: str
    unwinding: bool

    @property
    def name(self) -> str:
        """A host name for the VM whose saga it is."""
        return f"{self.step}-{self.point}".replace("_", "-")


def deaths(saga: str) -> list[Death]:
    """Return all points of a saga, forward and backward."""
    steps = SAGAS[saga].steps
    forward = [Death(saga, s.name, point, False) for s in steps for point in ("before", "after")]
    undone = [s for s in steps if s.undo and s.name != LAST[saga]]
    backward = [Death(saga, s.name, point, True) for s in undone for point in ("undo-before", "undo-after")]
    return forward + backward


def request(remote: Remote, death: Death, vms: dict[str, str]) -> dict[str, Any]:
    """Return the request that leads to a death."""
    assert remote.zone
    if death.saga == "vm.deploy":
        return {"command": COMMAND[death.saga], **remote.zone.vm(name=death.name)}
    return {"command": COMMAND[death.saga], "virtualmachineid": vms[death.name]}


def deploy(remote: Remote, names: list[str]) -> dict[str, str]:
    """Deploy a VM for each name; return their uuids."""
    assert remote.zone
    jobs = {name: remote.api("deployVirtualMachine", **remote.zone.vm(name=name)) for name in names}
    for job in jobs.values():
        assert remote.wait(remote.admin, job, within_s=60)["jobstatus"] == 1
    return {name: job["id"] for name, job in jobs.items()}


def condemn(remote: Remote, deaths: list[Death], vms: dict[str, str], how: str) -> list[Server]:
    """Fork a server for each death, which asks for a saga and ends at a point of it; return those that did.

    All servers look for work, so now and then one runs what another asked for; that other is
    asked again.
    """
    ended: list[Server] = []
    for attempt in range(5):
        servers = {_fork(remote, death, vms, attempt, how): death for death in deaths}
        until(lambda s=list(servers): _over(remote, s), "all have ended or missed", within_s=40)  # type: ignore[misc]
        ended += [server for server in servers if server.note.exists()]
        deaths = [death for server, death in servers.items() if not server.note.exists()]
        for server in servers:
            if not server.note.exists():
                server.send(signal.SIGKILL)
        if not deaths:
            return ended
    raise AssertionError(f"never came to {deaths}")


def _fork(remote: Remote, death: Death, vms: dict[str, str], attempt: int, how: str) -> Server:
    fail = (death.saga, LAST[death.saga]) if death.unwinding else None
    at = (death.saga, death.step, death.point)
    wanted = request(remote, death, vms)
    if "name" in wanted:
        wanted["name"] += f"-{attempt}"
    return remote.server(params=wanted, at=at, fail=fail, signal=how)


def _over(remote: Remote, servers: list[Server]) -> bool:
    """Return whether each server came to its end, or answered and nothing is left for it to do."""
    left = [server for server in servers if not server.note.exists()]
    return not left or (all("Answer(" in server.said() for server in left) and not remote.open_sagas())


def taken_over(remote: Remote, servers: list[Server]) -> dict[str, float]:
    """Wait until servers that ended own nothing; return how many seconds that took, by where they ended."""
    names = {server.up(): server for server in servers}
    ended_s = {name: server.moment_s() for name, server in names.items()}
    took_s: dict[str, float] = {}

    def all_taken() -> bool:
        owners = remote.db.read(lambda s: s.scalars(select(SagaRow.owner).distinct()).all())
        now_s = time.monotonic()
        for name in set(names) - set(owners) - set(took_s):
            took_s[name] = now_s - ended_s[name]
        return len(took_s) == len(names)

    until(all_taken, "all are taken over", within_s=20)
    return {str(names[name].order.at): seconds for name, seconds in took_s.items()}


@pytest.mark.parametrize("saga", ["vm.deploy", "vm.migrate"])
def test_whenever_a_server_is_killed_another_finishes_its_work(remote: Remote, saga: str) -> None:
    remote.server().up()
    all_deaths = deaths(saga)
    vms = deploy(remote, [d.name for d in all_deaths]) if saga == "vm.migrate" else {}

    for begin in range(0, len(all_deaths), 6):
        doomed = condemn(remote, all_deaths[begin : begin + 6], vms, "SIGKILL")
        took_s = taken_over(remote, doomed)
        assert max(took_s.values()) < TAKEN_OVER_WITHIN_S, took_s
        assert not any(server.alive() for server in doomed)
        until(lambda: not remote.open_sagas(), "all sagas end", within_s=40)

    ended = {row.state.value for row in remote.sagas() if row.name == saga}
    assert ended == {"DONE", "FAILED"}
    assert remote.leftovers() == []
    for row in remote.sagas():
        job = remote.api("queryAsyncJobResult", jobid=row.uuid)
        assert job["jobstatus"] == {"DONE": 1, "FAILED": 2}[row.state.value]


@pytest.mark.parametrize("saga", ["vm.deploy", "vm.migrate"])
def test_a_server_that_slept_while_it_was_taken_over_changes_nothing(remote: Remote, saga: str) -> None:
    if remote.db.is_sqlite:
        pytest.skip("SQLite is for one server: a process frozen while it writes keeps the lock on the file")
    remote.server().up()
    chosen = [d for d in deaths(saga) if d.point in ("before", "undo-before")]
    vms = deploy(remote, [d.name for d in chosen]) if saga == "vm.migrate" else {}

    sleepers = condemn(remote, chosen, vms, "SIGSTOP")
    taken_over(remote, sleepers)
    until(lambda: not remote.open_sagas(), "all sagas end", within_s=40)
    before = (remote.state(), remote.leftovers())
    for server in sleepers:
        server.send(signal.SIGCONT)
    for server in sleepers:
        until(lambda s=server: "lost to another owner" in s.said(), f"{server.order.at} notices")  # type: ignore[misc]

    assert (remote.state(), remote.leftovers()) == before
    assert before[1] == []
