"""The database's schema: at which revision it is, and how it gets to ours."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import tegar
from tegar.kernel.db import Db
from tegar.kernel.errors import Refused


def scripts() -> Path:
    """Return where the migrations are: inside an installed package, else in the repository."""
    inside = Path(tegar.__file__).parent / "migrations"
    return inside if inside.exists() else Path(tegar.__file__).parents[2] / "migrations"


def _config(db: Db) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.attributes["engine"] = db.engine
    return config


def upgrade(db: Db) -> None:
    """Bring the schema to this version's; doing it again changes nothing."""
    command.upgrade(_config(db), "head")


def must_fit(db: Db) -> None:
    """Check that the schema is this version's.

    Raises:
        Refused: it is another's; says what to run.
    """
    head = ScriptDirectory.from_config(_config(db)).get_current_head()
    with db.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != head:
        raise Refused(
            f"The database is at revision {found or 'none'}, this server needs {head}: tegar db upgrade"
        )


def main_upgrade(argv: Sequence[str]) -> int:
    """Run ``tegar db upgrade``."""
    from tegar.main.config import add_options, config_of

    parser = argparse.ArgumentParser(
        prog="tegar db upgrade", description="Bring the database to this schema."
    )
    add_options(parser)
    config = config_of(parser.parse_args(argv))
    config.state_dir.mkdir(parents=True, exist_ok=True)
    upgrade(Db(config.url))
    print("the database is up to date")
    return 0
