"""Servers are equal: sessions and jobs are valid at each, one can die or leave, and nothing is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from trio_cloud import Trio

from support.until import until
from tegar.main.client import ApiFailed
from tegar.main.live import LIMITS_S, Live, perform
from tegar.main.local import processes

pytestmark = pytest.mark.mariadb


def log_in(trio: Trio, name: str) -> tuple[str, dict[str, str]]:
    words = {"command": "login", "username": "admin", "password": trio.facts["password"], "response": "json"}
    answer = httpx.post(f"{trio.cloud.url(name)}/client/api", data=words, trust_env=False)
    assert answer.is_success, answer.text
    return answer.json()["loginresponse"]["sessionkey"], dict(answer.cookies)


def listed(trio: Trio, name: str, session: tuple[str, dict[str, str]]) -> httpx.Response:
    words = {"command": "listZones", "response": "json", "sessionkey": session[0]}
    return httpx.get(f"{trio.cloud.url(name)}/client/api", params=words, cookies=session[1], trust_env=False)


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_session_is_valid_at_every_server_also_when_its_own_has_died(trio: Trio) -> None:
    session = log_in(trio, "s1")

    assert listed(trio, "s2", session).is_success
    trio.kill("s1")
    assert listed(trio, "s3", session).is_success


def test_a_session_ends_at_every_server(trio: Trio) -> None:
    session = log_in(trio, "s1")
    words = {"command": "logout", "response": "json", "sessionkey": session[0]}
    httpx.get(f"{trio.cloud.url('s2')}/client/api", params=words, cookies=session[1], trust_env=False)

    assert listed(trio, "s1", session).status_code == 401


def test_a_job_answers_at_every_server_and_is_finished_by_another_when_its_own_dies(trio: Trio) -> None:
    trio.sim(times={"start_s": 2.0})
    job = trio.client("s1")("deployVirtualMachine", **trio.wish("orphan"))
    other = trio.client("s2")

    until(lambda: trio.row("s1", "s2")["pendingjobscount"] == 1, "it is under way in s1's hands")
    assert other("queryAsyncJobResult", jobid=job["jobid"])["jobstatus"] == 0
    trio.kill("s1")
    vm = other.wait("deployVirtualMachine", job["jobid"], 30)["virtualmachine"]

    assert vm["state"] == "Running"
    until(lambda: trio.row("s1")["state"] == "Down", "s1 is seen to be Down")


def test_reads_through_the_balancer_do_not_notice_that_a_server_is_killed(trio: Trio) -> None:
    key, cookies = log_in(trio, "s1")
    words = {"command": "listZones", "response": "json", "sessionkey": key}
    answers: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(cookies=cookies, trust_env=False, timeout=20) as client:
            while not over.is_set():
                answers.append(client.get(trio.facts["endpoint"], params=words).status_code)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    until(lambda: len(answers) > 20, "they are answered")
    trio.kill("s2")
    count = len(answers)
    until(lambda: len(answers) > count + 100, "they go on being answered")
    over.set()
    for asker in askers:
        asker.join()

    assert set(answers) == {200}


def test_a_server_leaves_without_losing_anything_and_comes_back(trio: Trio) -> None:
    trio.sim(times={"start_s": 2.0})
    job = trio.client("s1")("deployVirtualMachine", **trio.wish("under-way"))
    until(lambda: trio.row("s1")["pendingjobscount"] == 1, "it is under way in s1's hands")
    other, uuid = trio.client("s2"), trio.row("s1")["id"]

    told = other("prepareForShutdown", managementserverid=uuid)["prepareforshutdown"]
    assert (told["managementserverid"], told["state"]) == (uuid, "PreparingForShutDown")
    assert told["readyforshutdown"] is False
    until(lambda: trio.ready("s1").status_code == 503, "s1 is not ready")
    assert trio.ready("s1").json()["why"] == ["this server is PreparingForShutDown"]
    with pytest.raises(ApiFailed, match="Can not accept new jobs") as refused:
        trio.client("s1")("deployVirtualMachine", **trio.wish("refused"))
    assert refused.value.code == 503
    assert other("listVirtualMachines", name="refused").get("count", 0) == 0

    through = [trio.client()("deployVirtualMachine", **trio.wish(f"elsewhere-{n}")) for n in range(4)]
    for each in through:
        assert (
            trio.client().wait("deployVirtualMachine", each["jobid"], 60)["virtualmachine"]["state"]
            == "Running"
        )
    assert trio.client().wait("x", job["jobid"], 60)["virtualmachine"]["name"] == "under-way"

    def is_ready() -> Any:
        return other("readyForShutdown", managementserverid=uuid)["readyforshutdown"]

    until(lambda: is_ready()["readyforshutdown"], "it has finished its work")
    assert is_ready()["state"] == "ReadyToShutDown"
    assert other("cancelShutdown", managementserverid=uuid)["cancelshutdown"]["state"] == "Up"
    until(lambda: trio.ready("s1").is_success, "s1 is ready again")


def test_a_server_that_is_shut_down_ends_when_its_work_is_done(trio: Trio) -> None:
    trio.sim(times={"start_s": 2.0})
    job = trio.client("s3")("deployVirtualMachine", **trio.wish("last"))
    until(lambda: trio.row("s3")["pendingjobscount"] == 1, "it is under way in s3's hands")

    told = trio.client("s1")("triggerShutdown", managementserverid=trio.row("s3")["id"])["triggershutdown"]
    assert (told["state"], told["shutdowntriggered"]) == ("ShuttingDown", True)
    until(lambda: not processes(trio.cloud.place, "s3"), "it has ended")

    assert trio.client().wait("x", job["jobid"], 5)["virtualmachine"]["name"] == "last"
    assert trio.row("s3")["state"] == "Down"
    with pytest.raises(ApiFailed):
        trio.client()("cancelShutdown", managementserverid=trio.row("s3")["id"])


def test_the_only_server_left_can_be_told_to_go_on_through_the_balancer(trio: Trio) -> None:
    for name in ("s1", "s2"):
        trio.kill(name)
    uuid = trio.row("s3", "s3")["id"]
    trio.client()("prepareForShutdown", managementserverid=uuid)
    until(lambda: trio.ready("s3").status_code == 503, "s3 is not ready")

    assert trio.client()("cancelShutdown", managementserverid=uuid)["cancelshutdown"]["state"] == "Up"


def test_a_server_that_was_frozen_is_down_and_up_again_when_it_wakes(trio: Trio) -> None:
    with frozen(processes(trio.cloud.place, "s2")):
        until(lambda: trio.row("s2", "s1")["state"] == "Down", "s2 is taken for dead")

    until(lambda: trio.row("s2", "s1")["state"] == "Up", "s2 is Up again")


def test_no_server_is_ready_while_the_database_does_not_answer(trio: Trio) -> None:
    with frozen(processes(trio.cloud.place, "mariadb")):
        answer = trio.ready("s1")
        assert answer.status_code == 503
        assert answer.elapsed.total_seconds() < 3
        assert "the database does not answer" in answer.text
        assert "root@" not in answer.text

    until(lambda: trio.ready("s1").is_success, "s1 is ready again")


def test_servers_do_not_call_each_other_dead_after_the_database_was_away(trio: Trio) -> None:
    def names() -> list[str]:
        return [trio.ready(name).json()["server"] for name in trio.cloud.names]

    before = names()
    with frozen(processes(trio.cloud.place, "mariadb")):
        for name in trio.cloud.names:
            until(lambda n=name: "lost its lease" in trio.ready(n).text, f"{name} could not beat")  # type: ignore[misc]
    for name in trio.cloud.names:
        until(lambda n=name: trio.ready(n).is_success, f"{name} is ready again")  # type: ignore[misc]

    assert names() == before
    assert {trio.row(name)["state"] for name in trio.cloud.names} == {"Up"}


def test_the_drill_hands_over_the_lead_of_a_live_cloud(trio: Trio) -> None:
    run = perform(Live(trio.client(), "", ""), "leader-handover", 1)

    assert run.failure == ""
    assert run.seconds is not None
    assert run.seconds <= LIMITS_S["leader-handover"]["max"]
