"""The agent's door and the link to it, over real sockets with real certificates."""

from __future__ import annotations

import hashlib
import http.server
import json
import socket
import ssl
import stat
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tegar.agent import http as door
from tegar.agent.fences import Fences, Locks
from tegar.agent.host import Host
from tegar.agent.join import join
from tegar.agent.report import Hung, Reporter, ReportTo, Stopped
from tegar.agent.serve import main_agent
from tegar.kernel.errors import AgentRefused, Fenced, NotYet, Refused, TegarError, Unavailable, Unreachable
from tegar.kernel.link import HttpLink, tls_client
from tegar.kernel.wire import Fence
from tegar.wire.host import GetLoad, HostLoad

sys.path.insert(0, str(Path(__file__).parents[2] / "live"))
from authorities import Authority, pem


@dataclass
class Box:
    """A box that answers what the test wants."""

    error: TegarError | Exception | None = None
    delay_s: float = 0
    release: threading.Event = field(default_factory=threading.Event)

    def load(self) -> HostLoad:
        if self.delay_s:
            self.release.wait(self.delay_s)
        if self.error:
            raise self.error
        return HostLoad(0.5, 7)


@dataclass
class Door:
    """A running agent's door."""

    url: str
    box: Box
    tls: Path
    clients: list[httpx.Client] = field(default_factory=list)

    def link(self, who: str = "server", fence: Fence | None = None, url: str = "") -> HttpLink:
        client = tls_client(self.tls / f"{who}.crt", self.tls / f"{who}.key", self.tls / "agents-ca.crt")
        self.clients.append(client)
        return HttpLink(url or self.url, client, fence, "h1")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    agents, servers = Authority.make("agents"), Authority.make("servers")
    agents.issue(folder, "agent", "127.0.0.1")
    servers.issue(folder, "server", "127.0.0.1")
    (folder / "agents-ca.crt").write_text(pem(agents.certificate))
    (folder / "servers-ca.crt").write_text(pem(servers.certificate))
    return folder


@pytest.fixture
def agent(tls: Path) -> Iterator[Door]:
    box = Box()
    machine = Host(box, *[None] * 6, Fences(), Locks(), None, None)  # type: ignore[arg-type]
    server = door.server(door.application(machine, threads=4), host="127.0.0.1", port=0, tls=tls)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    made = Door(f"https://127.0.0.1:{port}", box, tls)
    yield made
    for client in made.clients:
        client.close()
    box.release.set()
    server.should_exit = True
    thread.join(10)


def test_a_question_is_answered_with_its_type(agent: Door) -> None:
    assert agent.link().ask(GetLoad()) == HostLoad(0.5, 7)


@pytest.mark.parametrize(
    "error",
    [
        NotYet("copy", 3.5), Unavailable("pool", "gone"), Refused("no"), Fenced("saga 7"),
        AgentRefused("The host", "GetLoad", "will not"),
    ],
)  # fmt: skip
def test_errors_cross_the_wire_as_they_are(agent: Door, error: TegarError) -> None:
    agent.box.error = error

    with pytest.raises(type(error)) as e:
        agent.link().ask(GetLoad())

    told = {**error.facts(), "peer": "h1"} if isinstance(error, AgentRefused) else error.facts()
    assert e.value.facts() == told


def test_a_bug_of_a_handler_is_a_refusal_and_tells_no_secrets(agent: Door) -> None:
    agent.box.error = ValueError("password 1234")

    with pytest.raises(AgentRefused) as e:
        agent.link().ask(GetLoad())

    assert "1234" not in str(e.value)


def test_a_newer_owner_shuts_the_older_one_out(agent: Door) -> None:
    agent.link(fence=Fence("s", 2)).ask(GetLoad())

    with pytest.raises(Fenced):
        agent.link(fence=Fence("s", 1)).ask(GetLoad())


def test_no_answer_in_time_is_unreachable_and_so_is_nobody(agent: Door) -> None:
    agent.box.delay_s = 5

    with pytest.raises(Unreachable):
        agent.link().ask(GetLoad(), timeout_s=0.3)
    with pytest.raises(Unreachable):
        agent.link(url="https://127.0.0.1:1").ask(GetLoad(), timeout_s=0.3)


