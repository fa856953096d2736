"""``cs``, the client below Ansible's modules, unchanged."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStack, CloudStackApiException

from support.until import until

Facts = dict[str, Any]
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def client(facts: Facts, **options: Any) -> CloudStack:
    """Return the client with an administrator's keys; it looks at jobs more often than by itself."""
    keys = {"key": facts["apikey"], "secret": facts["secretkey"], "poll_interval": 0.1, **options}
    return CloudStack(facts["endpoint"], **keys)


@pytest.fixture(params=["get", "post"])
def cs(facts: Facts, request: pytest.FixtureRequest) -> CloudStack:
    """The client, waiting for the results of jobs; once with GET, once with POST."""
    return client(facts, method=request.param, fetch_result=True)


def wants(cs: CloudStack, **more: Any) -> dict[str, Any]:
    """Return what a VM needs."""
    template = next(t for t in cs.listTemplates(templatefilter="executable")["template"] if t["isready"])
    return {
        "zoneid": cs.listZones()["zone"][0]["id"],
        "templateid": template["id"],
        "serviceofferingid": cs.listServiceOfferings(name="Tiny Instance")["serviceoffering"][0]["id"],
        "networkids": [cs.listNetworks()["network"][0]["id"]],
        **more,
    }


@contextmanager
def vm(cs: CloudStack, **more: Any) -> Iterator[dict[str, Any]]:
    """A VM for a while."""
    made = cs.deployVirtualMachine(**wants(cs, **more))["virtualmachine"]
    yield made
    cs.destroyVirtualMachine(id=made["id"], expunge=True)


def test_the_cloud_is_listed(cs: CloudStack) -> None:
    assert [z["name"] for z in cs.listZones(fetch_list=True)] == ["Zone1"]
    assert [t["name"] for t in cs.listTemplates(templatefilter="featured", fetch_list=True)] == [
        "tegar-guest"
    ]
    assert "Tiny Instance" in [o["name"] for o in cs.listServiceOfferings(fetch_list=True)]
    assert [n["name"] for n in cs.listNetworks(fetch_list=True)] == ["shared"]
    assert "hello" in [v["name"] for v in cs.listVirtualMachines(fetch_list=True)]


