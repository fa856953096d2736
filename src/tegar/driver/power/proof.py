"""Power that is read back: an order's return code proves nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from tegar.driver.power.port import PowerDriver
from tegar.kernel.clock import Clock, WallClock
from tegar.kernel.errors import Unavailable, Unreachable
from tegar.kernel.secret import Secret
from tegar.model.errors import BmcRefused, NotProven, WrongPassword
from tegar.model.power import BmcSpec, Power

LOOK_S = 0.1
REPEAT_S = 2.0
READ_S = 3.0


def power_off_proven(driver: PowerDriver, bmc: BmcSpec, within_s: float, clock: Clock) -> str:
    """Turn a host off and return the evidence: the BMC itself read Off.

    The order is repeated, for it may have been lost, and forcing off twice does no harm.  A host
    that is off already is proven at the first reading.

    Args:
        driver: speaks to the BMC.
        bmc: the host's.
        within_s: how long to try.
        clock: time.

    Returns:
        What was read, when, and how long after the order, in words for the record of a proof.

    Raises:
        NotProven: it did not read Off in time; nothing may be concluded.
        WrongPassword: the BMC does not let us in.
        BmcRefused: it does not do this.
    """
    return _until(driver, bmc, Power.OFF, within_s, clock)


def power_on_seen(driver: PowerDriver, bmc: BmcSpec, within_s: float, clock: Clock) -> str:
    """Turn a host on and return the evidence that its BMC reads On.

    Raises:
        NotProven: it did not in time.
        WrongPassword: the BMC does not let us in.
        BmcRefused: it does not do this.
    """
    return _until(driver, bmc, Power.ON, within_s, clock)


def must_accept(driver: PowerDriver, bmc: BmcSpec, new: str, within_s: float) -> None:
    """Return when a BMC lets us in with a new password; some take a moment, some start anew.

    Raises:
        BmcRefused: it does not in time.
        Unreachable: it does not answer.
    """
    clock, known = WallClock(), bmc.with_password(Secret(new))
    end_s = clock.mono_s() + max(1.0, within_s)
    while True:
        try:
            driver.read(known, within_s=max(0.5, min(READ_S, end_s - clock.mono_s())))
            return
        except WrongPassword:
            if clock.mono_s() > end_s:
                raise BmcRefused(bmc.name, "it said that the password was changed, and it was not") from None
        except (Unreachable, Unavailable):
            if clock.mono_s() > end_s:
                raise
        clock.sleep(LOOK_S)


def _until(driver: PowerDriver, bmc: BmcSpec, wanted: Power, within_s: float, clock: Clock) -> str:
    began_s, order_at_s, orders, reads = clock.mono_s(), 0.0, 0, 0
    last, trouble = "it was never heard", ""

    def left_s() -> float:
        return max(0.2, min(READ_S, began_s + within_s - clock.mono_s()))

    while True:
        try:
            found, reads = driver.read(bmc, within_s=left_s()), reads + 1
            last = f"it reads {found}"
            if found == wanted:
                return _evidence(bmc, wanted, clock, orders, reads, clock.mono_s() - order_at_s)
            if orders == 0 or clock.mono_s() - order_at_s >= REPEAT_S:
                orders, order_at_s = orders + 1, clock.mono_s()
                order = driver.force_off if wanted == Power.OFF else driver.on
                order(bmc, within_s=left_s())
                continue  # a BMC that is quick is believed at once
        except (Unreachable, Unavailable) as e:
            trouble = f"; {e}"
        if clock.mono_s() - began_s >= within_s:
            raise NotProven(bmc.name, wanted.value, clock.mono_s() - began_s, last + trouble)
        clock.sleep(LOOK_S)


def _evidence(bmc: BmcSpec, wanted: Power, clock: Clock, orders: int, reads: int, after_s: float) -> str:
    moment = datetime.fromtimestamp(clock.now_s(), UTC).isoformat(timespec="milliseconds")
    if orders == 0:
        return f"BMC {bmc.name} read {wanted} at {moment}, before any order"
    return (
        f"BMC {bmc.name} read {wanted} at {moment}, {after_s:.2f} s after order {orders}, at reading {reads}"
    )
