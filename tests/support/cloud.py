"""A whole cloud in this process: database, API, sagas and simulated hosts, stepped by the test's thread."""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass
from typing import Any

from support.signed import flat, sign
from support.zone import Built, build_zone, make_user
from tegar.api import registry, render
from tegar.api.serve import Answer, Api, Request
from tegar.kernel.clock import ManualClock
from tegar.kernel.db import Db
from tegar.kernel.engine import Engine, Probe
from tegar.kernel.saga import SagaRow, poke_with
from tegar.kernel.secret import Vault
from tegar.model.power import DRIVERS
from tegar.ops.bootstrap import admin_keys
from tegar.ops.ctx import World as OpsWorld
from tegar.saga.env import Env
from tegar.saga.table import SAGAS
from tegar.sim.links import SimLinks
from tegar.sim.page import Page, page
from tegar.sim.power import SimPower
from tegar.sim.world import World

KEY = b"tests' key, which is 32 bytes ok"


class ApiError(Exception):
    """The API answered with an error; ``text`` is its sentence, ``code`` the protocol's number."""

    def __init__(self, command: str, status: int, inner: dict[str, Any]) -> None:
        super().__init__(f"{command}: {status} {inner.get('errortext', inner)}")
        self.status, self.inner = status, inner
        self.code, self.text = inner.get("errorcode", status), str(inner.get("errortext", ""))


class JobFailed(ApiError):
    """The job ended with an error."""


@dataclass(frozen=True)
class Caller:
    """Somebody with keys."""

    cloud: Cloud
    api_key: str
    secret: str
    name: str = "admin"
    account_id: int = 0
    domain_uuid: str = ""

    def answer(self, command: str, **params: Any) -> Answer:
        """Send a signed request and return the whole answer."""
        request = Request(sign({"command": command, **flat(params)}, self.api_key, self.secret))
        return self.cloud.answer(command, request)

    def api(self, command: str, **params: Any) -> Any:
        """Send a signed request and return what stands under the envelope, as a client reads it."""
        answer = self.answer(command, **params)
        inner = json.loads(render.as_json(answer.key, answer.inner))[answer.key]
        if answer.status != 200:
            raise ApiError(command, answer.status, inner)
        return inner

    def job(self, answer: Any) -> Any:
        """Let the cloud work until the job of an answer is over; return its result."""
        self.cloud.settle()
        found = self.api("queryAsyncJobResult", jobid=answer["jobid"])
        if found["jobstatus"] == 2:
            raise JobFailed(found["cmd"], found["jobresultcode"], found["jobresult"])
        assert found["jobstatus"] == 1, f"the job has not ended: {found}"
        return found["jobresult"]

    def do(self, command: str, **params: Any) -> Any:
        """Send an asynchronous command and wait for its job."""
        return self.job(self.api(command, **params))


class Cloud:
    """The cloud.  Time is the test's: it passes when something waits."""

    def __init__(self, db: Db, world: World, clock: ManualClock) -> None:
        self.db, self.world, self.clock = db, world, clock
        self.vault = Vault(KEY)
        self.links = SimLinks(world)
        power = dict.fromkeys(DRIVERS, SimPower(world))
        self.env = Env(db, self.links, clock, vault=self.vault, power=power)
        self.serving = Api(db, OpsWorld(clock, self.vault, "test-server"))
        self.engine = self.make_engine()
        self._due: list[tuple[float, int]] = []
        self._at_once = False
        self.hold = False  # sagas that were submitted wait for settle(), also those of synchronous commands
        keys = db.read(lambda s: admin_keys(s, self.vault))
        self.admin = Caller(self, *keys)
        self.zone: Built | None = None
        self.listen()

    def listen(self) -> None:
        """Hear of sagas that this process submits; of several clouds, the one that is asked does."""
        poke_with(self._submitted)

    def make_engine(self, probe: Probe | None = None, owner: str = "test-server") -> Engine[Env]:
        """Return another engine on the same database; tests watch it with a probe."""
        return Engine(self.db, self.env, SAGAS, owner, self.clock, probe=probe)

    def close(self) -> None:
        """Hear of no more sagas."""
        poke_with(None)

    # ── the API ──

    def answer(self, command: str, request: Request) -> Answer:
        """Answer a request; the work of a synchronous command is done on the way."""
        self.listen()
        known = registry.COMMANDS.get(command)
        self._at_once = known is not None and not known.is_async
        try:
            return self.serving.answer(request)
        finally:
            self._at_once = False

    def api(self, command: str, **params: Any) -> Any:
        """Ask as the administrator."""
        return self.admin.api(command, **params)

    def job(self, answer: Any) -> Any:
        """Wait for the administrator's job."""
        return self.admin.job(answer)

    def do(self, command: str, **params: Any) -> Any:
        """Ask as the administrator and wait for the job."""
        return self.admin.do(command, **params)

    def as_user(self, name: str = "alice", *, role: str = "user", domain: str = "") -> Caller:
        """Return a caller of an account of its own, made on first use."""
        return Caller(self, *make_user(self, name, role=role, domain_uuid=domain))

    def ready_zone(self, hosts: int = 2, **options: Any) -> Built:
        """Build a zone where VMs can be deployed; remembered as ``cloud.zone``."""
        self.zone = build_zone(self, hosts, **options)
        return self.zone

    # ── the work ──

    def _submitted(self, saga_id: int, name: str = "") -> None:
        heapq.heappush(self._due, (self.clock.mono_s(), saga_id))
        if self._at_once and not self.hold:
            self.settle()

    def settle(self, *, limit_s: float = 6 * 3600.0) -> None:
        """Run all sagas to their ends; time passes as far as they want."""
        end_s = self.clock.mono_s() + limit_s
        while self._due:
            at_s, saga_id = heapq.heappop(self._due)
            if at_s > end_s:
                raise AssertionError(f"saga {saga_id} does not end")
            self.clock.sleep(max(0.0, at_s - self.clock.mono_s()))
            self.step(saga_id)

    def step(self, saga_id: int) -> None:
        """Take one saga as far as it goes now."""
        if self.db.read(lambda s: s.get_one(SagaRow, saga_id).owner) is None:
            self.engine.claim(saga_id)
        pause_s = self.engine.drive(saga_id)
        if pause_s is not None:
            heapq.heappush(self._due, (self.clock.mono_s() + pause_s, saga_id))

    # ── the world ──

    def page(self, vm_uuid: str) -> Page:
        """Load a guest's page."""
        return page(self.world, vm_uuid)
