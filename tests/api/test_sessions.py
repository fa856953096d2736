"""Sessions: login, cookies, logout (protocol.md, section 3)."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import PASSWORD, SmallCloud, only, signed
from web import Web

URL = "/client/api"


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

    key, inner = only(answer)
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
    assert PASSWORD not in web.get(URL, params=signed(small, "listEvents", listall="true")).text
