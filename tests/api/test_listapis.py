"""listApis as cmk reads it, and what else describes the cloud: capabilities, configuration, events."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helpers import Refusal, SmallCloud

from tegar.api import catalogue, registry
from tegar.api.commands import (
    account,
    configuration,
    disk_offering,
    domain,
    event,
    network_offering,
    service_offering,
    ssh_key,
    user,
)
from tegar.model.settings import EXPUNGE_DELAY_S, STORAGE_OVERCOMMIT

# Parameters that every list of ours has, also where the protocol lacks them.
OURS = {"listall", "isrecursive", "projectid", "account", "domainid", "keyword", "page", "pagesize"}
TYPES = {"string", "uuid", "integer", "long", "short", "boolean", "list", "map", "date", "float", "double"}


def _walk(value: Any) -> Any:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _walk(inner)


def _cmk_cache(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Read the answer as cmk's ``config/cache.go`` does, whose type assertions are not checked."""
    cache: dict[str, dict[str, Any]] = {}
    assert isinstance(answer["count"], int)
    for api in answer["api"]:
        name = api["name"]
        verb = re.match(r"[a-z]+", name)
        assert verb, name
        args = []
        for arg in api["params"]:
            assert isinstance(arg["name"], str)
            assert isinstance(arg["description"], str)
            assert isinstance(arg["required"], bool)
            assert arg["type"] in TYPES
            assert isinstance(arg.get("related", ""), str)
            args.append(arg["name"])
        keys = [r["name"] for r in api["response"] if "name" in r]
        assert isinstance(api["isasync"], bool)
        assert api["description"].strip()
        cache[name] = {"verb": verb[0], "noun": name[verb.end() :].lower(), "args": args, "keys": keys}
    return cache


def test_cmk_can_read_it(small: SmallCloud) -> None:
    answer = small.admin("listApis", listall=True)

    cache = _cmk_cache(answer)

    assert set(cache) == set(registry.COMMANDS)
    assert answer["count"] == len(answer["api"])
    assert (cache["listZones"]["verb"], cache["listZones"]["noun"]) == ("list", "zones")
    assert None not in list(_walk(answer))


def test_it_agrees_with_the_catalogue(small: SmallCloud) -> None:
    for api in small.admin("listApis")["api"]:
        fact = catalogue.of(api["name"])
        if not fact:
            continue
        required = {p["name"] for p in api["params"] if p["required"]}
        assert api["isasync"] == fact["async"], api["name"]
        assert {p["name"] for p in api["params"]} <= set(fact["params"]) | OURS, api["name"]
        assert required <= set(fact["params"]), api["name"]


@pytest.mark.parametrize(
    "module",
    [account, user, domain, service_offering, disk_offering, network_offering, ssh_key, configuration, event],
)
def test_answers_have_no_fields_of_our_own(small: SmallCloud, module: Any) -> None:
    for command in module.COMMANDS:
        (api,) = small.admin("listApis", name=command.name)["api"]
        fact = catalogue.of(command.name)
        assert {r["name"] for r in api["response"]} <= set(fact["names"]) | set(fact["fields"]), command.name


def test_a_role_sees_its_commands_only(small: SmallCloud) -> None:
    def names(caller: Any) -> set[str]:
        return {api["name"] for api in caller("listApis")["api"]}

    user, boss = names(small.account("bob")), names(small.account("boss", accounttype=2))

    assert user < boss < names(small.admin)
    assert "createZone" not in boss
    assert "createAccount" not in user
    assert {"listApis", "listZones", "createSSHKeyPair"} <= user


def test_one_command_by_its_exact_name(small: SmallCloud) -> None:
    (api,) = small.admin("listApis", name="createSSHKeyPair")["api"]

    assert [(p["name"], p["type"], p["required"]) for p in api["params"]] == [
        ("account", "string", False),
        ("domainid", "uuid", False),
        ("name", "string", True),
    ]
    assert "privatekey" in {r["name"] for r in api["response"]}
    related = {p["name"]: p.get("related") for p in api["params"]}
    assert related["domainid"] == "listDomains,createDomain"
    for wrong in ("createsshkeypair", "noSuchApi", "list"):
        with pytest.raises(Refusal, match="431"):
            small.admin("listApis", name=wrong)
    with pytest.raises(Refusal, match="431"):
        small.account("bob")("listApis", name="createZone")


def test_nested_records_are_described(small: SmallCloud) -> None:
    (api,) = small.admin("listApis", name="listAccounts")["api"]

    (user,) = (r for r in api["response"] if r["name"] == "user")
    assert user["type"] == "list"
    assert {"username", "apikey"} <= {r["name"] for r in user["response"]}


def test_capabilities(small: SmallCloud) -> None:
    able = small.admin("listCapabilities")["capability"]

    assert re.match(r"^\d+\.\d+\.\d+\.\d+$", able["cloudstackversion"])
    assert able["supportELB"] == "false"
    assert able["customdiskofferingmaxsize"] == 1024
    small.admin("updateConfiguration", name="custom.diskoffering.size.max", value=2048)
    assert small.account("bob")("listCapabilities")["capability"]["customdiskofferingmaxsize"] == 2048


def test_a_setting_shows_value_default_and_type(small: SmallCloud) -> None:
    (shown,) = small.admin("listConfigurations", name="expunge.delay")["configuration"]

    assert (shown["value"], shown["defaultvalue"], shown["type"]) == ("86400", "86400", "Number")
    assert (shown["scope"], shown["component"]) == ("Global", "management-server")
    assert (
        small.admin("updateConfiguration", name="expunge.delay", value="60")["configuration"]["value"] == "60"
    )
    assert small.admin("listConfigurations", name="expunge.delay")["configuration"][0]["value"] == "60"
    assert small.db.read(EXPUNGE_DELAY_S.of) == 60


