"""Hosts with leases, as the HA manager would have recorded them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from tegar.model.host import Event
from tegar.store.hosts import Host
from tegar.store.leases import Death, HostLease

if TYPE_CHECKING:
    from support.cloud import Cloud


def guard(cloud: Cloud, *names: str, **fields: Any) -> None:
    """Give hosts a living lease (by default all hosts), or change the one they have."""

    def work(s: Session) -> None:
        for host in s.query(Host).order_by(Host.id):
            if names and host.name not in names:
                continue
            lease = s.get(HostLease, host.id)
            if lease is None:
                lease = HostLease(host_id=host.id, boot="boot-1", epoch=1, state="live", since_s=cloud.clock.now_s(),
                                  dead_s=6.5)  # fmt: skip
                s.add(lease)
            for name, value in fields.items():
                setattr(lease, name, value)

    cloud.db.tx(work)


def die(cloud: Cloud, name: str, *, evidence: str = "two of three promised") -> None:
    """Record the proof that a host is dead."""
    guard(cloud, name, state="dead")

    def work(s: Session) -> None:
        host = s.query(Host).filter_by(name=name).one()
        host.state = Host.machine.after(host.state, Event.DIED)
        s.add(Death(host_id=host.id, boot="boot-1", epoch=1, kind="P2 lease", evidence=evidence,
                    at_s=cloud.clock.now_s()))  # fmt: skip

    cloud.db.tx(work)
