"""Affinity groups, through the front door of a whole cloud."""

from __future__ import annotations

import json

import pytest

from support.cloud import ApiError, Caller, Cloud, JobFailed
from tegar.api import render

KINDS = ["host anti-affinity", "host affinity", "non-strict host anti-affinity", "non-strict host affinity"]
APART, TOGETHER, RATHER_APART, RATHER_TOGETHER = KINDS


def group(who: Caller, name: str, kind: str = APART, **more: str) -> str:
    """Make a group; return its id."""
    made: str = who.do("createAffinityGroup", name=name, type=kind, **more)["affinitygroup"]["id"]
    return made


def deploy(cloud: Cloud, who: Caller, name: str, **more: object) -> str:
    """Deploy a VM; return its id."""
    assert cloud.zone
    made: str = who.do("deployVirtualMachine", **cloud.zone.vm(name=name, **more))["virtualmachine"]["id"]
    return made


def host_of(cloud: Cloud, vm: str) -> str:
    """Return where a VM runs, and see that its guest is there and nowhere else."""
    said = cloud.api("listVirtualMachines", id=vm)["virtualmachine"][0]["hostname"]
    assert cloud.world.where(vm) == [said]
    return str(said)


def test_a_group_is_made_listed_and_deleted(cloud: Cloud) -> None:
    alice = cloud.as_user()
    answer = alice.api("createAffinityGroup", name="web", type="Host Anti-Affinity", description="one each")
    made = alice.job(answer)["affinitygroup"]

    assert made == {
        "id": answer["id"], "name": "web", "description": "one each", "type": APART, "account": "alice",
        "domainid": alice.domain_uuid, "domain": "ROOT", "domainpath": "ROOT", "virtualmachineIds": [],
    }  # fmt: skip
    assert alice.api("listAffinityGroups") == {"count": 1, "affinitygroup": [made]}
    assert alice.do("deleteAffinityGroup", id=made["id"]) == {"success": True}
    assert alice.api("listAffinityGroups") == {}
    with pytest.raises(ApiError, match="entity does not exist"):
        alice.api("deleteAffinityGroup", id=made["id"])


def test_types_stand_under_the_key_that_clients_read(cloud: Cloud) -> None:
    answer = cloud.admin.answer("listAffinityGroupTypes")

    assert json.loads(render.as_json(answer.key, answer.inner)) == {
        "listaffinitygrouptypesresponse": {
            "count": 4,
            "affinityGroupType": [{"type": kind} for kind in KINDS],
        }
    }
    assert cloud.api("listAffinityGroupTypes", keyword="non-strict", page=2, pagesize=1) == {
        "count": 2,
        "affinityGroupType": [{"type": RATHER_TOGETHER}],
    }


def test_lists_are_filtered(cloud: Cloud) -> None:
    cloud.ready_zone()
    alice, bob = cloud.as_user(), cloud.as_user("bob")
    web, shop, theirs = group(alice, "web"), group(alice, "shop", TOGETHER), group(bob, "web")
    vm = deploy(cloud, alice, "v", affinitygroupids=web)

    def shown(who: Caller, **params: object) -> list[str]:
        return [g["id"] for g in who.api("listAffinityGroups", **params).get("affinitygroup", [])]

    assert shown(alice, listall=True) == [web, shop]
    assert shown(alice, name="web") == [web]
    assert shown(alice, type="HOST AFFINITY") == [shop]
    assert shown(alice, type="nonsense") == []
    assert shown(alice, keyword="sho") == [shop]
    assert shown(alice, virtualmachineid=vm) == [web]
    assert shown(cloud.admin) == []
    assert shown(cloud.admin, virtualmachineid=vm) == [web]
    assert shown(cloud.admin, account="bob", domainid=bob.domain_uuid) == [theirs]
    assert shown(cloud.admin, listall=True, page=2, pagesize=2) == [theirs]


def test_names_are_unique_in_an_account_and_groups_are_deleted_by_name(cloud: Cloud) -> None:
    alice = cloud.as_user()
    group(alice, "web")
    group(cloud.admin, "web")

    with pytest.raises(ApiError, match="An affinity group named 'web' exists already in account alice"):
        alice.api("createAffinityGroup", name="web", type=TOGETHER)
    cloud.do("deleteAffinityGroup", name="web", account="alice", domainid=alice.domain_uuid)
    assert alice.api("listAffinityGroups") == {}
    assert cloud.api("listAffinityGroups")["count"] == 1
    with pytest.raises(ApiError, match="431 Account alice has no affinity group named 'web'"):
        alice.api("deleteAffinityGroup", name="web")


