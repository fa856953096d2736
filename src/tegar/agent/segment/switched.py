"""Filters on bridges of Open vSwitch, put in force by flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tegar.agent.segment import ovs
from tegar.agent.segment.flows import Neighbour, Plugged, flows
from tegar.agent.segment.links import address_of
from tegar.agent.segment.rules import addresses
from tegar.model.spec import NicSpec

_DAEMON = Path("/run/openvswitch/ovs-vswitchd.pid")


@dataclass(frozen=True)
class _Pin:
    """A MAC address that is at one port of a VLAN for certain, whatever the switch hears."""

    number: int
    tag: int
    mac: str


class Switched:
    """Flows of all bridges, and what the switch is told besides."""

    def __init__(self) -> None:
        self._daemon = _seen()
        self._kept_out: set[str] = set()

    def restarted(self) -> bool:
        """Return whether the daemon is another one than at the last look."""
        now = _seen()
        if now in ("", self._daemon):
            return False
        self._daemon = now
        self._kept_out.clear()
        return True

    def apply(self, bridge: str, nics: Sequence[NicSpec]) -> frozenset[str]:
        """Make the flows of a bridge those of its NICs, at once; return the uuids of those that are plugged in."""
        ports = ovs.ports(bridge)
        of_nic = {port.nic_uuid: port for port in ports if port.nic_uuid}
        plugged = [
            Plugged(nic, of_nic[nic.nic_uuid].number, of_nic[nic.nic_uuid].tag or 0)
            for nic in nics
            if nic.nic_uuid in of_nic
        ]
        filtered = {it.port for it in plugged if it.nic.filter}
        others = [Neighbour(port.number, port.tag) for port in ports if port.number not in filtered]
        wanted = {
            _Pin(it.port, it.tag, addresses(it.nic).mac)
            for it in plugged
            if it.nic.filter and it.groups is not None
        }
        pinned = _pinned(bridge)
        names = {port.number: port.name for port in ports}
        if bridge not in self._kept_out and plugged:
            _keep_host_out(bridge)
            self._kept_out.add(bridge)
        for pin in wanted - pinned:
            _pin(bridge, pin, names[pin.number])
        ovs.replace_flows(bridge, flows(plugged, others, ovs.mac_of(bridge)))
        for pin in pinned - wanted:
            _unpin(bridge, pin, names.get(pin.number, ""))
        return frozenset(it.nic.nic_uuid for it in plugged)


def _seen() -> str:
    try:
        return f"{_DAEMON.read_text().strip()} {_DAEMON.stat().st_mtime_ns}"
    except OSError:
        return ""


def _keep_host_out(bridge: str) -> None:
    """Hand no flooded frames to the host itself, unless it has an address there."""
    if not address_of(bridge):
        ovs.flood(bridge, bridge, on=False)


def _pinned(bridge: str) -> set[_Pin]:
    """Return the addresses that are pinned on a bridge: nobody but us pins any."""
    rows = [row.split() for row in ovs.appctl("fdb/show", bridge).must(f"bridge {bridge}").out.splitlines()]
    return {
        _Pin(int(row[0]), int(row[1]), row[2])
        for row in rows
        if len(row) == 4 and row[3] == "static" and row[0].isdigit()
    }


def _pin(bridge: str, pin: _Pin, port: str) -> None:
    """Pin an address to its port, and forget connections of whoever had the port before."""
    ovs.flood(bridge, port, on=False)
    ovs.appctl("fdb/add", bridge, port, str(pin.tag), pin.mac).must(f"port {port}")
    ovs.appctl("dpctl/flush-conntrack", f"zone={pin.number}")


def _unpin(bridge: str, pin: _Pin, port: str) -> None:
    ovs.appctl("fdb/del", bridge, str(pin.tag), pin.mac)
    if port:
        ovs.flood(bridge, port, on=True)
