"""Fetching a file over http or https: bounded, checked, resumed, and never from this host itself.

A template's address comes from a user.  So only http and https are spoken, redirects included; the
connection is refused after it is made and before anything is asked when its peer is the host itself
or on a link-local address (cloud metadata services live there), whatever the name resolved to.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from tegar.kernel.errors import AgentRefused, Unavailable

MAX_REDIRECTS = 5
TIMEOUT_S = 60.0  # for each read, not for the whole
CHUNK = 1 << 20
DENIED = ("127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "::1/128", "fe80::/10", "::/128")
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-224": "sha224", "SHA-256": "sha256", "SHA-384": "sha384"}
_ALGORITHMS |= {"SHA-512": "sha512"} | {name.replace("-", ""): value for name, value in _ALGORITHMS.items()}
_ALGORITHMS |= {"SHA512": "sha512"}


@dataclass(frozen=True)
class Wanted:
    """What to fetch; ``checksum`` is empty or ``{ALGORITHM}hex``; at most ``max_bytes`` of it."""

    url: str
    checksum: str
    max_bytes: int
    denied: tuple[str, ...] = DENIED


def fetch(wanted: Wanted, file: Path) -> str:
    """Fetch into a local file, going on where an earlier attempt stopped; return the sha256 in hex.

    Raises:
        AgentRefused: the address, the size or the checksum is wrong; the file is removed.
        Unavailable: the server failed or the connection broke; what came is kept.
    """
    digest = _digest(wanted.checksum)
    try:
        _receive(wanted, file)
        return _verify(file, digest)
    except AgentRefused:
        file.unlink(missing_ok=True)
        _validator(file).unlink(missing_ok=True)
        raise
    except (OSError, http.client.HTTPException) as e:
        raise Unavailable(wanted.url, str(e) or type(e).__name__) from e


def _digest(checksum: str) -> tuple[str, str] | None:
    if not checksum:
        return None
    match = re.fullmatch(r"\{([A-Za-z0-9-]+)\}([0-9A-Fa-f]+)", checksum)
    algorithm = _ALGORITHMS.get(match[1].upper()) if match else None
    if match is None or algorithm is None:
        raise refused("a checksum is written {SHA-256}hex; MD5, SHA-1 and SHA-224 to SHA-512 are known")
    return algorithm, match[2].lower()


def _receive(wanted: Wanted, file: Path) -> None:
    """Stream to the file; a server that does not resume, or has another version now, starts over."""
    have, mark = _progress(file)
    response = _open(wanted, have, mark)
    try:
        if response.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            file.unlink()
            raise Unavailable(wanted.url, "the file changed on the server; starting over")
        if response.status not in (200, 206):
            raise refused(f"the server answered {response.status} {response.reason}")
        if response.status == 200:
            have = 0
        expected = response.length
        if expected is not None and have + expected > wanted.max_bytes:
            raise refused(f"it has {have + expected} bytes, and {wanted.max_bytes} are allowed")
        validator = response.getheader("ETag") or response.getheader("Last-Modified") or ""
        _validator(file).write_text("" if validator.startswith("W/") else validator)
        with file.open("ab" if have else "wb") as out:
            while chunk := response.read(CHUNK):
                have += len(chunk)
                if have > wanted.max_bytes:
                    raise refused(f"more than the allowed {wanted.max_bytes} bytes came")
                out.write(chunk)
    finally:
        response.close()
    if response.length:
        raise Unavailable(wanted.url, "the connection ended early")


def _progress(file: Path) -> tuple[int, str]:
    """Return how much is there and the server's mark of its version; without a mark all starts over."""
    mark = _validator(file)
    if not file.exists() or not mark.exists() or not mark.read_text():
        return 0, ""
    return file.stat().st_size, mark.read_text()


def _validator(file: Path) -> Path:
    return file.with_name(file.name + ".mark")


def _open(wanted: Wanted, have: int, mark: str) -> http.client.HTTPResponse:
    """Ask for the file, following redirects; return the response with its body unread."""
    url = wanted.url
    headers = {"User-Agent": "tegar", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": mark}
    for _ in range(MAX_REDIRECTS + 1):
        response = _ask(url, headers, wanted.denied)
        if response.status not in (301, 302, 303, 307, 308):
            return response
        response.close()
        url = urljoin(url, response.getheader("Location") or "")
    raise refused(f"more than {MAX_REDIRECTS} redirects")


def _ask(url: str, headers: dict[str, str], denied: Iterable[str]) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise refused(f"only http and https are fetched, not {parts.scheme}")
    try:
        port = parts.port
    except ValueError:
        raise refused("the port is no number") from None
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname, port, timeout=TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, port, timeout=TIMEOUT_S)
    connection.connect()
    _check_peer(connection, denied)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def _check_peer(connection: http.client.HTTPConnection, denied: Iterable[str]) -> None:
    """Refuse a peer nobody may send this host to."""
    peer = ipaddress.ip_address(connection.sock.getpeername()[0].partition("%")[0])
    mapped = getattr(peer, "ipv4_mapped", None)
    if any((mapped or peer) in ipaddress.ip_network(network) for network in denied):
        connection.close()
        raise refused("that address is not fetched from")


def _verify(file: Path, digest: tuple[str, str] | None) -> str:
    """Check the checksum and return the sha256."""
    sha256 = hashlib.sha256()
    other = hashlib.new(digest[0], usedforsecurity=False) if digest else None
    with file.open("rb") as f:
        while chunk := f.read(CHUNK):
            sha256.update(chunk)
            if other:
                other.update(chunk)
    if digest and other and other.hexdigest() != digest[1]:
        raise refused(f"the {digest[0]} checksum is {other.hexdigest()}")
    return sha256.hexdigest()


def refused(why: str) -> AgentRefused:
    """Return the refusal of an image."""
    return AgentRefused("The host", "FetchImage", why)
