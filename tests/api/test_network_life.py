"""Networks that go down when nobody uses them and come up again; their routers, seen and handled by operators."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import ApiError, Caller, Cloud, JobFailed
from support.isolated import public_range
from tegar.loop import network_gc, router_repair, stuck_jobs
from tegar.model.host import State as HostState
from tegar.model.network import State
from tegar.model.router import Role
from tegar.model.settings import NETWORK_GC_WAIT_S
from tegar.saga.router_rebuild import rebuild_routers_of
from tegar.store.hosts import Host
from tegar.store.networks import Network
from tegar.store.routers import Router

ISOLATED = "DefaultIsolatedNetworkOfferingWithSourceNatService"
PAIR = "DefaultRedundantIsolatedNetworkOfferingWithSourceNatService"


def up(cloud: Cloud, who: Caller, kind: str = ISOLATED, *, hosts: int = 3) -> tuple[str, str]:
    """Build a zone with an isolated network that has a running VM; return both ids."""
    built = cloud.ready_zone(hosts)
    public_range(cloud)
    offering = cloud.api("listNetworkOfferings", name=kind)["networkoffering"][0]["id"]
    made = who.api("createNetwork", name="iso", zoneid=built.zone, networkofferingid=offering)["network"]
    vm = who.do("deployVirtualMachine", **built.vm(name="web", networkids=made["id"]))["virtualmachine"]
    return made["id"], vm["id"]


def shown(cloud: Cloud, uuid: str) -> dict[str, Any]:
    """Return a network as the administrator sees it."""
    found: dict[str, Any] = cloud.api("listNetworks", id=uuid)["network"][0]
    return found


def routers(cloud: Cloud, **params: Any) -> list[dict[str, Any]]:
    """Return the routers that are listed."""
    found: list[dict[str, Any]] = cloud.api("listRouters", listall=True, **params).get("router", [])
    return found


def where(cloud: Cloud, uuid: str) -> list[str]:
    """Return the hosts on which a router is."""
    return [name for name, machine in sorted(cloud.world.machines.items()) if uuid in machine.routers]


def idle(cloud: Cloud) -> None:
    """Let time pass until an idle network goes down."""
    network_gc.collect(cloud.env)
    cloud.clock.sleep(NETWORK_GC_WAIT_S.default + 1)
    network_gc.collect(cloud.env)
    cloud.settle()


def test_an_idle_network_gives_back_its_segment_and_the_next_vm_brings_it_up(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, vm = up(cloud, alice)
    router = routers(cloud)[0]["id"]

    idle(cloud)
    assert shown(cloud, network)["state"] == "Implemented", "a VM runs in it"
    alice.do("stopVirtualMachine", id=vm, forced=True)
    idle(cloud)

    assert shown(cloud, network)["state"] == "Allocated"
    assert "vlan" not in shown(cloud, network)
    assert where(cloud, router) == []
    alice.do("startVirtualMachine", id=vm)
    assert shown(cloud, network)["state"] == "Implemented"
    assert len(where(cloud, router)) == 1


def test_a_vm_that_starts_while_its_network_goes_down_waits_and_brings_it_up(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, vm = up(cloud, alice)
    alice.do("stopVirtualMachine", id=vm, forced=True)
    network_gc.collect(cloud.env)
    cloud.clock.sleep(NETWORK_GC_WAIT_S.default + 1)
    network_gc.collect(cloud.env)
    assert shown(cloud, network)["state"] == "Shutdown"

    alice.do("startVirtualMachine", id=vm)

    assert shown(cloud, network)["state"] == "Implemented"
    assert len(where(cloud, routers(cloud)[0]["id"])) == 1


def test_a_start_between_two_looks_keeps_the_network_up(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, vm = up(cloud, alice)
    alice.do("stopVirtualMachine", id=vm, forced=True)
    network_gc.collect(cloud.env)
    cloud.clock.sleep(NETWORK_GC_WAIT_S.default + 1)

    alice.do("startVirtualMachine", id=vm)
    alice.do("stopVirtualMachine", id=vm, forced=True)
    network_gc.collect(cloud.env)
    cloud.settle()

    assert shown(cloud, network)["state"] == "Implemented", "it was in use since"


def test_no_segment_is_given_back_while_a_router_may_run_on_a_silent_host(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, vm = up(cloud, alice)
    alice.do("stopVirtualMachine", id=vm, forced=True)
    (name,) = where(cloud, routers(cloud)[0]["id"])

    def silent(s: Any, state: HostState) -> None:
        s.query(Host).filter_by(name=name).one().state = state

    cloud.db.tx(lambda s: silent(s, HostState.DISCONNECTED))
    idle(cloud)
    assert shown(cloud, network)["state"] == "Implemented"
    cloud.db.tx(lambda s: silent(s, HostState.UP))
    idle(cloud)
    assert shown(cloud, network)["state"] == "Allocated"


def test_routers_tell_all_about_themselves(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, _ = up(cloud, alice)
    router_repair.round(cloud.env)

    (router,) = routers(cloud, networkid=network)

    assert (router["state"], router["role"], router["account"]) == ("Running", "VIRTUAL_ROUTER", "alice")
    assert (router["guestipaddress"], router["publicip"]) == ("10.1.1.1", "203.0.113.10")
    assert (router["isredundantrouter"], router["redundantstate"]) == (False, "UNKNOWN")
    assert router["healthchecksfailed"] is False
    checks = cloud.api("getRouterHealthCheckResults", routerid=router["id"])["routerhealthchecks"][
        "healthchecks"
    ]
    assert [(c["checkname"], c["success"]) for c in checks] == [
        ("host", True), ("processes", True), ("configuration", True),
    ]  # fmt: skip
    with pytest.raises(ApiError, match="does not exist"):
        alice.api("listRouters")


def test_a_router_that_is_missing_is_said_to_be_ill_and_comes_back(cloud: Cloud) -> None:
    up(cloud, cloud.as_user("alice"))
    router = routers(cloud)[0]["id"]
    (name,) = where(cloud, router)
    cloud.world.machine(name).routers.clear()

    router_repair._find_drift(cloud.env)
    assert [r["id"] for r in routers(cloud, healthchecksfailed=True)] == [router]
    router_repair.round(cloud.env)
    router_repair.round(cloud.env)

    assert where(cloud, router) == [name]
    assert routers(cloud, healthchecksfailed=True) == []


def test_a_stopped_router_stays_away_until_it_is_started(cloud: Cloud) -> None:
    up(cloud, cloud.as_user("alice"))
    router = routers(cloud)[0]["id"]

    stopped = cloud.do("stopRouter", id=router)["router"]
    router_repair.round(cloud.env)
    assert (stopped["state"], where(cloud, router)) == ("Stopped", [])
    with pytest.raises(ApiError, match="is stopped"):
        cloud.do("stopRouter", id=router)
    started = cloud.do("startRouter", id=router)["router"]

    assert started["state"] == "Running"
    assert len(where(cloud, router)) == 1


def test_a_destroyed_router_is_brought_back_by_a_vm_that_starts(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    _, vm = up(cloud, alice)
    router = routers(cloud)[0]["id"]

    cloud.do("destroyRouter", id=router)
    assert (routers(cloud), where(cloud, router)) == ([], [])
    alice.do("stopVirtualMachine", id=vm, forced=True)
    alice.do("startVirtualMachine", id=vm)

    assert len(where(cloud, router)) == 1


def test_a_pair_has_roles_and_a_reboot_of_the_primary_swaps_them(cloud: Cloud) -> None:
    up(cloud, cloud.as_user("alice"), PAIR)
    router_repair.round(cloud.env)
    first, second = routers(cloud)
    assert [r["redundantstate"] for r in (first, second)] == ["PRIMARY", "BACKUP"]
    assert first["hostname"] != second["hostname"]

    cloud.do("rebootRouter", id=first["id"])
    router_repair.round(cloud.env)

    assert [r["redundantstate"] for r in routers(cloud)] == ["BACKUP", "PRIMARY"]


def test_a_lost_hosts_router_is_rebuilt_elsewhere_without_waiting_for_a_loop(cloud: Cloud) -> None:
    up(cloud, cloud.as_user("alice"))
    router = routers(cloud)[0]["id"]
    (name,) = where(cloud, router)

    def die(s: Any) -> None:
        host = s.query(Host).filter_by(name=name).one()
        host.state = HostState.DOWN
        rebuild_routers_of(s, host.id)

    cloud.world.machine(name).routers.clear()
    cloud.db.tx(die)
    cloud.settle()

    (elsewhere,) = where(cloud, router)
    assert elsewhere != name


def test_restart_with_cleanup_builds_routers_from_nothing(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, _ = up(cloud, alice)
    router = routers(cloud)[0]["id"]
    (name,) = where(cloud, router)
    before = cloud.world.machine(name).routers[router]

    assert alice.do("restartNetwork", id=network, cleanup=True)["success"] is True

    after = cloud.world.machine(where(cloud, router)[0]).routers[router]
    assert after.version > before.version
    assert (after.subnets, after.uplinks) == (before.subnets, before.uplinks)


def test_a_network_is_made_redundant(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, _ = up(cloud, alice)

    alice.do("restartNetwork", id=network, makeredundant=True, cleanup=True)

    first, second = routers(cloud)
    specs = [cloud.world.machine(where(cloud, r["id"])[0]).routers[r["id"]] for r in (first, second)]
    assert {s.subnets[0].gateway for s in specs} == {"10.1.1.1"}
    assert "10.1.1.1" not in {s.subnets[0].ip for s in specs}
    assert [s.pair.priority for s in specs if s.pair] == [150, 100]


def test_a_network_is_changed_and_its_router_hears_of_it(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, _ = up(cloud, alice)

    changed = alice.do("updateNetwork", id=network, name="new", networkdomain="new.example.org")["network"]

    assert (changed["name"], changed["networkdomain"]) == ("new", "new.example.org")
    router = routers(cloud)[0]["id"]
    assert cloud.world.machine(where(cloud, router)[0]).routers[router].subnets[0].domain == "new.example.org"
    with pytest.raises(ApiError, match="is not a DNS domain"):
        alice.do("updateNetwork", id=network, networkdomain="no domain")
    pair = cloud.api("listNetworkOfferings", name=PAIR)["networkoffering"][0]["id"]
    assert alice.do("updateNetwork", id=network, networkofferingid=pair)["network"]["redundantrouter"] is True
    assert len(routers(cloud)) == 2


def test_a_pair_whose_second_has_no_host_is_told_what_is_new_and_no_more(cloud: Cloud) -> None:
    network, _ = up(cloud, cloud.as_user("alice"), PAIR, hosts=1)
    assert [len(where(cloud, r["id"])) for r in routers(cloud)] == [1, 0]
    cloud.world.asked.clear()

    router_repair.round(cloud.env)
    assert [name for _, name in cloud.world.asked if name == "ApplyRouter"] == []

    cloud.do("restartNetwork", id=network)
    assert [name for _, name in cloud.world.asked if name == "ApplyRouter"] == ["ApplyRouter"]


def offering(cloud: Cloud, name: str) -> str:
    return str(cloud.api("listNetworkOfferings", name=name)["networkoffering"][0]["id"])


def leads(cloud: Cloud, uuid: str) -> None:
    """Let a router of a pair have said that it is primary, and the others not."""

    def work(s: Any) -> None:
        for router in s.query(Router):
            router.role = (Role.PRIMARY if router.uuid == uuid else Role.BACKUP).value

    cloud.db.tx(work)


def retry(cloud: Cloud, saga_id: int) -> None:
    """Take a stuck saga up again."""
    assert cloud.engine.reopen(saga_id)
    cloud.step(saga_id)


@pytest.mark.parametrize("primary", [0, 1])
def test_a_pair_becomes_one_router_that_was_primary_and_a_pair_again(cloud: Cloud, primary: int) -> None:
    alice = cloud.as_user("alice")
    network, _ = up(cloud, alice, PAIR)
    stays = routers(cloud)[primary]["id"]
    leads(cloud, stays)

    one = {"id": network, "networkofferingid": offering(cloud, ISOLATED)}
    assert alice.do("updateNetwork", **one)["network"]["redundantrouter"] is False

    (shown,) = routers(cloud)
    assert (shown["id"], shown["isredundantrouter"], shown["redundantstate"]) == (stays, False, "UNKNOWN")
    (name,) = where(cloud, stays)
    spec = cloud.world.machine(name).routers[stays]
    assert (spec.pair, spec.subnets[0].ip, spec.subnets[0].peer_ip) == (None, "10.1.1.1", "")
    assert sum(len(machine.routers) for machine in cloud.world.machines.values()) == 1

    alice.do("updateNetwork", id=network, networkofferingid=offering(cloud, PAIR))
    specs = [cloud.world.machine(where(cloud, r["id"])[0]).routers[r["id"]] for r in routers(cloud)]
    assert [s.pair.priority for s in specs if s.pair] == [150, 100]
    assert len({s.subnets[0].ip for s in specs} - {"10.1.1.1"}) == 2


def test_a_pair_stays_one_until_the_router_that_leaves_is_off_its_host(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, _ = up(cloud, alice, PAIR)
    first, second = (r["id"] for r in routers(cloud))
    leads(cloud, first)
    (far,) = where(cloud, second)
    cloud.world.faults(far).connected = False

    with pytest.raises(JobFailed, match="did not answer"):
        alice.do("updateNetwork", id=network, networkofferingid=offering(cloud, ISOLATED))
    assert cloud.world.machine(where(cloud, first)[0]).routers[first].pair is not None

    cloud.world.faults(far).connected = True
    stuck_jobs.round(cloud.env, lambda saga_id: retry(cloud, saga_id))
    assert [r["id"] for r in routers(cloud)] == [first]
    assert cloud.world.machine(where(cloud, first)[0]).routers[first].pair is None
    assert where(cloud, second) == []


def test_a_pair_that_is_wanted_again_stays_a_pair(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, _ = up(cloud, alice, PAIR)
    one = alice.api("updateNetwork", id=network, networkofferingid=offering(cloud, ISOLATED))
    two = alice.api("updateNetwork", id=network, networkofferingid=offering(cloud, PAIR))

    alice.job(one)
    alice.job(two)

    assert len(routers(cloud)) == 2


def test_a_network_that_was_made_redundant_has_one_router_again_by_its_own_offering(cloud: Cloud) -> None:
    alice = cloud.as_user("alice")
    network, _ = up(cloud, alice)
    alice.do("restartNetwork", id=network, makeredundant=True)
    assert len(routers(cloud)) == 2

    alice.do("updateNetwork", id=network, networkofferingid=offering(cloud, ISOLATED))

    assert len(routers(cloud)) == 1


def test_a_persistent_network_is_up_without_a_vm_and_stays_up(cloud: Cloud) -> None:
    built = cloud.ready_zone()
    wish = {f"serviceproviderlist[{n}].{key}": value for n, name in enumerate(("Dhcp", "Dns"))
            for key, value in (("service", name), ("provider", "VirtualRouter"))}  # fmt: skip
    offering = cloud.api("createNetworkOffering", name="kept", displaytext="kept", guestiptype="Isolated",
                         traffictype="Guest", supportedservices="Dhcp,Dns", ispersistent=True, enable=True,
                         **wish)["networkoffering"]  # fmt: skip

    made = cloud.api("createNetwork", name="kept", zoneid=built.zone, networkofferingid=offering["id"])[
        "network"
    ]
    idle(cloud)

    assert (made["state"], made["ispersistent"]) == ("Implemented", True)
    assert (
        cloud.db.read(lambda s: s.query(Network).filter_by(uuid=made["id"]).one().state) == State.IMPLEMENTED
    )
    assert len(where(cloud, routers(cloud)[0]["id"])) == 1
