"""Every command agrees with the protocol's catalogue: names, roles, parameters, and the types of real answers."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from furnished import Furnished

from api.helpers import follows_types
from support.cloud import Caller
from tegar.api import catalogue, render
from tegar.api.registry import COMMANDS
from tegar.api.views.job import JobView
from tegar.kernel.command import Command

NAMES = sorted(COMMANDS)
LETTERS = {"admin": "A", "domain-admin": "D", "user": "U"}
DEFAULT_ROLES = dict(
    line.split()
    for line in Path(__file__).with_name("default_roles.txt").read_text().splitlines()
    if line and not line.startswith("#")
)

# Commands that the protocol lacks, and why we have them.  They are for operators, and name their answer's key.
OF_OUR_OWN = {
    "checkHighAvailability": "the protocol has no what-if; its HA promises nothing",
    "listHighAvailability": "the protocol's HA has no leases",
    "listDeathProofs": "the protocol's HA records no proofs",
    "listPendingRestarts": "the protocol shows nobody what a restart waits for",
    "listHighAvailabilityChecks": "the protocol checks nothing before a failure",
    "runHighAvailabilityCheck": "as listHighAvailabilityChecks",
    "settleVirtualMachine": "the protocol's database never disputes with witnesses",
    "createWitness": "the protocol's HA has no witnesses",
    "listWitnesses": "as createWitness",
    "deleteWitness": "as createWitness",
}

MORE_ROLES = {"getUser": "ansible asks everybody who they are; one sees only whom one may see"}

MORE_REQUIRED = {
    ("createPod", "gateway"): "newest clients may leave it out; a pod without a subnet is of no use here",
    ("createPod", "netmask"): "as its gateway",
    (
        "deployVirtualMachine",
        "templateid",
    ): "there are no other images to start from: no ISOs, volumes or snapshots",
}
LESS_REQUIRED: dict[tuple[str, str], str] = {}

# Parameters that all our lists have, also where the protocol lacks them.
OUR_PARAMS = {
    "account": "all lists of what accounts own are asked alike", "domainid": "as account", "listall": "as account",
    "isrecursive": "as account", "projectid": "as account; refused unless -1", "keyword": "all lists have pages",
    "page": "as keyword", "pagesize": "as keyword",
}  # fmt: skip
OUR_FIELDS = {
    (
        "listManagementServers",
        "leads",
    ): "the protocol's servers lead nothing; ours say which leads the HA manager",
    ("listManagementServersMetrics", "leads"): "as listManagementServers",
    ("addTrafficType", "name"): "one record for both commands: this one is of listTrafficTypes",
    ("updateTrafficType", "name"): "one record for both commands: this one is of listTrafficTypes",
    ("listTrafficTypes", "traffictype"): "one record for both commands: this one is of addTrafficType",
    ("listTrafficTypes", "kvmnetworklabel"): "as traffictype; ansible compares it",
}

OUR_FIELDS |= {
    (
        f"authorizeSecurityGroup{direction}",
        name,
    ): "the protocol's servers answer with the group and the new rules in it"
    for direction in ("Ingress", "Egress")
    for name in ("id", "name", "description", "domain", "domainid", "ingressrule", "egressrule")
}

# Lists that are empty in every cloud of this release.
EMPTY = {
    "listAsyncJobs": "jobs that have not ended; asked in a test of its own",
    "listDeathProofs": "nothing has died; asked in a test of its own",
    "listPendingRestarts": "as listDeathProofs",
    "listHighAvailabilityChecks": "no night has passed; asked in a test of its own",
}


def facts(name: str) -> dict[str, Any]:
    found = catalogue.of(name)
    if not found:
        assert name in OF_OUR_OWN, f"the catalogue does not know {name}"
        pytest.skip(OF_OUR_OWN[name])
    return found


def answers_success(command: type[Command]) -> bool:
    kind: str = catalogue.of(command.name).get("kind", "")
    return kind == "success" or catalogue.result_key(command.name) == ""


def test_our_own_commands_are_for_operators_and_name_the_key_of_their_answer() -> None:
    for name in OF_OUR_OWN:
        assert catalogue.of(name) == {}, f"{name} is the protocol's"
        assert COMMANDS[name].roles == {"admin"}
        assert (COMMANDS[name].response is None) == (COMMANDS[name].envelope == "")


@pytest.mark.parametrize("name", NAMES)
def test_a_command_explains_itself(name: str) -> None:
    command = COMMANDS[name]

    assert command.name == name
    assert (command.__dict__.get("__doc__") or "").strip().endswith((".", "."))
    for f in command.fields():
        assert f.spec.help.strip(), f.wire
    assert len({f.wire for f in command.fields()}) == len(command.fields())


@pytest.mark.parametrize("name", NAMES)
def test_a_command_says_what_it_answers(name: str) -> None:
    command, fact = COMMANDS[name], facts(name)

    if fact["kind"] == "success":
        assert command.response is None
    else:
        assert is_typeddict(command.response), f"{name} answers a {fact['kind']}: it needs a response record"


@pytest.mark.parametrize("name", NAMES)
def test_roles_are_not_wider_than_the_protocols(name: str) -> None:
    mine = {LETTERS[role] for role in COMMANDS[name].roles}

    assert mine
    assert mine <= set("A" if name in OF_OUR_OWN else DEFAULT_ROLES[name]) or name in MORE_ROLES
    assert "A" in mine
    for f in COMMANDS[name].fields():
        assert f.spec.roles & COMMANDS[name].roles, f"nobody can send {f.wire}"
        assert not (f.required and COMMANDS[name].roles - f.spec.roles), (
            f"some cannot send {f.wire}, which is required"
        )


@pytest.mark.parametrize("name", NAMES)
def test_sync_and_async_are_the_protocols(name: str) -> None:
    assert COMMANDS[name].is_async == facts(name)["async"]


@pytest.mark.parametrize("name", NAMES)
def test_the_key_of_the_answer_is_the_protocols(name: str) -> None:
    assert render.key_of(COMMANDS[name]) == facts(name)["key"]
    assert render.envelope(name) == f"{name.lower()}response"


@pytest.mark.parametrize("name", NAMES)
def test_required_parameters_are_the_protocols(name: str) -> None:
    mine, theirs = {f.wire for f in COMMANDS[name].fields() if f.required}, set(facts(name)["required"])

    for wire in mine - theirs:
        assert (name, wire) in MORE_REQUIRED, f"{wire} is required here and not there"
    for wire in theirs - mine:
        assert (name, wire) in LESS_REQUIRED, f"{wire} is required there and not here"


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_the_protocols(name: str) -> None:
    unknown = {f.wire for f in COMMANDS[name].fields()} - set(facts(name)["params"])

    assert unknown <= set(OUR_PARAMS)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_the_protocols(name: str) -> None:
    fact, view = facts(name), COMMANDS[name].response
    if not is_typeddict(view):
        return

    for field in get_type_hints(view):
        assert field in {*fact["names"], *fact["fields"]} or (name, field) in OUR_FIELDS, field


JSON_OF = {"string": str, "bool": bool, "int": int, "int64": int, "float64": float}


def plain(hint: Any) -> Any:
    """Return the type of a field without None, and without what is in a list or map."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(a for a in get_args(hint) if a is not type(None))
    return get_origin(hint) or hint


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_declared_with_the_type_that_clients_read(name: str) -> None:
    fact, view = facts(name), COMMANDS[name].response
    if not is_typeddict(view):
        return

    for field, hint in get_type_hints(view).items():
        kind, wanted = plain(hint), fact["fields"].get(field, "")
        if wanted in JSON_OF:
            right = kind is JSON_OF[wanted] or (wanted == "float64" and kind is int)
            assert right, f"{field} is {kind}, and clients read {wanted}"
        elif wanted.startswith("[]"):
            assert kind in (list, tuple), f"{field} is {kind}, and clients read {wanted}"
        elif wanted.startswith("map"):
            assert kind is dict, f"{field} is {kind}, and clients read {wanted}"


