"""The wire: HTTP, envelopes, sessions, errors, paging (protocol.md, sections 1 and 3 to 7)."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
from helpers import DATE, Refusal, SmallCloud, only, sign, signed
from web import Web

from tegar.api import http

URL = "/client/api"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
ZONE = {"networktype": "Advanced", "dns1": "8.8.8.8", "internaldns1": "10.0.0.1"}


def _zones(small: SmallCloud, count: int) -> None:
    for n in range(count):
        small.admin("createZone", name=f"z{n}", **ZONE)


# --- requests


def test_get_and_post_are_the_same(small: SmallCloud, web: Web) -> None:
    request = signed(small, "listUsers")

    got, posted = web.get(URL, params=request), web.post(URL, data=request)

    assert got.status_code == posted.status_code == 200
    assert got.json() == posted.json()
    assert got.headers["content-type"] == "application/json; charset=UTF-8"
    assert web.get(URL + "/", params=request).status_code == 200


def test_parameters_may_be_in_both_places_and_the_query_wins(small: SmallCloud, web: Web) -> None:
    request = signed(small, "listUsers", username="admin")
    body = {"username": "wrong", "signature": request.pop("signature")}

    assert web.post(URL, params=request, data=body).json()["listusersresponse"]["count"] == 1


def test_raw_brackets_plus_signs_and_percent_twenty(small: SmallCloud, web: Web) -> None:
    request = signed(small, "createDomain", **{"name": "a b+c", "x[0].key": "v"})
    raw = "&".join(f"{k}={quote(v, safe='')}" for k, v in request.items())  # as Go: names are not encoded

    assert web.get(f"{URL}?{raw}").json()["createdomainresponse"]["domain"]["name"] == "a b+c"
    request = signed(small, "createDomain", name="ü ☁")
    form = urlencode(request)  # as Python: blanks are +
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
    assert web.post(URL, data={f"x{n}": "" for n in range(http.MAX_PARAMETERS + 1)}).status_code == 431


# --- answers


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
        key, inner = only(web.get(URL, params=signed(small, command, **params)))
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
        assert "null" not in web.get(URL, params=signed(small, command)).text


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
    request = sign({"command": "listUsers", "apiKey": small.admin.api_key}, small.admin.secret)

    answer = web.get(URL, params=request)

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
    request = sign(
        {"command": "listDomains", "apiKey": small.admin.api_key, "level": "1"}, small.admin.secret
    )

    assert ElementTree.fromstring(web.get(URL, params=request).text).findtext("domain/name") == name
    found = web.get(URL, params=signed(small, "listDomains", level="1")).json()
    assert found["listdomainsresponse"]["domain"][0]["name"] == name


# --- errors


def test_an_error_has_status_code_and_sentence(small: SmallCloud, web: Web) -> None:
    answer = web.get(URL, params=signed(small, "deleteZone", id=UNKNOWN))

    key, inner = only(answer)
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

    key, inner = only(answer)
    assert (answer.status_code, key, inner["errorcode"]) == (status, "errorresponse", status)


def test_strangers_learn_nothing_of_commands(web: Web) -> None:
    for command in ("listUsers", "noSuchCommand"):
        answer = web.get(URL, params={"command": command, "response": "json"})
        _, inner = only(answer)
        assert (answer.status_code, inner["errorcode"]) == (401, 401)


def test_a_command_of_another_role_is_refused(small: SmallCloud) -> None:
    answer = small.account("bob").answer("createZone", name="x", **ZONE)

    assert (answer.status, answer.key) == (401, "createzoneresponse")
    assert "either does not exist, is not available for user" in answer.inner["errortext"]


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
        json.loads(web.get(URL, params=signed(small, "listApis")).content)["listapisresponse"]["count"] > 50
    )
