"""The web page: it is served, guarded, complete, and asks the API only for what the API declares."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from helpers import SmallCloud
from starlette.applications import Starlette

from tegar.api import http, pages
from tegar.api.registry import COMMANDS

FILES = sorted(f for f in pages.UI.rglob("*") if f.is_file())
SCRIPTS = {str(f.relative_to(pages.UI)): f.read_text() for f in FILES if f.suffix == ".js"}
NOUNS = {
    name: text for name, text in SCRIPTS.items() if name.startswith("nouns/") and name != "nouns/table.js"
}
PAGING = {"keyword", "page", "pagesize"}


class Sent(NamedTuple):
    """A command that the page sends, and the parameters it names itself."""

    where: str
    command: str
    params: frozenset[str]
    options: dict[str, list[str]]


@dataclass
class Browser:
    """Somebody who loads the page."""

    app: Starlette

    def ask(self, method: str, path: str, **form: str) -> httpx.Response:
        """Send one request."""

        async def work() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://cloud.test") as client:
                return await client.request(method, path, data=form or None)

        return asyncio.run(work())


@pytest.fixture
def browser(small: SmallCloud) -> Browser:
    return Browser(http.app(small.api, dict, pages.routes()))


def inside(text: str, key: str, brackets: str = "{}") -> str:
    """Return what stands in ``key: {…}`` or ``key: […]``, nested brackets and all; empty when it is not there."""
    found = re.search(rf"\b{key}: \{brackets[0]}", text)
    if not found:
        return ""
    depth, end = 1, found.end()
    while depth:
        depth += {brackets[0]: 1, brackets[1]: -1}.get(text[end], 0)
        end += 1
    return text[found.end() : end - 1]


def keys(text: str) -> set[str]:
    """Return the names in ``a: x, b: [y]``."""
    return set(re.findall(r"(\w+):", text))


def words(text: str) -> list[str]:
    """Return the strings in ``"a", "b"``."""
    return re.findall(r'"([^"]*)"', text)


def listed(name: str, text: str) -> Sent:
    """Return how a noun is listed: its own parameters, paging, its filter, and its id for the detail page."""
    [command] = re.findall(r'^  list: "(\w+)"', text, re.MULTILINE)
    own = re.search(r'^  filter: (\{.*?param: "(\w+)".*?\}),$', text, re.MULTILINE | re.DOTALL)
    shown = re.search(r'idField: "(\w+)"', text)
    by = {shown[1] if shown else "id"} if "own: true" in text else set()
    params = keys(inside(text, "params")) | PAGING | ({own[2]} if own else set()) | by
    return Sent(name, command, frozenset(params), {})


def acted(name: str, text: str) -> Iterator[Sent]:
    """Return what a noun's actions send."""
    for part in re.split(r"(?=\{ command: )", text)[1:]:
        command = words(part)[0]
        options = inside(part, "options")
        named = keys(inside(part, "sends")) | keys(inside(part, "fixed")) | keys(options)
        named |= set(words(inside(part, "asks", "[]"))) | set(words(inside(part, "needs", "[]")))
        choices = {key: words(inside(options, key, "[]")) for key in keys(options)}
        choices |= {key: [value] for key, value in re.findall(r'(\w+): "([^"]*)"', inside(part, "fixed"))}
        yield Sent(name, command, frozenset(named), choices)


def related(name: str, text: str) -> Iterator[Sent]:
    """Return the lists that a noun's detail page narrows down to what belongs to it."""
    for noun, by in re.findall(r'\{ noun: "(\w+)", by: "(\w+)"', text):
        yield Sent(name, listed("", NOUNS[f"nouns/{noun}.js"]).command, frozenset({by}), {})


