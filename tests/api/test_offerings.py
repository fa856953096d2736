"""Service, disk and network offerings."""

from __future__ import annotations

import pytest
from helpers import Caller, Refusal, SmallCloud

from support.cloud import Cloud
from tegar.store.offerings import ServiceOffering

FIXED = {"cpunumber": 2, "cpuspeed": 1000, "memory": 1024}
BOUNDS = {"mincpunumber": 1, "maxcpunumber": 4, "minmemory": 256, "maxmemory": 4096, "cpuspeed": 500}


def _make(caller: Caller, name: str = "big", **params: object) -> dict[str, object]:
    found: dict[str, object] = caller("createServiceOffering", name=name, **params)["serviceoffering"]
    return found


def _names(caller: Caller, **params: object) -> list[str]:
    found = caller("listServiceOfferings", **params).get("serviceoffering", [])
    return [o["name"] for o in found if "Instance" not in o["name"]]


def _zone(small: SmallCloud, name: str) -> str:
    made = small.admin(
        "createZone", name=name, networktype="Advanced", dns1="8.8.8.8", internaldns1="10.0.0.1",
        allocationstate="Enabled",
    )  # fmt: skip
    return str(made["zone"]["id"])


def _domain(small: SmallCloud, name: str) -> str:
    return str(small.admin("createDomain", name=name)["domain"]["id"])


def test_a_new_cloud_has_stock_offerings(small: SmallCloud) -> None:
    sizes = [
        (o["name"], o["cpunumber"], o["cpuspeed"], o["memory"])
        for o in small.admin("listServiceOfferings")["serviceoffering"]
    ]
    disks = [
        (o["name"], o["disksize"], o["iscustomized"])
        for o in small.admin("listDiskOfferings")["diskoffering"]
    ]

    assert sizes == [
        ("Tiny Instance", 1, 250, 128),
        ("Small Instance", 1, 500, 512),
        ("Medium Instance", 1, 1000, 1024),
    ]
    assert disks == [("Small", 5, False), ("Medium", 20, False), ("Large", 100, False), ("Custom", 0, True)]


def test_a_fixed_offering_shows_what_it_was_made_of(small: SmallCloud) -> None:
    made = _make(
        small.admin, displaytext="Big one", offerha=True, limitcpuuse=True, hosttags="ssd", tags="fast",
        rootdisksize=20, **FIXED,
    )  # fmt: skip

    wanted = {
        "name": "big", "displaytext": "Big one", "cpunumber": 2, "cpuspeed": 1000, "memory": 1024,
        "offerha": True, "limitcpuuse": True, "hosttags": "ssd", "storagetags": "fast", "rootdisksize": 20,
        "iscustomized": False, "storagetype": "shared", "issystem": False,
    }  # fmt: skip
    assert made.items() >= wanted.items()
    assert small.admin("listServiceOfferings", id=made["id"])["serviceoffering"] == [made]


def test_the_description_is_by_default_the_name(small: SmallCloud) -> None:
    assert _make(small.admin, **FIXED)["displaytext"] == "big"


def test_a_custom_offering_has_zeros_and_its_bounds(small: SmallCloud) -> None:
    free = _make(small.admin, "free", customized=True)
    bound = _make(small.admin, "bound", customized=True, **BOUNDS)

    assert (free["cpunumber"], free["memory"], free["iscustomized"]) == (0, 0, True)
    assert "serviceofferingdetails" not in free
    assert (bound["cpunumber"], bound["memory"], bound["cpuspeed"]) == (0, 0, 500)
    assert bound["serviceofferingdetails"] == {
        "mincpunumber": "1",
        "maxcpunumber": "4",
        "minmemory": "256",
        "maxmemory": "4096",
    }


def test_an_offering_without_sizes_is_custom(small: SmallCloud) -> None:
    assert _make(small.admin)["iscustomized"] is True


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"customized": False}, "needs cpunumber, cpuspeed and memory"),
        ({"customized": True, **FIXED}, "leave out cpunumber and memory"),
        ({"customized": True, "mincpunumber": 1}, "all of"),
        ({"customized": True, **BOUNDS, "mincpunumber": 5}, "mincpunumber"),
        ({"customized": True, **BOUNDS, "minmemory": 16}, "minmemory"),
        ({**FIXED, "maxmemory": 64}, "customized"),
        ({**FIXED, "memory": 16}, "32"),
        ({**FIXED, "cpunumber": 0}, "cpunumber"),
        ({**FIXED, "cpunumber": "two"}, "not a number"),
        ({**FIXED, "name": " "}, "name"),
        ({**FIXED, "storagetype": "local"}, "shared storage"),
        ({**FIXED, "provisioningtype": "fat"}, "provisioningtype=thin"),
        ({**FIXED, "isvolatile": True}, "isvolatile=false"),
        ({**FIXED, "networkrate": 200}, "networkrate"),
        ({**FIXED, "deploymentplanner": "ImplicitDedicationPlanner"}, "FirstFitPlanner"),
        ({**FIXED, "bytesreadrate": 1}, "does not support the parameter bytesreadrate"),
    ],
)
def test_what_makes_no_sense_or_is_not_done_is_refused(
    small: SmallCloud, params: dict[str, object], says: str
) -> None:
    with pytest.raises(Refusal, match=rf"431.*{says}"):
        small.admin("createServiceOffering", **{"name": "x", **params})
    assert _names(small.admin) == []


