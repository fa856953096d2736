"""The metadata and password services of a router: ``python -m tegar.agent.router.metadata HOME``, in its namespace.

Answers only what the asking address may know: its own guest's data.  Speaks EC2's paths and
OpenStack's, as cloud-init expects.  Gives root away once the port is open and HOME is held, and
reads its files through that handle, so a new bundle is in force with the next request.
Only the standard library is imported here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import pwd
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT, PASSWORD_PORT = 8775, 8776  # the ruleset leads the guests' ports 80 and 8080 here
FILES, FETCHED = "current/guests", "passwords"
MAX_REQUESTS = 200  # at a time; more are hung up on, so that no guest can fill the host


class Server(ThreadingHTTPServer):
    """One thread a request; guests are few and their questions short."""

    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[Handler], home: str) -> None:
        super().__init__(address, handler)
        self._home = os.open(home, os.O_RDONLY | os.O_DIRECTORY)

    def guest(self, ip: str) -> dict[str, Any] | None:
        """Return what the bundle in force says of the guest with that address."""
        try:
            fd = os.open(f"{FILES}/{ip}.json", os.O_RDONLY, dir_fd=self._home)
        except OSError:
            return None
        with os.fdopen(fd, encoding="utf-8") as f:
            found: dict[str, Any] = json.load(f)
        return found

    def is_fetched(self, ip: str, password: str) -> bool:
        """Return whether the guest with that address has said that it has this password."""
        try:
            fd = os.open(f"{FETCHED}/{ip}", os.O_RDONLY, dir_fd=self._home)
        except OSError:
            return False
        with os.fdopen(fd, encoding="utf-8") as f:
            return f.read() == _digest(password)

    def note_fetched(self, ip: str, password: str) -> None:
        """Remember that the guest has this password; only a new one is told from now on."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(
            os.open(f"{FETCHED}/{ip}", flags, 0o600, dir_fd=self._home), "w", encoding="utf-8"
        ) as f:
            f.write(_digest(password))

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Hang up when too many ask at a time."""
        return threading.active_count() <= MAX_REQUESTS


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """What both services share."""

    server: Server
    server_version = "tegar"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 10

    def say(self, code: int, body: bytes) -> None:
        """Answer."""
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: guests could fill the host's log."""


class Metadata(Handler):
    """Reads only; every path is looked up in one table built from the guest's data."""

    def do_GET(self) -> None:
        """Answer the asking guest."""
        guest = self.server.guest(self.client_address[0])
        found = answer(guest, self.path.partition("?")[0]) if guest else None
        self.say(200 if found is not None else 404, found if found is not None else b"not found\n")


class Passwords(Handler):
    """The protocol's way to fetch a password: it is told until the guest says that it has it, and never again."""

    def do_GET(self) -> None:
        """Answer by the header of the request."""
        ip, asked = self.client_address[0], self.headers.get("DomU_Request", "")
        guest = self.server.guest(ip)
        if guest is None or asked not in ("send_my_password", "saved_password"):
            self.say(400, b"bad_request")
            return
        password = str(guest.get("password", ""))
        if asked == "saved_password":
            self.server.note_fetched(ip, password)
        if not password or self.server.is_fetched(ip, password):
            self.say(200, b"saved_password")
        else:
            self.say(200, password.encode())


def answer(guest: dict[str, Any], path: str) -> bytes | None:
    """Return what is found at a path for a guest, None when nothing is."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return b"latest\nopenstack\n"
    if parts[0] == "openstack":
        return _openstack(guest, parts[1:])
    if parts[1:] == []:
        return b"meta-data\nuser-data\n"
    if parts[1] == "user-data":
        return _user_data(guest) if len(parts) == 2 else None
    if parts[1] == "meta-data":
        return _meta_data(guest, parts[2:])
    return None


def _user_data(guest: dict[str, Any]) -> bytes | None:
    """Return the user data as bytes; None when there is none."""
    text = str(guest["user_data"])
    if not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text.encode()


def _meta_data(guest: dict[str, Any], parts: list[str]) -> bytes | None:
    keys: list[str] = guest["public_keys"]
    known: dict[str, str] = guest["meta"]
    if not parts:
        return "".join(f"{name}\n" for name in sorted({*known, "public-keys"})).encode()
    name = "/".join(parts)
    if name == "public-keys":
        # CloudStack gives the keys themselves here, EC2 a list; "0=" tells cloud-init to look below.
        return "".join(f"{key.strip()}\n" for key in keys).encode()
    if parts[0] == "public-keys" and len(parts) > 1 and parts[1].isdigit() and int(parts[1]) < len(keys):
        return b"openssh-key\n" if len(parts) == 2 else f"{keys[int(parts[1])].strip()}\n".encode()
    return known[name].encode() if name in known else None


def _openstack(guest: dict[str, Any], parts: list[str]) -> bytes | None:
    if not parts:
        return b"latest\n"
    if len(parts) == 1:
        return b"meta_data.json\nuser_data\n"
    if parts[1] == "user_data":
        return _user_data(guest)
    if parts[1] == "meta_data.json":
        keys = {f"key-{n}": key for n, key in enumerate(guest["public_keys"])}
        told = {"uuid": guest["uuid"], "hostname": guest["hostname"], "name": guest["hostname"]}
        return json.dumps({**told, "public_keys": keys, "meta": guest["meta"]}, sort_keys=True).encode()
    return b"{}" if parts[1] in ("vendor_data.json", "network_data.json") else None


def _give_root_away() -> None:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


def main(argv: list[str]) -> None:
    """Serve ``HOME`` until killed."""
    server = Server(("", PORT), Metadata, argv[0])
    passwords = Server(("", PASSWORD_PORT), Passwords, argv[0])
    if os.geteuid() == 0:
        _give_root_away()
    threading.Thread(target=passwords.serve_forever, name="passwords", daemon=True).start()
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