@pytest.mark.parametrize(
    ("command", "params", "text"),
    [
        (
            "createAffinityGroup",
            {"name": "x", "type": "ExplicitDedication"},
            "is none of host anti-affinity, ",
        ),
        ("createAffinityGroup", {"name": " ", "type": APART}, "must not be empty"),
        ("createAffinityGroup", {"name": "x"}, "missing parameter type"),
        ("deleteAffinityGroup", {}, "Give id or name, and not both"),
    ],
)
def test_nonsense_is_refused(cloud: Cloud, command: str, params: dict[str, str], text: str) -> None:
    with pytest.raises(ApiError, match=text) as e:
        cloud.api(command, **params)

    assert e.value.code == 431


def test_strict_anti_affinity_puts_each_vm_on_another_host_or_nowhere(cloud: Cloud) -> None:
    built = cloud.ready_zone(hosts=2)
    alice = cloud.as_user()
    web = group(alice, "web")
    one, two = (deploy(cloud, alice, name, affinitygroupids=web) for name in ("one", "two"))

    assert {host_of(cloud, one), host_of(cloud, two)} == {"h1", "h2"}
    asked = alice.api("deployVirtualMachine", **built.vm(name="three", affinitygroupnames="web"))
    with pytest.raises(JobFailed, match=r"No host has room \(2 looked at\)$"):
        alice.job(asked)
    with pytest.raises(JobFailed, match="h1: has VM one of host anti-affinity group web; h2: has VM two of "):
        cloud.job(asked)
    (shown,) = alice.api("listVirtualMachines", id=one)["virtualmachine"]
    assert shown["affinitygroup"] == [
        {"id": web, "name": "web", "type": APART, "account": "alice", "domainid": alice.domain_uuid,
         "domain": "ROOT", "domainpath": "ROOT"}
    ]  # fmt: skip
    assert alice.api("listVirtualMachines", affinitygroupid=web)["count"] == 3
    assert alice.api("listAffinityGroups", id=web)["affinitygroup"][0]["virtualmachineIds"][:2] == [one, two]


def test_strict_affinity_keeps_vms_on_one_host_and_refuses_to_part_them(cloud: Cloud) -> None:
    built = cloud.ready_zone(hosts=2)
    group(cloud.admin, "shop", TOGETHER)
    vms = [deploy(cloud, cloud.admin, f"v{n}", affinitygroupnames="shop") for n in range(3)]

    assert {host_of(cloud, vm) for vm in vms} == {"h1"}
    with pytest.raises(JobFailed, match="h2: is not where VM v1 of host affinity group shop is"):
        cloud.do("migrateVirtualMachine", virtualmachineid=vms[0], hostid=built.hosts["h2"])
    assert host_of(cloud, vms[0]) == "h1"


def test_moving_and_starting_obey_the_group(cloud: Cloud) -> None:
    built = cloud.ready_zone(hosts=3)
    web = group(cloud.admin, "web")
    one, two = (deploy(cloud, cloud.admin, name, affinitygroupids=web) for name in ("one", "two"))

    with pytest.raises(JobFailed, match="h2: has VM two of host anti-affinity group web"):
        cloud.do("migrateVirtualMachine", virtualmachineid=one, hostid=built.hosts["h2"])
    cloud.do("migrateVirtualMachine", virtualmachineid=one)
    assert (host_of(cloud, one), host_of(cloud, two)) == ("h3", "h2")

    cloud.do("stopVirtualMachine", id=two)
    with pytest.raises(JobFailed, match="h3: has VM one of host anti-affinity group web"):
        cloud.do("startVirtualMachine", id=two, hostid=built.hosts["h3"])
    cloud.do("startVirtualMachine", id=two)
    assert host_of(cloud, two) == "h2"  # a stopped VM is in nobody's way, and finds its caches


def test_non_strict_groups_are_obeyed_while_there_is_room(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=2)
    apart, together = group(cloud.admin, "a", RATHER_APART), group(cloud.admin, "t", RATHER_TOGETHER)

    spread = [host_of(cloud, deploy(cloud, cloud.admin, f"a{n}", affinitygroupids=apart)) for n in range(4)]
    packed = [
        host_of(cloud, deploy(cloud, cloud.admin, f"t{n}", affinitygroupids=together)) for n in range(3)
    ]

    assert sorted(spread) == ["h1", "h1", "h2", "h2"]
    assert len(set(packed)) == 1


