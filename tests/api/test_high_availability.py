"""High availability over the API: switches, leases, proofs, pending restarts, witnesses."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import ApiError, Cloud
from support.leases import die, guard
from support.zone import Built
from tegar.store.events import Event
from tegar.store.leases import HostLease


@pytest.fixture
def two(cloud: Cloud) -> Built:
    """A zone of two hosts with leases."""
    built = cloud.ready_zone()
    guard(cloud)
    return built


def shown(cloud: Cloud, name: str) -> dict[str, Any]:
    """Return what the protocol's list says of a host."""
    assert cloud.zone
    found: dict[str, Any] = cloud.api("listHostHAResources", hostid=cloud.zone.hosts[name])["hostha"][0]
    return found


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"state": "joining"}, "Initializing"),
        ({"state": "live"}, "Available"),
        ({"state": "suspect"}, "Suspect"),
        ({"state": "suspect", "braked": True}, "Degraded"),
        ({"state": "dead"}, "Fenced"),
    ],
)
def test_states_of_leases_are_said_in_the_protocols_words(
    cloud: Cloud, two: Built, fields: dict[str, Any], state: str
) -> None:
    guard(cloud, "h1", **fields)

    assert shown(cloud, "h1") == {
        "hostid": two.hosts["h1"], "haenable": True, "hastate": state, "haprovider": "TegarLease"
    }  # fmt: skip


def test_a_host_without_a_lease_is_not_eligible(cloud: Cloud) -> None:
    cloud.ready_zone()

    assert shown(cloud, "h1")["hastate"] == "Ineligible"


def test_a_host_can_be_switched_off_and_on(cloud: Cloud, two: Built) -> None:
    off = cloud.do("disableHAForHost", hostid=two.hosts["h1"])["hostha"]

    assert (off["haenable"], off["hastate"], off["status"]) == (False, "Disabled", True)
    assert shown(cloud, "h2")["haenable"] is True
    on = cloud.do("enableHAForHost", hostid=two.hosts["h1"])["hostha"]
    assert (on["haenable"], on["hastate"]) == (True, "Available")


@pytest.mark.parametrize("place", ["Cluster", "Zone"])
def test_places_are_disarmed_and_armed_and_it_is_written_down(cloud: Cloud, two: Built, place: str) -> None:
    where = {f"{place.lower()}id": getattr(two, place.lower())}

    assert cloud.do(f"disableHAFor{place}", **where)["success"] is True
    assert [shown(cloud, name)["hastate"] for name in two.hosts] == ["Disabled", "Disabled"]
    assert cloud.do(f"enableHAFor{place}", **where)["success"] is True
    assert shown(cloud, "h1")["hastate"] == "Available"

    notes = cloud.db.read(lambda s: s.query(Event).filter(Event.type.startswith("HA.RESOURCE")).all())
    assert [n.type for n in notes] == ["HA.RESOURCE.DISABLE", "HA.RESOURCE.ENABLE"]
    assert notes[0].description.startswith(f"High availability disabled for {place} ")


def test_there_is_one_provider_and_others_are_refused_by_name(cloud: Cloud, two: Built) -> None:
    assert cloud.api("listHostHAProviders", hypervisor="KVM")["haprovider"] == [{"haprovider": "TegarLease"}]
    assert cloud.api("listHostHAProviders", hypervisor="VMware") == {}

    assert cloud.do("configureHAForHost", hostid=two.hosts["h1"], provider="tegarlease")["hostha"]["status"]
    with pytest.raises(ApiError, match="'KVMHAProvider' is not here; the only one is TegarLease"):
        cloud.api("configureHAForHost", hostid=two.hosts["h1"], provider="KVMHAProvider")