def test_a_key_pair_is_made_listed_and_deleted(cs: CloudStack) -> None:
    made = cs.createSSHKeyPair(name="cs-key")["keypair"]

    assert made["privatekey"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    (listed,) = cs.listSSHKeyPairs(name="cs-key")["sshkeypair"]
    assert listed["fingerprint"] == made["fingerprint"]
    assert cs.deleteSSHKeyPair(name="cs-key")["success"] in (True, "true")
    assert cs.listSSHKeyPairs(name="cs-key") == {}


def test_a_vm_lives_and_ends(cs: CloudStack) -> None:
    text = base64.b64encode(b"#cloud-config\n# \xc3\xbc\n").decode()
    made = cs.deployVirtualMachine(**wants(cs, name="cs-vm", displayname="Größe + 1 & 2", userdata=text))[
        "virtualmachine"
    ]
    one = {"id": made["id"]}

    assert (made["state"], made["displayname"]) == ("Running", "Größe + 1 & 2")
    assert cs.listVirtualMachines(**one)["virtualmachine"][0]["nic"][0]["ipaddress"].startswith("10.1.")
    assert cs.stopVirtualMachine(**one)["virtualmachine"]["state"] == "Stopped"
    assert cs.startVirtualMachine(**one)["virtualmachine"]["state"] == "Running"
    assert cs.rebootVirtualMachine(**one)["virtualmachine"]["state"] == "Running"
    assert cs.destroyVirtualMachine(**one)["virtualmachine"]["state"] == "Destroyed"
    assert cs.recoverVirtualMachine(**one)["virtualmachine"]["state"] == "Stopped"
    cs.destroyVirtualMachine(**one, expunge=True)
    assert cs.listVirtualMachines(name="cs-vm") == {}


def test_a_volume_goes_in_and_out(cs: CloudStack) -> None:
    custom = cs.listDiskOfferings(name="Custom")["diskoffering"][0]
    zone = cs.listZones()["zone"][0]["id"]
    volume = cs.createVolume(name="cs-data", zoneid=zone, diskofferingid=custom["id"], size=2)["volume"]
    with vm(cs, name="cs-disk") as machine:
        attached = cs.attachVolume(id=volume["id"], virtualmachineid=machine["id"])["volume"]

        assert (attached["virtualmachineid"], attached["size"]) == (machine["id"], 2 * 1024**3)
        assert {v["type"] for v in cs.listVolumes(virtualmachineid=machine["id"])["volume"]} == {
            "ROOT",
            "DATADISK",
        }
        assert "virtualmachineid" not in cs.detachVolume(id=volume["id"])["volume"]
    assert cs.deleteVolume(id=volume["id"])["success"] in (True, "true")
    assert cs.listVolumes(name="cs-data") == {}


def ended(cs: CloudStack, job_id: str) -> Any:
    """Return the job if it has ended."""
    job = cs.queryAsyncJobResult(jobid=job_id)
    return job if job["jobstatus"] else None


def test_a_job_can_be_followed_by_hand(facts: Facts) -> None:
    cs = client(facts)
    answer = cs.rebootVirtualMachine(id=facts["vm"])

    assert set(answer) == {"jobid"}
    job = until(lambda: ended(cs, answer["jobid"]), "the job ends")
    assert (job["jobstatus"], job["jobresultcode"]) == (1, 0)
    assert job["jobresult"]["virtualmachine"]["id"] == facts["vm"]


@pytest.mark.parametrize("pagesize", [1, 2, 3, 4, 500])
def test_pages_are_put_together_whatever_their_size(facts: Facts, pagesize: int) -> None:
    cs = client(facts)
    names = {f"page-{pagesize}-{n}" for n in range(4)}
    for name in names:
        cs.createSSHKeyPair(name=name)

    listed = cs.listSSHKeyPairs(fetch_list=True, pagesize=pagesize, keyword=f"page-{pagesize}-")

    assert len(listed) == 4
    assert {k["name"] for k in listed} == names
    for name in names:
        cs.deleteSSHKeyPair(name=name)
    assert cs.listSSHKeyPairs(fetch_list=True, pagesize=pagesize, keyword=f"page-{pagesize}-") == []


def test_what_is_gone_is_told_in_the_words_that_clients_match(cs: CloudStack) -> None:
    for command in ("listVirtualMachines", "deleteVolume", "listNetworks", "listPublicIpAddresses"):
        with pytest.raises(CloudStackApiException, match="entity does not exist"):
            getattr(cs, command)(id=UNKNOWN)


def test_errors_are_raised_with_their_record(cs: CloudStack) -> None:
    with pytest.raises(CloudStackApiException) as e:
        cs.startVirtualMachine(id=UNKNOWN)

    assert e.value.error["errorcode"] == 431
    assert UNKNOWN in e.value.error["errortext"]
    assert e.value.response.status_code == 431


def test_a_job_that_fails_is_raised_with_its_reason(cs: CloudStack, facts: Facts) -> None:
    huge = cs.createServiceOffering(name="huge", displaytext="huge", cpunumber=1, cpuspeed=100, memory=2**30)
    with pytest.raises(CloudStackApiException, match="Job failure") as e:
        cs.deployVirtualMachine(**wants(cs, serviceofferingid=huge["serviceoffering"]["id"]))
    cs.deleteServiceOffering(id=huge["serviceoffering"]["id"])

    assert e.value.error["errorcode"] == 533
    assert e.value.error["errortext"]


def test_a_wrong_secret_is_refused(facts: Facts) -> None:
    with pytest.raises(CloudStackApiException) as e:
        client(facts, secret="wrong").listZones()

    assert e.value.response.status_code == 401


@pytest.mark.parametrize("expiration", [timedelta(hours=1), 60, "600", -1])
def test_requests_are_dated_in_all_forms_or_not_at_all(facts: Facts, expiration: Any) -> None:
    assert client(facts, expiration=expiration).listZones()["count"] == 1


def test_a_request_from_the_past_is_refused(facts: Facts) -> None:
    past = {"signatureVersion": "3", "expires": "2020-01-01T00:00:00+0000"}
    with pytest.raises(CloudStackApiException) as e:
        client(facts).listZones(**past)

    assert e.value.response.status_code == 401


def test_user_data_of_thirty_kilobytes_goes_by_post(facts: Facts) -> None:
    cs = client(facts, method="post", fetch_result=True)
    text = base64.b64encode(b"x" * 30_000).decode()
    with vm(cs, name="cs-much", userdata=text) as machine:
        shown = cs.listVirtualMachines(id=machine["id"], userdata=True)["virtualmachine"][0]

        assert shown["userdata"] == text


def test_lists_and_maps_are_understood(cs: CloudStack) -> None:
    network = cs.listNetworks()["network"][0]["id"]
    params = wants(cs, name="cs-map", details={"note": "a b+c"})
    del params["networkids"]
    made = cs.deployVirtualMachine(**params, iptonetworklist=[{"networkid": network, "ip": "10.1.2.3"}])[
        "virtualmachine"
    ]

    found = cs.listVirtualMachines(ids=[made["id"]], details=["nics", "all"])["virtualmachine"]
    assert [v["nic"][0]["ipaddress"] for v in found] == ["10.1.2.3"]
    assert found[0]["details"]["note"] == "a b+c"
    cs.destroyVirtualMachine(id=made["id"], expunge=True)


def test_the_command_line_lists_zones(facts: Facts, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "CLOUDSTACK_ENDPOINT": facts["endpoint"],
        "CLOUDSTACK_KEY": facts["apikey"],
        "CLOUDSTACK_SECRET": facts["secretkey"],
    }
    words = [str(Path(sys.executable).with_name("cs")), "listZones", "name=Zone1"]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert '"name": "Zone1"' in done.stdout
