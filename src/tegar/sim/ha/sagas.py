"""A model of the sagas that HA needs: restart, migrate, and the look at a host whose guest ended.

The real ones are in ``saga/`` and ``loop/vm_power.py``; ``sim/ha/cloud.py`` runs those.  Every ``yield`` is a
point at which the server may be suspended or die, and another one take over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tegar.ha.decide import LeaseId
from tegar.sim.ha.agent import Drop, Fence, Look, Move, Permit, Resume, Start, Stop
from tegar.sim.ha.sql import Away, Fenced, Place, SagaRow, Tables, VmRow

if TYPE_CHECKING:
    from tegar.sim.ha.server import Server

Work = Generator[float, None, None]
ANSWER_S, MOVE_S = 3.0, 20.0
DISPUTED = "the witnesses know of a later start than the database"


class Unanswered(Exception):
    """Nobody answered, or there is no room: worth trying again."""


class Refused(Exception):
    """An agent said no."""


class HostLost(Exception):
    """The host does not answer and is proven dead."""


class Disputed(Exception):
    """The witnesses know of a later start: the database has lost commits."""


class Sagas:
    """What one server drives."""

    def __init__(self, server: Server) -> None:
        """Work for that server."""
        self.server, self.world = server, server.world

    def drive(self, saga: SagaRow) -> Work:
        """Take a saga to its end, trying again as long as it takes.

        Raises:
            Fenced: another server owns it.
        """
        tries = 0
        while True:
            try:
                yield from (self._restart(saga) if saga.name == "restart" else self._migrate(saga))
                return
            except (Unanswered, Refused, HostLost, Disputed) as e:
                if isinstance(e, Disputed) and self.world.why.get(saga.vm) != str(e):
                    self.world.engine.say(f"{self.server.name}: {saga.vm} stays as it is: {e}")
                self.world.why[saga.vm] = str(e)
            except Away:
                pass
            tries += 1
            yield min(0.25 * 2.0 ** min(tries, 6), 5.0)

    # ── vm.restart ────────────────────────────────────────────────────────────────────────────────

    def _restart(self, saga: SagaRow) -> Work:
        epoch = yield from self._confirmed(saga)
        host = self._tx(saga, lambda t: self._placed(t, saga, epoch))
        if host:
            yield 0.001
            right = yield from self._raised(saga, host)
            yield self.world.plan.start_s
            try:
                yield from self._ask(saga, host, Start(saga.vm, right, self._fence(saga)))
            except Refused:
                yield from self._ask(saga, host, Stop(saga.vm, right.vm_epoch, self._fence(saga)))
                self._tx(saga, lambda t: self._give_up(t, saga, host))
                raise
        self._tx(saga, lambda t: self._say_running(t, saga))

    def _confirmed(self, saga: SagaRow) -> Generator[float, None, int]:
        """Return the VM's epoch, which witnesses confirm to be the latest: only then may it be raised.

        Raises:
            Disputed: they know of a later one, so the database has lost commits.
        """
        row = self._tx(saga, lambda t: t.vms[saga.vm])
        if row.epoch and not (yield from self.server.record(saga.vm, row.epoch, row.epoch_owner)):
            raise Disputed(DISPUTED)
        epoch: int = row.epoch
        return epoch

    def _placed(self, t: Tables, saga: SagaRow, epoch: int) -> str:
        """Return where the VM is to run: a place it has that is not proven dead, or a new one."""
        row = t.vms[saga.vm]
        if row.state != "starting":
            return ""
        living = tuple(place for place in row.places if not t.is_dead(place.lease))
        if living:
            t.put(saga.vm, replace(row, places=living, host=living[0].lease.host))
            return living[0].lease.host
        place = self._take(t, saga.vm, epoch, but="", first=saga.first)
        host = place.lease.host
        t.put(saga.vm, replace(t.vms[saga.vm], places=(place,), host=host))
        return host

    def _take(self, t: Tables, vm: str, epoch: int, *, but: str, first: str = "") -> Place:
        """Take a place on the live host with the fewest VMs; raise the VM's epoch.

        Raises:
            Unanswered: no host is live.
        """
        load = Counter(place.lease.host for row in t.vms.values() for place in row.places)
        live = [
            it.lease
            for it in t.leases.values()
            if it.state == "live" and it.lease.host != but and not t.is_dead(it.lease)
        ]
        if not live:
            raise Unanswered("no host is live")
        target = min(
            live,
            key=lambda it: (it.host != first, t.leases[it.host].quarantined, load[it.host], it),
        )
        return self._raise(t, vm, epoch, target)

    def _raise(self, t: Tables, vm: str, epoch: int, target: LeaseId) -> Place:
        row = t.vms[vm]
        if row.epoch != epoch:
            raise Unanswered("its epoch was raised meanwhile")
        place = Place(target, epoch + 1)
        t.put(vm, replace(row, epoch=place.vm_epoch, epoch_owner=self.world.new_uuid()))
        return place

    def _permit(self, t: Tables, vm: str, host: str, epoch: int) -> Place:
        """Return the VM's place; one whose lease is proven dead moves to the host's present lease.

        Raises:
            Unanswered: the host holds no lease now, or the end of the one before is not proven yet.
        """
        row, lease = t.vms[vm], t.leases[host]
        place = row.at(host)
        if place is None:
            raise Unanswered("the place is given up")
        if place.lease != lease.lease:
            if not t.is_dead(place.lease):
                raise Unanswered("the end of its lease before is not proven yet")
            if lease.state != "live":
                raise Unanswered("it holds no lease at the moment")
            others = tuple(it for it in row.places if it is not place)
            place = self._raise(t, vm, epoch, lease.lease)
            t.put(vm, replace(t.vms[vm], places=(*others, place)))
        return place

    def _raised(self, saga: SagaRow, host: str) -> Generator[float, None, Permit]:
        """Raise the VM's epoch at the witnesses before its host is asked."""
        epoch = yield from self._confirmed(saga)

        def prepare(t: Tables) -> tuple[Place, str]:
            place = t.vms[saga.vm].at(host)
            if place is not None and t.is_dead(place.lease) and t.leases[host].state == "dead":
                raise HostLost(f"{host} is dead")
            return self._permit(t, saga.vm, host, epoch), t.vms[saga.vm].epoch_owner

        place, owner = self._tx(saga, prepare)
        if not (yield from self.server.record(saga.vm, place.vm_epoch, owner)):
            raise Disputed(DISPUTED)
        self.world.sql.placed(saga.vm, place)
        self.server.reach("granted")
        yield 0.001
        return Permit(place.lease.boot, place.lease.epoch, place.vm_epoch)

    def _give_up(self, t: Tables, saga: SagaRow, host: str) -> None:
        row = t.vms[saga.vm]
        place = row.at(host)
        if place is not None:
            self.world.sql.ended[saga.vm, place.vm_epoch] = "given up"
            t.put(saga.vm, row.on("", without=host))

    def _say_running(self, t: Tables, saga: SagaRow) -> None:
        row = t.vms[saga.vm]
        if row.state == "starting" and not row.host:
            raise Unanswered("the database has lost its place")
        if row.state == "starting":
            t.put(saga.vm, replace(row, state="running", held=""))
        t.sagas[saga.uuid] = replace(t.sagas[saga.uuid], done=True)
        self.world.why.pop(saga.vm, None)

    # ── vm.migrate ────────────────────────────────────────────────────────────────────────────────

    def _migrate(self, saga: SagaRow) -> Work:
        epoch = yield from self._confirmed(saga)
        source, there = self._tx(saga, lambda t: self._hold_destination(t, saga, epoch))
        try:
            yield 0.001
            if (yield from self._runs(saga, source)):
                right = yield from self._raised(saga, there)
                yield from self._ask(
                    saga, source, Move(saga.vm, there, right.vm_epoch, self._fence(saga)), MOVE_S
                )
            self.server.reach("moved")
            yield 0.001
            if not (yield from self._runs(saga, there)):
                raise Refused("it did not arrive")
            right = yield from self._raised(saga, there)
            yield from self._ask(saga, there, Resume(saga.vm, right, self._fence(saga)))
            self._tx(saga, lambda t: self._ends_on(t, saga, there, without=source))
        except (Refused, HostLost):
            yield from self._back(saga, source, there)

    def _back(self, saga: SagaRow, source: str, there: str) -> Work:
        """Leave it where it was, unless it has arrived; then it must go on from there."""
        here = yield from self._runs(saga, source)
        if not here and (yield from self._runs(saga, there)):
            epoch = self._tx(saga, lambda t: t.vms[saga.vm].epoch)
            yield from self._ask(saga, there, Stop(saga.vm, epoch, self._fence(saga)))
        self._tx(saga, lambda t: self._ends_on(t, saga, source, without=there))

    def _hold_destination(self, t: Tables, saga: SagaRow, epoch: int) -> tuple[str, str]:
        row = t.vms[saga.vm]
        held = [place.lease.host for place in row.places if place.lease.host != row.host]
        if not held:
            place = self._take(t, saga.vm, epoch, but=row.host, first=saga.first)
            t.put(saga.vm, replace(t.vms[saga.vm], places=(*row.places, place)))
            held = [place.lease.host]
        return row.host, held[0]

    def _ends_on(self, t: Tables, saga: SagaRow, host: str, *, without: str) -> None:
        row = t.vms[saga.vm]
        gone = row.at(without)
        if gone is not None:
            self.world.sql.ended.setdefault((saga.vm, gone.vm_epoch), "given up")
        if row.state == "migrating" and row.at(host) is None:  # the database has lost its place
            t.put(saga.vm, replace(row, state="running"))
        elif row.state == "migrating":
            t.put(saga.vm, replace(row.on(host, without=without), state="running"))
        t.sagas[saga.uuid] = replace(t.sagas[saga.uuid], done=True)
        self.world.why.pop(saga.vm, None)

    # ── a guest ended by itself ───────────────────────────────────────────────────────────────────

    def look(self, host: str) -> Work:
        """P5: compare what a host runs with the rows, which must be unchanged after the answer."""
        try:
            rows = {
                vm: row.version
                for vm, row in self.world.sql.tx(self.server.uuid, lambda t: dict(t.vms)).items()
                if row.state == "running" and row.host == host
            }
            seen = yield from self.server.ask(host, Look())
            for vm, version in rows.items():
                if vm not in seen.vms:
                    self.world.sql.tx(self.server.uuid, partial(self._gone, vm=vm, version=version))
                elif vm in seen.waiting:
                    yield from self.server.ask(host, Drop(vm))
        except (Away, Unanswered):
            return

    def _gone(self, t: Tables, *, vm: str, version: int) -> None:
        row = t.vms[vm]
        if row.version != version or row.state != "running":
            return
        for place in row.places:
            self.world.sql.ended[vm, place.vm_epoch] = "P5 gone"
        self.world.engine.say(f"{self.server.name}: proof that {vm} is gone from {row.host}: P5 gone")
        lose(self.server, t, vm, row, first=row.host)

    # ── asking ────────────────────────────────────────────────────────────────────────────────────

    def _tx(self, saga: SagaRow, work: Any) -> Any:
        return self.server.saga_tx(saga, work)

    def _fence(self, saga: SagaRow) -> Fence:
        return Fence(saga.uuid, saga.fence)

    def _runs(self, saga: SagaRow, host: str) -> Generator[float, None, bool]:
        """Return whether a VM's copy is on a host; a host that is proven dead has none."""
        try:
            seen = yield from self._ask(saga, host, Look())
        except HostLost:
            return False
        return saga.vm in seen.vms

    def _ask(
        self, saga: SagaRow, host: str, question: Any, timeout_s: float = ANSWER_S
    ) -> Generator[float, None, Any]:
        """Ask a VM's host.

        Raises:
            HostLost: it does not answer, and the VM's place there is proven dead.
            Refused: it said no.
            Unanswered: nothing came, or it has no lease at the moment.
        """
        try:
            said = yield from self.server.ask(host, question, timeout_s)
        except Unanswered:
            place = self._tx(saga, lambda t: t.vms[saga.vm].at(host))
            if place is not None and self._tx(saga, lambda t: t.is_dead(place.lease)):
                raise HostLost(f"{host} is dead") from None
            raise
        if said == "refused":
            raise Refused(f"{host} refused")
        if said == "closed":
            raise Unanswered(f"{host} holds no lease at the moment")
        return said


def lose(server: Server, t: Tables, vm: str, row: VmRow, *, first: str = "") -> None:
    """Take a VM's dead places away and restart it."""
    t.put(vm, replace(row, state="starting", host="", places=()))
    saga = SagaRow("restart", vm, server.world.new_uuid(), server.uuid, first=first)
    t.sagas[saga.uuid] = saga
    server.begin(saga)


__all__ = ["Disputed", "Fenced", "HostLost", "Refused", "Sagas", "Unanswered", "lose"]