def test_a_question_waits_for_an_agent_that_is_being_started_again(agent: Door) -> None:
    """The port of a host that lives refuses; a little later the agent listens there again."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))  # and does not listen yet
    port = held.getsockname()[1]
    machine = Host(agent.box, *[None] * 6, Fences(), Locks(), None, None)  # type: ignore[arg-type]
    later = door.server(door.application(machine, threads=4), host="127.0.0.1", port=port, tls=agent.tls)
    start = threading.Timer(0.5, later.run, kwargs={"sockets": [held]})
    start.start()
    try:
        assert agent.link(url=f"https://127.0.0.1:{port}").ask(GetLoad()) == HostLoad(0.5, 7)
    finally:
        later.should_exit = True
        start.join(10)


def test_an_agents_own_certificate_opens_no_door(agent: Door) -> None:
    with pytest.raises(Unreachable):
        agent.link(who="agent").ask(GetLoad())


def test_nobody_without_a_certificate_gets_a_byte(agent: Door) -> None:
    context = ssl.create_default_context(cafile=str(agent.tls / "agents-ca.crt"))

    with httpx.Client(verify=context, trust_env=False) as client, pytest.raises(httpx.HTTPError):
        client.get(f"{agent.url}/healthz")


def test_a_body_without_end_is_not_read(agent: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_BODY_BYTES", 1000)
    context = ssl.create_default_context(cafile=str(agent.tls / "agents-ca.crt"))
    context.load_cert_chain(agent.tls / "server.crt", agent.tls / "server.key")

    with httpx.Client(verify=context, trust_env=False) as client:
        assert client.post(f"{agent.url}/ask/GetLoad", content=b"x" * 5000).status_code == 413
        assert client.get(f"{agent.url}/healthz").text == "ok\n"


@dataclass
class ManagementServer:
    """The server's side of joining, and of reports."""

    url: str
    fingerprint: str
    authority: Authority
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def management(tmp_path: Path) -> Iterator[ManagementServer]:
    listener, agents = Authority.make("listener"), Authority.make("agents")
    listener.issue(tmp_path, "m", "127.0.0.1")
    der = listener.certificate.public_bytes(serialization.Encoding.DER)
    said = ManagementServer("", hashlib.sha256(der).hexdigest(), agents)
    bundle = {"listener": pem(listener.certificate), "agents": pem(agents.certificate), "servers": "pem"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def reply(self, code: int, body: dict[str, str]) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def do_GET(self) -> None:
            self.reply(200, bundle)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            said.asked.append(body)
            if self.path != "/agent/join" or body.get("token") != "good":
                self.reply(403, {"error": "no such token"})
                return
            request = x509.load_pem_x509_csr(body["csr_pem"].encode())
            signed = agents.sign(request.public_key(), body["name"], body["address"])  # type: ignore[arg-type]
            self.reply(200, {"certificate": pem(signed), "servers_ca": bundle["servers"]})

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "m.crt", tmp_path / "m.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    said.url = f"https://127.0.0.1:{server.server_port}"
    yield said
    server.shutdown()
    server.server_close()


def enter(management: ManagementServer, state_dir: Path, token: str) -> str:
    return join(server=management.url, token=token, name="h1", address="10.0.0.5", state_dir=state_dir)


def test_a_host_joins_once_and_its_key_stays_with_it(management: ManagementServer, tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    token = f"good.{management.fingerprint}"

    assert "has joined;" in enter(management, state_dir, token)
    assert "joined already" in enter(management, state_dir, "used.up")

    assert len(management.asked) == 1
    assert "PRIVATE" not in json.dumps(management.asked)
    key = state_dir / "tls" / "agent.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    ssl.create_default_context().load_cert_chain(state_dir / "tls" / "agent.crt", key)
    assert (state_dir / "agent.toml").read_text() == 'name = "h1"\naddress = "10.0.0.5"\n'


def test_the_secret_is_not_shown_to_another_server(management: ManagementServer, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not the server"):
        enter(management, tmp_path / "state", "good." + "0" * 64)

    assert management.asked == []


def test_a_wrong_token_is_refused_and_may_be_tried_again(
    management: ManagementServer, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="403"):
        enter(management, tmp_path / "state", f"bad.{management.fingerprint}")

    assert "has joined;" in enter(management, tmp_path / "state", f"good.{management.fingerprint}")


def test_an_agent_that_has_not_joined_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main_agent(["--state-dir", str(tmp_path)]) == 1
    assert "join first" in capsys.readouterr().err


def test_a_report_goes_to_the_first_server_that_takes_it(
    management: ManagementServer, tmp_path: Path
) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    file = tmp_path / "report-to.json"
    reporter = Reporter(file, context)
    reporter.report_to(ReportTo("h", ("https://127.0.0.1:1", management.url), "s3cret"))
    reporter.tell(Stopped("vm", "crashed"))
    reporter.close()

    again = Reporter(file, context)
    again.tell(Stopped("vm2", "shutdown"))
    again.tell(Hung("vm3"))
    deadline_s = time.monotonic() + 20
    while len(management.asked) < 3 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    again.close()

    assert {
        "host_uuid": "h",
        "what": "domain-stopped",
        "uuid": "vm2",
        "reason": "shutdown",
    } in management.asked
    assert {"host_uuid": "h", "what": "guest-hung", "uuid": "vm3", "reason": "watchdog"} in management.asked
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
