"""Lists of a large cloud: the first page costs what it costs in a small one, for the queries use indexes."""

from __future__ import annotations

import time
import uuid as uuids
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, select

from support.cloud import KEY, Caller, Cloud
from tegar.kernel.clock import ManualClock
from tegar.kernel.db import Db, Row
from tegar.kernel.saga import SagaRow
from tegar.kernel.secret import Vault
from tegar.model.vm import State
from tegar.model.volume import Kind
from tegar.model.volume import State as DiskState
from tegar.ops.bootstrap import bootstrap
from tegar.sim.world import World
from tegar.store.accounts import Account, User
from tegar.store.events import Event
from tegar.store.images import Template
from tegar.store.networks import Network, Nic
from tegar.store.offerings import ServiceOffering
from tegar.store.vms import Vm
from tegar.store.volumes import Volume
from tegar.store.zones import Zone

LARGE, SMALL = 100_000, 200
EVERY = 100  # each so-manieth row is alice's, all over the table
GONE = 3  # one in so many was removed long ago
PAGE = {"page": 1, "pagesize": 50}

LISTS = [("listVirtualMachines", {}), ("listVolumes", {}), ("listEvents", {})]
BIG_TABLES = {"vm", "volume", "event", "nic", "saga", "guest_address"}


class Crowd:
    """A cloud with very many rows, and those who ask for them."""

    def __init__(self, db: Db, count: int) -> None:
        clock = ManualClock()
        self.db, self.count = db, count
        db.tx(lambda s: bootstrap(s, Vault(KEY), clock.now_s(), admin_password="password"))
        self.cloud = Cloud(db, World(clock=clock), clock)
        self.cloud.ready_zone()
        sales = self.cloud.api("createDomain", name="sales")["domain"]["id"]
        self.callers = {
            "admin": self.cloud.admin,
            "domain admin": self.cloud.as_user("boss", role="domain-admin", domain=sales),
            "user": self.cloud.as_user("alice", domain=sales),
        }
        db.tx(self._fill)

    def _fill(self, s: Any) -> None:
        owners = {
            name: s.scalars(select(Account).where(Account.name == name)).one() for name in ("admin", "alice")
        }
        user = s.scalars(select(User).where(User.username == "alice")).one()
        zone, template, offering, network = (
            s.scalars(select(kind).order_by(kind.id)).first() for kind in (Zone, Template, ServiceOffering, Network)
        )  # fmt: skip

        def rows(kind: type[Row], make: Any) -> None:
            made = []
            for n in range(1, self.count + 1):
                owner = owners["alice" if n % EVERY == 0 else "admin"]
                made.append(
                    {"uuid": str(uuids.UUID(int=n)), "created_s": float(n), "version": 1, **make(n, owner)}
                )
            s.execute(insert(kind), made)

        rows(Vm, lambda n, owner: {
            "id": n, "removed_s": 1.0 if n % GONE == 1 else None, "name": f"vm-{n}", "display_name": f"vm-{n}",
            "account_id": owner.id, "domain_id": owner.domain_id, "user_id": user.id, "zone_id": zone.id,
            "template_id": template.id, "offering_id": offering.id, "state": State.STOPPED, "cpus": 1,
            "cpu_mhz": 500, "memory_bytes": 1 << 28, "hypervisor": "Simulator",
        })  # fmt: skip
        rows(Volume, lambda n, owner: {
            "id": n, "removed_s": 1.0 if n % GONE == 1 else None, "name": f"ROOT-{n}", "kind": Kind.ROOT,
            "account_id": owner.id, "domain_id": owner.domain_id, "zone_id": zone.id, "vm_id": n, "device_id": 0,
            "state": DiskState.READY, "size_bytes": 1 << 30,
        })  # fmt: skip
        rows(Nic, lambda n, owner: {
            "id": n, "removed_s": None, "vm_id": n, "network_id": network.id, "mac": f"m{n}", "ip": f"i{n}",
        })  # fmt: skip
        rows(Event, lambda n, owner: {
            "removed_s": None, "type": "VM.CREATE", "description": f"Deploying VM vm-{n}",
            "account_id": owner.id, "user_id": user.id,
        })  # fmt: skip
        rows(SagaRow, lambda n, owner: {
            "removed_s": None, "name": "vm.start", "params": "{}", "state": "DONE", "command": "startVirtualMachine",
            "user_id": user.id, "account_id": owner.id,
        })  # fmt: skip


def cost_s(caller: Caller, command: str, **params: Any) -> float:
    """Return the least time of several tries, in seconds."""
    times = []
    for _ in range(5):
        began_s = time.perf_counter()
        caller.api(command, **params)
        times.append(time.perf_counter() - began_s)
    return min(times)


