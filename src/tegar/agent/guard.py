"""The warden's configuration, as the agent writes it when servers say how the host is guarded."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from tegar.agent.config import Config
from tegar.agent.hands import QmpHands
from tegar.agent.paths import Paths
from tegar.kernel.errors import BadParameter
from tegar.model.timing import DEFAULT, FAST, Timing
from tegar.wire.guard import GuardFacts, SetGuard

KINDS = {"default": DEFAULT, "fast": FAST}


@dataclass(frozen=True)
class WardenSays:
    """``warden.json``: what it found and what it lacks."""

    boot: str = ""
    watchdog: str = ""
    watchdog_s: float = 0.0
    dead_s: float = 0.0
    lacking: tuple[str, ...] = ()


class FileGuard:
    """The Guard port: ``guard.json`` in the state directory, which ``tegar warden`` waits for."""

    def __init__(self, config: Config, hands: QmpHands) -> None:
        self._config, self._hands = config, hands
        self._file = guard_file(config.state_dir)

    def set(self, ask: SetGuard) -> GuardFacts:
        """Write what the warden must know; tell it when that changed."""
        text = json.dumps(self._content(ask), indent=1, sort_keys=True) + "\n"
        if not self._file.exists() or self._file.read_text() != text:
            spare = self._file.with_suffix(".new")
            spare.unlink(missing_ok=True)
            with open(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
                f.write(text)
                f.flush()
                os.fsync(f.fileno())
            spare.replace(self._file)
            self._hands.restart_warden()
        self._hands.guard()
        return self.facts()

    def facts(self) -> GuardFacts:
        """Return how the host is guarded, as far as the agent can tell."""
        configured = self._file.exists()
        timing = Timing(**json.loads(self._file.read_text())["timing"]) if configured else DEFAULT
        order, report, said = self._hands.gate.order, self._hands.report, self._warden_says()
        return GuardFacts(
            configured=configured,
            boot=self._hands.gate.boot,
            epoch=report.epoch,
            verb=order.verb.value if order else "",
            done=bool(order) and report.done,
            order_age_s=self._hands.order_age_s,
            watchdog=said.watchdog or self._config.watchdog,
            watchdog_s=said.watchdog_s or timing.reset_s,
            dead_s=said.dead_s or timing.dead_s,
            lacking=self._lacking(),
        )

    def _lacking(self) -> tuple[str, ...]:
        lacking = [] if self._config.watchdog else ["no watchdog is named in agent.toml"]
        lacking += [f"the QEMU of {uuid} cannot be spoken to" for uuid in self._hands.out_of_reach]
        return tuple(dict.fromkeys([*lacking, *self._warden_says().lacking]))

    def _warden_says(self) -> WardenSays:
        """Return what the warden of this boot wrote when it began, or nothing."""
        with suppress(OSError, msgspec.MsgspecError):
            said = msgspec.json.decode(Paths(self._config.run_dir).warden.read_bytes(), type=WardenSays)
            if said.boot == self._hands.gate.boot:
                return said
        return WardenSays()

    def _content(self, ask: SetGuard) -> dict[str, object]:
        config, paths = self._config, Paths(self._config.run_dir)
        return {
            "host": ask.host,
            "key": ask.key,
            "listen": [config.listen or config.address, 0],
            "witnesses": {w.name: [w.address, w.port] for w in ask.witnesses},
            "hands": str(paths.orders),
            "reports": str(paths.reports),
            "watchdog": config.watchdog,
            "timing": timing_of(ask.timing, config.timing),
        }


def guard_file(state_dir: Path) -> Path:
    """Return where the warden's configuration is."""
    return state_dir / "guard.json"


def timing_of(kind: str, own: dict[str, float]) -> dict[str, float]:
    """Return the numbers of a kind of timing, with those that are the host's own.

    Raises:
        BadParameter: no such kind, or no such number.
        UnsafeTiming: together they break an inequality.
    """
    if kind not in KINDS:
        raise BadParameter("timing", f"it must be one of {', '.join(KINDS)}")
    numbers: dict[str, float] = {**asdict(KINDS[kind])}
    unknown = own.keys() - numbers.keys()
    if unknown:
        raise BadParameter("timing", f"agent.toml may set {', '.join(sorted(numbers))} there")
    whole = {name: type(number)(own.get(name, number)) for name, number in numbers.items()}
    Timing(**whole).check()  # type: ignore[arg-type]
    return whole
