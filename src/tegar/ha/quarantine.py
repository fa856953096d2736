"""Hosts that fall silent and come back, again and again, are not given new VMs for a while."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tegar.kernel import log
from tegar.store import events
from tegar.store.hosts import Host
from tegar.store.leases import HostLease

WINDOW_S, ALARMS, QUARANTINE_S = 600.0, 3, 900.0


def false_alarm(s: Session, lease: HostLease, now_s: float) -> None:
    """Count a suspicion that came to nothing; with the third within ten minutes a quarantine begins."""
    before = [float(at) for at in lease.alarms.split(",") if at]
    alarms = [at for at in before if now_s - at < WINDOW_S] + [now_s]
    lease.flaps, lease.alarms = len(alarms), ",".join(f"{at:.1f}" for at in alarms[-ALARMS:])
    if len(alarms) < ALARMS:
        return
    lease.quarantined_until_s = now_s + QUARANTINE_S
    name = s.get_one(Host, lease.host_id).name
    events.alert(
        s,
        "ALERT.HA.QUARANTINE",
        f"Host {name} is in quarantine",
        f"It fell silent and came back {len(alarms)} times within {WINDOW_S / 60:.0f} minutes; no new VM is "
        f"placed on it for {QUARANTINE_S / 60:.0f} minutes.",
    )
    log.get("ha").warning("quarantine", host=name, alarms=len(alarms))