# ── real answers ──


def records(key: str, inner: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records in an answer."""
    found = inner.get(key, inner) if key else inner
    return found if isinstance(found, list) else [found]


def check(name: str, inner: dict[str, Any]) -> int:
    """Check the records of an answer: types, declared fields and nothing null; return how many there were."""
    inner = json.loads(json.dumps(inner))
    follows_types(name, inner)
    declared = set(get_type_hints(COMMANDS[name].response))
    found = records(render.key_of(COMMANDS[name]), inner)
    for record in found:
        assert set(record) <= declared, f"{name} answers what it does not declare"
        _nested(COMMANDS[name].response, record, name)
    return len(found)


def _nested(view: Any, record: dict[str, Any], where: str) -> None:
    """Check what is inside of records against what their views declare."""
    for field, hint in get_type_hints(view).items():
        if record.get(field) is None:
            continue
        kind, value = plain(hint), record[field]
        if kind in (str, int, bool, float):
            right = isinstance(value, (int, float) if kind is float else kind)
            right = right and (kind is bool or not isinstance(value, bool))
            assert right, f"{where}.{field} is {value!r}, not {kind}"
        for inner in (a for a in get_args(_some(hint)) if is_typeddict(a)):
            for item in value:
                _nested(inner, item, f"{where}.{field}")


def _some(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        return next(a for a in get_args(hint) if a is not type(None))
    return hint


PARAMS: dict[str, list[dict[str, Any]]] = {
    "listTemplates": [{"templatefilter": "all"}, {"templatefilter": "featured"}],
    "listNics": [{"virtualmachineid": "listVirtualMachines"}],
    "listTrafficTypes": [{"physicalnetworkid": "listPhysicalNetworks"}],
    "listZones": [{}, {"available": True}],
    "listHostHAProviders": [{"hypervisor": "KVM"}, {"hypervisor": "Simulator"}],
    "listPods": [{}, {"showcapacities": True}],
    "listClusters": [{}, {"showcapacities": True}],
    "listLoadBalancerRuleInstances": [{"id": "listLoadBalancerRules", "lbvmips": True}],
    "listVirtualMachines": [{"listall": True}, {"listall": True, "details": "all"}],
}


def ready(caller: Caller, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Fill in ids that another list tells."""
    named = {k: v for k, v in params.items() if isinstance(v, str) and v in COMMANDS}
    if not named:
        yield params
        return
    ((name, command),) = named.items()
    for record in caller.api(command).get(catalogue.result_key(command), []):
        yield {**params, name: record["id"]}


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("list")])
def test_lists_answer_as_clients_read_them(furnished: Furnished, name: str) -> None:
    command, found = COMMANDS[name], 0

    for caller in (furnished.cloud.admin, furnished.boss, furnished.user, furnished.victim):
        role = (
            "admin"
            if caller is furnished.cloud.admin
            else "domain-admin"
            if caller is furnished.boss
            else "user"
        )
        if role not in command.roles:
            continue
        for given in PARAMS.get(name, [{"listall": True}]):
            for params in ready(caller, given):
                if params.get("templatefilter") == "all" and role != "admin":
                    continue
                inner = caller.api(name, **params)
                assert set(inner) in (
                    {"count", render.key_of(command)},
                    set(),
                    {render.key_of(command)},
                )
                found += check(name, inner) if inner else 0

    assert bool(found) != (name in EMPTY), f"{name} answered {found} records"


