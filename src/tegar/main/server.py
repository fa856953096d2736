"""A management server: the API, sagas and loops over one database.  It keeps nothing that another would miss."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvicorn
from cryptography.exceptions import InvalidTag
from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.api import agents, http, pages
from tegar.api.serve import SYNC_WAIT_S, Api
from tegar.ha.power import BmcPower
from tegar.ha.process import HighAvailability
from tegar.ha.witnesses import Witnesses
from tegar.kernel import log
from tegar.kernel.clock import WallClock
from tegar.kernel.db import Db
from tegar.kernel.engine import Probe
from tegar.kernel.errors import Refused, TegarError
from tegar.kernel.lease import TTL_S
from tegar.kernel.runner import Runner
from tegar.kernel.saga import SagaRow
from tegar.kernel.secret import Vault, token
from tegar.loop import guest_health, vm_power
from tegar.loop.table import Loops
from tegar.main import schema
from tegar.main.config import ServerConfig, add_options, config_of
from tegar.main.duty import Duty, about
from tegar.main.links import AllLinks
from tegar.main.pulse import pulse
from tegar.ops import authority, guard
from tegar.ops.bootstrap import admin_keys, bootstrap
from tegar.ops.ctx import World
from tegar.saga.env import Env
from tegar.saga.table import SAGAS
from tegar.store.accounts import User
from tegar.store.events import alert
from tegar.store.leases import latest_proof, witnesses_of

PASSWORD_FILE = "admin.password"  # noqa: S105 - a file's name
VAULT_FILE = "vault.key"


class Server:
    """All parts of one management server, built but not started."""

    def __init__(self, config: ServerConfig, probe: Probe | None = None) -> None:
        """Open the database and the vault, make what a new cloud needs, get an identity."""
        self.config, self.clock = config, WallClock()
        config.state_dir.mkdir(parents=True, exist_ok=True)
        self.db, self.vault = Db(config.url, self.clock), Vault.at(config.state_dir / VAULT_FILE)
        if self.db.is_sqlite:
            schema.upgrade(self.db)
        schema.must_fit(self.db)
        self._found()
        tls = self._identity()
        links = AllLinks(tls, config.sim)
        secret = self.db.read(lambda s: guard.secret(s, self.vault))
        self.witnesses = Witnesses(secret, self._circle, self.clock)
        self.env = Env(
            self.db, links, self.clock, config.report_urls, quorum=self.witnesses, vault=self.vault
        )
        self.runner: Runner[Env] = Runner(
            self.db, self.env, SAGAS, self.clock, threads=config.threads, name=config.shown_name,
            on_stuck=_tell, probe=probe, on_look=lambda: self.duty.look(),
            news=latest_proof,
        )  # fmt: skip
        self.ha = HighAvailability(
            self.env, self.witnesses, secret, lambda: self.runner.server_uuid, BmcPower(self.env)
        )
        self.loops = Loops(self.env, lambda: self.runner.server_uuid, self.runner.retry_stuck, lambda: secret)
        self.duty = Duty(
            self.db,
            self.clock,
            about(config),
            lambda: self.runner.server_uuid,
            (self.runner, self.loops, self.ha),
            self._end,
        )
        self.world = World(self.clock, self.vault, self.runner.server_uuid, leaving=lambda: self.duty.leaving)
        self.api = Api(self.db, self.world)
        self._database_answers = pulse(config.url, self.clock)
        self._http: uvicorn.Server | None = None

    def _found(self) -> None:
        """Make the first administrator and the authorities of a new cloud.

        The password goes to a file that only its owner reads, of the server that made the cloud.

        Raises:
            Refused: the database was sealed with another vault key.
        """
        password = ""
        if self.db.read(lambda s: s.scalars(select(User.id).limit(1)).first()) is None:
            password = token(12)
            _private(self.config.state_dir / PASSWORD_FILE, password + "\n")

        def work(s: Session) -> None:
            bootstrap(s, self.vault, self.clock.now_s(), admin_password=password or token())
            authority.found(s, self.vault, self.clock.now_s())
            guard.found(s, self.vault)
            admin_keys(s, self.vault)

        try:
            self.db.tx(work)
        except InvalidTag:
            raise Refused(
                f"{self.config.state_dir / VAULT_FILE} is not the key this database was sealed with: copy the one "
                "of the first server"
            ) from None

    def _circle(self, cluster_id: int) -> Mapping[str, tuple[str, int]]:
        """Return where a cluster's witnesses are."""
        rows = self.db.read(lambda s: witnesses_of(s, cluster_id))
        return {row.name: (row.address, row.port) for row in rows}

    def _identity(self) -> Path:
        """Get a certificate of the servers' authority and the agents' authority to trust, as files."""
        config, tls = self.config, self.config.state_dir / "tls"
        tls.mkdir(mode=0o700, exist_ok=True)
        named = (config.address, config.agent_listen, config.shown_name)
        reached = [a for a in named if a and not a.startswith("0.")]
        now_s = self.clock.now_s()
        certificate, key = self.db.read(
            lambda s: authority.server_identity(s, self.vault, config.shown_name, reached, now_s)
        )
        _private(tls / "server.key", key)
        (tls / "server.crt").write_text(certificate)
        (tls / "agents-ca.crt").write_text(
            self.db.read(lambda s: authority.certificate_of(s, authority.AGENTS))
        )
        return tls

    def ready(self) -> Mapping[str, object]:
        """Return facts for ``/readyz``.

        Raises:
            NotReady: this server should get no requests.
        """
        why = self.duty.why_not()
        if self.runner.beaten_s() > TTL_S:
            why.append("this server may have lost its lease")
        if not self._database_answers():
            why.append("the database does not answer")
        if why:
            raise http.NotReady(why)
        return {"server": self.runner.server_uuid}

    def start(self) -> None:
        """Run sagas and loops."""
        self.duty.enter()
        self.runner.start()
        self.loops.start()
        self.ha.start()

    def stop(self) -> None:
        """Hand everything over and end."""
        self.ha.stop()
        self.loops.stop()
        self.duty.leave()
        self.runner.stop()

    def _end(self) -> None:
        """End the process: it was told to and nothing is left to do.  Requests under way are answered first."""
        if self._http:
            self._http.config.timeout_graceful_shutdown = int(SYNC_WAIT_S) + 5
            self._http.should_exit = True

    def serve(self) -> None:
        """Answer until told to stop."""
        self.start()
        listener = self._agent_listener()
        main = self._http = uvicorn.Server(
            _uvicorn(http.app(self.api, self.ready, pages.routes()), self.config.listen, self.config.port)
        )
        if listener:
            threading.Thread(target=listener.run, name="agents", daemon=True).start()
        log.get("server").info(
            "ready", server=self.runner.server_uuid, api=f"http://{self.config.listen}:{self.config.port}"
        )
        main.run()
        if listener:
            listener.should_exit = True
        self.stop()

    def _agent_listener(self) -> uvicorn.Server | None:
        if not self.config.agent_listen:
            return None
        app = agents.app(
            self.db,
            self.world,
            look=lambda host: vm_power.look(self.env, host),
            hung=lambda host, uuid: guest_health.hung(self.env, host, uuid),
        )
        options = _uvicorn(app, self.config.agent_listen, self.config.agent_port)
        tls = self.config.state_dir / "tls"
        options.ssl_certfile, options.ssl_keyfile = str(tls / "server.crt"), str(tls / "server.key")
        options.load()
        listener = uvicorn.Server(options)
        listener.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        return listener


def _uvicorn(app: object, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        backlog=2048,
    )


def _private(file: Path, content: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    spare = file.with_name(file.name + ".new")
    with os.fdopen(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
    spare.replace(file)


def _tell(s: Session, saga: SagaRow) -> None:
    alert(s, "ALERT.SAGA.STUCK", f"{saga.name} {saga.uuid} is stuck", saga.detail or saga.error or "")


def main_server(argv: Sequence[str]) -> int:
    """Run ``tegar server``."""
    parser = argparse.ArgumentParser(prog="tegar server", description="Run a management server.")
    add_options(parser)
    try:
        config = config_of(parser.parse_args(argv))
        log.set_up(as_json=config.json_log)
        server = Server(config)
    except TegarError as e:
        print(f"tegar server: {e}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.serve()
    except KeyboardInterrupt:
        server.stop()
    return 0


def main_token(argv: Sequence[str]) -> int:
    """Run ``tegar host token``."""
    parser = argparse.ArgumentParser(
        prog="tegar host token", description="Print a token for one host to join."
    )
    add_options(parser)
    config = config_of(parser.parse_args(argv))
    db = Db(config.url)
    print(db.tx(lambda s: authority.new_token(s, db.clock.now_s())))
    return 0
