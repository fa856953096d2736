"""The worlds of networks that come up, go down and are restarted, and of their routers."""

from __future__ import annotations

from typing import Any

from saga.cases import ROUTER, new
from saga.cases_infra import asks
from saga.law import Allowed, Case, case
from support.cloud import Cloud
from support.isolated import public_range
from support.picture import Picture
from tegar.loop import network_gc
from tegar.model.host import State as HostState
from tegar.model.settings import NETWORK_GC_WAIT_S
from tegar.saga.router_rebuild import rebuild_routers_of
from tegar.store.hosts import Host

ISOLATED = "DefaultIsolatedNetworkOfferingWithSourceNatService"
PAIR = "DefaultRedundantIsolatedNetworkOfferingWithSourceNatService"


def _network(cloud: Cloud, kind: str) -> str:
    assert cloud.zone
    offering = cloud.api("listNetworkOfferings", name=kind)["networkoffering"][0]["id"]
    made = cloud.api("createNetwork", name="iso", zoneid=cloud.zone.zone, networkofferingid=offering,
                     networkdomain="iso.internal")  # fmt: skip
    uuid: str = made["network"]["id"]
    return uuid


def isolated(cloud: Cloud, kind: str = ISOLATED, hosts: int = 2) -> str:
    """Build a zone with an isolated network that is up, and whose VM is stopped."""
    built = cloud.ready_zone(hosts)
    public_range(cloud)
    uuid = _network(cloud, kind)
    vm = cloud.do("deployVirtualMachine", **built.vm(name="web", networkids=uuid))["virtualmachine"]["id"]
    cloud.do("stopVirtualMachine", id=vm, forced=True)
    return uuid


def pair(cloud: Cloud) -> None:
    """Build a zone with a network that has two routers."""
    isolated(cloud, PAIR, hosts=3)


def offered(cloud: Cloud) -> None:
    """Build a zone, and an offering of networks that are persistent."""
    cloud.ready_zone()
    cloud.api("createNetworkOffering", name="kept", displaytext="kept", guestiptype="Isolated", traffictype="Guest",
              supportedservices="Dhcp,Dns", ispersistent=True, enable=True,
              **{"serviceproviderlist[0].service": "Dhcp", "serviceproviderlist[0].provider": "VirtualRouter",
                 "serviceproviderlist[1].service": "Dns", "serviceproviderlist[1].provider": "VirtualRouter"})  # fmt: skip


def persistent(cloud: Cloud) -> dict[str, Any]:
    """Name a network that is up from its creation on."""
    assert cloud.zone
    offering = cloud.api("listNetworkOfferings", name="kept")["networkoffering"][0]["id"]
    return {
        "name": "iso",
        "zoneid": cloud.zone.zone,
        "networkofferingid": offering,
        "networkdomain": "iso.internal",
    }


def _network_stays(before: Picture, after: Picture) -> None:
    for table in ("network", "router_group", "segment_use"):
        new(table, before, after)


NETWORK = Allowed("a network that did not come up waits for its first VM", _network_stays)


def that_network(cloud: Cloud) -> dict[str, Any]:
    """Name the network."""
    return {"id": cloud.api("listNetworks", name="iso", listall=True)["network"][0]["id"]}


def one_router(cloud: Cloud) -> dict[str, Any]:
    """Name the network, and an offering with one router."""
    offering = cloud.api("listNetworkOfferings", name=ISOLATED)["networkoffering"][0]["id"]
    return that_network(cloud) | {"networkofferingid": offering}


def that_router(cloud: Cloud) -> dict[str, Any]:
    """Name its first router."""
    return {"id": cloud.api("listRouters", listall=True)["router"][0]["id"]}


def stopped_router(cloud: Cloud) -> None:
    """Build a zone with a network whose router is stopped."""
    isolated(cloud)
    cloud.do("stopRouter", **that_router(cloud))


def idle(cloud: Cloud) -> None:
    """Let the network be idle for long enough."""
    network_gc.collect(cloud.env)
    cloud.clock.sleep(NETWORK_GC_WAIT_S.default + 1)
    network_gc.collect(cloud.env)


def _idle_again(before: Picture, after: Picture) -> None:
    for uuid, network in after["db"]["network"].items():
        network["idle_since_s"] = before["db"]["network"][uuid]["idle_since_s"]


IDLE = Allowed("it is still idle, and goes down at the next look", _idle_again)


def _swapped(before: Picture, after: Picture) -> None:
    for group in (*before["db"]["router_group"].values(), *after["db"]["router_group"].values()):
        group["swapped"] = False


SWAPPED = Allowed("either of a pair may be primary", _swapped)


def lost_host(cloud: Cloud) -> None:
    """Build a zone whose router's host is dead."""
    isolated(cloud)
    name = next(n for n, machine in cloud.world.machines.items() if machine.routers)
    cloud.world.machine(name).routers.clear()

    def die(s: Any) -> None:
        s.query(Host).filter_by(name=name).one().state = HostState.DOWN

    cloud.db.tx(die)


def rebuild(cloud: Cloud) -> None:
    """Ask for what was on it."""

    def ask(s: Any) -> None:
        rebuild_routers_of(s, s.query(Host).filter_by(state=HostState.DOWN).one().id)

    cloud.db.tx(ask)


def _elsewhere(before: Picture, after: Picture) -> None:
    for picture in (before, after):
        for router in picture["db"]["router"].values():
            router["host_id"] = None
        for name, host in list(picture["world"]["hosts"].items()):
            host["routers"] = {}
            if not host["domains"]:
                del picture["world"]["hosts"][name]


ELSEWHERE = Allowed("a router that was rebuilt stays where it is", _elsewhere)

case(Case("network.implement", offered, asks("createNetwork", persistent), "", (NETWORK, ROUTER)))
case(Case("network.shutdown", isolated, idle, "", (IDLE,)))
case(Case("network.restart", isolated, asks("restartNetwork", that_network), "told"))
case(
    Case(
        "network.restart",
        isolated,
        asks("restartNetwork", lambda c: that_network(c) | {"cleanup": True}),
        "clean",
    )
)
case(
    Case(
        "network.restart", pair, asks("restartNetwork", lambda c: that_network(c) | {"cleanup": True}), "pair"
    )
)
case(Case("network.single", pair, asks("updateNetwork", one_router)))
case(Case("router.stop", isolated, asks("stopRouter", that_router)))
case(Case("router.stop", isolated, asks("destroyRouter", that_router), "destroy"))
case(Case("router.start", stopped_router, asks("startRouter", that_router)))
case(Case("router.reboot", isolated, asks("rebootRouter", that_router)))
case(Case("router.reboot", pair, asks("rebootRouter", that_router), "pair", (SWAPPED,)))
case(Case("router.rebuild", lost_host, rebuild, "", (ELSEWHERE,)))
