"""Read the power of every host whose BMC may be used, and write down what has changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import update
from sqlalchemy.orm import Session

from tegar.kernel import log
from tegar.kernel.errors import TegarError
from tegar.kernel.lease import changed
from tegar.model.power import Power
from tegar.saga.bmc import reach
from tegar.saga.env import Env
from tegar.store import bmcs
from tegar.store.bmcs import Bmc
from tegar.store.events import alert
from tegar.store.hosts import Host

AT_ONCE = 32
READ_S = 5.0


def round(env: Env) -> None:
    """Read all, many at once; a BMC that does not answer, or not us, is Unknown."""
    found = env.db.read(bmcs.all_usable)
    if not found:
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(found)), thread_name_prefix="bmc") as pool:
        for bmc, (power, why) in zip(found, pool.map(lambda b: _read(env, b), found), strict=True):
            if power != bmc.power:
                env.db.tx(lambda s, b=bmc, p=power, w=why: _turn(s, b, p, w, env.clock.now_s()))  # type: ignore[misc]


def _read(env: Env, bmc: Bmc) -> tuple[Power, str]:
    try:
        return reach(env, bmc).ask(lambda driver, spec: driver.read(spec, within_s=READ_S)), ""
    except TegarError as e:
        log.get("loop").warning("power not read", bmc=f"{bmc.address}:{bmc.port}", error=str(e))
        return Power.UNKNOWN, str(e)


def _turn(s: Session, bmc: Bmc, power: Power, why: str, now_s: float) -> None:
    """Write a new reading, unless somebody has written another since this round began."""
    mine = update(Bmc).where(Bmc.id == bmc.id, Bmc.version == bmc.version)
    if changed(s, mine.values(power=power, power_at_s=now_s, version=Bmc.version + 1)) != 1:
        return
    if power == Power.UNKNOWN:
        host = s.get_one(Host, bmc.host_id)
        alert(s, "ALERT.HOST", f"The power of host {host.name} cannot be read any more", why)
