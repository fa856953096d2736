"""Filters on Linux bridges, put in force by nftables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tegar.agent import child
from tegar.agent.segment.ruleset import Bridged, ruleset
from tegar.kernel.errors import AgentRefused

_TRACKING = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def apply_ruleset(nics: Sequence[Bridged]) -> None:
    """Put the filters of all NICs on Linux bridges in force, at once."""
    if any(it.groups is not None for it in nics):
        _track()
    child.run(("nft", "-f", "-"), timeout_s=20, what="nft", stdin=ruleset(nics)).must("nft")


def _track() -> None:
    """Let the kernel track connections that cross bridges."""
    if not _TRACKING.exists():
        child.run(("modprobe", "br_netfilter"), timeout_s=20, what="modprobe")
    if not _TRACKING.exists():
        raise AgentRefused(
            "The host",
            "security groups",
            "this kernel does not track connections on Linux bridges (module br_netfilter); a bridge of Open vSwitch does",
        )
    if _TRACKING.read_text().strip() != "1":
        _TRACKING.write_text("1\n")