def test_leases_are_shown_host_by_host(cloud: Cloud, two: Built) -> None:
    guard(cloud, "h2", state="suspect", flaps=2, quarantined_until_s=cloud.clock.now_s() + 60)
    cloud.db.tx(lambda s: s.query(HostLease).filter_by(state="live").delete())

    none, lease = cloud.api("listHighAvailability")["highavailability"]

    assert (none["hostname"], none["hastate"], "lease" in none) == ("h1", "Ineligible", False)
    assert (lease["lease"], lease["boot"], lease["epoch"], lease["flaps"]) == ("suspect", "boot-1", 1, 2)
    assert lease["deadafter"] == 6.5
    assert "quarantineduntil" in lease
    assert cloud.api("listHighAvailability", hostid=two.hosts["h2"])["count"] == 1


def test_proofs_are_shown_the_latest_first(cloud: Cloud, two: Built) -> None:
    die(cloud, "h1")
    die(cloud, "h2", evidence="the BMC reads Off")

    last, first = cloud.api("listDeathProofs")["deathproof"]

    assert (last["hostname"], last["proof"], last["evidence"]) == ("h2", "P2 lease", "the BMC reads Off")
    assert (first["hostid"], first["epoch"]) == (two.hosts["h1"], 1)
    assert cloud.api("listDeathProofs", keyword="reads off")["count"] == 1


def test_what_is_under_way_says_why(cloud: Cloud, two: Built) -> None:
    made = cloud.api("createServiceOffering", name="ha", displaytext="x", cpunumber=1, cpuspeed=500, memory=512,
                     offerha=True)["serviceoffering"]["id"]  # fmt: skip
    cloud.hold = True
    job = cloud.api("deployVirtualMachine", **two.vm(name="web", serviceofferingid=made))
    cloud.api("deployVirtualMachine", **two.vm(name="plain"))

    (found,) = cloud.api("listPendingRestarts")["pendingrestart"]

    assert (found["name"], found["restart"], found["reason"]) == ("web", False, "vm.deploy is PENDING")
    cloud.hold = False
    cloud.job(job)
    assert cloud.api("listPendingRestarts") == {}


def witness(cloud: Cloud, name: str, **more: Any) -> str:
    """Make a witness."""
    port = 8260 + int(name[1:])
    made = cloud.api("createWitness", name=name, address="10.9.0.9", port=port, **more)["witness"]
    return str(made["id"])


def test_witnesses_are_made_listed_and_deleted(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    ids = [witness(cloud, f"w{n}") for n in range(3)]
    own = witness(cloud, "w3", clusterid=built.cluster)

    assert [w["name"] for w in cloud.api("listWitnesses")["witness"]] == ["w0", "w1", "w2", "w3"]
    assert cloud.api("listWitnesses", clusterid=built.cluster)["witness"][0]["clustername"] == "cluster"
    assert cloud.api("deleteWitness", id=own) == {"success": True}
    assert [w["id"] for w in cloud.api("listWitnesses", keyword="w")["witness"]] == ids


def test_names_and_addresses_of_witnesses_are_unique(cloud: Cloud) -> None:
    witness(cloud, "w1")

    with pytest.raises(ApiError, match="A witness named w1 exists already"):
        cloud.api("createWitness", name="w1", address="10.9.0.8", port=1)
    with pytest.raises(ApiError, match=r"Witness w1 is at 10\.9\.0\.9:8261 already"):
        cloud.api("createWitness", name="w2", address="10.9.0.9", port=8261)


def test_the_set_of_witnesses_does_not_change_under_leases(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    common = witness(cloud, "w1")
    guard(cloud, "h2")

    for change in (
        lambda: witness(cloud, "w2"),
        lambda: witness(cloud, "w3", clusterid=built.cluster),
        lambda: cloud.api("deleteWitness", id=common),
    ):
        with pytest.raises(
            ApiError, match="host h2 of cluster cluster holds a lease by these witnesses"
        ) as e:
            change()
        assert e.value.status == 536


def test_a_cluster_with_witnesses_of_its_own_does_not_mind_the_common_ones(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    own = witness(cloud, "w1", clusterid=built.cluster)
    guard(cloud)

    common = witness(cloud, "w2")
    cloud.api("deleteWitness", id=common)
    with pytest.raises(ApiError, match="Witness w1 is in use"):
        cloud.api("deleteWitness", id=own)