def called(name: str, text: str) -> Iterator[Sent]:
    """Return what is sent by ``call``, ``list`` and ``perform`` with the command spelled out."""
    for found in re.finditer(r'\b(?:call|list|perform)\(\s*"(\w+)"', text):
        rest = "params: " + text[found.end() :].split("{", 1)[1].join(["{", ""])
        yield Sent(name, found[1], frozenset(keys(inside(rest, "params"))), {})


SENT = [
    *(listed(*noun) for noun in NOUNS.items()),
    *(sent for find in (acted, related) for noun in NOUNS.items() for sent in find(*noun)),
    *(sent for script in SCRIPTS.items() for sent in called(*script)),
]


def test_the_page_is_served_where_cloudstack_s_is(browser: Browser) -> None:
    assert browser.ask("GET", "/").headers["location"] == "/client/"
    page = browser.ask("GET", "/client/")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


def test_every_file_is_served_as_what_it_is_and_guarded(browser: Browser) -> None:
    kinds = {".js": "javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
    for file in FILES:
        answer = browser.ask("GET", f"/client/{file.relative_to(pages.UI)}")

        assert answer.status_code == 200
        assert kinds[file.suffix] in answer.headers["content-type"]
        assert {k: answer.headers[k] for k in pages.HEADERS} == pages.HEADERS


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    policy = dict(part.strip().split(" ", 1) for part in pages.HEADERS["content-security-policy"].split(";"))

    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
    assert "unsafe" not in str(policy)


def test_the_api_is_not_hidden_by_the_page(browser: Browser) -> None:
    assert browser.ask("POST", "/client/api", command="listZones", response="json").status_code == 401


def test_a_file_that_is_not_there_is_not_found(browser: Browser) -> None:
    assert browser.ask("GET", "/client/%2e%2e/pages.py").status_code == 404
    assert browser.ask("GET", "/client/nothing.js").status_code == 404


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_no_file_refers_to_another_origin(file: Path) -> None:
    found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", file.read_text()))

    assert found <= {"http://www.w3.org/2000/svg"}  # the name of a vocabulary, not a place


@pytest.mark.parametrize("name", SCRIPTS)
def test_data_never_becomes_markup_or_code(name: str) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:",
        SCRIPTS[name],
    )


def test_the_page_needs_no_inline_script_or_style() -> None:
    page = (pages.UI / "index.html").read_text()

    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_import_leads_to_a_file(name: str) -> None:
    home = (pages.UI / name).parent
    for target in re.findall(r'from "([^"]+)"', SCRIPTS[name]):
        assert (home / target).resolve() in FILES, target


def test_every_noun_is_in_the_table() -> None:
    table = SCRIPTS["nouns/table.js"]

    assert set(re.findall(r'from "\./(\w+\.js)"', table)) == {name.removeprefix("nouns/") for name in NOUNS}


@pytest.mark.parametrize("sent", SENT, ids=lambda s: f"{s.where}-{s.command}")
def test_what_the_page_sends_is_what_the_command_declares(sent: Sent) -> None:
    assert sent.command in COMMANDS
    fields = {f.wire: f for f in COMMANDS[sent.command].fields()}
    assert sent.params <= set(fields)
    for name, values in sent.options.items():
        choices = fields[name].spec.choices
        assert not choices or set(values) <= set(choices)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_command_that_the_page_names_exists(name: str) -> None:
    verbs = "add|attach|create|delete|deploy|destroy|detach|expunge|get|list|migrate|query|reboot|recover|register|start|stop|update"

    assert set(re.findall(rf'"((?:{verbs})[A-Z]\w+)"', SCRIPTS[name])) <= set(COMMANDS)


def test_the_reader_of_the_page_s_tables_sees_what_is_there() -> None:
    seen = {s.command: s for s in SENT if s.where == "nouns/vm.js"}

    assert seen["migrateVirtualMachine"].params == {"virtualmachineid", "hostid"}
    assert seen["listVirtualMachines"].params >= {"listall", "state", "id"}
    assert seen["listVolumes"].params == {"virtualmachineid"}
    assert len(SENT) > 80
