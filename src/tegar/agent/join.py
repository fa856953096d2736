"""``tegar host join``: a host gets its certificate with a token.

The token is ``SECRET.FINGERPRINT``.  The fingerprint pins the authority of the server's listener, so
the first contact needs no trust in the network; the secret is shown only once that is verified.
The key never leaves the host.
"""

from __future__ import annotations

import argparse
import hashlib
import ipaddress
import json
import os
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tegar.agent.config import DEFAULT_STATE
from tegar.kernel.errors import Refused, TegarError, Unreachable

TIMEOUT_S = 30.0


def join(*, server: str, token: str, name: str, address: str, state_dir: Path) -> str:
    """Join the cloud; return a sentence that says how it went.

    Raises:
        Refused: the token or the server is not the right one.
        Unreachable: the server did not answer; joining again is safe.
    """
    tls = state_dir / "tls"
    if all((tls / file).exists() for file in ("agent.key", "agent.crt", "servers-ca.crt")):
        return f"This host has joined already; its certificate is {tls / 'agent.crt'}"
    secret, dot, fingerprint = token.partition(".")
    if not (dot and secret and len(fingerprint) == 64):
        raise Refused("A token is written SECRET.FINGERPRINT; ask a server for a new one")
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
    tls.mkdir(exist_ok=True, mode=0o700)
    authorities = _pinned(server, fingerprint.lower())
    key = _key(tls / "agent.key")
    asked = {"token": secret, "name": name, "address": address, "csr_pem": _request(key, name, address)}
    context = ssl.create_default_context(cadata=authorities["listener"])
    answer = _call(httpx.Client(verify=context, trust_env=False), "POST", f"{server}/agent/join", asked)
    _write(tls / "listener-ca.crt", authorities["listener"], 0o644)
    _write(tls / "servers-ca.crt", answer["servers_ca"], 0o644)
    _write(tls / "agent.crt", answer["certificate"], 0o644)
    _settings(state_dir / "agent.toml", name, address)
    return f"{name} has joined; start it with: tegar agent --state-dir {state_dir}"


def _pinned(server: str, fingerprint: str) -> dict[str, str]:
    """Fetch the authorities from a server nobody vouches for yet, and check them by the fingerprint."""
    unverified = httpx.Client(verify=False, trust_env=False)  # noqa: S501 - pinned below
    found = _call(unverified, "GET", f"{server}/agent/ca", None)
    try:
        listener = x509.load_pem_x509_certificate(found["listener"].encode())
    except (KeyError, ValueError) as e:
        raise Refused(f"{server} is no Tegar server: {e}") from e
    if hashlib.sha256(listener.public_bytes(serialization.Encoding.DER)).hexdigest() != fingerprint:
        raise Refused(f"{server} is not the server the token is from; do not go on before you know why")
    return found


def _call(client: httpx.Client, method: str, url: str, body: dict[str, str] | None) -> dict[str, str]:
    with client:
        try:
            response = client.request(method, url, json=body, timeout=TIMEOUT_S)
        except httpx.HTTPError as e:
            raise Unreachable(url, str(e)) from e
    if response.status_code in (429, 502, 503, 504):
        raise Unreachable(url, f"it answered {response.status_code}")
    if not response.is_success:
        raise Refused(f"{url} answered {response.status_code}: {response.text[:300]}")
    try:
        return {str(name): str(value) for name, value in response.json().items()}
    except (ValueError, AttributeError):
        raise Refused(f"{url} is no Tegar server") from None


def _key(file: Path) -> ec.EllipticCurvePrivateKey:
    """Return the host's key, made once."""
    if file.exists():
        key = serialization.load_pem_private_key(file.read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key
    new = ec.generate_private_key(ec.SECP256R1())
    pem = new.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(file, pem.decode(), 0o600)
    return new


def _request(key: ec.EllipticCurvePrivateKey, name: str, address: str) -> str:
    """Return a signing request for the host's name and address."""
    try:
        reached: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        reached = x509.DNSName(address)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([reached, x509.DNSName(name)])
    from cryptography.hazmat.primitives import hashes

    request = (
        x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(names, critical=False)
    )
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _write(file: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all."""
    spare = file.with_name(file.name + ".new")
    spare.unlink(missing_ok=True)
    with open(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    spare.replace(file)


def _settings(file: Path, name: str, address: str) -> None:
    """Write the first settings; the operator's own are never touched."""
    if not file.exists():
        _write(file, f"name = {json.dumps(name)}\naddress = {json.dumps(address)}\n", 0o644)


def main_join(argv: Sequence[str]) -> int:
    """Run ``tegar host join``."""
    parser = argparse.ArgumentParser(prog="tegar host join", description="Join this host to a cloud.")
    parser.add_argument("--server", required=True, help="https://ADDRESS:PORT of a management server")
    parser.add_argument("--token", required=True, help="from the server; good once and for a while")
    parser.add_argument("--name", required=True)
    parser.add_argument("--address", required=True, help="where servers and other hosts reach this one")
    parser.add_argument("--state-dir", type=Path, default=DEFAULT_STATE)
    given = parser.parse_args(argv)
    if not given.server.startswith("https://"):
        parser.error("--server must begin with https://")
    try:
        said = join(
            server=given.server.rstrip("/"),
            token=given.token,
            name=given.name,
            address=given.address,
            state_dir=given.state_dir,
        )
    except TegarError as e:
        print(f"tegar host join: {e}{_why(e)}", file=sys.stderr)
        return 1
    print(said)
    return 0


def _why(error: TegarError) -> str:
    return f" ({error.why})" if isinstance(error, Unreachable) and error.why else ""
