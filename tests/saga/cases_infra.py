"""The worlds of the operator's sagas."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from saga.law import Allowed, Case, case
from support.cloud import ApiError, Cloud
from support.picture import Picture

IMAGE = "http://sim/new.qcow2?size=1073741824"


def fresh(table: str, before: Picture, after: Picture) -> list[dict[str, Any]]:
    """Take the rows that are new in a table out of *after* and return them."""
    keys = sorted(set(after["db"][table]) - set(before["db"][table]))
    return [after["db"][table].pop(key) for key in keys]


def removed(table: str) -> Allowed:
    """Allow new rows that are marked removed."""

    def forgive(before: Picture, after: Picture) -> None:
        for row in fresh(table, before, after):
            assert row["removed_s"] is not None

    return Allowed("rows are kept for history, marked removed", forgive)


def zone(cloud: Cloud) -> None:
    """Build a zone with two hosts."""
    cloud.ready_zone()


def asks(command: str, wish: Callable[[Cloud], dict[str, Any]]) -> Callable[[Cloud], None]:
    """Return a request; a synchronous one gives up waiting while the test holds its saga back."""

    def request(cloud: Cloud) -> None:
        with contextlib.suppress(ApiError):
            cloud.api(command, **wish(cloud))

    return request


def places(cloud: Cloud) -> dict[str, Any]:
    """Return the parameters that say where."""
    assert cloud.zone
    return {"zoneid": cloud.zone.zone, "podid": cloud.zone.pod, "clusterid": cloud.zone.cluster}


def first(cloud: Cloud, command: str, key: str, **params: Any) -> dict[str, Any]:
    """Return the id of what a list shows last."""
    return {"id": cloud.api(command, **params)[key][-1]["id"]}


# ── hosts ──


def new_host(cloud: Cloud) -> dict[str, Any]:
    """Name a third host."""
    return places(cloud) | {"hypervisor": "Simulator", "url": "http://sim/h3"}


def new_host_and_cluster(cloud: Cloud) -> dict[str, Any]:
    """Name a third host, of a cluster that is not there yet."""
    wish = new_host(cloud) | {"clustername": "another"}
    del wish["clusterid"]
    return wish


def disabled_host(cloud: Cloud) -> None:
    """Build a zone whose last host is disabled and runs a network's router."""
    built = cloud.ready_zone()
    cloud.api("updateHost", id=built.hosts["h1"], allocationstate="Disable")
    vm = cloud.do("deployVirtualMachine", **built.vm(name="web"))["virtualmachine"]["id"]
    cloud.do("destroyVirtualMachine", id=vm, expunge=True)
    cloud.api("updateHost", id=built.hosts["h1"], allocationstate="Enable")
    cloud.api("updateHost", id=built.hosts["h2"], allocationstate="Disable")


def that_host(cloud: Cloud) -> dict[str, Any]:
    """Name it."""
    assert cloud.zone
    return {"id": cloud.zone.hosts["h2"]}


case(Case("host.add", zone, asks("addHost", new_host), "", (removed("host"),)))
case(
    Case(
        "host.add",
        zone,
        asks("addHost", new_host_and_cluster),
        "cluster",
        (removed("host"), removed("cluster")),
    )
)
case(Case("host.delete", disabled_host, asks("deleteHost", that_host)))


# ── storage ──


def new_pool(cloud: Cloud) -> dict[str, Any]:
    """Name a pool of the cluster."""
    return places(cloud) | {"name": "more", "url": "nfs://nfs/more"}


def new_store(cloud: Cloud) -> dict[str, Any]:
    """Name an image store."""
    assert cloud.zone
    return {"provider": "NFS", "url": "nfs://nfs/more", "zoneid": cloud.zone.zone}


def pool_with_cache(cloud: Cloud) -> None:
    """Build a zone whose pool has a template cached and no disk."""
    built = cloud.ready_zone()
    vm = cloud.do("deployVirtualMachine", **built.vm(name="web"))["virtualmachine"]["id"]
    cloud.do("destroyVirtualMachine", id=vm, expunge=True)


def that_pool(cloud: Cloud) -> dict[str, Any]:
    """Name it."""
    return first(cloud, "listStoragePools", "storagepool")


def _no_cache(before: Picture, after: Picture) -> None:
    assert after["db"]["seed"] in ({}, before["db"]["seed"])
    for picture in (before, after):
        picture["db"]["seed"], picture["world"]["pools"] = {}, {}


CACHE = Allowed("a cache that was removed is made again when a VM wants it", _no_cache)

case(Case("pool.add", zone, asks("createStoragePool", new_pool), "", (removed("pool"),)))
case(Case("pool.delete", pool_with_cache, asks("deleteStoragePool", that_pool), "", (CACHE,)))
case(Case("image_store.add", zone, asks("addImageStore", new_store)))


# ── templates ──


def new_template(cloud: Cloud) -> dict[str, Any]:
    """Name a template."""
    assert cloud.zone
    return {
        "name": "new", "url": IMAGE, "format": "QCOW2", "hypervisor": "Simulator", "zoneid": cloud.zone.zone,
    }  # fmt: skip


def _failed(before: Picture, after: Picture) -> None:
    for row in fresh("template", before, after):
        assert (row["state"], row["size_bytes"]) == ("Failed", 0)
        assert "The test made" in row["why"]


