"""Probes of pools: late or failed is a stall, one at a time, and guests go on when a pool is back."""

from __future__ import annotations

import queue
import socket
from pathlib import Path

import pytest

from tegar.agent import child
from tegar.agent.probes import LATE_S, Probes, Watched
from tegar.agent.router.knock import accepts
from tegar.kernel.clock import ManualClock
from tegar.kernel.errors import Unavailable
from tegar.model.spec import PoolKind, PoolSpec

POOL = PoolSpec("3f0f4b0e-0000-4000-8000-000000000001", PoolKind.NFS, "10.0.0.9", "/export")


class Storage:
    """Storage that answers when the test lets it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.resumed: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.guests_can_be_asked = True
        self.probes = Probes(self.touch, self.back, self.clock)
        self.probes.watch(POOL)

    def touch(self, pool: PoolSpec) -> None:
        self.asked.put(pool.uuid)
        answer = self.answers.get(timeout=10)
        if answer:
            raise Unavailable("pool", answer)

    def back(self) -> bool:
        self.resumed.put(self.guests_can_be_asked)
        return self.guests_can_be_asked

    def turn(self, after_s: float) -> None:
        self.clock.sleep(after_s)
        self.probes.turn()

    def probe(self, answer: str) -> None:
        """Take one probe to its end, in this thread."""
        it: Watched = self.probes._pools[POOL.uuid]
        self.answers.put(answer)
        it.busy, it.began_s = True, self.clock.mono_s()
        self.probes.probe(it)


def test_a_probe_that_does_not_come_back_is_a_stall_and_no_second_one_is_sent() -> None:
    it = Storage()
    it.turn(5)
    assert it.asked.get(timeout=10) == POOL.uuid

    it.turn(LATE_S - 0.1)
    assert it.probes.stalled() == ()
    it.turn(0.2)
    assert it.probes.stalled() == (POOL.uuid,)
    it.turn(60)
    assert it.asked.empty()

    it.answers.put("")
    assert it.resumed.get(timeout=10)


def test_a_pool_that_says_no_is_away_and_tried_each_second_until_guests_go_on() -> None:
    it = Storage()
    it.probe("it is dead")
    assert it.probes.stalled() == (POOL.uuid,)
    assert it.probes._pools[POOL.uuid].due(it.clock.mono_s() + 1)

    it.guests_can_be_asked = False
    it.probe("")
    assert it.probes.stalled() == ()
    assert it.probes._pools[POOL.uuid].due(it.clock.mono_s() + 1), "guests are owed to go on"

    it.guests_can_be_asked = True
    it.probe("")
    assert not it.probes._pools[POOL.uuid].due(it.clock.mono_s() + 1)
    assert [it.resumed.get_nowait(), it.resumed.get_nowait(), it.resumed.empty()] == [False, True, True]


def test_a_pool_that_answers_wakes_nobody() -> None:
    it = Storage()
    it.probe("")

    assert it.resumed.empty()


def test_the_child_touches_a_directory_and_leaves_nothing(tmp_path: Path) -> None:
    assert child.files("touch", str(tmp_path), what="pool") == {}

    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Unavailable, match="is not a directory"):
        child.files("touch", str(tmp_path / "gone"), what="pool")


def test_a_port_accepts_or_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert accepts("127.0.0.1", port)

    assert not accepts("127.0.0.1", port)
    said = child.run(
        child.python("tegar.agent.router.knock", "127.0.0.1", str(port)), timeout_s=10, what="knock"
    )
    assert said.code == 1
