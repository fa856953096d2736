"""``tegar warden`` and ``tegar witness`` as processes of their own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tegar.guard import datagram
from tegar.guard.datagram import Answer, Ask
from tegar.guard.keys import host_key, manager_key
from tegar.guard.witness_shell import UnsafeWitness, WitnessConfig, first_time
from tegar.wire.boot import boot_id

SECRET = "5a" * 32
HOST = "0b0b7f36-1111-2222-3333-444444444444"
WAIT_S = 30.0


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen([sys.executable, "-m", "tegar.guard", *words], stderr=subprocess.PIPE)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


class Supervisor:
    """The lab's watchdog: it counts pets."""

    def __init__(self, path: Path) -> None:
        self.pets = threading.Semaphore(0)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(4)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    if line.startswith(b"arm "):
                        connection.sendall(line)
                    else:
                        self.pets.release()


class Hands:
    """Carries out every order at once: there are no guests."""

    def __init__(self, folder: Path) -> None:
        self.verbs: list[str] = []
        self.reports = str(folder / "reports")
        self.path = str(folder / "hands")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(WAIT_S)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Obey until such an order comes."""
        while True:
            order: dict[str, Any] = json.loads(self.socket.recv(1000))
            report = {"number": order["number"], "done": True, "epoch": order["epoch"]}
            self.socket.sendto(json.dumps(report).encode(), self.reports)
            if wanted(order):
                return order


def config(folder: Path, ports: dict[str, int], **more: Any) -> dict[str, Any]:
    return {
        "host": HOST,
        "key": host_key(bytes.fromhex(SECRET), HOST).hex(),
        "listen": ["127.0.0.1", free_port()],
        "witnesses": {name: ["127.0.0.1", port] for name, port in ports.items()},
        "hands": str(folder / "hands"),
        "reports": str(folder / "reports"),
        "watchdog": f"lab:{folder / 'dog'}",
    } | more


def write(folder: Path, orders: dict[str, Any]) -> None:
    spare = folder / "guard.json.new"
    spare.write_text(json.dumps(orders))
    spare.replace(folder / "guard.json")


def witness_config(folder: Path, name: str, port: int) -> str:
    file = folder / f"{name}.json"
    file.write_text(
        json.dumps(
            {
                "name": name,
                "listen": ["127.0.0.1", port],
                "secret": SECRET,
                "longest_dead_s": 13,
                "first": True,
            }
        )
    )
    return str(file)


def test_a_warden_waits_for_its_orders_gets_a_lease_and_restarts_when_told(tmp_path: Path) -> None:
    dog, hands = Supervisor(tmp_path / "dog"), Hands(tmp_path)
    ports = {"w1": free_port(), "w2": free_port(), "w3": free_port()}
    files = {name: witness_config(tmp_path, name, port) for name, port in ports.items()}
    words = ("warden", "--state-dir", str(tmp_path), "--run-dir", str(tmp_path / "run"))
    with (
        process("witness", "--config", files["w1"]),
        process("witness", "--config", files["w2"]),
        process(*words) as warden,
    ):
        assert warden.stderr is not None
        assert b"not guarded yet" in warden.stderr.readline()
        write(tmp_path, config(tmp_path, ports))

        hands.until(lambda order: order["verb"] == "open")
        assert dog.pets.acquire(timeout=WAIT_S)
        status = json.loads((tmp_path / "run" / "warden.json").read_text())
        assert status["boot"] == boot_id()
        assert (status["watchdog"], status["watchdog_s"]) == (f"lab:{tmp_path / 'dog'}", 3.0)
        assert status["dead_s"] == pytest.approx(6.5, abs=0.01)

        hands.socket.sendto(b'{"restart": true}', hands.reports)
        assert warden.wait(WAIT_S) == 0


@pytest.mark.parametrize(
    "more, why",
    [
        ({"watchdog": ""}, "none is configured"),
        ({"watchdog": "/nowhere/watchdog"}, "No such file"),
        ({"timing": "quick"}, "not known"),
        ({"timing": {"patience_s": 3}}, "not known"),
        ({"timing": {"soft_s": 2.9}}, "inequality 4"),
        ({"witnesses": "w1"}, "Expected `object`"),
    ],
)
def test_a_warden_that_cannot_keep_a_lease_says_why_and_opens_nothing(
    tmp_path: Path, more: dict[str, Any], why: str
) -> None:
    hands = Hands(tmp_path)
    write(tmp_path, config(tmp_path, {"w1": free_port()}, **more))
    with process("warden", "--state-dir", str(tmp_path), "--run-dir", str(tmp_path / "run")) as warden:
        if "watchdog" in more:
            assert hands.until(lambda _: True)["verb"] == "close"
        assert warden.stderr is not None
        assert any(b"cannot be kept" in line for line in iter(warden.stderr.readline, b""))
        status = json.loads((tmp_path / "run" / "warden.json").read_text())
        write(tmp_path, {})  # other orders: it wants to be started again

        assert warden.wait(WAIT_S) == 1

    assert any(why in line for line in status["lacking"]), status


def ask(port: int, question: Ask) -> Answer:
    """Ask until there is an answer."""
    key = manager_key(bytes.fromhex(SECRET))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.settimeout(0.1)
        for _ in range(int(WAIT_S / 0.1)):
            door.sendto(datagram.encode(key, "m", "w1", question), ("127.0.0.1", port))
            with suppress(TimeoutError):
                said = datagram.decode(lambda _: key, "m", door.recv(2000))
                assert said is not None
                assert isinstance(said[1], Answer)
                return said[1]
    raise AssertionError("no answer")


def test_a_witness_is_the_first_once_and_a_restarted_one_must_be_taught(tmp_path: Path) -> None:
    port = free_port()
    file = witness_config(tmp_path, "w1", port)
    question = Ask(1, HOST, "b", 0, False)
    with process("witness", "--config", file):
        first = ask(port, question)
    with process("witness", "--config", file):
        second = ask(port, question)

    assert (first.ready, second.ready) == (True, False)
    assert second.incarnation > first.incarnation


def test_where_no_mark_can_be_made_nobody_is_the_first(tmp_path: Path) -> None:
    assert not first_time(tmp_path / "nowhere" / "w1.json")


@pytest.mark.parametrize(
    "secret, longest_s", [("zz", 13.0), ("5a" * 15, 13.0), (SECRET, 0.0), (SECRET, float("nan"))]
)
def test_an_unsafe_witness_does_not_begin(secret: str, longest_s: float) -> None:
    with pytest.raises(UnsafeWitness):
        WitnessConfig("w1", ("127.0.0.1", 1), secret, longest_s).check()