def test_neutral_values_of_what_is_not_done_are_accepted(small: SmallCloud) -> None:
    neutral = {
        "provisioningtype": "thin", "cachemode": "none", "isvolatile": False, "issystem": False,
        "customizediops": False, "dynamicscalingenabled": False, "networkrate": -1, "encryptroot": False,
        "deploymentplanner": "FirstFitPlanner", "storagetype": "shared", "diskofferingstrictness": False,
    }  # fmt: skip

    assert _make(small.admin, **FIXED, **neutral)["name"] == "big"


def test_an_offering_for_domains_is_seen_there_and_below(small: SmallCloud) -> None:
    sales, other = _domain(small, "sales"), _domain(small, "other")
    below = str(small.admin("createDomain", name="below", parentdomainid=sales)["domain"]["id"])
    made = _make(small.admin, domainid=sales, **FIXED)
    inside, stranger = small.account("inside", domainid=below), small.account("stranger", domainid=other)

    assert (made["domainid"], made["domain"]) == (sales, "sales")
    assert _names(inside) == ["big"]
    assert _names(stranger) == []
    assert _names(small.admin, domainid=sales) == ["big"]
    assert _names(small.admin, domainid=other) == []
    assert _names(small.admin, account="stranger", domainid=other) == []
    with pytest.raises(Refusal, match=r"431.*due to incorrect long value format"):
        stranger("listServiceOfferings", id=made["id"])


def test_an_offering_for_zones_is_found_there(small: SmallCloud) -> None:
    one, two = _zone(small, "one"), _zone(small, "two")
    made = _make(small.admin, zoneid=one, **FIXED)

    assert (made["zoneid"], made["zone"]) == (one, "one")
    assert _names(small.admin, zoneid=one) == ["big"]
    assert _names(small.admin, zoneid=two) == []
    assert len(small.admin("listServiceOfferings", zoneid=two)["serviceoffering"]) == 3


def test_several_domains_and_zones(small: SmallCloud) -> None:
    domains, zones = [_domain(small, n) for n in "ab"], [_zone(small, n) for n in "ab"]

    made = _make(small.admin, domainid=",".join(domains), zoneid=", ".join(zones), **FIXED)

    assert made["domainid"] == ",".join(domains)
    assert made["zone"] == "a,b"
    with pytest.raises(Refusal, match=r"431.*parameter domainid value=nonsense due to incorrect long"):
        _make(small.admin, "x", domainid=f"{domains[0]},nonsense", **FIXED)


def test_filters(small: SmallCloud) -> None:
    _make(small.admin, "fixed", **FIXED)
    _make(small.admin, "bound", customized=True, **BOUNDS)
    _make(small.admin, "free", customized=True)

    assert _names(small.admin, name="fixed") == ["fixed"]
    assert _names(small.admin, name="fix") == []
    assert _names(small.admin, keyword="FRE") == ["free"]
    assert _names(small.admin, cpunumber=2) == ["fixed", "bound", "free"]
    assert _names(small.admin, cpunumber=8) == ["free"]
    assert _names(small.admin, memory=512) == ["bound", "free"]
    assert _names(small.admin, cpuspeed=500) == ["bound", "free"]
    for nothing in (
        {"issystem": True},
        {"systemvmtype": "domainrouter"},
        {"storagetype": "local"},
        {"state": "Inactive"},
    ):
        assert small.admin("listServiceOfferings", **nothing) == {}


def test_a_deleted_offering_is_not_listed_and_stays_for_its_vms(small: SmallCloud) -> None:
    made = _make(small.admin, **FIXED)

    assert small.admin("deleteServiceOffering", id=made["id"]) == {"success": True}

    assert _names(small.admin) == []
    assert small.db.read(lambda s: s.query(ServiceOffering).filter_by(uuid=made["id"]).one().removed_s)
    with pytest.raises(Refusal, match=r"431.*due to incorrect long value format"):
        small.admin("deleteServiceOffering", id=made["id"])


