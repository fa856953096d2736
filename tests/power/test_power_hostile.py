"""BMCs that answer what they must not: the call ends in time with an error, and nothing is believed."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bmcs import ADDRESS, pin

from tegar.driver.power.ipmi import Ipmitool
from tegar.driver.power.proof import power_off_proven
from tegar.driver.power.redfish import Redfish
from tegar.kernel.clock import WallClock
from tegar.kernel.errors import TegarError
from tegar.kernel.secret import Secret
from tegar.lab.bmc import prepare
from tegar.model.errors import BmcRefused
from tegar.model.power import BmcSpec, Power

SYSTEM = "/redfish/v1/Systems/1"
MEMBERS = json.dumps({"Members": [{"@odata.id": SYSTEM}]})


def answer(body: str | bytes, status: str = "200 OK", headers: str = "") -> bytes:
    raw = body if isinstance(body, bytes) else body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(raw)}\r\n{headers}\r\n".encode() + raw


class Hostile:
    """A TLS server that answers each request with what ``say`` gives for its path."""

    def __init__(self, home: Path) -> None:
        prepare(home, ADDRESS)
        self.say: Callable[[str], bytes | None] = lambda path: None
        self.seen: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(home / "bmc.crt", home / "bmc.key")
        self._socket, self._context = socket.create_server((ADDRESS, 0)), context
        self.spec = BmcSpec(ADDRESS, self._socket.getsockname()[1], "admin", Secret("s3cret-word"), pin(home))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            with self._context.wrap_socket(peer, server_side=True) as tls:
                while raw := tls.recv(65536):
                    if b" HTTP/1.1" not in raw:
                        continue  # a body on its way
                    path = raw.split()[1].decode()
                    self.seen.append(raw.split()[0].decode() + " " + path)
                    said = self.say(path)
                    if said is None:
                        self._drip(tls)
                        return
                    tls.sendall(said)
        except OSError:
            return

    def _drip(self, tls: ssl.SSLSocket) -> None:
        tls.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            tls.sendall(b"X-A: b\r\n")
            time.sleep(0.05)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Hostile]:
    made = Hostile(tmp_path)
    yield made
    made.close()


def system(hostile: Hostile, body: str | bytes, **more: str) -> None:
    hostile.say = lambda path: answer(MEMBERS) if path.endswith("Systems") else answer(body, **more)


@pytest.mark.parametrize(
    "state", ["null", "0", '["Off"]', '{"a": 1}', '"OFF"', '"off"', '"Off "', "false", '""']
)
def test_only_a_clear_off_is_off(hostile: Hostile, state: str) -> None:
    system(hostile, f'{{"PowerState": {state}}}')

    assert Redfish().read(hostile.spec, within_s=5) == Power.UNKNOWN


def test_on_the_way_off_is_not_off(hostile: Hostile) -> None:
    system(hostile, '{"PowerState": "PoweringOff"}')

    assert Redfish().read(hostile.spec, within_s=5) == Power.ON


@pytest.mark.parametrize(
    "body", ["", "[]", "null", "Off", '"Off"', "{", "[" * 100_000, "\x00\xff", '{"PowerState": "Off"} x']
)
def test_what_is_no_object_is_refused(hostile: Hostile, body: str) -> None:
    system(hostile, body)

    with pytest.raises(BmcRefused):
        Redfish().read(hostile.spec, within_s=5)


@pytest.mark.parametrize(
    "members",
    [
        {}, {"Members": None}, {"Members": "x"}, {"Members": []}, {"Members": [1]}, {"Members": [{}]},
        {"Members": [{"@odata.id": 7}]}, {"Members": [{"@odata.id": "https://elsewhere/redfish/v1/Systems/1"}]},
        {"Members": [{"@odata.id": "/redfish/v1/Systems/../../secret"}]}, {"Members": [{"@odata.id": "//elsewhere/x"}]},
        {"Members": [{"@odata.id": SYSTEM}, {"@odata.id": SYSTEM + "2"}]},
    ],
)  # fmt: skip
def test_members_that_make_no_sense_lead_nowhere(hostile: Hostile, members: dict[str, object]) -> None:
    hostile.say = lambda path: answer(json.dumps(members))

    with pytest.raises(BmcRefused):
        Redfish().read(hostile.spec, within_s=5)
    assert hostile.seen == ["GET /redfish/v1/Systems"]


def test_an_endless_answer_is_cut(hostile: Hostile) -> None:
    system(hostile, b'{"PowerState": "Off", "x": "' + b"a" * (4 << 20) + b'"}')

    with pytest.raises(BmcRefused, match="does not end"):
        Redfish().read(hostile.spec, within_s=10)


def test_a_compressed_answer_is_not_unpacked(hostile: Hostile) -> None:
    system(hostile, b"\x1f\x8b\x08\x00", headers="Content-Encoding: gzip\r\n")

    with pytest.raises(BmcRefused):
        Redfish().read(hostile.spec, within_s=5)


def test_a_redirection_is_not_followed(hostile: Hostile) -> None:
    hostile.say = lambda path: answer("{}", "307 Temporary Redirect", "Location: https://127.0.0.1:1/\r\n")

    with pytest.raises(BmcRefused, match="HTTP 307"):
        Redfish().read(hostile.spec, within_s=5)


def test_one_that_drips_for_ever_is_cut_in_time(hostile: Hostile) -> None:
    began_s = time.monotonic()

    with pytest.raises(TegarError):
        Redfish().read(hostile.spec, within_s=1)
    assert time.monotonic() - began_s < 4
    with pytest.raises(TegarError):
        power_off_proven(Redfish(), hostile.spec, 2, WallClock())
    assert time.monotonic() - began_s < 12


def test_one_that_takes_connections_and_is_silent_is_given_up(tmp_path: Path) -> None:
    with socket.create_server((ADDRESS, 0)) as silent:
        spec = BmcSpec(ADDRESS, silent.getsockname()[1], "admin", Secret("x"))
        for trust in ("", "sha256:" + "0" * 64):
            began_s = time.monotonic()
            with pytest.raises(TegarError):
                Redfish().read(BmcSpec(spec.address, spec.port, "admin", Secret("x"), trust), within_s=1)
            assert time.monotonic() - began_s < 4


def test_an_error_that_echoes_the_password_is_not_passed_on(hostile: Hostile) -> None:
    system(hostile, "s3cret-word", status="400 s3cret-word")

    with pytest.raises(BmcRefused) as e:
        Redfish().read(hostile.spec, within_s=5)
    assert "s3cret" not in f"{e.value} {e.value.facts()}"


def test_a_target_elsewhere_is_not_taken(hostile: Hostile) -> None:
    action = {"target": "https://elsewhere/x", "ResetType@Redfish.AllowableValues": ["ForceOff", 7]}
    system(hostile, json.dumps({"PowerState": "On", "Actions": {"#ComputerSystem.Reset": action}}))

    Redfish().force_off(hostile.spec, within_s=5)

    assert hostile.seen[-1] == f"POST {SYSTEM}/Actions/ComputerSystem.Reset"


def test_what_is_not_offered_is_not_asked(hostile: Hostile) -> None:
    action = {"ResetType@Redfish.AllowableValues": ["On"]}
    system(hostile, json.dumps({"PowerState": "On", "Actions": {"#ComputerSystem.Reset": action}}))

    with pytest.raises(BmcRefused, match="offers no reset of type ForceRestart"):
        Redfish().reset(hostile.spec, within_s=5)


def test_nobody_vouches_for_a_certificate_unless_it_is_pinned(hostile: Hostile) -> None:
    spec = hostile.spec
    system(hostile, '{"PowerState": "Off"}')

    for trust, why in (("", "nobody we trust"), ("sha256:" + "0" * 64, "not the pinned one")):
        with pytest.raises(BmcRefused, match=why):
            Redfish().read(BmcSpec(spec.address, spec.port, "admin", spec.password, trust), within_s=5)
    assert hostile.seen == []


def test_an_authority_of_a_file_vouches(hostile: Hostile, tmp_path: Path) -> None:
    spec = hostile.spec
    system(hostile, '{"PowerState": "Off"}')
    trusting = BmcSpec(spec.address, spec.port, "admin", spec.password, f"ca:{tmp_path / 'bmc.crt'}")

    assert Redfish().read(trusting, within_s=5) == Power.OFF
    with pytest.raises(TegarError, match="cannot be read"):
        Redfish().read(BmcSpec(spec.address, spec.port, "admin", spec.password, "ca:/nowhere"), within_s=5)


def test_noise_instead_of_ipmi_is_no_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
        noise.bind((ADDRESS, 0))
        noise.settimeout(0.1)
        over = threading.Event()

        def shout() -> None:
            while not over.is_set():
                try:
                    _, peer = noise.recvfrom(65536)
                except TimeoutError:
                    continue
                for size in (0, 1, 4, 30, 60_000):
                    noise.sendto(b"\x06\x00\xff\x07" + b"\xff" * size, peer)

        thread = threading.Thread(target=shout)
        thread.start()
        try:
            spec = BmcSpec(ADDRESS, noise.getsockname()[1], "admin", Secret("x"))
            began_s = time.monotonic()
            with pytest.raises(TegarError):
                Ipmitool().read(spec, within_s=2)
            assert time.monotonic() - began_s < 5
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    "said", ["", "Chassis Power is off now", "off", "Chassis Power is unknown", "Chassis Power is off\nor on"]
)
def test_only_a_clear_sentence_of_the_tool_is_off(tmp_path: Path, said: str) -> None:
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\ncat <<'E'\n{said}\nE\n")
    tool.chmod(0o755)
    spec = BmcSpec(ADDRESS, 623, "admin", Secret("x"))

    assert Ipmitool(str(tool)).read(spec, within_s=5) == Power.UNKNOWN


def test_the_tool_never_has_the_password_among_its_words(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/words\necho 2,admin,x\n')
    tool.chmod(0o755)
    spec = BmcSpec(ADDRESS, 623, "admin", Secret("s3cret-word"))

    Ipmitool(str(tool)).set_password(spec, "n3w-word", within_s=5)

    words = (tmp_path / "words").read_text()
    assert "exec /dev/stdin" in words
    for secret in ("s3cret-word", "n3w-word", "0x6e 0x33 0x77"):
        assert secret not in words


def test_a_tool_that_is_not_there_is_named() -> None:
    with pytest.raises(TegarError, match="not installed"):
        Ipmitool("/nowhere/ipmitool").read(BmcSpec(ADDRESS, 623, "admin", Secret("x")), within_s=1)
