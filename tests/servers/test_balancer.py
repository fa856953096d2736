"""The very configuration that is shipped, run by HAProxy in front of little servers that misbehave on purpose."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.servers import free_port
from support.until import until
from tegar.main.balancer import CONFIGURATION, Balanced, render

pytestmark = pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy missing")


class Listener(ThreadingHTTPServer):
    """Does not look up its own name, and complains of nothing."""

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "fake", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here."""


@dataclass
class Fake:
    """A server that answers with its name, unless ``mood`` is otherwise: ``mute`` hangs up on what it was asked."""

    address: str
    port: int
    mood: str = "well"
    ready: bool = True
    asked: list[str] = field(default_factory=list)

    def start(self) -> Fake:
        """Listen."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self._answer()

            def _answer(self) -> None:
                status = 200
                if self.path == "/readyz":
                    status = 200 if fake.ready else 503
                else:
                    fake.asked.append(f"{self.command} {self.path}")
                    if fake.mood == "mute":
                        self.close_connection = True
                        return
                    status = 503 if fake.mood == "leaving" else 200
                self.send_response(status)
                body = fake.address.encode()
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._listener = Listener((self.address, self.port), Handler)
        threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._listener.shutdown()
        self._listener.server_close()


@dataclass
class Cluster:
    """Two servers behind HAProxy."""

    url: str
    agents: int
    a: Fake
    b: Fake

    def get(self, words: str) -> httpx.Response:
        """Ask on a new connection."""
        return httpx.get(f"{self.url}/client/api?{words}", trust_env=False, timeout=10)

    def post(self, words: str) -> httpx.Response:
        """Ask with a form."""
        form = dict(part.split("=") for part in words.split("&"))
        return httpx.post(f"{self.url}/client/api", data=form, trust_env=False, timeout=10)

    def both_up(self) -> bool:
        """Return whether both are asked."""
        return {self.get("command=listZones").text for _ in range(6)} == {self.a.address, self.b.address}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    port, front, agents = free_port(), free_port(), free_port()
    a, b = Fake("127.0.0.31", port).start(), Fake("127.0.0.32", port).start()
    balanced = Balanced(
        api=f"127.0.0.1:{front}", servers={"s1": a.address, "s2": b.address}, port=port,
        agents=f"127.0.0.1:{agents}", agent_port=port,
    )  # fmt: skip
    file = tmp_path / "haproxy.cfg"
    file.write_text(render(CONFIGURATION.read_text(), balanced))
    made = Cluster(f"http://127.0.0.1:{front}", agents, a, b)
    with (tmp_path / "log").open("wb") as log:
        proxy = subprocess.Popen(["haproxy", "-db", "-f", str(file)], stdout=log, stderr=log)
    try:
        until(lambda: _answers(made), f"haproxy answers: {(tmp_path / 'log').read_text()}")
        until(made.both_up, "both servers are asked")
        a.asked.clear()
        b.asked.clear()
        yield made
    finally:
        proxy.kill()
        proxy.wait()
        for fake in (a, b):
            fake.stop()


def _answers(made: Cluster) -> bool:
    try:
        return made.get("command=listZones").is_success
    except httpx.HTTPError:
        return False


def test_the_file_as_it_is_is_valid() -> None:
    done = subprocess.run(["haproxy", "-c", "-f", str(CONFIGURATION)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr


def test_a_server_that_is_gone_costs_no_request(cluster: Cluster) -> None:
    cluster.a.stop()

    asked = [cluster.get(f"command=deployVirtualMachine&name=x{n}") for n in range(10)]
    asked += [cluster.post(f"command=deployVirtualMachine&name=y{n}") for n in range(10)]

    assert {(r.status_code, r.text) for r in asked} == {(200, cluster.b.address)}
    assert len(cluster.b.asked) == 20
    cluster.a.start()
    until(cluster.both_up, "it is asked again when it is back")


@pytest.mark.parametrize("way", ["get", "post"])
def test_a_write_whose_answer_was_lost_is_never_repeated(cluster: Cluster, way: str) -> None:
    cluster.a.mood = cluster.b.mood = "mute"

    answer = getattr(cluster, way)("command=deployVirtualMachine&name=x")

    assert answer.status_code == 502
    assert len(cluster.a.asked) + len(cluster.b.asked) == 1


@pytest.mark.parametrize("words", ["command=listZones", "response=json&command=queryAsyncJobResult&jobid=x"])
def test_a_read_whose_answer_was_lost_is_asked_elsewhere(cluster: Cluster, words: str) -> None:
    cluster.a.mood = "mute"

    assert {cluster.get(words).text for _ in range(6)} == {cluster.b.address}


@pytest.mark.parametrize(
    "words",
    ["command=listZones&command=deployVirtualMachine", "x=command=listZones&command=deployVirtualMachine"],
)
def test_what_only_looks_like_a_read_is_not_repeated(cluster: Cluster, words: str) -> None:
    cluster.a.mood = cluster.b.mood = "mute"

    assert cluster.get(words).status_code == 502
    assert len(cluster.a.asked) + len(cluster.b.asked) == 1


@pytest.mark.parametrize("way", ["get", "post"])
def test_a_job_that_a_leaving_server_refused_goes_to_another(cluster: Cluster, way: str) -> None:
    cluster.a.mood = "leaving"

    asked = [getattr(cluster, way)(f"command=deployVirtualMachine&name=x{n}") for n in range(6)]

    assert {(r.status_code, r.text) for r in asked} == {(200, cluster.b.address)}


def test_a_server_that_is_not_ready_gets_nothing_new(cluster: Cluster) -> None:
    cluster.a.ready = False
    until(
        lambda: {cluster.get("command=x").text for _ in range(6)} == {cluster.b.address}, "it is left alone"
    )


def test_when_none_is_ready_they_are_asked_all_the_same(cluster: Cluster) -> None:
    cluster.a.ready = cluster.b.ready = False
    down = threading.Event()
    threading.Timer(3, down.set).start()

    while not down.is_set():  # before, while and after their checks fail
        assert cluster.get("command=cancelShutdown").status_code == 200


def test_hosts_reach_any_server_through_one_address(cluster: Cluster) -> None:
    def heard() -> str:
        return httpx.get(f"http://127.0.0.1:{cluster.agents}/agent/ca", trust_env=False).text

    assert {heard() for _ in range(6)} == {cluster.a.address, cluster.b.address}

    cluster.a.stop()
    assert {heard() for _ in range(6)} == {cluster.b.address}
    cluster.a.start()