def test_a_domain_admin_makes_and_deletes_offerings_of_their_own_domains(small: SmallCloud) -> None:
    sales, other = _domain(small, "sales"), _domain(small, "other")
    boss = small.account("boss", accounttype=2, domainid=sales)
    shared = _make(small.admin, "shared", domainid=f"{sales},{other}", **FIXED)
    tiny = small.admin("listServiceOfferings")["serviceoffering"][0]

    own = _make(boss, "own", domainid=sales, **FIXED)

    with pytest.raises(Refusal, match="531"):
        _make(boss, "public", **FIXED)
    for offering in (shared, tiny):
        with pytest.raises(Refusal, match="531"):
            boss("deleteServiceOffering", id=offering["id"])
    assert boss("deleteServiceOffering", id=own["id"]) == {"success": True}


def test_users_make_no_offerings(small: SmallCloud) -> None:
    assert small.account("bob").answer("createServiceOffering", name="x", **FIXED).status == 401


def test_filters_of_disk_offerings(small: SmallCloud) -> None:
    bob = small.account("bob")
    large = bob("listDiskOfferings", name="Large")["diskoffering"][0]

    assert bob("listDiskOfferings", id=large["id"])["count"] == 1
    assert bob("listDiskOfferings", keyword="disk")["count"] == 4
    assert bob("listDiskOfferings", name="large") == {}
    assert bob("listDiskOfferings", encrypt=True) == {}
    assert bob("listDiskOfferings", projectid=-1)["count"] == 4


def test_network_offerings_name_their_services(small: SmallCloud) -> None:
    (shown,) = small.admin("listNetworkOfferings", name="DefaultSharedNetworkOffering")["networkoffering"]

    def found(**by: object) -> bool:
        listed = small.admin("listNetworkOfferings", **by).get("networkoffering", [])
        return shown["id"] in [one["id"] for one in listed]

    assert (shown["guestiptype"], shown["traffictype"], shown["state"]) == ("Shared", "Guest", "Enabled")
    assert {"name": "Dhcp", "provider": [{"name": "VirtualRouter"}], "capability": []} in shown["service"]
    for finds in (
        {"supportedservices": "Dhcp,Dns"}, {"name": shown["name"]}, {"id": shown["id"]}, {"specifyvlan": True},
        {"forvpc": False}, {"traffictype": "guest"}, {"state": "enabled"}, {"isdefault": True},
        {"sourcenatsupported": False}, {"guestiptype": "shared"},
    ):  # fmt: skip
        assert found(**finds), finds
    for finds_not in (
        {"supportedservices": "Dhcp,Lb"}, {"supportedservices": "D%"}, {"guestiptype": "Isolated"},
        {"sourcenatsupported": True}, {"forvpc": True}, {"state": "Disabled"}, {"tags": "x"}, {"traffictype": "Public"},
    ):  # fmt: skip
        assert not found(**finds_not), finds_not


def test_a_vm_could_change_to_others_and_keeps_what_was_deleted(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    vm = cloud.do("deployVirtualMachine", **built.vm(name="web"))["virtualmachine"]
    elsewhere = cloud.api("listZones")["zone"][0]["id"]

    others = cloud.api("listServiceOfferings", virtualmachineid=vm["id"])["serviceoffering"]
    cloud.api("deleteServiceOffering", id=built.offering)

    assert built.offering not in {o["id"] for o in others}
    assert others
    assert cloud.api("listServiceOfferings", virtualmachineid=vm["id"], zoneid=elsewhere)["count"] == len(
        others
    )
    shown = cloud.api("listVirtualMachines", id=vm["id"])["virtualmachine"][0]
    assert shown["serviceofferingid"] == built.offering


def test_an_account_shows_what_it_uses(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    alice = cloud.as_user("alice")
    vm = alice.do("deployVirtualMachine", **built.vm(name="web"))["virtualmachine"]

    def used() -> tuple[int, ...]:
        (account,) = alice.api("listAccounts")["account"]
        names = (
            "vmtotal",
            "vmrunning",
            "vmstopped",
            "cputotal",
            "memorytotal",
            "volumetotal",
            "templatetotal",
        )
        return tuple(account[name] for name in names)

    memory = vm["memory"]
    assert used() == (1, 1, 0, vm["cpunumber"], memory, 1, 0)
    alice.do("stopVirtualMachine", id=vm["id"])
    assert used() == (1, 0, 1, vm["cpunumber"], memory, 1, 0)
    alice.do("destroyVirtualMachine", id=vm["id"])
    assert used()[:5] == (0, 0, 0, 0, 0)
