"""``tegar ha check``: would it hold?  Looks at everything a failover stands on, and touches nothing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

import httpx

from tegar.ha.health import Check, look
from tegar.kernel.clock import WallClock
from tegar.kernel.db import Db
from tegar.kernel.secret import Vault
from tegar.main.client import ApiFailed, Client
from tegar.main.config import ServerConfig, add_options, config_of
from tegar.main.links import AllLinks
from tegar.ops import guard
from tegar.ops.bootstrap import admin_keys
from tegar.saga.env import Env

PATIENCE_S = 30


def main_check(argv: Sequence[str]) -> int:
    """Run ``tegar ha check``; 0 when everything is good."""
    parser = argparse.ArgumentParser(
        prog="tegar ha check", description="Look at everything that a failover stands on; run on a server."
    )
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(argv)
    checks = check(config_of(given))
    bad = [c for c in checks if c.why]
    if given.json:
        print(json.dumps({"good": not bad, "checks": [asdict(c) for c in checks]}))
    else:
        print(_table(checks))
        print(f"\n{len(bad)} of {len(checks)} are bad." if bad else f"\nAll {len(checks)} are good.")
    return 1 if bad else 0


def check(config: ServerConfig) -> list[Check]:
    """Return everything that was looked at."""
    vault = Vault.at(config.state_dir / "vault.key")
    db = Db(config.url)
    try:
        env = Env(db, AllLinks(config.state_dir / "tls", config.sim), WallClock(), vault=vault)
        return [*look(env, db.read(lambda s: guard.secret(s, vault))), _server(config, db, vault)]
    finally:
        db.close()


def _server(config: ServerConfig, db: Db, vault: Vault) -> Check:
    keys = db.read(lambda s: admin_keys(s, vault))
    url = f"http://{config.listen}:{config.port}/client/api"
    try:
        Client(url, *keys, timeout_s=PATIENCE_S)("listCapabilities")
    except (ApiFailed, httpx.HTTPError) as e:
        return Check("this server", "API", "?", str(e) or type(e).__name__)
    return Check("this server", "API", "answers")


def _table(checks: Sequence[Check]) -> str:
    rows = [(c.subject, c.what, c.shown, f"BAD: {c.why}" if c.why else "good") for c in checks]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip()
        for row in rows
    )
