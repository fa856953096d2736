"""SSH key pairs."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_public_key,
)
from helpers import Refusal, SmallCloud

from tegar.store.keys import SshKey

ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
EC = ec.generate_private_key(ec.SECP256R1()).public_key()
RSA = rsa.generate_private_key(65537, 2048).public_key()


def _line(key: object) -> str:
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()  # type: ignore[attr-defined]


def test_a_made_key_is_shown_once_and_kept_nowhere(small: SmallCloud) -> None:
    made = small.admin("createSSHKeyPair", name="k")["keypair"]

    assert made["privatekey"].startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    private = load_pem_private_key(made["privatekey"].encode(), None)
    kept = small.db.read(lambda s: s.query(SshKey).one())
    assert load_ssh_public_key(kept.public_key.encode()) == private.public_key()
    assert private.key_size == 2048
    (listed,) = small.admin("listSSHKeyPairs")["sshkeypair"]
    assert "privatekey" not in listed
    assert listed["fingerprint"] == made["fingerprint"]
    assert len(made["fingerprint"]) == 47
    assert (made["account"], made["domain"]) == ("admin", "ROOT")


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=["rsa", "ecdsa", "ed25519"])
def test_a_public_key_is_registered_with_or_without_comment(small: SmallCloud, key: object) -> None:
    made = small.admin("registerSSHKeyPair", name="k", publickey=f" {_line(key)} me@home\n")["keypair"]

    assert len(made["fingerprint"]) == 47
    assert small.db.read(lambda s: s.query(SshKey).one().public_key) == f"{_line(key)} me@home"


def test_the_fingerprint_is_md5_of_the_key(small: SmallCloud) -> None:
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

    made = small.admin("registerSSHKeyPair", name="k", publickey=line)["keypair"]

    assert made["fingerprint"] == _md5(line)


def _md5(line: str) -> str:
    raw = hashlib.md5(base64.b64decode(line.split()[1])).hexdigest()
    return ":".join(a + b for a, b in zip(raw[::2], raw[1::2], strict=True))


@pytest.mark.parametrize("form", [quote, lambda line: base64.b64encode(line.encode()).decode()])
def test_encoded_public_keys_are_understood(small: SmallCloud, form: object) -> None:
    made = small.admin("registerSSHKeyPair", name="k", publickey=form(_line(RSA)))["keypair"]  # type: ignore[operator]

    assert made["fingerprint"] == _md5(_line(RSA))


@pytest.mark.parametrize(
    "text",
    [
        "x", "ssh-rsa AAAA", "ssh-rsa", "ssh-rsa " + "A" * 400, "-----BEGIN PUBLIC KEY----- x",
        'command="rm -rf /" ' + _line(ED), "ssh-dss AAAAB3NzaC1kc3MAAACBAM",
        _line(ED).replace("ssh-ed25519", "ssh-rsa"), "ssh-ed25519 ☁ x",
    ],
)  # fmt: skip
def test_what_is_no_good_key_is_refused(small: SmallCloud, text: str) -> None:
    with pytest.raises(Refusal, match=r"431.*publickey"):
        small.admin("registerSSHKeyPair", name="k", publickey=text)


def test_an_account_has_each_name_and_each_key_once(small: SmallCloud) -> None:
    bob = small.account("bob")
    small.admin("registerSSHKeyPair", name="k", publickey=_line(ED))
    bob("registerSSHKeyPair", name="k", publickey=_line(ED))

    with pytest.raises(Refusal, match=r"431: A key pair with name 'k' already exists."):
        small.admin("registerSSHKeyPair", name="k", publickey=_line(EC))
    with pytest.raises(Refusal, match=r"431: A key pair with name 'k' already exists."):
        small.admin("createSSHKeyPair", name="k")
    with pytest.raises(Refusal, match=r"431: A key pair with fingerprint '.{47}' already exists."):
        small.admin("registerSSHKeyPair", name="other", publickey=_line(ED) + " a comment")
    small.admin("deleteSSHKeyPair", name="k")
    small.admin("registerSSHKeyPair", name="k", publickey=_line(ED))


def test_deleting_what_is_not_there_says_what_terraform_matches_on(small: SmallCloud) -> None:
    domain = small.admin("listDomains")["domain"][0]["id"]
    small.admin("createSSHKeyPair", name="k")

    assert small.admin("deleteSSHKeyPair", name="k") == {"success": True}
    assert small.admin("listSSHKeyPairs") == {}
    text = f"^431: A key pair with name 'k' does not exist for account admin in domain id {domain}$"
    with pytest.raises(Refusal, match=text):
        small.admin("deleteSSHKeyPair", name="k")


def test_keys_are_their_accounts_own(small: SmallCloud) -> None:
    bob, eve = small.account("bob"), small.account("eve")
    root = small.admin("listDomains")["domain"][0]["id"]
    key = bob("createSSHKeyPair", name="k")["keypair"]

    assert small.admin("listSSHKeyPairs") == {}
    assert small.admin("listSSHKeyPairs", listall=True)["count"] == 1
    assert small.admin("listSSHKeyPairs", account="bob", domainid=root)["count"] == 1
    assert small.admin("listSSHKeyPairs", id=key["id"])["count"] == 1
    assert bob("listSSHKeyPairs", fingerprint=key["fingerprint"])["count"] == 1
    assert bob("listSSHKeyPairs", name="K") == {}
    assert eve("listSSHKeyPairs", listall=True) == {}
    with pytest.raises(Refusal, match=rf"431.*parameter id value={key['id']} due to incorrect long"):
        eve("listSSHKeyPairs", id=key["id"])
    for command in ("createSSHKeyPair", "deleteSSHKeyPair", "listSSHKeyPairs"):
        with pytest.raises(Refusal, match="531: Unable to find account bob"):
            eve(command, name="k", account="bob", domainid=root)
    made = small.admin("createSSHKeyPair", name="by-admin", account="bob", domainid=root)["keypair"]
    assert made["account"] == "bob"
    assert small.admin("deleteSSHKeyPair", name="k", account="bob", domainid=root) == {"success": True}
    assert [k["name"] for k in bob("listSSHKeyPairs")["sshkeypair"]] == ["by-admin"]


def test_projects_are_not_there(small: SmallCloud) -> None:
    nowhere = "00000000-0000-4000-8000-000000000000"

    assert small.admin("listSSHKeyPairs", projectid=-1) == {}
    with pytest.raises(Refusal, match="431"):
        small.admin("listSSHKeyPairs", projectid=nowhere)
    with pytest.raises(Refusal, match=r"431.*projectid"):
        small.admin("createSSHKeyPair", name="k", projectid=nowhere)
