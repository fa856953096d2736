"""Change a host's power as an operator asked.

What a BMC was told cannot be untold: the undo finds out what the power is now and writes that down.
ON and OFF may be told any number of times, until the BMC reads it.  RESET, CYCLE and SOFT are told at
most once: a mark is written before, and again after.  Who finds the first mark and not the second
does not tell again, for nobody can know whether it was done; the operator looks and decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tegar.driver.power.port import PowerDriver
from tegar.driver.power.proof import power_off_proven, power_on_seen
from tegar.kernel.errors import Refused, TegarError
from tegar.kernel.saga import Run, Saga, SagaRow, Step
from tegar.model.power import Action, BmcSpec, Power
from tegar.saga.bmc import Reach, reach
from tegar.saga.env import Env
from tegar.store import bmcs, events
from tegar.store.bmcs import Bmc
from tegar.store.hosts import Host

READ_S, LOOK_S = 5.0, 0.5


@dataclass(frozen=True)
class PowerHost:
    """Which host, what to do, and for how long to try."""

    host_id: int
    action: Action
    timeout_s: float


PowerRun = Run[Env, PowerHost]


def _bmc(s: Session, run: PowerRun) -> Bmc:
    bmc = bmcs.usable_of(s, run.params.host_id)
    if bmc is None:
        raise Refused("The host's BMC was removed or disabled")
    return bmc


def tell(run: PowerRun) -> Power:
    """Tell the BMC and return what it reads then."""
    way, within_s = reach(run.env, run.env.db.read(lambda s: _bmc(s, run))), run.params.timeout_s
    match run.params.action:
        case Action.STATUS:
            return _read(way, within_s)
        case Action.OFF:
            way.ask(lambda driver, spec: power_off_proven(driver, spec, within_s, run.env.clock))
            return Power.OFF
        case Action.ON:
            way.ask(lambda driver, spec: power_on_seen(driver, spec, within_s, run.env.clock))
            return Power.ON
        case _:
            return _tell_once(run, way, within_s)


def _read(way: Reach, within_s: float) -> Power:
    return way.ask(lambda driver, spec: driver.read(spec, within_s=within_s))


def _tell_once(run: PowerRun, way: Reach, within_s: float) -> Power:
    """Give an order that must not be given twice.

    Raises:
        Refused: it may have been given before, and nobody knows.
    """
    found = _read(way, within_s)  # that we are heard and let in is known before the mark is written
    match run.env.db.tx(lambda s: _mark(s, run)):
        case "new":
            way.ask(lambda driver, spec: _order(driver, spec, run.params))
            run.env.db.tx(lambda s: _mark(s, run, done=True))
            return _settled(run, way)
        case "done":
            return found
        case _:
            raise Refused(
                f"Nobody knows whether {run.params.action} was done, for its answer was lost; it reads {found} now"
            )


def _settled(run: PowerRun, way: Reach) -> Power:
    """Return what is read; after a reset or a cycle, which may read Off for a while, when it is on again."""
    clock, wanted = run.env.clock, run.params.action in (Action.RESET, Action.CYCLE)
    end_s = clock.mono_s() + run.params.timeout_s
    while True:
        found = _read(way, READ_S)
        if found == Power.ON or not wanted or clock.mono_s() >= end_s:
            return found
        clock.sleep(LOOK_S)


def _order(driver: PowerDriver, spec: BmcSpec, want: PowerHost) -> None:
    orders = {Action.RESET: driver.reset, Action.CYCLE: driver.cycle, Action.SOFT: driver.soft_off}
    orders[want.action](spec, within_s=want.timeout_s)


def _mark(s: Session, run: PowerRun, *, done: bool = False) -> str:
    """Return how far this saga's order got before: ``new``, ``sent`` or ``done``; and write how far it is."""
    bmc = _bmc(s, run)
    whose, _, how_far = bmc.told.partition(" ")
    before = how_far if whose == run.fence.saga else "new"
    bmc.told = f"{run.fence.saga} {'done' if done or before == 'done' else 'sent'}"
    return before


def find_out(run: PowerRun) -> None:
    """Write down what the power is now; a BMC that does not answer is Unknown."""
    bmc = run.env.db.read(lambda s: bmcs.usable_of(s, run.params.host_id))
    if bmc is None:
        return
    try:
        found = _read(reach(run.env, bmc), READ_S)
    except TegarError:
        found = Power.UNKNOWN
    run.env.db.tx(lambda s: _note(s, run, found))


def _note(s: Session, run: PowerRun, found: Power) -> None:
    bmc = bmcs.of_host(s, run.params.host_id)
    if bmc is not None and bmc.power != found:
        bmc.power, bmc.power_at_s = found, run.env.clock.now_s()


def say(run: PowerRun) -> None:
    """The power is as the BMC read it."""

    def work(s: Session) -> None:
        found = run.result(tell)
        _note(s, run, found)
        bmc, host = bmcs.of_host(s, run.params.host_id), s.get_one(Host, run.params.host_id)
        mine = s.get_one(SagaRow, run.saga_id)
        if bmc is not None:
            bmc.action = run.params.action.value
        events.note(
            s,
            "HOST.OOBM.ACTION",
            f"Power action {run.params.action} on host {host.name} is done: it reads {found}",
            account_id=mine.account_id or 0,
            user_id=mine.user_id or 0,
            resource_type="Host",
            resource_uuid=host.uuid,
        )

    run.env.db.tx(work)


POWER_HOST = Saga[Env, PowerHost](
    "bmc.power",
    PowerHost,
    Step(tell, undo=find_out, patience_s=1),
    Step(say),
)
"""``tell`` has a deadline of its own, so it is hardly repeated; RESET and CYCLE see the mark if it is."""
