"""Out-of-band management through the API, on simulated BMCs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from api.helpers import follows_types
from support.cloud import ApiError, Cloud, JobFailed
from support.zone import Built
from tegar.kernel.saga import SagaRow
from tegar.kernel.saga import State as SagaState
from tegar.loop import bmc_state
from tegar.model.power import Power
from tegar.saga import bmc as bmc_ways
from tegar.store import bmcs
from tegar.store.bmcs import Bmc
from tegar.store.events import Alert, Event
from tegar.store.hosts import Host

SECRET = "bmc"
FACTS = {"driver": "redfish", "address": "h1", "port": "443", "username": "admin", "password": SECRET}


@pytest.fixture
def built(cloud: Cloud) -> Built:
    """A zone with two hosts."""
    return cloud.ready_zone()


@pytest.fixture
def h1(cloud: Cloud, built: Built) -> str:
    """The first host, whose BMC is configured and enabled."""
    cloud.api("configureOutOfBandManagement", hostid=built.hosts["h1"], **FACTS)
    cloud.do("enableOutOfBandManagementForHost", hostid=built.hosts["h1"])
    return built.hosts["h1"]


def act(cloud: Cloud, host: str, action: str, **more: Any) -> dict[str, Any]:
    """Issue a power action and return what its job shows."""
    done: dict[str, Any] = cloud.do("issueOutOfBandManagementPowerAction", hostid=host, action=action, **more)
    follows_types("issueOutOfBandManagementPowerAction", done)
    return dict(done["outofbandmanagement"])


def shown(cloud: Cloud, host: str) -> dict[str, Any]:
    """Return what listHosts shows of a host's BMC."""
    (found,) = cloud.api("listHosts", id=host)["host"]
    return dict(found.get("outofbandmanagement", {}))


def events(cloud: Cloud, type: str) -> list[str]:
    """Return the descriptions of events, oldest first."""
    return cloud.db.read(
        lambda s: [e.description for e in s.query(Event).filter_by(type=type).order_by(Event.id)]
    )


def test_a_bmc_is_configured_and_shown_without_its_password(cloud: Cloud, built: Built) -> None:
    host = built.hosts["h1"]
    assert shown(cloud, host) == {}

    made = cloud.api("configureOutOfBandManagement", hostid=host, **FACTS)
    follows_types("configureOutOfBandManagement", made)

    view = {"hostid": host, "driver": "redfish", "address": "h1", "port": "443", "username": "admin",
            "enabled": False, "powerstate": "Disabled", "status": True}  # fmt: skip
    assert made == {"outofbandmanagement": view}
    assert shown(cloud, host) == view
    assert len(events(cloud, "HOST.OOBM.CONFIGURE")) == 1


def test_a_bmc_is_used_only_when_host_cluster_and_zone_say_so(cloud: Cloud, built: Built, h1: str) -> None:
    assert (shown(cloud, h1)["enabled"], shown(cloud, h1)["powerstate"]) == (True, "Unknown")

    for place, id in (("Host", h1), ("Cluster", built.cluster), ("Zone", built.zone)):
        given = {f"{place.lower()}id": id}
        done = cloud.do(f"disableOutOfBandManagementFor{place}", **given)["outofbandmanagement"]
        assert done["enabled"] is False
        assert shown(cloud, h1)["powerstate"] == "Disabled"
        with pytest.raises(ApiError, match="disabled"):
            act(cloud, h1, "STATUS")
        assert (
            cloud.do(f"enableOutOfBandManagementFor{place}", **given)["outofbandmanagement"]["enabled"]
            is True
        )
        assert act(cloud, h1, "STATUS")["powerstate"] == "On"


