"""The parts of the drills of routers, on namespaces: who holds an address is seen, and ends of traffic tell the truth."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from wires import sh

from support.until import until
from tegar.main.drill.holders import Holders, longest_shared_s
from tegar.main.drill.noticed import noticed

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: needs root")]

SHARED, PORT, STREAM = "10.99.0.1", "8000", "7000"
TRAFFIC = "tegar.main.bench.traffic"


@pytest.fixture
def spaces() -> Iterator[list[str]]:
    names = [f"tgt{secrets.token_hex(3)}{n}" for n in range(2)]
    for name in names:
        sh("ip", "netns", "add", name)
        sh("ip", "-n", name, "link", "set", "lo", "up")
    yield names
    for name in names:
        sh("ip", "netns", "del", name, check=False)


def start(space: str, *words: str) -> subprocess.Popen[str]:
    argv = ("ip", "netns", "exec", space, sys.executable, "-m", TRAFFIC, *words)
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_that_hold_one_address_are_seen(spaces: list[str]) -> None:
    places = {f"h{n}": Path(f"/run/netns/{name}") for n, name in enumerate(spaces)}
    holders = Holders(lambda: places, {SHARED})
    holders.start()
    try:
        for name in spaces:
            sh("ip", "-n", name, "addr", "add", f"{SHARED}/32", "dev", "lo")
        until(lambda: holders.now() == ("h0", "h1"), "both hold it")
        moved_s = time.time()
        sh("ip", "-n", spaces[0], "addr", "del", f"{SHARED}/32", "dev", "lo")
        until(lambda: holders.now() == ("h1",), "one holds it")
        sh("ip", "netns", "del", spaces[1])
        until(lambda: holders.first_after(moved_s, "h0"), "the other was seen")
    finally:
        holders.stop()

    assert longest_shared_s(holders.samples) > 0


def test_ends_of_traffic_tell_what_came_and_what_did_not(spaces: list[str]) -> None:
    server = start(spaces[0], "serve", PORT, STREAM)
    asking = start(spaces[0], "ask", "127.0.0.1", PORT, "50")
    taking = start(spaces[0], "take", "127.0.0.1", STREAM)
    refused = start(spaces[1], "ask", "127.0.0.1", PORT, "50")
    began_s = time.time()
    until(lambda: time.time() - began_s > 1, "a second of traffic")

    said = [json.loads(end.communicate(timeout=60)[0]) for end in (asking, taking, refused)]
    server.communicate(timeout=60)

    found = noticed(said[0], said[1], began_s)
    assert (found.failure, found.lost, found.facts["failed_requests"]) == ("", 0, 0)
    assert found.facts["requests"] > 0
    assert said[2]
    assert all(answered is None for _, answered in said[2])