def test_a_setting_for_one_zone(small: SmallCloud) -> None:
    zone = small.admin(
        "createZone", name="z", networktype="Advanced", dns1="8.8.8.8", internaldns1="10.0.0.1"
    )
    id, name = zone["zone"]["id"], STORAGE_OVERCOMMIT.name

    small.admin("updateConfiguration", name=name, value="3", zoneid=id)

    (shown,) = small.admin("listConfigurations", zoneid=id)["configuration"]
    assert (shown["name"], shown["value"], shown["scope"], shown["type"]) == (name, "3.0", "Zone", "Decimal")
    assert small.admin("listConfigurations", name=name)["configuration"][0]["value"] == "2.0"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"name": "no.such", "value": "1"}, "Config parameter with name no.such doesn't exist"),
        ({"name": "expunge.delay", "value": "soon"}, "must be a int"),
        ({"name": "expunge.delay", "value": ""}, "must be a int"),
        ({"name": "expunge.delay", "value": "-5"}, "0 or more"),
        ({"name": "cpu.overprovisioning.factor", "value": "nan"}, "0 or more"),
        ({"name": "cpu.overprovisioning.factor", "value": "inf"}, "0 or more"),
        ({"name": "expunge.delay"}, "missing parameter value"),
        ({"value": "1"}, "missing parameter name"),
    ],
)
def test_a_setting_is_not_changed_to_nonsense(small: SmallCloud, params: dict[str, str], says: str) -> None:
    with pytest.raises(Refusal, match=rf"431.*{says}"):
        small.admin("updateConfiguration", **params)


def test_a_setting_belongs_to_its_scope(small: SmallCloud) -> None:
    account = small.admin("listAccounts")["account"][0]

    with pytest.raises(
        Refusal, match=r"431: expunge.delay can be set for the whole cloud, not for one account"
    ):
        small.admin("updateConfiguration", name="expunge.delay", value="1", accountid=account["id"])
    with pytest.raises(Refusal, match="431: Give only one"):
        small.admin("listConfigurations", accountid=account["id"], domainid=account["domainid"])
    assert small.admin("listConfigurations", accountid=account["id"]) == {}


def test_settings_are_the_operators(small: SmallCloud) -> None:
    for command in ("listConfigurations", "updateConfiguration"):
        assert small.account(f"bob-{command}", accounttype=2).answer(command).status == 401


def test_settings_are_paged_and_searched(small: SmallCloud) -> None:
    whole = [c["name"] for c in small.admin("listConfigurations")["configuration"]]
    second = small.admin("listConfigurations", page=2, pagesize=3)

    assert whole == sorted(whole)
    assert [c["name"] for c in second["configuration"]] == whole[3:6]
    assert second["count"] == len(whole)
    assert small.admin("listConfigurations", page=99, pagesize=3) == {}
    found = small.admin("listConfigurations", keyword="OVERPROV", category="storage")["configuration"]
    assert [c["name"] for c in found] == ["storage.overprovisioning.factor"]


def test_events_are_listed_newest_first(small: SmallCloud) -> None:
    small.admin("createDomain", name="one")
    small.clock.sleep(60)
    two = small.admin("createDomain", name="two")["domain"]["id"]

    first = small.admin("listEvents")["event"][0]

    assert first.items() >= {
        "type": "DOMAIN.CREATE", "level": "INFO", "state": "Completed", "description": "Domain two created",
        "username": "admin", "account": "admin", "domainpath": "ROOT", "resourceid": two, "resourcetype": "Domain",
    }.items()  # fmt: skip
    assert small.admin("listEvents", id=first["id"])["event"] == [first]


def test_filters_of_events(small: SmallCloud) -> None:
    zone_text = "2027-01-15"
    small.admin("createDomain", name="one")
    small.clock.sleep(3 * 86400)
    two = small.admin("createDomain", name="two")["domain"]["id"]
    small.admin("updateConfiguration", name="expunge.delay", value="60")

    def count(**params: object) -> int:
        return int(small.admin("listEvents", **params).get("count", 0))

    assert count() == 3
    assert count(type="domain.create") == 2
    assert count(level="error") == 0
    assert count(keyword="two") == 1
    assert count(resourceid=two) == 1
    assert count(resourcetype="configuration") == 1
    assert count(startdate="2027-01-16") == 2
    assert count(startdate="2027-01-16 00:00:00", enddate="2027-01-17") == 0
    assert count(enddate=zone_text) == 1
    assert count(startdate=f"{zone_text}T00:00:00+0000") == 3
    with pytest.raises(Refusal, match=r"431.*startdate.*is not a date"):
        small.admin("listEvents", startdate="yesterday")


def test_events_belong_to_their_account(small: SmallCloud) -> None:
    bob, eve = small.account("bob"), small.account("eve")
    bob("createSSHKeyPair", name="k")
    root = small.admin("listDomains")["domain"][0]["id"]

    def about(caller: Any, **params: object) -> set[str]:
        return {e["account"] for e in caller("listEvents", **params).get("event", [])}

    assert about(bob, listall=True) == {"bob"}
    assert "bob" not in about(eve, listall=True)
    assert about(small.admin, account="bob", domainid=root) == {"bob"}
    assert {"admin", "bob"} <= about(small.admin, listall=True)
    assert {"admin", "bob"} <= about(small.admin, domainid=root)
    id = bob("listEvents")["event"][0]["id"]
    with pytest.raises(Refusal, match="431"):
        eve("listEvents", id=id)