def test_what_is_not_configured_is_not_enabled_nor_used(cloud: Cloud, built: Built) -> None:
    for command, more in (
        ("enableOutOfBandManagementForHost", {}),
        ("issueOutOfBandManagementPowerAction", {"action": "OFF"}),
        ("changeOutOfBandManagementPassword", {}),
    ):
        with pytest.raises(ApiError, match="no BMC configured"):
            cloud.api(command, hostid=built.hosts["h2"], **more)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("driver", "hammer", "none of"), ("address", "", "not a host name"), ("address", "a b", "not a host name"),
        ("address", "-oProxy", "not a host name"), ("address", "h1/../x", "not a host name"),
        ("address", "h1#sha256:12", "64 hex"), ("address", "h1#trustme", "64 hex"), ("address", "h1#ca:file", "64 hex"),
        ("port", "0", "65535"), ("port", "65536", "65535"), ("port", "x", "65535"), ("port", "-1", "65535"),
        ("username", "a:b", "colon"), ("password", "x" * 65, "printable"), ("password", "pä", "printable"),
    ],
)  # fmt: skip
def test_facts_that_cannot_be_right_are_refused(
    cloud: Cloud, built: Built, name: str, value: str, why: str
) -> None:
    with pytest.raises(ApiError, match=why):
        cloud.api("configureOutOfBandManagement", hostid=built.hosts["h1"], **{**FACTS, name: value})

    assert shown(cloud, built.hosts["h1"]) == {}


def test_ipmi_takes_twenty_characters_and_no_certificate(cloud: Cloud, built: Built) -> None:
    facts = {**FACTS, "driver": "ipmitool", "hostid": built.hosts["h1"]}
    for wrong in ({"password": "x" * 21}, {"address": "h1#sha256:" + "0" * 64}):
        with pytest.raises(ApiError):
            cloud.api("configureOutOfBandManagement", **{**facts, **wrong})

    cloud.api("configureOutOfBandManagement", **{**facts, "password": "x" * 20})


def test_a_pinned_certificate_is_kept_and_shown_as_given(cloud: Cloud, built: Built) -> None:
    pin = "AB:" * 31 + "CD"
    address = f"h1#sha256:{pin}"
    made = cloud.api(
        "configureOutOfBandManagement", hostid=built.hosts["h1"], **{**FACTS, "address": address}
    )

    assert made["outofbandmanagement"]["address"] == "h1#sha256:" + pin.replace(":", "").lower()


def test_power_goes_off_and_on_and_is_read_back(cloud: Cloud, h1: str) -> None:
    machine = cloud.world.machine("h1")

    off = act(cloud, h1, "OFF")
    assert (off["powerstate"], off["action"], off["status"], machine.powered) == ("Off", "OFF", True, False)
    assert act(cloud, h1, "OFF")["powerstate"] == "Off"
    on = act(cloud, h1, "ON")
    assert (on["powerstate"], machine.powered, machine.boot) == ("On", True, 2)
    assert act(cloud, h1, "status")["powerstate"] == "On"
    assert act(cloud, h1, "RESET")["powerstate"] == "On"
    assert act(cloud, h1, "CYCLE")["powerstate"] == "On"
    assert machine.bmc.resets == 2
    assert act(cloud, h1, "SOFT")["powerstate"] == "Off"
    assert "it reads Off" in events(cloud, "HOST.OOBM.ACTION")[1]


def test_a_bmc_that_lies_fails_the_job(cloud: Cloud, h1: str) -> None:
    cloud.world.machine("h1").bmc.lies = True

    with pytest.raises(JobFailed, match="did not read Off within") as e:
        act(cloud, h1, "OFF", timeout=5)

    assert "it reads On" in e.value.text
    assert shown(cloud, h1)["powerstate"] == "On"


def test_a_dark_bmc_fails_the_job_and_is_unknown(cloud: Cloud, h1: str) -> None:
    assert act(cloud, h1, "STATUS")["powerstate"] == "On"
    cloud.world.machine("h1").bmc.dark = True

    for action in ("OFF", "ON", "RESET", "STATUS"):
        with pytest.raises(JobFailed):
            act(cloud, h1, action, timeout=5)
    assert shown(cloud, h1)["powerstate"] == "Unknown"
    assert cloud.world.machine("h1").powered


def test_a_host_with_vms_loses_its_power_all_the_same_and_the_log_says_so(
    cloud: Cloud, built: Built, h1: str
) -> None:
    cloud.do("deployVirtualMachine", **built.vm(name="web", hostid=h1))

    act(cloud, h1, "OFF")

    assert "1 VMs on it lose their power" in events(cloud, "HOST.OOBM.ACTION")[0]
    assert not cloud.world.machine("h1").powered


