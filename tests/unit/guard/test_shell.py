"""The processes over real sockets, and the watchdogs."""

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from tegar.guard.keys import host_key
from tegar.guard.warden import Verb
from tegar.guard.warden_shell import WardenConfig, WardenShell
from tegar.guard.watchdog import DeviceWatchdog, LabWatchdog, NoWatchdog, NullWatchdog, watchdog
from tegar.guard.witness_shell import WitnessConfig, WitnessShell
from tegar.kernel.clock import WallClock

SECRET = "11" * 32
KEY = host_key(bytes.fromhex(SECRET), "h1").hex()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class CountingDog:
    def __init__(self) -> None:
        self.pets = 0

    def pet(self) -> None:
        self.pets += 1


def test_a_warden_gets_its_lease_from_real_witnesses(tmp_path: Path) -> None:
    ports = {f"w{i}": ("127.0.0.1", free_port()) for i in (1, 2, 3)}
    witnesses = [
        WitnessShell(WitnessConfig(name, address, SECRET, 10.0, first=True), WallClock(), wait_s=0.005)
        for name, address in ports.items()
    ]
    hands = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    hands.bind(str(tmp_path / "hands"))
    hands.setblocking(False)
    dog = CountingDog()
    config = WardenConfig(
        "h1", KEY, ("127.0.0.1", free_port()), ports, str(tmp_path / "hands"), str(tmp_path / "reports")
    )
    shell = WardenShell(config, "boot", dog, WallClock())
    stop = threading.Event()

    def answer() -> None:
        while not stop.is_set():
            for w in witnesses:
                w.turn()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        for _ in range(60):
            shell.turn()
            try:
                order = json.loads(hands.recv(1000))
            except BlockingIOError:
                continue
            report = {"number": order["number"], "done": True, "epoch": order["epoch"]}
            hands.sendto(json.dumps(report).encode(), str(tmp_path / "reports"))
            if shell.machine.order.verb is Verb.OPEN and dog.pets >= 1:
                break
    finally:
        stop.set()
        thread.join()
        for it in (shell, hands, *witnesses):
            it.close()

    assert shell.machine.order.verb is Verb.OPEN
    assert dog.pets >= 1


def test_a_host_without_a_watchdog_is_refused() -> None:
    assert isinstance(watchdog("", 3.0), NullWatchdog)
    with pytest.raises(NoWatchdog):
        watchdog("", 3.0).pet()
    with pytest.raises(NoWatchdog, match="No such file"):
        DeviceWatchdog("/nowhere/watchdog", 3.0).pet()
    with pytest.raises(NoWatchdog, match="whole seconds"):
        watchdog("/dev/watchdog", 2.5)


def test_a_device_that_is_no_watchdog_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(NoWatchdog):
        DeviceWatchdog(os.fspath(tmp_path / "file"), 3.0).pet()


@pytest.mark.parametrize("says, works", [(b"arm 3\n", True), (b"arm 9\n", False), (b"", False)])
def test_the_labs_supervisor_must_echo_w(tmp_path: Path, says: bytes, works: bool) -> None:
    path = str(tmp_path / "dog")
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(1)

        def supervise() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as lines:
                heard.append(lines.readline())
                if says:
                    connection.sendall(says)
                    heard.append(lines.readline())

        thread = threading.Thread(target=supervise)
        thread.start()
        dog = LabWatchdog(path, 3.0)
        if works:
            dog.pet()
        else:
            with pytest.raises(NoWatchdog):
                dog.pet()
        del dog
        thread.join(5)

    assert heard[0] == b"arm 3\n"
    assert not works or heard[1] == b"pet\n"
