"""What a caller may not see does not exist for them: every command, every parameter that is an id.

Each id of somebody else's and an id that never was get the same answer, and nothing happens.  New
commands are covered without being named here; one whose parameters nobody can make up fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from furnished import Furnished

from support.cloud import Caller
from support.picture import UUID, differences, take
from tegar.api import render
from tegar.api.registry import COMMANDS
from tegar.kernel.command import Command, Field
from tegar.kernel.db import Row
from tegar.store.balancers import LoadBalancer
from tegar.store.images import OsType
from tegar.store.networks import Network
from tegar.store.offerings import DiskOffering
from tegar.store.vms import Vm
from tegar.store.vpcs import VpcOffering
from tegar.store.zones import Zone

NEVER = "00000000-0000-4000-8000-000000000000"
ROLES = {"user": "user", "boss": "domain-admin"}

EVERYBODYS: dict[type[Row], str] = {
    OsType: "a catalogue of names, the same in every cloud",
    DiskOffering: "offered to all: they have no domains in this release",
    VpcOffering: "offered to all: they have no domains in this release",
}

# Parameters that are text and yet ids: of which kind, or why they name nothing.
TEXT_IDS: dict[tuple[str, str], type[Row] | str] = {
    ("registerTemplate", "zoneid"): Zone,
    ("assignToLoadBalancerRule", "id"): LoadBalancer,
    ("removeFromLoadBalancerRule", "id"): LoadBalancer,
    ("registerTemplate", "zoneids"): Zone,
    ("createAccount", "accountid"): "the uuid that the new account shall have",
    ("createAccount", "userid"): "the uuid that the new user shall have",
    ("createAccount", "roleid"): "roles are fixed",
    ("createUser", "userid"): "the uuid that the new user shall have",
    ("createDomain", "domainid"): "the uuid that the new domain shall have",
    ("listEvents", "resourceid"): "filters what the caller sees",
    ("listEvents", "startid"): "filters what the caller sees",
    ("listVirtualMachines", "groupid"): "groups have no ids",
    ("listOsTypes", "oscategoryid"): "categories have no ids",
    ("listNetworks", "associatednetworkid"): "there are none",
}
NO_PROJECTS = "projectid"

# Keys of maps that are ids; a map without any is listed with none.
MAP_IDS: dict[tuple[str, str], dict[str, type[Row]]] = {
    ("deployVirtualMachine", "iptonetworklist"): {"networkid": Network},
    ("deployVirtualMachine", "details"): {"ha.depends.on": Vm},
    ("updateVirtualMachine", "details"): {"ha.depends.on": Vm},
    ("assignToLoadBalancerRule", "vmidipmap"): {"vmid": Vm},
    ("removeFromLoadBalancerRule", "vmidipmap"): {"vmid": Vm},
    ("createLBStickinessPolicy", "param"): {},
    ("authorizeSecurityGroupIngress", "usersecuritygrouplist"): {},
    ("authorizeSecurityGroupEgress", "usersecuritygrouplist"): {},
}

# What required text parameters get.
TEXTS = {
    "username": "somebody", "password": "password", "email": "x@example.org", "firstname": "X", "lastname": "Y",
    "name": "x1", "publickey": "ssh-rsa AAAA x", "url": "http://sim/x.qcow2", "userapikey": "x", "account": "stranger",
    "protocol": "tcp", "cidr": "192.168.7.0/24", "algorithm": "roundrobin", "id": "none", "methodname": "LbCookie",
    "certificate": "x", "privatekey": "x",
}  # fmt: skip
# Beyond the required ones, without which a command has nothing to do.
MORE: dict[str, dict[str, Any]] = {
    "createAccount": {"accounttype": 0},
    "assignToLoadBalancerRule": {"id": LoadBalancer},
    "removeFromLoadBalancerRule": {"id": LoadBalancer},
    "registerTemplate": {"zoneid": Zone},
    "createVolume": {"diskofferingid": DiskOffering, "zoneid": Zone},
}

# Where ``account`` is not a reference.
NEW_NAMES = {"createAccount": "the name that the new account shall have"}

# Lists that tell that ROOT, or its first account, owns what they show.
OWNED_BY_ROOT = {
    "listNetworks": "networks that all may use",
    "listTemplates": "public templates",
    "listDomains": "the parent of the caller's own domain",
}


def mine(role: str) -> list[type[Command]]:
    return [c for c in COMMANDS.values() if ROLES[role] in c.roles]


def is_row(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Row)


def ids_of(command: type[Command], role: str) -> Iterator[tuple[str, type[Row]]]:
    """Give every parameter of the role that holds an id, with the kind that it names.

    Fails on parameters that look like ids of something this test does not know.
    """
    for f in command.fields():
        if ROLES[role] not in f.spec.roles:
            continue
        kind = f.item if f.kind is list else f.kind
        if is_row(kind):
            yield f.wire, kind
        elif kind is dict or f.kind is dict:
            at = (command.name, f.wire)
            assert at in MAP_IDS, f"say in MAP_IDS which keys of {at} are ids"
            for key, named in MAP_IDS[at].items():
                yield f"{f.wire}[0].{key}", named
        elif kind is str and f.wire.endswith(("id", "ids")) and f.wire != NO_PROJECTS:
            at = (command.name, f.wire)
            assert at in TEXT_IDS, f"say in TEXT_IDS what kind of id {at} is, or why it names nothing"
            named = TEXT_IDS[at]
            if not isinstance(named, str):
                yield f.wire, named


def value_of(command: type[Command], f: Field, own: dict[type[Row], list[str]]) -> str:
    """Return what a required parameter gets."""
    kind = f.item if f.kind is list else f.kind
    if is_row(kind):
        assert kind in own, (
            f"furnished.py gives strangers no {kind.__name__} of their own, for {command.name}"
        )
        return own[kind][0]
    if f.spec.choices:
        return f.spec.choices[0]
    if kind is str:
        assert f.wire in TEXTS, f"say in TEXTS what {command.name} gets as {f.wire}"
        return TEXTS[f.wire]
    return "1" if kind in (int, float) else "false"


def request(command: type[Command], own: dict[type[Row], list[str]]) -> dict[str, str]:
    """Return parameters with which the command would do something."""
    wanted = {f.wire: value_of(command, f, own) for f in command.fields() if f.required}
    for name, value in MORE.get(command.name, {}).items():
        wanted[name] = own[value][0] if is_row(value) else str(value)
    return wanted


def said(caller: Caller, command: str, params: dict[str, str], uuid: str) -> tuple[int, str]:
    """Return the status and the whole text of the answer, without the uuid that was asked for."""
    answer = caller.answer(command, **params)
    return answer.status, render.as_json(answer.key, answer.inner).decode().replace(uuid, "(the uuid)")


@pytest.mark.parametrize("role", ROLES)
def test_there_is_somebody_elses_row_of_every_kind(furnished: Furnished, role: str) -> None:
    wanted = {kind for command in mine(role) for _, kind in ids_of(command, role)} - set(EVERYBODYS)

    missing = {kind.__name__ for kind in wanted if not furnished.hidden.get(kind)}
    assert missing == set(), "furnished.py makes none of these for the victim"


CASES = [(role, command.name) for role in ROLES for command in mine(role)]


@pytest.mark.parametrize(("role", "name"), CASES)
def test_what_is_anothers_is_as_what_never_was(furnished: Furnished, role: str, name: str) -> None:
    caller: Caller = getattr(furnished, role)
    command, own = COMMANDS[name], furnished.own[role]
    before = take(furnished.cloud)

    tried = 0
    for wire, kind in ids_of(command, role):
        for uuid in () if kind in EVERYBODYS else furnished.hidden[kind]:
            if kind.__name__ == "Domain" and role == "user" and uuid in own.get(kind, []):
                continue
            wish = request(command, own)
            if wire == "zoneids":
                wish.pop("zoneid")
            theirs = said(caller, name, {**wish, wire: uuid}, uuid)
            nobodys = said(caller, name, {**wish, wire: NEVER}, NEVER)

            assert theirs == nobodys, wire
            status, text = nobodys
            named = re.escape(wire.partition("].")[2] or wire)
            assert status == 431, f"{wire}: {text}"
            assert re.search(f"Invalid parameter ({named}|{named[:-1]}) value=\\(the uuid\\)", text), (
                f"{wire}: {text}"
            )
            tried += 1
    if tried:
        assert differences(before, take(furnished.cloud)) == []


@pytest.mark.parametrize(("role", "name"), [(r, c) for r in ROLES for c in COMMANDS if (r, c) not in CASES])
def test_commands_of_operators_do_not_exist(furnished: Furnished, role: str, name: str) -> None:
    caller: Caller = getattr(furnished, role)

    answers = []
    for uuid in (next(iter(furnished.hidden.values()))[0], NEVER):
        answer = caller.answer(name, id=uuid)
        answers.append((answer.status, str(answer.inner["errortext"])))

    assert answers[0] == answers[1]
    assert answers[0][0] == 401
    assert f"The API [{name}] does not exist or is not available for the account" in answers[0][1]


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (r, c)
        for r, c in CASES
        if any(f.wire == "account" for f in COMMANDS[c].fields()) and c not in NEW_NAMES
    ],
)
def test_anothers_account_is_as_one_that_never_was(furnished: Furnished, role: str, name: str) -> None:
    caller: Caller = getattr(furnished, role)
    domain_field = any(f.wire == "domainid" for f in COMMANDS[name].fields())
    wish, before = request(COMMANDS[name], furnished.own[role]), take(furnished.cloud)

    for more in ({}, {"domainid": caller.domain_uuid}) if domain_field else ({},):
        answers = []
        for account in ("victim", "admin", "nobody-at-all"):
            status, text = said(caller, name, {**wish, **more, "account": account}, NEVER)
            answers.append((status, re.sub(rf"\b{account}\b", "(the account)", text)))
        assert len(set(answers)) == 1, answers
        assert "count" not in answers[0][1] or answers[0][0] != 200
    assert differences(before, take(furnished.cloud)) == []


def tricks(furnished: Furnished, caller: Caller, command: type[Command]) -> Iterator[dict[str, Any]]:
    """Give every way to ask a list for more than one's own."""
    theirs = furnished.hidden
    domains = [uuid for kind, uuids in theirs.items() if kind.__name__ == "Domain" for uuid in uuids]
    bases: list[dict[str, Any]] = [{}]
    filters = next((f.spec.choices for f in command.fields() if f.wire == "templatefilter"), ())
    if filters:
        bases = [{"templatefilter": choice} for choice in filters]
    for base in bases:
        yield base
        for more in (
            {"listall": True}, {"listall": True, "isrecursive": True}, {"keyword": "victim", "listall": True},
            {"keyword": "%", "listall": True}, {"keyword": "", "listall": True}, {"account": "victim"},
            {"domainid": caller.domain_uuid, "isrecursive": True, "listall": True}, {"account": "", "domainid": ""},
            {"projectid": "-1", "listall": True}, {"pagesize": -1, "listall": True},
            {"page": 1, "pagesize": 500, "listall": True}, {"state": "Running", "listall": True},
            {"isrecursive": True}, {"details": "all", "listall": True}, {"name": "victim-vm", "listall": True},
        ):  # fmt: skip
            yield {**base, **more}
        for domain in domains:
            yield {**base, "domainid": domain}
            yield {**base, "domainid": domain, "isrecursive": True, "listall": True}
            yield {**base, "domainid": domain, "account": "victim"}
        for uuids in theirs.values():
            yield {**base, "id": uuids[0], "listall": True}
            yield {**base, "ids": ",".join(uuids), "listall": True}
            yield {**base, "resourceid": uuids[0], "listall": True}


@pytest.mark.parametrize(
    ("role", "name"), [(r, c) for r, c in CASES if c.startswith(("list", "get", "query"))]
)
def test_lists_never_show_what_is_anothers(furnished: Furnished, role: str, name: str) -> None:
    caller: Caller = getattr(furnished, role)
    secret = {uuid for kind, uuids in furnished.hidden.items() if kind not in EVERYBODYS for uuid in uuids}

    for params in tricks(furnished, caller, COMMANDS[name]):
        answer = caller.answer(name, **params)
        if answer.status != 200:
            continue
        text = json.dumps(answer.inner, default=str)
        leaked = secret & set(UUID.findall(text))
        if name in OWNED_BY_ROOT:
            leaked -= furnished.root
        assert leaked == set(), params
        assert "victim" not in text, params
