from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tegar.agent.qmp import Qmp, QmpFailed

GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Callable[[bytes], Path]]:
    """Serve one client with given bytes."""
    made: list[socket.socket] = []

    def serve(said: bytes) -> Path:
        path = tmp_path / "q"
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen()
        made.append(server)

        def talk() -> None:
            client, _ = server.accept()
            client.sendall(said)
            made.append(client)

        threading.Thread(target=talk, daemon=True).start()
        return path

    yield serve
    for it in made:
        it.close()


def test_answers_are_told_from_greetings_and_events(listen: Callable[[bytes], Path]) -> None:
    said = (
        GREETING + b'{"return": {}, "id": 1}\n{"event": "STOP"}\n{"return": {"status": "paused"}, "id": 2}\n'
    )
    qmp = Qmp(listen(said))

    assert qmp.pid() == os.getpid()
    assert qmp.execute("query-status", timeout_s=10) == {"status": "paused"}
    qmp.close()


def test_an_error_is_raised_in_qemus_words(listen: Callable[[bytes], Path]) -> None:
    qmp = Qmp(listen(GREETING + b'{"error": {"class": "GenericError", "desc": "no such thing"}, "id": 2}\n'))

    with pytest.raises(QmpFailed, match="no such thing"):
        qmp.execute("nothing", timeout_s=10)
    qmp.close()


def test_a_silent_qemu_is_not_waited_for_longer_than_said(listen: Callable[[bytes], Path]) -> None:
    qmp = Qmp(listen(GREETING))

    with pytest.raises(QmpFailed, match="no answer to stop within"):
        qmp.execute("stop", timeout_s=0.2)
    qmp.close()


@pytest.mark.parametrize("said", [b"what\n", b'{"return": 1, "id": "x"}\n', b'{"error": 1}\n', b"[]\n"])
def test_what_is_no_qmp_ends_the_connection(listen: Callable[[bytes], Path], said: bytes) -> None:
    qmp = Qmp(listen(said))

    with pytest.raises(QmpFailed):
        qmp.execute("stop", timeout_s=5)
    qmp.close()


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(QmpFailed, match="No such file"):
        Qmp(tmp_path / "nothing")
