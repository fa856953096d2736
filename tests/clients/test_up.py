"""``tegar up`` again, and its end."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

from support import program
from tegar.main.client import Client


def test_up_again_changes_nothing_and_another_host_is_added(facts: dict[str, Any], directory: Path) -> None:
    api = Client(facts["endpoint"], facts["apikey"], facts["secretkey"])
    before = {x: api(x)["count"] for x in ("listZones", "listHosts", "listStoragePools", "listNetworks")}

    assert program.up(directory, "--simulated")["apikey"] == facts["apikey"]
    assert {x: api(x)["count"] for x in before} == before
    program.up(directory, "--simulated", "--hosts", 3)
    assert {h["name"] for h in api("listHosts")["host"]} == {"h1", "h2", "h3"}


def test_up_brings_its_first_vm_back(facts: dict[str, Any], directory: Path) -> None:
    api = Client(facts["endpoint"], facts["apikey"], facts["secretkey"])
    api.job("destroyVirtualMachine", id=facts["vm"])

    assert program.up(directory, "--simulated")["vm"] == facts["vm"]
    assert api.first("listVirtualMachines", "virtualmachine", id=facts["vm"])["state"] == "Running"


def test_a_cloud_in_the_foreground_ends_when_told(tmp_path: Path) -> None:
    words = [str(program.TEGAR), "up", "--simulated", "--dir", str(tmp_path / "c"), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout
        for line in up.stdout:
            if "Ctrl-C" in line:
                break
        up.send_signal(signal.SIGTERM)
        said = up.stdout.read()

    assert up.returncode == 0
    assert "nothing of the cloud is left" in said
    assert list((tmp_path / "c").iterdir()) == []