def plans(engine: Engine, caller: Caller, command: str, **params: Any) -> dict[str, list[str]]:
    """Return how SQLite runs every query of a command: the statement, and the lines of its plan."""
    asked: list[tuple[str, Any]] = []

    def hear(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    caller.api(command, **params)
    event.remove(engine, "before_cursor_execute", hear)
    with engine.connect() as connection:
        return {
            statement: [
                row[3] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
            ]
            for statement, parameters in asked
            if statement.startswith("SELECT")
        }


@pytest.fixture(scope="module")
def crowds(databases: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Crowd]]:
    """A small cloud and a large one."""
    where: Path = tmp_path_factory.mktemp("crowds")
    made = {}
    for name, count in (("small", SMALL), ("large", LARGE)):
        url, _ = databases.url("sqlite", where / f"{name}.db")
        made[name] = Crowd(Db(url, ManualClock()), count)
    yield made
    for crowd in made.values():
        crowd.cloud.close()
        crowd.db.close()


@pytest.mark.parametrize("who", ["admin", "domain admin", "user"])
@pytest.mark.parametrize(
    ("command", "params"), LISTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_query_of_a_first_page_looks_at_every_row(
    crowds: dict[str, Crowd], command: str, params: dict[str, Any], who: str
) -> None:
    found = plans(
        crowds["large"].db.engine, crowds["large"].callers[who], command, listall=True, **PAGE, **params
    )

    assert found
    for statement, lines in found.items():
        for line in lines:
            kind, _, rest = line.partition(" ")
            scans = kind == "SCAN" and rest.split()[0] in BIG_TABLES and "INDEX" not in rest
            # Events come newest first along their primary key; the page's limit ends that walk.
            walks = "ORDER BY event.id DESC" in statement and "LIMIT" in statement and who == "admin"
            assert not scans or walks, f"{line}\n{statement}"


@pytest.mark.parametrize("who", ["admin", "user"])
@pytest.mark.parametrize(
    ("command", "params"), LISTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_first_page_needs_no_sorting(
    crowds: dict[str, Crowd], command: str, params: dict[str, Any], who: str
) -> None:
    found = plans(
        crowds["large"].db.engine, crowds["large"].callers[who], command, listall=True, **PAGE, **params
    )

    for statement, lines in found.items():
        if "LIMIT" in statement:
            assert not [line for line in lines if "TEMP B-TREE FOR ORDER BY" in line], statement


@pytest.mark.parametrize("who", ["admin", "user"])
@pytest.mark.parametrize(
    ("command", "params"), LISTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_first_page_of_many_costs_about_what_that_of_few_costs(
    crowds: dict[str, Crowd], command: str, params: dict[str, Any], who: str
) -> None:
    few, many = (
        cost_s(crowds[name].callers[who], command, listall=True, **PAGE, **params)
        for name in ("small", "large")
    )

    assert many < 6 * few + 0.02, f"{many * 1000:.1f} ms of {LARGE}, {few * 1000:.1f} ms of {SMALL}"


@pytest.mark.parametrize(
    ("command", "params"),
    [
        ("listVirtualMachines", {"id": str(uuids.UUID(int=6))}),
        ("listVirtualMachines", {"name": "vm-300"}),
        ("listVolumes", {"virtualmachineid": str(uuids.UUID(int=300))}),
        ("queryAsyncJobResult", {"jobid": str(uuids.UUID(int=300))}),
        ("listAsyncJobs", {}),
        ("listHosts", {}),
        ("listStoragePools", {}),
    ],
    ids=str,
)
def test_looking_for_one_thing_is_looking_at_one_thing(
    crowds: dict[str, Crowd], command: str, params: dict[str, Any]
) -> None:
    found = plans(crowds["large"].db.engine, crowds["large"].cloud.admin, command, listall=True, **params)

    for statement, lines in found.items():
        bad = [
            ln for ln in lines if ln.startswith("SCAN") and ln.split()[1] in BIG_TABLES and "INDEX" not in ln
        ]
        assert not bad, f"{bad}\n{statement}"


def test_the_total_is_right(crowds: dict[str, Crowd]) -> None:
    large = crowds["large"].callers
    live = [n for n in range(1, LARGE + 1) if n % GONE != 1]

    assert large["admin"].api("listVirtualMachines", listall=True, **PAGE)["count"] == len(live)
    hers = len([n for n in live if n % EVERY == 0])
    assert large["user"].api("listVirtualMachines", **PAGE)["count"] == hers
    assert large["domain admin"].api("listVirtualMachines", listall=True, **PAGE)["count"] == hers
