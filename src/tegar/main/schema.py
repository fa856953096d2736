"""The database's schema: at which revision it is, and how it gets to ours.

Alembic is imported when there is something to migrate: a server's start does not wait for it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text

import tegar
from tegar.kernel.db import Db
from tegar.kernel.errors import Refused

_REVISION = re.compile(r"^revision = ['\"](\w+)['\"]", re.M)
_DOWN = re.compile(r"^down_revision = ['\"](\w+)['\"]", re.M)


def scripts() -> Path:
    """Return where the migrations are: inside an installed package, else in the repository."""
    inside = Path(tegar.__file__).parent / "migrations"
    return inside if inside.exists() else Path(tegar.__file__).parents[2] / "migrations"


def config_of(db: Db) -> Any:
    """Return Alembic's configuration for a database."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.attributes["engine"] = db.engine
    return config


def head() -> str:
    """Return the last revision of this version: the one that no other comes after."""
    texts = [file.read_text() for file in (scripts() / "versions").glob("*.py")]
    before = {found[1] for text in texts if (found := _DOWN.search(text))}
    last = {found[1] for text in texts if (found := _REVISION.search(text))} - before
    return ", ".join(sorted(last))


def revision(db: Db) -> str | None:
    """Return the revision of a database, None for an empty one."""
    if not inspect(db.engine).has_table("alembic_version"):
        return None
    found: str | None = db.read(lambda s: s.scalar(text("SELECT version_num FROM alembic_version")))
    return found


def upgrade(db: Db) -> None:
    """Bring the schema to this version's; doing it again changes nothing."""
    if revision(db) != head():
        from alembic import command

        command.upgrade(config_of(db), "head")


def must_fit(db: Db) -> None:
    """Check that the schema is this version's.

    Raises:
        Refused: it is another's; says what to run.
    """
    found = revision(db)
    if found != head():
        raise Refused(
            f"The database is at revision {found or 'none'}, this server needs {head()}: tegar db upgrade"
        )


def main_upgrade(argv: Sequence[str]) -> int:
    """Run ``tegar db upgrade``."""
    from tegar.main import config

    parser = argparse.ArgumentParser(
        prog="tegar db upgrade", description="Bring the database to this schema."
    )
    config.add_options(parser)
    given = config.config_of(parser.parse_args(argv))
    given.state_dir.mkdir(parents=True, exist_ok=True)
    upgrade(Db(given.url))
    print("the database is up to date")
    return 0
