"""The Filters port: what NICs may send and receive, kept for each VM and enforced where its NICs are plugged in.

Kept in memory that dies with the boot, as the guests do: a new agent finds what was in force.  A VM that is arriving is
known but not enforced yet, or frames for it would be pinned to this host while it still runs on the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from tegar.agent.places import check_uuid
from tegar.agent.segment.bridged import apply_ruleset
from tegar.agent.segment.plan import Segment
from tegar.agent.segment.ruleset import Bridged
from tegar.agent.segment.switched import Switched
from tegar.kernel import codec
from tegar.kernel.errors import AgentRefused, TegarError
from tegar.model.spec import NetworkSpec, NicSpec

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Kept:
    """The NICs of a VM and what each is plugged into; ``enforced``: it is here."""

    nics: tuple[NicSpec, ...]
    segments: tuple[Segment, ...]
    enforced: bool = True


class NicFilters:
    """Filters of all VMs of the host, in files ``<folder>/<uuid>.json``."""

    def __init__(self, folder: Path, segment: Callable[[NetworkSpec], Segment]) -> None:
        self._folder, self._segment = folder, segment
        self._lock = threading.RLock()
        self._switched = Switched()
        self._due = False
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._kept = {file.stem: it for file in folder.glob("*.json") if (it := _read(file))}

    def nics(self, vm_uuid: str) -> tuple[NicSpec, ...]:
        """Return the NICs of a VM as they are known here."""
        with self._lock:
            kept = self._kept.get(vm_uuid)
            return kept.nics if kept else ()

    def prepare(self, vm_uuid: str, nics: tuple[NicSpec, ...]) -> None:
        """Know a VM that will arrive."""
        with self._lock:
            before = self._kept.get(vm_uuid)
            if before is None or not before.enforced:
                self._keep(vm_uuid, self._new(vm_uuid, nics, enforced=False))

    def enforce(self, vm_uuid: str) -> None:
        """Filter the NICs of a VM that has arrived; one that nobody told of has none."""
        with self._lock:
            kept = self._kept.get(vm_uuid)
            if kept:
                self.set(vm_uuid, kept.nics)

    def set(self, vm_uuid: str, nics: tuple[NicSpec, ...]) -> None:
        """Filter the NICs of a VM so from now on; they are all the NICs it has."""
        self.set_all(((vm_uuid, nics),))

    def set_all(self, vms: Iterable[tuple[str, tuple[NicSpec, ...]]]) -> None:
        """Filter the NICs of many VMs; each bridge changes at once."""
        with self._lock:
            touched: set[Segment] = set()
            must: set[str] = set()
            for vm_uuid, nics in vms:
                before, kept = self._kept.get(vm_uuid), self._new(vm_uuid, nics, enforced=True)
                touched |= {*kept.segments, *(before.segments if before else ())}
                must |= {nic.nic_uuid for nic in kept.nics if nic.filter}
                self._keep(vm_uuid, kept)
            self._apply(frozenset(touched), frozenset(must))

    def forget(self, vm_uuid: str) -> None:
        """Filter nothing of a VM any more: it is gone."""
        with self._lock:
            kept = self._kept.pop(vm_uuid, None)
            if kept:
                (self._folder / f"{check_uuid(vm_uuid)}.json").unlink(missing_ok=True)
                self._apply(frozenset(kept.segments), frozenset())

    def refresh(self, bridge: str = "") -> None:
        """Enforce again what is known, on one bridge or all; what fails is logged, and tried again by the watch."""
        with self._lock:
            every = frozenset(s for kept in self._kept.values() for s in kept.segments)
            segments = frozenset(s for s in every if bridge in ("", s.bridge))
            try:
                self._apply(segments, frozenset())
            except TegarError as e:
                self._due = True
                log.error("filters are not in force", bridge=bridge or "all", why=str(e))

    def watch(self, stop: threading.Event, period_s: float = 2.0) -> None:
        """Enforce everything again whenever Open vSwitch was restarted, for its flows died with it."""
        while not stop.wait(period_s):
            if self._switched.restarted() or self._due:
                log.warning("Open vSwitch was restarted, or did not obey; filters are set again")
                self._due = False
                self.refresh()

    def _new(self, vm_uuid: str, nics: tuple[NicSpec, ...], *, enforced: bool) -> Kept:
        known = {nic.nic_uuid: nic for nic in self.nics(vm_uuid)}
        newest = tuple(_newer(nic, known.get(nic.nic_uuid)) for nic in nics)
        return Kept(newest, tuple(self._segment(nic.network) for nic in newest), enforced)

    def _keep(self, vm_uuid: str, kept: Kept) -> None:
        file = self._folder / f"{check_uuid(vm_uuid)}.json"
        spare = file.with_suffix(".new")
        spare.write_text(codec.encode(kept))
        spare.replace(file)
        self._kept[vm_uuid] = kept

    def _apply(self, segments: frozenset[Segment], must: frozenset[str]) -> None:
        """Enforce on the bridges of these segments; NICs that *must* be plugged in are missed when they are not."""
        here = [
            (nic, segment)
            for kept in self._kept.values() if kept.enforced
            for nic, segment in zip(kept.nics, kept.segments, strict=True)
        ]  # fmt: skip
        if any(segment.tag is None for segment in segments):
            apply_ruleset([Bridged(nic, segment.bridge) for nic, segment in here if segment.tag is None])
        for bridge in sorted({segment.bridge for segment in segments if segment.tag is not None}):
            nics = [nic for nic, segment in here if segment.tag is not None and segment.bridge == bridge]
            plugged = self._switched.apply(bridge, nics)
            missed = sorted({nic.nic_uuid for nic in nics} & must - plugged)
            if missed:
                raise AgentRefused("The host", "filters", f"NICs {', '.join(missed)} are not plugged in")


def _newer(nic: NicSpec, known: NicSpec | None) -> NicSpec:
    """Return a NIC with the newer of two filters."""
    if known and known.filter and nic.filter and known.filter.version > nic.filter.version:
        return replace(nic, filter=known.filter)
    return nic


def _read(file: Path) -> Kept | None:
    try:
        kept: Kept = codec.decode(Kept, file.read_bytes())
    except (OSError, ValueError) as e:
        log.error("filters of a VM cannot be read", file=str(file), why=str(e))
        return None
    return kept