FAILED = Allowed("a template that could not be fetched stays, to say why", _failed)


def that_template(cloud: Cloud) -> dict[str, Any]:
    """Name the zone's template."""
    return first(cloud, "listTemplates", "template", templatefilter="all")


case(Case("template.fetch", zone, asks("registerTemplate", new_template), "", (FAILED,)))
case(Case("template.delete", pool_with_cache, asks("deleteTemplate", that_template)))


# ── networks ──


def that_network(cloud: Cloud) -> dict[str, Any]:
    """Name the zone's network."""
    return first(cloud, "listNetworks", "network")


case(Case("network.delete", zone, asks("deleteNetwork", that_network), "unused"))
case(Case("network.delete", pool_with_cache, asks("deleteNetwork", that_network), "used"))


# ── maintenance ──


def occupied(cloud: Cloud) -> None:
    """Build a zone of three hosts where one runs the router and two VMs."""
    built = cloud.ready_zone(hosts=3)
    for n in range(2):
        cloud.do("deployVirtualMachine", **built.vm(name=f"web{n}", hostid=built.hosts["h1"]))


def unused_host(cloud: Cloud) -> None:
    """Build a zone whose last host runs nothing and is disabled."""
    built = cloud.ready_zone()
    cloud.api("updateHost", id=built.hosts["h2"], allocationstate="Disable")


def first_host(cloud: Cloud) -> dict[str, Any]:
    """Name the first host."""
    assert cloud.zone
    return {"id": cloud.zone.hosts["h1"]}


def _moved(before: Picture, after: Picture) -> None:
    """Each VM and router is on one host, and holds there what it held: only where is forgiven."""
    for picture in (before, after):
        hosts = picture["world"]["hosts"].values()
        places = list(picture["db"]["hold"].values())
        assert len(places) == len(picture["db"]["vm"]) == sum(len(host["domains"]) for host in hosts)
        assert {(str(p["vm_id"]), p["host_id"]) for p in places} == {
            (key, vm["host_id"]) for key, vm in picture["db"]["vm"].items()
        }
        assert sum(use["memory_bytes"] for use in picture["db"]["host_use"].values()) == sum(
            place["memory_bytes"] for place in places
        )
        assert sum(len(host["routers"]) for host in hosts) == len(picture["db"]["router"])
    for key, vm in after["db"]["vm"].items():
        vm["host_id"] = before["db"]["vm"][key]["host_id"]
        vm["last_host_id"] = before["db"]["vm"][key]["last_host_id"]
    for key, router in after["db"]["router"].items():
        router["host_id"] = before["db"]["router"][key]["host_id"]
    for table in ("hold", "host_use"):
        after["db"][table] = before["db"][table]
    after["world"] = before["world"]


MOVED = Allowed("what an evacuation moved stays moved: moving it back would only be more risk", _moved)

case(Case("host.maintain", occupied, asks("prepareHostForMaintenance", first_host), "", (MOVED,)))
case(Case("host.maintain", unused_host, asks("prepareHostForMaintenance", that_host), "unused"))


# ── BMCs ──


def with_bmc(cloud: Cloud) -> None:
    """Build a zone whose last host has a BMC and runs nothing."""
    built = cloud.ready_zone()
    bmc = {"driver": "redfish", "address": "h2", "port": 443, "username": "admin", "password": "bmc"}
    cloud.api("configureOutOfBandManagement", hostid=built.hosts["h2"], **bmc)
    cloud.do("enableOutOfBandManagementForHost", hostid=built.hosts["h2"])


def powered_off(cloud: Cloud) -> None:
    """The same, and it is off."""
    with_bmc(cloud)
    cloud.world.power_off("h2")


def power(action: str) -> Callable[[Cloud], dict[str, Any]]:
    """Name the host, and what to do with its power."""

    def wish(cloud: Cloud) -> dict[str, Any]:
        assert cloud.zone
        return {"hostid": cloud.zone.hosts["h2"], "action": action}

    return wish


def new_password(cloud: Cloud) -> dict[str, Any]:
    """Name the host, and another password."""
    assert cloud.zone
    return {"hostid": cloud.zone.hosts["h2"], "password": "another"}


def _told(before: Picture, after: Picture) -> None:
    """What is written down is what the BMC reads: power is forgiven, a lie about it is not."""
    ((key, was),), ((_, row),) = before["db"]["bmc"].items(), after["db"]["bmc"].items()
    machines = after["world"]["bmcs"]
    assert row["power"] == ("On" if machines.get("h2", {"powered": True})["powered"] else "Off")
    assert machines.get("h2", {"resets": 0})["resets"] <= 1
    after["db"]["bmc"][key] = {**row, **{name: was[name] for name in ("power", "power_at_s", "action")}}
    before["world"], after["world"] = {}, {}


TOLD = Allowed("what a BMC was told cannot be untold; the undo finds out what the power is now", _told)

for _action, _prepare in (("OFF", with_bmc), ("ON", powered_off), ("RESET", with_bmc), ("CYCLE", with_bmc),
                          ("SOFT", with_bmc), ("STATUS", with_bmc)):  # fmt: skip
    _asked = asks("issueOutOfBandManagementPowerAction", power(_action))
    case(Case("bmc.power", _prepare, _asked, _action.lower(), (TOLD,)))
case(Case("bmc.password", with_bmc, asks("changeOutOfBandManagementPassword", new_password)))
