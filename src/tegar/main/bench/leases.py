"""What one witness can carry: many hosts that renew twice a second, and a manager that asks about all of them."""

from __future__ import annotations

import json
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tegar.guard import datagram, survey
from tegar.guard.datagram import LONGEST_BYTES, AnswerMany, AskMany
from tegar.guard.keys import manager_key
from tegar.main.bench.renewing import RENEWAL_S, boot_name, host_name
from tegar.main.bench.stage import cpu_s, rss_bytes
from tegar.main.local import free_port, tegar

ROUND_S = 0.25
STEPS = 50  # of a round: questions are spread over it, so that renewals need not wait behind them
QUIET_SHARE = 0.5
MOST_CORES = 1.0
ENOUGH = 0.95  # of the renewals that the hosts owe: below that, the machine was too busy to tell


class Surveyor:
    """The HA manager's questions about every host, four times a second."""

    def __init__(self, secret: bytes, port: int, hosts: int) -> None:
        """Know the leases."""
        self.leases = [(host_name(i), boot_name(i), 0) for i in range(hosts)]
        self._key, self._witness = manager_key(secret), ("127.0.0.1", port)
        self._salt = secrets.token_bytes(8)
        self._asked: dict[int, AskMany] = {}
        self._door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._door.bind(("127.0.0.1", 0))
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._door.setblocking(False)
        self.questions = self.answered = self.heard = 0
        self.stop = threading.Event()

    def run(self) -> None:
        """Ask, round after round, until stopped."""
        while not self.stop.is_set():
            began_s = time.monotonic()
            now_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
            asked = survey.questions(self.leases, now_us, self._salt)
            step = len(asked) // STEPS + 1
            for at in range(0, len(asked), step):
                for question in asked[at : at + step]:
                    self._ask(question)
                due_s = began_s + ROUND_S * at / len(asked)
                self._listen(max(0.0, due_s - time.monotonic()))
            self._listen(max(0.0, began_s + ROUND_S - time.monotonic()))
        self._listen(1.0)

    def _ask(self, question: AskMany) -> None:
        self._asked[question.nonce] = question
        with suppress(BlockingIOError):
            self._door.sendto(datagram.encode(self._key, "m", "w1", question), self._witness)
        self.questions += 1

    def _listen(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while True:
            left_s = max(0.0, until_s - time.monotonic())
            if not select.select([self._door], [], [], left_s)[0]:
                return
            with suppress(BlockingIOError):
                while True:
                    self._hear(self._door.recv(LONGEST_BYTES + 1))
            if left_s == 0:
                return

    def _hear(self, data: bytes) -> None:
        said = datagram.decode(lambda _: self._key, "m", data)
        if said is None or not isinstance(said[1], AnswerMany):
            raise RuntimeError("no answer to a survey")
        asked = self._asked.pop(said[1].nonce, None)
        if asked is not None:
            self.answered += 1
            found = survey.answers(asked, said[1])
            self.heard += sum(it.ready and it.age_s < 1.5 for it in found)


def measure(*, say: Callable[[str], None], hosts: int, seconds: float) -> dict[str, Any]:
    """Let them renew alone first, and then with a manager that asks."""
    secret, port = secrets.token_bytes(32), free_port(0)
    with _witness(secret, port) as witness, _load(secret, port, hosts) as load:
        say(f"{json.loads(_line(load))['hosts']} hosts have their leases")
        alone = _phase(witness, load, max(5.0, seconds * QUIET_SHARE))
        say(f"renewals alone: {json.dumps(alone)}")
        manager = Surveyor(secret, port, hosts)
        thread = threading.Thread(target=manager.run)
        thread.start()
        began_s, used_s = time.monotonic(), time.process_time()
        asked = _phase(witness, load, seconds)
        took_s = time.monotonic() - began_s
        manager.stop.set()
        thread.join()
        asked |= {
            "questions_per_s": round(manager.questions / took_s),
            "leases_per_s": round(manager.heard / took_s),
            "unanswered": manager.questions - manager.answered,
            "manager_cores": round((time.process_time() - used_s) / took_s, 2),
        }
        say(f"with a survey of all, four times a second: {json.dumps(asked)}")
        memory_mb = round(rss_bytes(witness) / 1e6, 1)
    return {
        "hosts": hosts,
        "alone": alone,
        "with_survey": asked,
        "witness_rss_mb": memory_mb,
        "limits": {"witness_cores": MOST_CORES, "lost": 0},
        "ok": asked["witness_cores"] <= MOST_CORES
        and all(it["lost"] == 0 and it["per_s"] >= ENOUGH * hosts / RENEWAL_S for it in (alone, asked)),
    }


def _phase(witness: int, load: subprocess.Popen[str], seconds: float) -> dict[str, Any]:
    """Renew for so long; return what load and witness say."""
    assert load.stdin is not None
    used_s, began_s = cpu_s(witness), time.monotonic()
    load.stdin.write(f"{seconds}\n")
    load.stdin.flush()
    found: dict[str, Any] = json.loads(_line(load))
    cores = (cpu_s(witness) - used_s) / (time.monotonic() - began_s)
    used_us = cores * found["took_s"] * 1e6 / found["sent"]
    return {"seconds": seconds, "witness_cores": round(cores, 3), "witness_us": round(used_us, 1), **found}


@contextmanager
def _witness(secret: bytes, port: int) -> Iterator[int]:
    """Run a witness of a new cluster."""
    with tempfile.TemporaryDirectory(prefix="tegar-bench-") as folder:
        file = Path(folder) / "w1.json"
        config = {
            "name": "w1",
            "listen": ["127.0.0.1", port],
            "secret": secret.hex(),
            "longest_dead_s": 13,
            "first": True,
        }
        file.write_text(json.dumps(config))
        with subprocess.Popen(tegar("witness", "--config", str(file)), stderr=subprocess.DEVNULL) as running:
            try:
                yield running.pid
            finally:
                running.kill()


@contextmanager
def _load(secret: bytes, port: int, hosts: int) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "tegar.main.bench.renewing", secret.hex(), str(port), str(hosts)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def _line(load: subprocess.Popen[str]) -> str:
    assert load.stdout is not None
    line = load.stdout.readline()
    if not line:
        raise RuntimeError("the load ended early")
    return line
