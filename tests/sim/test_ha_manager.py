"""The HA manager's own work beside proofs: readiness, quarantine, stalled storage, restarts given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from support.cloud import ApiError, Cloud
from support.leases import guard
from support.zone import Built
from tegar.guard import datagram
from tegar.ha import due, lost
from tegar.ha.decide import LeaseId
from tegar.ha.manager import LEASE, Leading, Manager
from tegar.kernel.lease import Lease
from tegar.kernel.saga import SagaRow
from tegar.loop import host_pulse
from tegar.model.lease import Proof
from tegar.store import hosts
from tegar.store.events import Alert
from tegar.store.hosts import Hold, Host
from tegar.store.restarts import Restart
from tegar.store.vms import Vm
from tegar.store.zones import Cluster


class Alone:
    """Ways of a manager without witnesses: what takes long is done at once."""

    def say(self, witness: str, address: tuple[str, int], message: datagram.AnyMessage) -> None:
        """Nobody hears."""

    def ask(self, witness: str, address: tuple[str, int], leases: Sequence[LeaseId]) -> None:
        """Nobody hears."""

    def nonce(self) -> int:
        """Return a number."""
        return 1

    def apart(self, work: Callable[[], Callable[[], None]]) -> None:
        """Do it."""
        work()()


@pytest.fixture
def three(cloud: Cloud) -> Built:
    """A zone of three hosts with leases."""
    built = cloud.ready_zone(hosts=3)
    guard(cloud)
    return built


def manager(cloud: Cloud) -> Manager:
    """Return a manager that leads."""
    cloud.db.tx(lambda s: s.add(Lease(name=LEASE, holder="me", fence=1, beat=0, what="")))
    return Manager(cloud.env, Alone(), Leading("me", 1))


def deploy(cloud: Cloud, name: str, **details: str) -> str:
    """Deploy a VM with HA on h1; return its uuid."""
    assert cloud.zone
    offered = cloud.api("createServiceOffering", name=name, displaytext="ha", cpunumber=1, cpuspeed=100, memory=256,
                        offerha=True)["serviceoffering"]["id"]  # fmt: skip
    more = {f"details[0].{key.replace('_', '.')}": value for key, value in details.items()}
    wish = cloud.zone.vm(name=name, serviceofferingid=offered, hostid=cloud.zone.hosts["h1"], **more)
    return str(cloud.do("deployVirtualMachine", **wish)["virtualmachine"]["id"])


def host_id(cloud: Cloud, name: str) -> int:
    return cloud.db.read(lambda s: s.scalars(select(Host.id).where(Host.name == name)).one())


def fall(cloud: Cloud, name: str) -> None:
    """Let a host lose power, which is proven."""
    cloud.world.power_off(name)
    id, now_s = host_id(cloud, name), cloud.clock.now_s()
    cloud.db.tx(lambda s: lost.record(s, id, "boot-1", 1, Proof.POWER, "reads Off", now_s))


def begun(cloud: Cloud) -> list[str]:
    stmt = select(Vm.name).join(Restart, Vm.id == Restart.vm_id).where(Restart.saga_id.is_not(None))
    return list(cloud.db.read(lambda s: s.scalars(stmt.order_by(Vm.name)).all()))


def alerts(cloud: Cloud) -> list[str]:
    return list(cloud.db.read(lambda s: s.scalars(select(Alert.subject).order_by(Alert.id)).all()))


def vm(cloud: Cloud, uuid: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.api("listVirtualMachines", id=uuid)["virtualmachine"][0]
    return found


# ── readiness ──


@pytest.mark.parametrize("gate", ["agent", "tcp:5432"])
def test_those_who_wait_go_on_within_a_second_after_a_vm_is_ready(
    cloud: Cloud, three: Built, gate: str
) -> None:
    deploy(cloud, "base", ha_priority="0", ha_ready=gate)
    web = deploy(cloud, "web")
    leader = manager(cloud)
    fall(cloud, "h1")
    leader.turn()
    cloud.settle()
    for _, guest in cloud.world.guests():
        guest.deaf = True
    for _ in range(5):
        cloud.clock.sleep(0.5)
        leader.turn()
    assert begun(cloud) == ["base"]

    for _, guest in cloud.world.guests():
        guest.deaf = False
    for _ in range(3):
        cloud.clock.sleep(0.5)
        leader.turn()

    assert begun(cloud) == ["web"]
    cloud.settle()
    assert vm(cloud, web)["state"] == "Running"
    leader.turn()
    assert begun(cloud) == []


def test_each_is_asked_once_a_second_at_most_and_only_while_somebody_waits(
    cloud: Cloud, three: Built
) -> None:
    deploy(cloud, "base", ha_priority="0", ha_ready="agent", ha_ready_timeout="30")
    deploy(cloud, "web")
    leader = manager(cloud)
    fall(cloud, "h1")
    leader.turn()
    cloud.settle()
    for _, guest in cloud.world.guests():
        guest.deaf = True
    cloud.world.asked.clear()

    for _ in range(40):
        cloud.clock.sleep(0.25)
        leader.turn()

    pings = [name for name, question in cloud.world.asked if question == "PingGuests"]
    assert 8 <= len(pings) <= 11
    cloud.clock.sleep(30)
    leader.turn()
    assert begun(cloud) == ["web"]
    cloud.settle()
    cloud.world.asked.clear()
    for _ in range(10):
        cloud.clock.sleep(0.5)
        leader.turn()
    assert not [name for name, question in cloud.world.asked if question == "PingGuests"]


# ── quarantine ──


def blink(cloud: Cloud, leader: Manager, name: str) -> None:
    """Let a host be suspected and heard again."""
    uuid = cloud.db.read(lambda s: s.get_one(Host, host_id_of(s, name)).uuid)
    leader._turned(LeaseId(uuid, "boot-1", 1), "suspect")
    leader._turned(LeaseId(uuid, "boot-1", 1), "live")


def host_id_of(s: Any, name: str) -> int:
    return int(s.scalars(select(Host.id).where(Host.name == name)).one())


def test_the_third_false_alarm_within_ten_minutes_puts_a_host_into_quarantine(
    cloud: Cloud, three: Built
) -> None:
    leader = manager(cloud)
    leader.turn()
    for pause_s in (0, 400, 400):  # the first is too old when the third comes
        cloud.clock.sleep(pause_s)
        blink(cloud, leader, "h2")
    assert alerts(cloud) == []

    cloud.clock.sleep(100)
    blink(cloud, leader, "h2")

    assert alerts(cloud) == ["Host h2 is in quarantine"]
    found = {h["hostname"]: h for h in cloud.api("listHighAvailability")["highavailability"]}
    assert (found["h2"]["flaps"], "quarantineduntil" in found["h2"], "quarantineduntil" in found["h1"]) == (
        3,
        True,
        False,
    )
    with pytest.raises(ApiError, match="h2: is in quarantine: it fell silent several times"):
        cloud.do("deployVirtualMachine", **three.vm(name="new", hostid=three.hosts["h2"]))
    cloud.clock.sleep(901)
    cloud.do("deployVirtualMachine", **three.vm(name="later", hostid=three.hosts["h2"]))


def test_restarts_use_a_quarantined_host_only_when_nothing_else_fits(cloud: Cloud, three: Built) -> None:
    first, second = deploy(cloud, "first"), deploy(cloud, "second")
    until_s = cloud.clock.now_s() + 900
    guard(cloud, "h2", quarantined_until_s=until_s)
    fall(cloud, "h1")
    leader = manager(cloud)
    leader.turn()
    cloud.settle()
    assert (vm(cloud, first)["hostname"], vm(cloud, second)["hostname"]) == ("h3", "h3")

    fall(cloud, "h3")
    cloud.clock.sleep(1)
    leader.turn()
    cloud.settle()

    assert (vm(cloud, first)["hostname"], vm(cloud, second)["hostname"]) == ("h2", "h2")


# ── storage ──


def test_stalled_pools_are_seen_and_told_and_more_than_half_brake_all_fencing(
    cloud: Cloud, three: Built
) -> None:
    deploy(cloud, "web")
    for name in ("h2", "h3"):
        cloud.do("deployVirtualMachine", **three.vm(name=f"on-{name}", hostid=three.hosts[name]))
    leader, pulses = manager(cloud), host_pulse.Pulses(cloud.env)
    pulses.round()
    leader.turn()
    cluster = cloud.db.read(lambda s: s.scalars(select(Cluster.id)).one())

    cloud.world.faults("h1").storage_away = True
    pulses.round()
    cloud.clock.sleep(2)
    leader.turn()
    assert not leader.decider.stalled(cluster)
    cloud.world.faults("h2").storage_away = True
    pulses.round()
    cloud.clock.sleep(2)
    leader.turn()

    assert leader.decider.stalled(cluster)
    told, pool = alerts(cloud), cloud.api("listStoragePools")["storagepool"][0]["name"]
    assert told[:-1] == [f"Pool {pool} hangs for host {name}" for name in ("h1", "h2")]
    assert told[-1] == "The storage of cluster cluster hangs: no host of it is fenced"
    for name in ("h1", "h2"):
        cloud.world.faults(name).storage_away = False
    pulses.round()
    cloud.clock.sleep(2)
    leader.turn()
    assert not leader.decider.stalled(cluster)


# ── given up ──


def restart_of(cloud: Cloud) -> int:
    """Return the saga that restarts a VM; others rebuild the routers of the host that fell."""
    stmt = select(SagaRow.id).where(SagaRow.name == "vm.restart").order_by(SagaRow.id.desc())
    return cloud.db.read(lambda s: s.scalars(stmt).first()) or 0


def waiting(cloud: Cloud, built: Built) -> str:
    """Return a VM that waits for its restart while no host takes it."""
    uuid = deploy(cloud, "web")
    for name in ("h2", "h3"):
        cloud.api("updateHost", id=built.hosts[name], allocationstate="Disable")
    fall(cloud, "h1")
    now_s = cloud.clock.now_s()
    cloud.db.tx(lambda s: lost.hand_over(s, now_s))
    return uuid


@pytest.mark.parametrize("tried", [False, True])
def test_an_owner_stops_a_vm_that_waits_and_starts_it_again(cloud: Cloud, three: Built, tried: bool) -> None:
    uuid = waiting(cloud, three)
    if tried:
        cloud.db.tx(lambda s: due.submit(s, cloud.clock.now_s()))
        cloud.step(restart_of(cloud))
        assert "is disabled" in cloud.api("listPendingRestarts")["pendingrestart"][0]["reason"]

    cloud.do("stopVirtualMachine", id=uuid)

    assert vm(cloud, uuid)["state"] == "Stopped"
    assert cloud.db.read(lambda s: s.scalars(select(Restart)).all()) == []
    for name in ("h2", "h3"):
        cloud.api("updateHost", id=three.hosts[name], allocationstate="Enable")
    cloud.do("startVirtualMachine", id=uuid)
    assert (vm(cloud, uuid)["state"], len(cloud.world.where(uuid))) == ("Running", 1)


def test_an_owner_destroys_a_vm_that_waits(cloud: Cloud, three: Built) -> None:
    uuid = waiting(cloud, three)

    cloud.do("destroyVirtualMachine", id=uuid, expunge=True)

    assert cloud.api("listVirtualMachines") == {}


def test_one_that_is_being_started_again_is_not_stopped_under_its_saga(cloud: Cloud, three: Built) -> None:
    uuid = deploy(cloud, "web")
    fall(cloud, "h1")
    now_s = cloud.clock.now_s()
    cloud.db.tx(lambda s: lost.hand_over(s, now_s))
    cloud.db.tx(lambda s: due.submit(s, now_s))
    for name in ("h2", "h3"):
        cloud.world.faults(name).connected = False
    cloud.step(restart_of(cloud))

    with pytest.raises(ApiError, match="Starting"):
        cloud.api("stopVirtualMachine", id=uuid)


# ── a database that lost commits ──


@dataclass
class Forgets:
    """A probe: the database loses what the restart's first step wrote, once, while the server goes on."""

    cloud: Cloud
    times: int = 1
    forgot: bool = False

    def at(self, point: str, saga: str, step: str) -> None:
        """Take the place away that was just taken."""
        if (point, saga, step) != ("after", "vm.restart", "bring_up") or self.forgot:
            return
        self.forgot = True

        def work(s: Session) -> None:
            for row in s.scalars(select(Vm).where(Vm.state == "Starting")):
                hosts.release(s, vm_id=row.id)
                row.host_id = None

        self.cloud.db.tx(work)


def test_a_restart_whose_place_the_database_lost_begins_anew(cloud: Cloud) -> None:
    cloud.ready_zone(hosts=2)
    guard(cloud)
    web = deploy(cloud, "web")
    cloud.engine = cloud.make_engine(Forgets(cloud))
    fall(cloud, "h1")

    manager(cloud).turn()
    cloud.settle()

    assert (vm(cloud, web)["state"], vm(cloud, web)["hostname"]) == ("Running", "h2")
    assert alerts(cloud) == [it for it in alerts(cloud) if "stuck" not in it.lower()]
    held = select(func.count()).select_from(Hold).where(Hold.host_id == host_id(cloud, "h2"))
    assert cloud.db.read(lambda s: s.scalar(held)) == 1