def test_a_reset_whose_answer_was_lost_is_not_given_again(cloud: Cloud, h1: str) -> None:
    job = cloud.api("issueOutOfBandManagementPowerAction", hostid=h1, action="RESET")["jobid"]

    def sent_before(s: Any) -> None:
        s.query(Bmc).one().told = f"{job} sent"

    cloud.db.tx(sent_before)
    cloud.settle()

    found = cloud.api("queryAsyncJobResult", jobid=job)
    assert found["jobstatus"] == 2
    assert "Nobody knows whether RESET was done" in found["jobresult"]["errortext"]
    assert cloud.world.machine("h1").bmc.resets == 0


def test_one_action_at_a_time(cloud: Cloud, h1: str) -> None:
    cloud.api("issueOutOfBandManagementPowerAction", hostid=h1, action="OFF")

    for command, more in (
        ("issueOutOfBandManagementPowerAction", {"action": "ON"}),
        ("changeOutOfBandManagementPassword", {}),
        ("configureOutOfBandManagement", FACTS),
    ):
        with pytest.raises(ApiError, match="under way"):
            cloud.api(command, hostid=h1, **more)
    cloud.settle()
    assert act(cloud, h1, "ON")["powerstate"] == "On"


def test_of_many_requests_at_the_same_moment_one_wins(cloud: Cloud, h1: str) -> None:
    def ask(n: int) -> int:
        if n % 2:
            return cloud.admin.answer("changeOutOfBandManagementPassword", hostid=h1).status
        return cloud.admin.answer("issueOutOfBandManagementPowerAction", hostid=h1, action="RESET").status

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))

    assert sorted(found) == [200] + [536] * 7
    cloud.settle()
    assert cloud.world.machine("h1").bmc.resets <= 1


def everything(cloud: Cloud) -> str:
    """Return every row of every table as text."""
    from tegar.store.schema import METADATA

    def read(s: Any) -> str:
        return "\n".join(
            str(row) for t in METADATA.sorted_tables for row in s.execute(text(f"SELECT * FROM {t.name}"))
        )

    return cloud.db.read(read)


def test_the_password_is_changed_there_and_here_and_stands_nowhere(cloud: Cloud, h1: str, capfd: Any) -> None:
    new = "n3w-s3cret-word"
    accepted = cloud.api("changeOutOfBandManagementPassword", hostid=h1, password=new)
    cloud.settle()
    done = cloud.api("queryAsyncJobResult", jobid=accepted["jobid"])

    assert done["jobstatus"] == 1
    assert cloud.world.machine("h1").bmc.password == new
    assert act(cloud, h1, "STATUS")["powerstate"] == "On"
    everywhere = (
        everything(cloud) + json.dumps(done) + json.dumps(cloud.api("listHosts")) + str(capfd.readouterr())
    )
    assert new not in everywhere
    assert len(events(cloud, "HOST.OOBM.CHANGEPASSWORD")) == 2


def test_a_random_password_is_made_when_none_is_given(cloud: Cloud, h1: str) -> None:
    cloud.do("changeOutOfBandManagementPassword", hostid=h1)

    assert len(cloud.world.machine("h1").bmc.password) == 16
    assert act(cloud, h1, "STATUS")["powerstate"] == "On"


@pytest.mark.parametrize("taken", [False, True])
def test_a_change_that_stops_in_the_middle_loses_no_password(cloud: Cloud, h1: str, taken: bool) -> None:
    """The server dies between the BMC and the database: whichever the BMC has, it is reached, and the change ends."""
    new = "an-other-word"
    cloud.api("changeOutOfBandManagementPassword", hostid=h1, password=new)
    cloud.db.tx(lambda s: _pend(s))
    cloud.world.machine("h1").bmc.password = new if taken else SECRET

    bmc = cloud.db.read(lambda s: s.query(Bmc).one())
    assert bmc_ways.reach(cloud.env, bmc).ask(lambda d, spec: d.read(spec, within_s=1)) == Power.ON
    bmc_state.round(cloud.env)
    assert shown(cloud, h1)["powerstate"] == "On"
    cloud.settle()

    assert cloud.world.machine("h1").bmc.password == new
    bmc = cloud.db.read(lambda s: s.query(Bmc).one())
    assert bmc.pending_sealed is None
    assert cloud.vault.open(bmc.password_sealed).reveal() == new


def _pend(s: Any) -> None:
    saga = s.query(SagaRow).filter_by(name="bmc.password").one()
    s.query(Bmc).one().pending_sealed = json.loads(saga.params)["sealed"]