def test_what_is_made_is_answered_as_clients_read_it(furnished: Furnished) -> None:
    alice, cloud = furnished.cloud.as_user("maker"), furnished.cloud
    zone = cloud.zone
    assert zone
    disk = furnished.own["user"][next(k for k in furnished.own["user"] if k.__name__ == "DiskOffering")][0]

    def sync(caller: Any, name: str, /, **params: Any) -> Any:
        inner = caller.api(name, **params)
        check(name, inner)
        return inner[catalogue.result_key(name)]

    def job(name: str, /, **params: Any) -> Any:
        accepted = alice.api(name, **params)
        assert set(accepted) == ({"id", "jobid"} if catalogue.of(name)["create"] else {"jobid"}), name
        _nested(JobView, alice.api("queryAsyncJobResult", jobid=accepted["jobid"]), name)
        open_jobs = alice.api("listAsyncJobs")
        assert not open_jobs or check("listAsyncJobs", open_jobs)
        result = alice.job(accepted)
        done = alice.api("queryAsyncJobResult", jobid=accepted["jobid"])
        _nested(JobView, done, name)
        follows_types("queryAsyncJobResult", {"": done})
        if set(result) != {"success"}:
            check(name, result)
            return result[catalogue.result_key(name)]
        return None

    vm = job("deployVirtualMachine", **zone.vm(name="made"))["id"]
    volume = job("createVolume", name="d", zoneid=zone.zone, diskofferingid=disk)["id"]
    job("attachVolume", id=volume, virtualmachineid=vm)
    job("detachVolume", id=volume)
    job("rebootVirtualMachine", id=vm)
    job("stopVirtualMachine", id=vm)
    sync(alice, "updateVirtualMachine", id=vm, displayname="made anew", **{"details": {"a": "b"}})
    job("startVirtualMachine", id=vm)
    job("destroyVirtualMachine", id=vm)
    sync(alice, "recoverVirtualMachine", id=vm)
    job("destroyVirtualMachine", id=vm, expunge=True)
    assert alice.api("deleteVolume", id=volume) == {"success": True}
    sync(alice, "createSSHKeyPair", name="k")
    assert alice.api("deleteSSHKeyPair", name="k")["success"] is True
    me = alice.api("listUsers")["user"][0]["id"]
    sync(alice, "getUserKeys", id=me)
    domain = sync(cloud.admin, "createDomain", name="made")["id"]
    sync(cloud.admin, "createAccount", username="m", password="password", email="m@example.org", firstname="m",
         lastname="m", accounttype=0, domainid=domain)  # fmt: skip
    sync(cloud.admin, "createUser", account="m", username="n", password="password", email="m@example.org",
         firstname="m", lastname="m", domainid=domain)  # fmt: skip
    offering = sync(cloud.admin, "createServiceOffering", name="o", displaytext="o", cpunumber=1, cpuspeed=100,
                    memory=128)["id"]  # fmt: skip
    assert cloud.api("deleteServiceOffering", id=offering)["success"] is True
    made = sync(
        cloud.admin, "createZone", name="made", networktype="Advanced", dns1="9.9.9.9", internaldns1="9.9.9.9"
    )
    pod = sync(cloud.admin, "createPod", name="p", zoneid=made["id"], gateway="10.7.0.1", netmask="255.255.0.0",
               startip="10.7.0.2", endip="10.7.0.9")  # fmt: skip
    sync(cloud.admin, "addCluster", clustername="c", clustertype="CloudManaged", hypervisor="Simulator",
         podid=pod["id"], zoneid=made["id"])  # fmt: skip
    sync(cloud.admin, "updateConfiguration", name="expunge.delay", value="60")
    sync(cloud.admin, "updateZone", id=made["id"], name="made again")
    sync(cloud.admin, "updateHost", id=zone.hosts["h1"], name="h1")
