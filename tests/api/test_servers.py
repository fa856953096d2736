"""Management servers as rows; how real ones obey is in tests/servers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import Refusal, SmallCloud

from tegar.api.serve import Api
from tegar.store import servers
from tegar.store.servers import About

ONE = About("11111111-1111-4111-8111-111111111111", "s1", "10.0.0.2", "0.1.0", "Debian", "6.1", 1.0)


@pytest.fixture
def server(small: SmallCloud) -> str:
    small.db.tx(lambda s: servers.present(s, ONE, "run", small.clock.now_s()))
    return ONE.uuid


def test_a_server_is_listed_with_what_it_told(small: SmallCloud, server: str) -> None:
    (found,) = small.admin("listManagementServers")["managementserver"]

    assert (found["id"], found["name"], found["state"]) == (server, "s1", "Up")
    assert (found["version"], found["serviceip"], found["pendingjobscount"]) == ("0.1.0", "10.0.0.2", 0)
    assert small.admin("listManagementServers", name="s2") == {}


def test_a_server_that_starts_again_keeps_its_row(small: SmallCloud, server: str) -> None:
    later = replace(ONE, name="renamed")
    small.db.tx(lambda s: servers.present(s, later, "another run", small.clock.now_s()))

    (found,) = small.admin("listManagementServers")["managementserver"]
    assert (found["id"], found["name"]) == (server, "renamed")


def test_a_server_is_prepared_once_and_can_be_told_to_go_on(small: SmallCloud, server: str) -> None:
    told = small.admin("prepareForShutdown", managementserverid=server)["prepareforshutdown"]
    assert (told["state"], told["readyforshutdown"]) == ("PreparingForShutDown", False)

    with pytest.raises(Refusal, match="must be Up"):
        small.admin("prepareForShutdown", managementserverid=server)

    assert small.admin("cancelShutdown", managementserverid=server)["cancelshutdown"]["state"] == "Up"


def test_a_server_that_is_ending_cannot_be_told_to_go_on(small: SmallCloud, server: str) -> None:
    told = small.admin("triggerShutdown", managementserverid=server)["triggershutdown"]
    assert (told["state"], told["shutdowntriggered"]) == ("ShuttingDown", True)

    with pytest.raises(Refusal):
        small.admin("cancelShutdown", managementserverid=server)


def test_each_step_is_in_the_audit_log(small: SmallCloud, server: str) -> None:
    for command in ("prepareForShutdown", "cancelShutdown", "triggerShutdown"):
        small.admin(command, managementserverid=server)

    written = {e["type"] for e in small.admin("listEvents", pagesize=50, page=1)["event"]}
    assert {"MS.SHUTDOWN.PREPARE", "MS.SHUTDOWN.CANCEL", "MS.SHUTDOWN"} <= written


def test_a_leaving_server_refuses_jobs_and_does_nothing(small: SmallCloud) -> None:
    zone = small.admin("createZone", name="z", networktype="Advanced", dns1="9.9.9.9", internaldns1="9.9.9.9")
    leaving = replace(small.admin, api=Api(small.db, replace(small.api.world, leaving=lambda: True)))
    words = {"name": "wires", "zoneid": zone["zone"]["id"]}

    with pytest.raises(Refusal, match="Can not accept new jobs") as refused:
        leaving("createPhysicalNetwork", **words)

    assert refused.value.code == 503
    assert small.admin("listPhysicalNetworks") == {}
    assert leaving("listZones")["count"] == 1
