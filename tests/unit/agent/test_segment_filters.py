"""Filters as they are rendered: read the golden files."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import golden_files
import pytest

from tegar.agent.segment.flows import Neighbour, Plugged, flows
from tegar.agent.segment.rules import link_local, masks, networks
from tegar.agent.segment.ruleset import Bridged, ruleset
from tegar.kernel.errors import Refused
from tegar.model.rule import Match, Protocol
from tegar.model.spec import NetworkSpec, NicFilter, NicSpec, SecurityRules

NET = NetworkSpec("33333333-3333-4333-8333-333333333333", "cloudbr1", 100)
GROUPS = SecurityRules(
    ingress=(
        Match(Protocol.TCP, ("10.1.0.0/16", "192.0.2.7/32"), first_port=80, last_port=82),
        Match(Protocol.ICMP, icmp_type=8, icmp_code=0),
        Match(Protocol.NUMBER, number=47),
    ),
    egress=(
        Match(Protocol.UDP, destinations=("198.51.100.0/24",), first_port=123, last_port=123),
        Match(Protocol.TCP),
    ),
)
PLAIN = NicSpec("55555555-5555-4555-8555-555555555555", NET, "02:00:00:00:00:07", "10.1.1.7", 0)
GROUPED = NicSpec(
    "66666666-6666-4666-8666-666666666666",
    NET,
    "02:00:00:00:00:08",
    "10.1.1.8",
    0,
    NicFilter(("10.1.1.9",), groups=GROUPS),
)
FREE = NicSpec("77777777-7777-4777-8777-777777777777", NET, "02:00:00:00:00:09", "", 0)
ANYBODY = replace(
    FREE,
    nic_uuid="88888888-8888-4888-8888-888888888888",
    filter=NicFilter(spoof_guard=False, groups=SecurityRules()),
)
ALL = (PLAIN, GROUPED, FREE, ANYBODY)


def test_flows_read_as_they_should() -> None:
    nics = [Plugged(nic, 3 + n, 100) for n, nic in enumerate(ALL)]
    text = flows(nics, [Neighbour(1, None), Neighbour(2, 100)], "aa:bb:cc:dd:ee:ff")

    golden_files.check("flows", text)


def test_a_ruleset_reads_as_it_should() -> None:
    text = ruleset([Bridged(nic, "brv-c16f0-100") for nic in ALL])

    golden_files.check("filters.nft", text)


@pytest.mark.skipif(shutil.which("nft") is None, reason="there is no nft")
def test_nft_takes_the_ruleset(tmp_path: Path) -> None:
    file = tmp_path / "rules.nft"
    file.write_text(ruleset([Bridged(nic, "brv-c16f0-100") for nic in ALL]))

    said = subprocess.run(
        ["unshare", "--net", "--map-root-user", "nft", "-f", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    if "unshare failed" in said.stderr:
        pytest.skip("namespaces are not for us here")
    assert said.stderr == ""


def test_nobody_leaves_nothing_behind() -> None:
    assert flows([Plugged(replace(PLAIN, filter=None), 3, 0)], [], "").splitlines() == [
        "delete cookie=0x7e9a000000000000/0xffff000000000000"
    ]
    assert [line for line in ruleset([]).splitlines() if "{}" not in line and "delete" not in line] == []


@pytest.mark.parametrize(
    "span", [(0, 0), (80, 80), (80, 82), (1, 65535), (1000, 2999), (65535, 65535), (0, 65534)]
)
def test_masks_say_the_same_as_the_range(span: tuple[int, int]) -> None:
    found = masks(*span)
    said = {port for port in range(65536) if any(port & mask == value for value, mask in found)}

    assert said == set(range(span[0], span[1] + 1))


def test_networks_are_as_few_as_say_the_same() -> None:
    assert networks(("10.0.0.0/25", "10.0.0.128/25", "10.0.0.7/32")) == ("10.0.0.0/24",)
    assert networks(("10.0.0.1/32", "0.0.0.0/0")) == ()


def test_what_is_no_address_is_refused() -> None:
    for nic in (replace(PLAIN, ip="10.1.1.7;drop"), replace(PLAIN, mac="02:00:00:00:00")):
        with pytest.raises(Refused):
            ruleset([Bridged(nic, "br")])


def test_an_interface_makes_its_address_of_its_mac() -> None:
    assert link_local(bytes.fromhex("020000000007")) == "fe80::ff:fe00:7"
