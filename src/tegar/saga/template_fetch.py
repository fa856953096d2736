"""Fetch a template: a host of each of its zones fetches it into an image store of that zone.

The host that is asked is the first that is up, so a question that is asked again goes to the same
one until it dies.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tegar.driver.registry import SECONDARY
from tegar.kernel.db import fire, live
from tegar.kernel.errors import NotYet, Refused, Unreachable
from tegar.kernel.saga import Run, Saga, SagaRow, Step
from tegar.model.settings import MAX_TEMPLATE_BYTES
from tegar.model.spec import StoreSpec
from tegar.model.template import Event, State
from tegar.saga.env import Env, link
from tegar.saga.reach import up
from tegar.store.images import Copy, ImageStore, Template
from tegar.wire.image import ImageFacts

LOOK_AGAIN_S = 5.0


@dataclass(frozen=True)
class FetchTemplate:
    """Which template."""

    template_id: int


Fetch = Run[Env, FetchTemplate]


def accepted(run: Fetch) -> None:
    """Begin: the request made the row, Fetching."""


def failed(run: Fetch) -> None:
    """Keep the template, Failed, with the reason for its owner to read."""

    def work(s: Session) -> None:
        template = s.get_one(Template, run.params.template_id)
        if template.state == State.FETCHING:
            template.why = s.get_one(SagaRow, run.saga_id).error or "The fetch failed"
            fire(s, template, Event.FETCH_FAILED)

    run.env.db.tx(work)


@dataclass(frozen=True)
class Plan:
    """What is to be fetched, and into which store (by id) by which host; no host: none is up."""

    uuid: str
    url: str
    format: str
    checksum: str
    max_bytes: int
    into: list[tuple[int, StoreSpec, int | None]]


def fetch(run: Fetch) -> None:
    """Fetch into each store that lacks it; NotYet while a host works, or while no host can be asked."""
    plan = run.env.db.read(lambda s: _plan(s, run.params.template_id))
    for store_id, spec, host_id in plan.into:
        if host_id is None:
            raise NotYet(f"template {plan.uuid} (no host is up to fetch it)", LOOK_AGAIN_S)
        try:
            facts = SECONDARY[spec.url.partition(":")[0]].fetch(
                spec,
                plan.uuid,
                url=plan.url,
                format=plan.format,
                checksum=plan.checksum,
                max_bytes=plan.max_bytes,
                via=link(run, host_id),
            )
        except Unreachable as e:  # it counts as down soon, and another is asked
            raise NotYet(f"template {plan.uuid} ({e})", LOOK_AGAIN_S) from e
        _note(run, store_id, facts)


def _plan(s: Session, template_id: int) -> Plan:
    template = s.get_one(Template, template_id)
    kept = set(s.scalars(select(Copy.store_id).where(Copy.template_id == template.id)))
    into, zones = list[tuple[int, StoreSpec, int | None]](), set[int | None]()
    stores = stores_of(s, template.zone_id)
    zones |= {store.zone_id for store in stores if store.id in kept}
    for store in stores:
        if store.zone_id in zones or store.zone_id is None:
            continue
        zones.add(store.zone_id)
        hosts = up(s, store.zone_id, hypervisor=template.hypervisor)
        into.append((store.id, store.spec(), hosts[0].id if hosts else None))
    if not zones:
        raise Refused("No image store is left to keep the template")
    return Plan(
        template.uuid,
        template.url,
        template.format,
        template.checksum or "",
        MAX_TEMPLATE_BYTES.of(s),
        into,
    )


def stores_of(s: Session, zone_id: int | None) -> list[ImageStore]:
    """Return the image stores of a zone that take templates, or those of all zones."""
    stmt = select(ImageStore).where(live(ImageStore), ImageStore.read_only.is_(False))
    if zone_id is not None:
        stmt = stmt.where(ImageStore.zone_id == zone_id)
    return list(s.scalars(stmt.order_by(ImageStore.id)))


def _note(run: Fetch, store_id: int, facts: ImageFacts) -> None:
    def work(s: Session) -> None:
        template = s.get_one(Template, run.params.template_id)
        mine = (Copy.template_id == template.id, Copy.store_id == store_id)
        if s.scalars(select(Copy).where(*mine)).first() is None:
            s.add(Copy(template_id=template.id, store_id=store_id))
        template.size_bytes, template.physical_bytes = facts.size_bytes, facts.physical_bytes

    run.env.db.tx(work)


def drop(run: Fetch) -> None:
    """Say at once that it failed, then remove what was kept."""
    failed(run)

    def read(s: Session) -> tuple[str, list[tuple[StoreSpec, int | None]]]:
        template = s.get_one(Template, run.params.template_id)
        found = []
        for store in stores_of(s, template.zone_id):
            hosts = up(s, store.zone_id, hypervisor=template.hypervisor) if store.zone_id else []
            found.append((store.spec(), hosts[0].id if hosts else None))
        return template.uuid, found

    uuid, stores = run.env.db.read(read)
    for spec, host_id in stores:
        if host_id is not None:
            SECONDARY[spec.url.partition(":")[0]].delete(spec, uuid, link(run, host_id))

    def work(s: Session) -> None:
        s.execute(delete(Copy).where(Copy.template_id == run.params.template_id))
        template = s.get_one(Template, run.params.template_id)
        template.size_bytes = template.physical_bytes = 0

    run.env.db.tx(work)


def ready(run: Fetch) -> None:
    """VMs can be made from it."""

    def work(s: Session) -> None:
        template = s.get_one(Template, run.params.template_id)
        if template.state == State.FETCHING:
            fire(s, template, Event.FETCHED)

    run.env.db.tx(work)


FETCH_TEMPLATE = Saga[Env, FetchTemplate](
    "template.fetch",
    FetchTemplate,
    Step(accepted, undo=failed),
    Step(fetch, undo=drop, patience_s=300),
    Step(ready),
)
