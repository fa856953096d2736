"""Who is calling: every form of signature that clients make (protocol.md, section 2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from cs import CloudStack
from helpers import Refusal, SmallCloud, sign
from libcloud.common.cloudstack import CloudStackConnection

from tegar.api import auth
from tegar.api.serve import Answer, Request

# The cmk project's own vectors for this text and secret.
CMK = {"apikey": "abc", "command": "listZones", "response": "json"}
CMK_SHA1 = "tcMI1Kpm20pLhrrVYtCCcualuBU="
CMK_SHA512 = "/JUUf9SPvNd0sjdbfIxsCxYItNUlGauI+T71cOhHd5fYffHuVAXIba9RzFBK+empezGCzlhw4+R9LFri3CG+oQ=="
# The cs project's own vector, key foo and secret bar.
CS = {"apiKey": "foo", "command": "listVirtualMachines", "listall": "true", "response": "json"}
CS_SHA1 = "B0d6hBsZTcFVCiioSxzwKA9Pke8="

NASTY = ["a~b", "a[0]", "a b", "a+b", "a*b", "grün ☁", "a&b=c%20", "~[x] *+", "", "x.-_y", "'\"<>"]


def _of_libcloud(params: dict[str, str], secret: str) -> str:
    connection = CloudStackConnection.__new__(CloudStackConnection)
    connection.key = secret
    return connection._make_signature(params).decode()


def _of_cs(params: dict[str, str], secret: str) -> str:
    signed = dict(params)
    CloudStack("http://cloud.example/client/api", key="k", secret=secret)._sign(signed)
    return signed["signature"]


def _of_java(params: dict[str, str], secret: str) -> str:
    """CloudStack's own server: Java's encoder knows no ~."""
    pairs = (f"{k}={quote(v, safe='*').replace('~', '%7E')}" for k, v in sorted(params.items()))
    made = hmac.new(secret.encode(), "&".join(pairs).lower().encode(), hashlib.sha1)
    return base64.b64encode(made.digest()).decode()


def _ask(small: SmallCloud, **params: str) -> Answer:
    sent = {"command": "listUsers", "response": "json", "apiKey": small.admin.api_key, **params}
    return small.api.answer(Request(sign(sent, small.admin.secret)))


@pytest.mark.parametrize("made", [CMK_SHA1, CMK_SHA512])
def test_the_vectors_of_cmk(made: str) -> None:
    assert auth.signed_by({**CMK, "signature": made}, "secret")


def test_the_vector_of_cs() -> None:
    assert auth.signed_by({**CS, "signature": CS_SHA1}, "bar")


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize("client", [_of_java, _of_cs, _of_libcloud])
def test_every_client_is_understood_with_every_value(client: object, value: str) -> None:
    params = {"apiKey": "k", "command": "listZones", "keyword": value, "account": "a", "response": "json"}

    assert auth.signed_by({**params, "signature": client(params, "s3cret")}, "s3cret")  # type: ignore[operator]


@pytest.mark.parametrize("client", [_of_java, _of_cs, _of_libcloud])
def test_indexed_names_are_signed_decoded(client: object) -> None:
    params = {"apiKey": "k", "command": "createTags", "tags[0].key": "a~", "tags[0].value": "[b]"}

    assert auth.signed_by({**params, "signature": client(params, "s")}, "s")  # type: ignore[operator]


def test_plus_signs_that_arrived_as_blanks_are_put_back() -> None:
    assert "+" in CMK_SHA512
    assert auth.signed_by({**CMK, "signature": CMK_SHA512.replace("+", " ")}, "secret")


@pytest.mark.parametrize("change", [{"response": "xml"}, {"command": "listPods"}, {"extra": "1"}])
def test_a_changed_request_is_not_signed(change: dict[str, str]) -> None:
    assert not auth.signed_by({**CMK, **change, "signature": CMK_SHA1}, "secret")


def test_the_wrong_secret_the_empty_and_the_missing_signature_are_refused() -> None:
    assert not auth.signed_by({**CMK, "signature": CMK_SHA1}, "Secret")
    assert not auth.signed_by({**CMK, "signature": ""}, "secret")
    assert not auth.signed_by(CMK, "secret")


def test_sha512_is_accepted_at_the_front_door(small: SmallCloud) -> None:
    sent = {"command": "listApis", "listall": "true", "response": "json", "apiKey": small.admin.api_key}

    assert small.api.answer(Request(sign(sent, small.admin.secret, algorithm="sha512"))).status == 200


def test_names_of_key_and_signature_are_read_in_any_case(small: SmallCloud) -> None:
    sent = sign({"COMMAND": "listUsers", "APIKEY": small.admin.api_key}, small.admin.secret)
    sent["Signature"] = sent.pop("signature")

    assert small.api.answer(Request(sent)).status == 200


def _at(small: SmallCloud, seconds: float, form: str) -> str:
    return datetime.fromtimestamp(small.clock.now_s() + seconds, UTC).strftime(form)


FORMS = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+0000", "%Y-%m-%dT%H:%M:%S+00:00"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("version", ["signatureversion", "signatureVersion"])
def test_version_3_holds_until_it_expires(small: SmallCloud, form: str, version: str) -> None:
    assert _ask(small, **{version: "3"}, expires=_at(small, 600, form)).status == 200
    assert _ask(small, **{version: "3"}, expires=_at(small, -1, form)).status == 401


def test_an_offset_in_expires_counts(small: SmallCloud) -> None:
    form = "%Y-%m-%dT%H:%M:%S+0200"

    assert _ask(small, signatureversion="3", expires=_at(small, 7300, form)).status == 200
    assert _ask(small, signatureversion="3", expires=_at(small, 7100, form)).status == 401


@pytest.mark.parametrize("expires", ["", "soon", "2099-01-01", "2099-13-01T00:00:00Z"])
def test_version_3_without_a_moment_is_refused(small: SmallCloud, expires: str) -> None:
    assert _ask(small, signatureversion="3", expires=expires).status == 401


def test_version_3_needs_expires(small: SmallCloud) -> None:
    assert _ask(small, signatureversion="3").status == 401


def test_without_a_version_nothing_expires(small: SmallCloud) -> None:
    assert _ask(small).status == 200


def test_strangers_all_get_the_same_sentence(small: SmallCloud) -> None:
    text = "unable to verify user credentials and/or request signature"
    good = sign({"command": "listUsers", "apiKey": small.admin.api_key}, small.admin.secret)
    cases = [
        {**good, "signature": "AAAA"},
        {**good, "apiKey": "nobody"},
        {"command": "listUsers"},
        {"command": "noSuchThing"},
        {"command": "listUsers", "sessionkey": "x"},
        {k: v for k, v in good.items() if k != "signature"},
    ]

    for params in cases:
        answer = small.api.answer(Request(params))
        assert (answer.status, answer.inner["errortext"]) == (401, text)


def test_new_keys_end_the_old_ones(small: SmallCloud) -> None:
    bob = small.account("bob")
    keys = bob("registerUserKeys", id=bob("listUsers")["user"][0]["id"])["userkeys"]

    with pytest.raises(Refusal, match="401"):
        bob("listUsers")
    bob.api_key, bob.secret = keys["apikey"], keys["secretkey"]
    assert bob("listUsers")["count"] == 1
