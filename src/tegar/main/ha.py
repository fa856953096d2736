"""``tegar ha witness``: name a witness, and print what its process must be told."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from tegar.kernel.db import Db, live
from tegar.kernel.errors import Refused, TegarError
from tegar.kernel.secret import Vault
from tegar.main import schema
from tegar.main.config import add_options, config_of
from tegar.model.timing import DEFAULT
from tegar.ops import guard
from tegar.store.leases import HostLease, Witness
from tegar.store.schema import METADATA

PORT = 8253


def main_witness(argv: Sequence[str]) -> int:
    """Run ``tegar ha witness``."""
    parser = argparse.ArgumentParser(
        prog="tegar ha witness",
        description="Name a witness of the cloud, and print the configuration of its process: a secret.",
    )
    add_options(parser)
    parser.add_argument("witness", help="its name")
    parser.add_argument("witness_address", help="where hosts and servers reach it: ADDRESS or ADDRESS:PORT")
    parser.add_argument(
        "--longest-dead-s", type=float, default=DEFAULT.dead_s, help="the longest D of any host it serves"
    )
    given = parser.parse_args(argv)
    address, _, port = given.witness_address.partition(":")
    config = config_of(given)
    db, vault = Db(config.url), Vault.at(config.state_dir / "vault.key")
    try:
        told = name_witness(
            db, vault, given.witness, address, int(port or PORT), longest_dead_s=given.longest_dead_s
        )
    except TegarError as e:
        print(f"tegar ha witness: {e}", file=sys.stderr)
        return 1
    print(told)
    return 0


def name_witness(
    db: Db, vault: Vault, name: str, address: str, port: int, *, longest_dead_s: float = DEFAULT.dead_s
) -> str:
    """Name a witness, or find it; return what its process must be told, which holds a secret.

    Raises:
        Refused: hosts hold leases at the witnesses there are: majorities of two sets need not meet.
    """
    schema.must_fit(db)
    assert Witness.__tablename__ in METADATA.tables, "rows name each other across nouns: all must be known"
    secret = db.tx(lambda s: _name(s, vault, name, address, port))
    facts = {
        "name": name,
        "listen": [address, port],
        "secret": secret.hex(),
        "longest_dead_s": longest_dead_s,
        "first": True,  # nobody held a lease yet, so there is nothing that it could have forgotten
    }
    return json.dumps(facts)


def _name(s: Session, vault: Vault, name: str, address: str, port: int) -> bytes:
    """Write the row, or find it; return the secret.

    Raises:
        Refused: hosts hold leases at the witnesses there are: majorities of two sets need not meet.
    """
    row = s.scalars(select(Witness).where(Witness.name == name, live(Witness))).first()
    if row is None:
        if s.scalars(select(HostLease.host_id).limit(1)).first() is not None:
            raise Refused(
                "Hosts hold leases already: a majority of more witnesses need not meet one of fewer"
            )
        s.add(Witness(name=name, address=address, port=port))
    elif (row.address, row.port) != (address, port):
        raise Refused(f"Witness {name} is at {row.address}:{row.port}")
    return guard.secret(s, vault)