def test_a_stopped_vm_changes_its_groups(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=2)
    web, shop = group(cloud.admin, "web"), group(cloud.admin, "shop", TOGETHER)
    vm = deploy(cloud, cloud.admin, "v", affinitygroupids=web)

    with pytest.raises(ApiError, match="VM v is Running; its affinity groups change while it is Stopped"):
        cloud.api("updateVMAffinityGroup", id=vm, affinitygroupids=shop)
    cloud.do("stopVirtualMachine", id=vm)
    changed = cloud.do("updateVMAffinityGroup", id=vm, affinitygroupids=f"{shop},{shop}")["virtualmachine"]
    assert [g["name"] for g in changed["affinitygroup"]] == ["shop"]
    changed = cloud.do("updateVMAffinityGroup", id=vm, affinitygroupnames="web,shop")["virtualmachine"]
    assert [g["name"] for g in changed["affinitygroup"]] == ["web", "shop"]
    with pytest.raises(ApiError, match="give one of them"):
        cloud.api("updateVMAffinityGroup", id=vm, affinitygroupids=shop, affinitygroupnames="web")
    changed = cloud.do("updateVMAffinityGroup", id=vm, affinitygroupids="")["virtualmachine"]
    assert changed["affinitygroup"] == []


def test_a_vm_is_in_groups_of_its_own_account_only(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    alice = cloud.as_user()
    mine, theirs = group(cloud.admin, "mine"), group(alice, "theirs")
    vm = deploy(cloud, alice, "v", startvm=False)

    for command, more in (
        ("updateVMAffinityGroup", {"id": vm}),
        ("deployVirtualMachine", built.vm(account="alice", domainid=alice.domain_uuid)),
    ):
        with pytest.raises(ApiError, match="431 Affinity group mine does not belong to account alice"):
            cloud.api(command, affinitygroupids=mine, **more)
        with pytest.raises(ApiError, match="431 Account alice has no affinity group named 'mine'"):
            cloud.api(command, affinitygroupnames="mine", **more)
    for name, value in (("affinitygroupids", mine), ("affinitygroupids", f"{theirs},{mine}")):
        with pytest.raises(ApiError, match="entity does not exist"):
            alice.api("updateVMAffinityGroup", id=vm, **{name: value})
    for command in ("deleteAffinityGroup", "listAffinityGroups"):
        with pytest.raises(ApiError, match="entity does not exist"):
            alice.api(command, id=mine)
    cloud.do(
        "updateVMAffinityGroup", id=vm, affinitygroupnames="theirs"
    )  # the VM's account, not the caller's
    assert alice.api("listVirtualMachines", affinitygroupid=theirs)["count"] == 1


def test_a_group_that_is_gone_holds_nobody(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=1)
    web = group(cloud.admin, "web")
    vm = deploy(cloud, cloud.admin, "one", affinitygroupids=web)
    other = deploy(cloud, cloud.admin, "two", affinitygroupids=web, startvm=False)
    with pytest.raises(JobFailed):
        cloud.do("startVirtualMachine", id=other)

    cloud.do("deleteAffinityGroup", id=web)

    assert cloud.api("listVirtualMachines", id=vm)["virtualmachine"][0]["affinitygroup"] == []
    cloud.do("startVirtualMachine", id=other)
    assert host_of(cloud, other) == host_of(cloud, vm) == "h1"


def test_an_expunged_vm_is_in_no_group_and_a_destroyed_one_still_is(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=1)
    web = group(cloud.admin, "web")
    vm = deploy(cloud, cloud.admin, "one", affinitygroupids=web)

    cloud.do("destroyVirtualMachine", id=vm)
    assert cloud.api("listAffinityGroups", id=web)["affinitygroup"][0]["virtualmachineIds"] == [vm]
    deploy(cloud, cloud.admin, "two", affinitygroupids=web)  # it holds no host any more
    cloud.do("expungeVirtualMachine", id=vm)

    ids = cloud.api("listAffinityGroups", id=web)["affinitygroup"][0]["virtualmachineIds"]
    assert len(ids) == 1
    assert vm not in ids