def test_a_wrong_password_is_a_clear_error_without_it(cloud: Cloud, h1: str) -> None:
    cloud.world.machine("h1").bmc.password = "somebody-elses"

    for command, more in (("issueOutOfBandManagementPowerAction", {"action": "OFF"}),
                          ("changeOutOfBandManagementPassword", {"password": "zebra-1"})):  # fmt: skip
        with pytest.raises(JobFailed, match="does not accept the user name admin") as e:
            cloud.do(command, hostid=h1, **more)
        assert "zebra" not in str(e.value)
    stuck = cloud.db.read(lambda s: s.query(SagaRow).filter_by(state=SagaState.STUCK).count())
    assert stuck == 1  # which of two passwords a BMC has that takes neither, nobody knows
    with pytest.raises(ApiError, match="configured anew"):
        cloud.api("changeOutOfBandManagementPassword", hostid=h1)

    cloud.api("configureOutOfBandManagement", hostid=h1, **{**FACTS, "password": "somebody-elses"})
    saga_id = cloud.db.read(lambda s: s.query(SagaRow).filter_by(state=SagaState.STUCK).one().id)
    cloud.engine.reopen(saga_id)
    cloud.step(saga_id)
    assert cloud.db.read(lambda s: s.get_one(SagaRow, saga_id).state) == SagaState.FAILED
    assert act(cloud, h1, "STATUS")["powerstate"] == "On"


def test_power_is_read_now_and_then_and_written_when_it_changes(cloud: Cloud, h1: str) -> None:
    def row() -> Bmc:
        return cloud.db.read(lambda s: s.query(Bmc).one())

    bmc_state.round(cloud.env)
    first = row()
    cloud.clock.sleep(60)
    bmc_state.round(cloud.env)
    assert (first.power, row().version) == (Power.ON, first.version)

    cloud.world.power_off("h1")
    bmc_state.round(cloud.env)
    assert (row().power, row().power_at_s) == (Power.OFF, cloud.clock.now_s())
    cloud.world.machine("h1").bmc.dark = True
    bmc_state.round(cloud.env)
    assert row().power == Power.UNKNOWN
    assert "cannot be read" in cloud.db.read(lambda s: s.query(Alert).one().subject)


def test_a_bmc_that_is_disabled_is_not_asked(cloud: Cloud, h1: str) -> None:
    cloud.do("disableOutOfBandManagementForHost", hostid=h1)
    cloud.world.asked.clear()

    bmc_state.round(cloud.env)

    assert not cloud.world.asked


def test_hosts_are_listed_by_their_power(cloud: Cloud, built: Built, h1: str) -> None:
    def names(**wanted: Any) -> list[str]:
        return sorted(h["name"] for h in cloud.api("listHosts", **wanted).get("host", []))

    cloud.api("configureOutOfBandManagement", hostid=built.hosts["h2"], **{**FACTS, "address": "h2"})
    act(cloud, h1, "OFF")

    assert names(outofbandmanagementenabled=True) == ["h1"]
    assert names(outofbandmanagementenabled=False) == ["h2"]
    assert names(outofbandmanagementpowerstate="Off") == ["h1"]
    assert names(outofbandmanagementpowerstate="On") == []
    assert names(outofbandmanagementpowerstate="disabled") == ["h2"]
    assert names(outofbandmanagementpowerstate="nonsense") == []


def test_a_deleted_host_leaves_no_secret(cloud: Cloud, h1: str) -> None:
    cloud.api("updateHost", id=h1, allocationstate="Disable")
    cloud.api("deleteHost", id=h1)

    assert cloud.db.read(lambda s: s.query(Bmc).count()) == 0


def test_off_is_proven_for_the_record(cloud: Cloud, h1: str) -> None:
    bmc = cloud.db.read(lambda s: bmcs.usable_of(s, s.query(Host).filter_by(uuid=h1).one().id))
    assert bmc

    evidence = bmc_ways.prove_off(cloud.env, bmc, 5)

    assert "BMC h1:443 read Off at 20" in evidence
    assert not cloud.world.machine("h1").powered


def test_users_see_no_bmc(cloud: Cloud, h1: str) -> None:
    for command in ("configureOutOfBandManagement", "issueOutOfBandManagementPowerAction"):
        with pytest.raises(ApiError, match="does not exist or is not available"):
            cloud.as_user().api(command, hostid=h1, **FACTS)
