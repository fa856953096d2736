"""The wire: HTTP, envelopes, sessions, errors, paging (protocol.md, sections 1 and 3 to 7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
from helpers import DATE, PASSWORD, Refusal, SmallCloud, sign
from web import Web

from tegar.api import http
from tegar.kernel.command import Command, bind, param
from tegar.kernel.errors import BadParameter

URL = "/client/api"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
ZONE = {"networktype": "Advanced", "dns1": "8.8.8.8", "internaldns1": "10.0.0.1"}


@pytest.fixture
def web(small: SmallCloud) -> Iterator[Web]:
    """A client of the ASGI application."""
    client = Web(http.app(small.api, lambda: {}))
    yield client
    client.close()


def _signed(small: SmallCloud, command: str, **params: str) -> dict[str, str]:
    sent = {"command": command, "response": "json", "apiKey": small.admin.api_key, **params}
    return sign(sent, small.admin.secret)


def _zones(small: SmallCloud, count: int) -> None:
    for n in range(count):
        small.admin("createZone", name=f"z{n}", **ZONE)


# --- requests


def test_get_and_post_are_the_same(small: SmallCloud, web: Web) -> None:
    signed = _signed(small, "listUsers")

    got, posted = web.get(URL, params=signed), web.post(URL, data=signed)

    assert got.status_code == posted.status_code == 200
    assert got.json() == posted.json()
    assert got.headers["content-type"] == "application/json; charset=UTF-8"
    assert web.get(URL + "/", params=signed).status_code == 200


def test_parameters_may_be_in_both_places_and_the_query_wins(small: SmallCloud, web: Web) -> None:
    signed = _signed(small, "listUsers", username="admin")
    body = {"username": "wrong", "signature": signed.pop("signature")}

    assert web.post(URL, params=signed, data=body).json()["listusersresponse"]["count"] == 1


def test_raw_brackets_plus_signs_and_percent_twenty(small: SmallCloud, web: Web) -> None:
    signed = _signed(small, "createDomain", **{"name": "a b+c", "x[0].key": "v"})
    raw = "&".join(f"{k}={quote(v, safe='')}" for k, v in signed.items())  # as Go: names are not encoded

    assert web.get(f"{URL}?{raw}").json()["createdomainresponse"]["domain"]["name"] == "a b+c"
    signed = _signed(small, "createDomain", name="ü ☁")
    form = urlencode(signed)  # as Python: blanks are +
    assert web.get(f"{URL}?{form}").json()["createdomainresponse"]["domain"]["name"] == "ü ☁"


def test_names_are_read_in_any_case_and_strange_ones_ignored(small: SmallCloud) -> None:
    answer = small.admin.raw(
        {
            "command": "listUsers",
            "pageSize": "5",
            "PAGE": "1",
            "listAll": "True",
            "filter": "id,name",
            "vpc_id": "",
        }
    )

    assert answer.status == 200
    assert answer.inner["count"] == 1


def test_commands_are_named_exactly(small: SmallCloud) -> None:
    assert small.admin.answer("listusers").status == 432


@pytest.mark.parametrize(
    ("text", "found"), [("true", 2), ("True", 2), ("TRUE", 2), ("1", 1), ("no", 1), ("", 1)]
)
def test_booleans(small: SmallCloud, text: str, found: int) -> None:
    small.account("bob")

    assert small.admin("listAccounts", listall=text)["count"] == found


def test_blank_numbers_are_none_and_words_are_refused(small: SmallCloud) -> None:
    assert small.admin("listDomains", level="")["count"] == 1
    with pytest.raises(Refusal, match=r"431.*level.*is not a number"):
        small.admin("listDomains", level="one")


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f"])
def test_control_characters_are_refused(small: SmallCloud, character: str) -> None:
    for params in ({"name": f"a{character}b"}, {"keyword": character}):
        with pytest.raises(Refusal, match=r"431.*control characters"):
            small.admin("listDomains", **params)


@pytest.mark.parametrize("name", ["a[0", "a[x]", "a[0][1]", "a]", "[0].key"])
def test_broken_brackets_are_malformed(small: SmallCloud, name: str) -> None:
    assert small.admin.raw({"command": "listUsers", name: "1"}).status == 430


def test_parameters_that_are_not_supported_are_named(small: SmallCloud) -> None:
    with pytest.raises(Refusal, match=r"431: listUsers does not support the parameter showicon"):
        small.admin("listUsers", showicon=True)
    assert small.admin("listUsers", showicon="")["count"] == 1


def test_too_much_is_refused(small: SmallCloud, web: Web) -> None:
    assert web.post(URL, data={"x": "y" * (http.MAX_BODY_BYTES + 1)}).status_code == 431
    assert web.post(URL, data={f"x{n}": "" for n in range(2001)}).status_code == 430


# --- answers


def _only(answer: Any) -> tuple[str, dict[str, Any]]:
    ((key, inner),) = answer.json().items()
    return key, inner


def test_envelopes_have_one_key_and_lists_two(small: SmallCloud, web: Web) -> None:
    cases: list[tuple[str, dict[str, str], set[str]]] = [
        ("listUsers", {}, {"count", "user"}),
        ("listZones", {}, set()),
        ("createDomain", {"name": "x"}, {"domain"}),
        ("listCapabilities", {}, {"capability"}),
        ("createSSHKeyPair", {"name": "k"}, {"keypair"}),
        ("deleteSSHKeyPair", {"name": "k"}, {"success"}),
        ("listApis", {"name": "listApis"}, {"count", "api"}),
    ]
    for command, params, keys in cases:
        key, inner = _only(web.get(URL, params=_signed(small, command, **params)))
        assert (key, set(inner)) == (f"{command.lower()}response", keys)


def test_nothing_is_null(small: SmallCloud, web: Web) -> None:
    _zones(small, 1)
    for command in (
        "listZones",
        "listUsers",
        "listAccounts",
        "listDomains",
        "listServiceOfferings",
        "listEvents",
    ):
        assert "null" not in web.get(URL, params=_signed(small, command)).text


def test_an_accepted_job_and_its_outcome(small: SmallCloud) -> None:
    _zones(small, 1)
    zone = small.admin("listZones")["zone"][0]["id"]

    accepted = small.admin("createPhysicalNetwork", name="p", zoneid=zone)

    assert set(accepted) == {"id", "jobid"}
    job = small.admin("queryAsyncJobResult", jobid=accepted["jobid"])
    assert (job["jobstatus"], job["jobresultcode"], job["jobresulttype"]) == (1, 0, "object")
    assert set(job["jobresult"]) == {"physicalnetwork"}
    assert job["jobresult"]["physicalnetwork"]["id"] == accepted["id"] == job["jobinstanceid"]
    assert DATE.match(job["created"])
    bob = small.account("bob")
    with pytest.raises(Refusal, match=r"431.*parameter jobid value="):
        bob("queryAsyncJobResult", jobid=accepted["jobid"])


def test_xml_is_what_is_not_asked_for_as_json(small: SmallCloud, web: Web) -> None:
    small.account("bob")
    signed = sign({"command": "listUsers", "apiKey": small.admin.api_key}, small.admin.secret)

    answer = web.get(URL, params=signed)

    assert answer.headers["content-type"] == "text/xml; charset=UTF-8"
    root = ElementTree.fromstring(answer.text)
    assert root.tag == "listusersresponse"
    assert "cloud-stack-version" in root.attrib
    assert root.findtext("count") == "2"
    assert [u.findtext("username") for u in root.findall("user")] == ["admin", "bob"]
    assert root.find("user").findtext("is2faenabled") == "false"  # type: ignore[union-attr]


def test_errors_in_xml(web: Web) -> None:
    answer = web.get(URL, params={"command": "listUsers"})

    assert answer.status_code == 401
    assert ElementTree.fromstring(answer.text).findtext("errorcode") == "401"


def test_text_survives_json_and_xml(small: SmallCloud, web: Web) -> None:
    name = "<b>&\"'☁</b>".replace("/", "")
    small.admin("createDomain", name=name)
    signed = sign({"command": "listDomains", "apiKey": small.admin.api_key, "level": "1"}, small.admin.secret)

    assert ElementTree.fromstring(web.get(URL, params=signed).text).findtext("domain/name") == name
    found = web.get(URL, params=_signed(small, "listDomains", level="1")).json()
    assert found["listdomainsresponse"]["domain"][0]["name"] == name


# --- errors


def test_an_error_has_status_code_and_sentence(small: SmallCloud, web: Web) -> None:
    answer = web.get(URL, params=_signed(small, "deleteZone", id=UNKNOWN))

    key, inner = _only(answer)
    assert (answer.status_code, key) == (431, "deletezoneresponse")
    assert (inner["errorcode"], inner["cserrorcode"], inner["uuidList"]) == (431, 4350, [])
    assert inner["errortext"] == (
        "Unable to execute API command deletezone due to invalid value. Invalid parameter id "
        f"value={UNKNOWN} due to incorrect long value format, or entity does not exist or due to "
        "incorrect parameter annotation for the field in api cmd class."
    )
    assert answer.headers["x-description"] == inner["errortext"]


def test_ids_that_are_none_are_unknown(small: SmallCloud) -> None:
    id = small.admin("listUsers")["user"][0]["id"]
    for text in ("web", "1", id.upper(), id + "0", f" {id}"):
        with pytest.raises(Refusal, match=r"431.*due to incorrect long value format"):
            small.admin("listUsers", id=text)


def test_a_missing_parameter_is_named(small: SmallCloud) -> None:
    text = "^431: Unable to execute API command createdomain due to missing parameter name$"
    with pytest.raises(Refusal, match=text):
        small.admin("createDomain")


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"command": "noSuchCommand"}, 432),
        ({}, 432),
        ({"command": ""}, 432),
    ],
)
def test_unknown_commands_come_in_the_errorresponse(
    small: SmallCloud, web: Web, params: dict[str, str], status: int
) -> None:
    sent = {"response": "json", "apiKey": small.admin.api_key, **params}

    answer = web.get(URL, params=sign(sent, small.admin.secret))

    key, inner = _only(answer)
    assert (answer.status_code, key, inner["errorcode"]) == (status, "errorresponse", status)


def test_strangers_learn_nothing_of_commands(web: Web) -> None:
    for command in ("listUsers", "noSuchCommand"):
        answer = web.get(URL, params={"command": command, "response": "json"})
        _, inner = _only(answer)
        assert (answer.status_code, inner["errorcode"]) == (401, 401)


def test_a_command_of_another_role_is_refused(small: SmallCloud) -> None:
    answer = small.account("bob").answer("createZone", name="x", **ZONE)

    assert (answer.status, answer.key) == (401, "createzoneresponse")
    assert "either does not exist, is not available for user" in answer.inner["errortext"]


# --- sessions


def _log_in(web: Web, **params: str) -> Any:
    sent = {"command": "login", "username": "admin", "password": PASSWORD, "domain": "/", "response": "json"}
    return web.post(URL, data={**sent, **params})


@pytest.mark.parametrize("domain", ["/", "", "ROOT", "/ROOT/"])
def test_a_login_gives_cookies_and_a_key(web: Web, domain: str) -> None:
    answer = _log_in(web, domain=domain)

    assert answer.status_code == 200
    inner = answer.json()["loginresponse"]
    assert inner["timeout"] == 1800
    assert {k: v for k, v in inner.items() if not isinstance(v, str)} == {"timeout": 1800}
    assert (inner["username"], inner["type"], inner["is2faenabled"]) == ("admin", "1", "false")
    assert answer.cookies["sessionkey"] == inner["sessionkey"]
    cookies = answer.headers.get_list("set-cookie")
    assert all("httponly" in c.lower() for c in cookies)
    assert any(c.startswith("JSESSIONID=") and "Path=/client;" in c for c in cookies)
    users = web.get(
        URL, params={"command": "listUsers", "response": "json", "sessionkey": inner["sessionkey"]}
    )
    assert users.json()["listusersresponse"]["user"][0]["username"] == "admin"


def test_a_login_by_domain_id(small: SmallCloud, web: Web) -> None:
    domain = small.admin("createDomain", name="sales")["domain"]["id"]
    small.account("bob", domainid=domain)

    assert _log_in(web, username="bob", domainId=domain).status_code == 200
    assert _log_in(web, username="bob", domain="sales", domainId="").status_code == 200
    assert _log_in(web, username="bob").status_code == 531


def test_a_login_by_get_is_refused(web: Web) -> None:
    params = {"command": "login", "username": "admin", "password": PASSWORD, "response": "json"}

    answer = web.get(URL, params=params)

    assert answer.status_code == 405
    assert not answer.cookies


@pytest.mark.parametrize(
    "params", [{"password": "wrong"}, {"password": ""}, {"username": "nobody"}, {"domain": "/nowhere"}]
)
def test_a_bad_login_says_not_what_was_wrong(web: Web, params: dict[str, str]) -> None:
    answer = _log_in(web, **params)

    key, inner = _only(answer)
    assert (answer.status_code, key, inner["errorcode"]) == (531, "loginresponse", 531)
    assert "please provide valid credentials" in inner["errortext"]
    assert not answer.cookies


def test_a_session_needs_both_cookies_and_the_parameter(web: Web) -> None:
    key = _log_in(web).json()["loginresponse"]["sessionkey"]
    whole = {"command": "listUsers", "response": "json", "sessionkey": key}
    jar = dict(web.cookies)

    def status(params: dict[str, str], cookies: dict[str, str]) -> int:
        web.cookies.clear()
        header = "; ".join(f"{k}={v}" for k, v in cookies.items())
        return web.get(URL, params=params, headers={"cookie": header} if header else {}).status_code

    assert status(whole, jar) == 200
    assert status({k: v for k, v in whole.items() if k != "sessionkey"}, jar) == 401
    assert status(whole, {}) == 401
    assert status(whole, {"sessionkey": key}) == 401
    assert status(whole, {"JSESSIONID": jar["JSESSIONID"]}) == 401
    assert status({**whole, "sessionkey": "x"}, {**jar, "sessionkey": "x"}) == 401
    assert status({**whole, "signatureversion": "3", "expires": "2000-01-01T00:00:00Z"}, jar) == 200


def test_a_session_ends_by_logout_or_silence(small: SmallCloud, web: Web) -> None:
    def alive(key: str) -> int:
        params = {"command": "listUsers", "response": "json", "sessionkey": key}
        return web.get(URL, params=params).status_code

    key = _log_in(web).json()["loginresponse"]["sessionkey"]
    for _ in range(4):
        small.clock.sleep(1000)
        assert alive(key) == 200
    small.clock.sleep(1801)
    assert alive(key) == 401

    key = _log_in(web).json()["loginresponse"]["sessionkey"]
    out = web.get(URL, params={"command": "logout", "response": "json", "sessionkey": key})
    assert out.json() == {"logoutresponse": {"description": "success"}}
    assert alive(key) == 401
    assert dict(web.cookies) == {}


def test_passwords_are_not_answered(small: SmallCloud, web: Web) -> None:
    assert PASSWORD not in _log_in(web).text
    assert PASSWORD not in web.get(URL, params=_signed(small, "listEvents", listall="true")).text


# --- lists


def test_pages(small: SmallCloud) -> None:
    _zones(small, 5)

    def page(number: int, size: int) -> list[str]:
        return [z["name"] for z in small.admin("listZones", page=number, pagesize=size).get("zone", [])]

    assert page(1, 2) == ["z0", "z1"]
    assert page(3, 2) == ["z4"]
    assert page(4, 2) == []
    assert small.admin("listZones", page=1, pagesize=2)["count"] == 5
    assert small.admin("listZones", page=9, pagesize=2) == {}
    assert small.admin("listZones", page=1, pagesize=500)["count"] == 5
    assert small.admin("listZones", pagesize=-1)["count"] == 5


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"pagesize": 5}, '"page" parameter is required when "pagesize" is specified'),
        ({"page": 1}, '"pagesize" parameter is required when "page" is specified'),
        ({"page": 1, "pagesize": 501}, "Page size can't exceed max allowed page size value: 500"),
        ({"page": 0, "pagesize": 5}, "1 or more"),
        ({"page": 1, "pagesize": 0}, "1 or more"),
    ],
)
def test_pages_that_are_none(small: SmallCloud, params: dict[str, int], says: str) -> None:
    with pytest.raises(Refusal, match=f"431: .*{says}"):
        small.admin("listZones", **params)


def test_names_match_whole_and_keywords_in_part(small: SmallCloud) -> None:
    _zones(small, 2)
    small.admin("createZone", name="50%_x", **ZONE)

    def names(**params: str) -> list[str]:
        return [z["name"] for z in small.admin("listZones", **params).get("zone", [])]

    assert names(name="z") == []
    assert names(name="z1") == ["z1"]
    assert names(keyword="Z") == ["z0", "z1"]
    assert names(keyword="%") == ["50%_x"]
    assert names(keyword="_") == ["50%_x"]


def test_health(web: Web) -> None:
    assert web.get("/healthz").json() == {"status": "alive"}
    assert web.get("/readyz").json() == {"status": "ready"}


def test_what_is_stored_is_valid_json(small: SmallCloud, web: Web) -> None:
    assert (
        json.loads(web.get(URL, params=_signed(small, "listApis")).content)["listapisresponse"]["count"] > 50
    )


# --- lists and maps among parameters


class Toy(Command):
    """A command with every shape of parameter."""

    name = "toyThing"

    ids: list[str] | None = param("a list", default=None)
    numbers: list[int] | None = param("a list of numbers", default=None)
    details: dict[str, str] | None = param("a map", default=None)
    tags: list[dict[str, str]] | None = param("a list of maps", default=None)


@pytest.mark.parametrize(
    "sent",
    [
        {"details[0].cpuNumber": "2", "details[0].memory": "1024"},  # cs and ansible
        {"details[0].cpuNumber": "2", "details[1].memory": "1024"},  # cloudstack-go
        {
            "details[0].key": "cpuNumber",
            "details[0].value": "2",
            "details[1].key": "memory",
            "details[1].value": "1024",
        },
    ],
)
def test_every_form_of_a_map(sent: dict[str, str]) -> None:
    assert _bound(sent).details == {"cpuNumber": "2", "memory": "1024"}


def test_a_list_of_maps_is_in_the_order_of_its_indices() -> None:
    sent = {"tags[10].key": "c", "tags[2].Key": "b", "tags[2].value": "2", "tags[0].key": "a"}

    assert _bound(sent).tags == [{"key": "a"}, {"key": "b", "value": "2"}, {"key": "c"}]


@pytest.mark.parametrize(
    "sent", [{"ids": "a,b"}, {"ids": "a, b"}, {"IDS": "a,b,"}, {"ids[0]": "a", "ids[1]": "b"}]
)
def test_every_form_of_a_list(sent: dict[str, str]) -> None:
    assert _bound(sent).ids == ["a", "b"]


def test_an_empty_list_is_none() -> None:
    assert _bound({"ids": ""}).ids is None
    assert _bound({"numbers": "1,2"}).numbers == [1, 2]
    with pytest.raises(BadParameter):
        _bound({"numbers": "1,x"})


def _bound(sent: dict[str, str]) -> Toy:
    made = bind(Toy, sent, "admin", lambda kind, uuid: None)
    assert isinstance(made, Toy)
    return made
