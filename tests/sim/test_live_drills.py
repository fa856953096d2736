"""Drills of a cloud that runs, on simulated hosts: what they do by its API, and that they leave nothing behind."""

from __future__ import annotations

from typing import Any

from support.cloud import ApiError, Cloud, JobFailed
from support.leases import guard
from tegar.loop import health, vm_power
from tegar.main.client import ApiFailed
from tegar.main.live import Live, perform


class InProcess:
    """The API without HTTP; whenever a list is asked for, the loops come round."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def __call__(self, command: str, **params: object) -> Any:
        if command.startswith("list"):
            health.round(self._cloud.env, lambda: b"s" * 32)
            vm_power.round(self._cloud.env)
        try:
            return self._cloud.api(command, **params)
        except ApiError as e:
            raise ApiFailed(command, e.inner) from e

    def job(self, command: str, *, patience_s: float = 600, **params: object) -> Any:
        try:
            return self._cloud.do(command, **params)
        except (ApiError, JobFailed) as e:
            raise ApiFailed(command, {"errortext": str(e)}) from e

    def first(self, command: str, key: str, **params: object) -> Any:
        rows = self(command, **params).get(key, [])
        return rows[0] if rows else None


def live(cloud: Cloud, kill_with: str = "") -> Live:
    cloud.ready_zone(hosts=2)
    guard(cloud)
    return Live(InProcess(cloud), "", kill_with)


def test_a_canary_moves_there_and_back_and_is_gone_afterwards(cloud: Cloud) -> None:
    run = perform(live(cloud), "canary-migrate", 1)

    assert run.failure == ""
    assert run.seconds is not None
    assert [m.what[:13] for m in run.marks if m.kind == "fault"] == ["migrate it to"] * 2
    assert cloud.api("listVirtualMachines", listall=True) == {}


def test_what_is_bad_is_the_failure_of_a_check(cloud: Cloud) -> None:
    run = perform(live(cloud), "check", 1)

    assert "there are no witnesses" in run.failure
    assert any("spare capacity" in m.what for m in run.marks)


def test_a_process_is_ended_only_by_the_operators_own_command(cloud: Cloud) -> None:
    run = perform(live(cloud), "qemu-death", 1)

    assert "--kill-with" in run.failure
    assert cloud.api("listVirtualMachines", listall=True) == {}


def test_a_command_that_fails_leaves_no_canary_behind(cloud: Cloud) -> None:
    run = perform(live(cloud, "false {host} {uuid}"), "qemu-death", 1)

    assert "non-zero exit status" in run.failure
    assert cloud.api("listVirtualMachines", listall=True) == {}


def test_a_handover_needs_another_server(cloud: Cloud) -> None:
    run = perform(live(cloud), "leader-handover", 1)

    assert run.failure == "it needs a leader and one more server that is Up"
