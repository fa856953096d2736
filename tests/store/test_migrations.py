"""The database's schema: migrations make exactly the tables that the program has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from tegar.kernel.db import Db
from tegar.kernel.errors import Refused
from tegar.main import schema
from tegar.store.schema import METADATA


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Db]:
    """A database without any table: SQLite, and again MariaDB."""
    name, url = "", f"sqlite:///{tmp_path}/empty.db"
    if request.param == "mariadb":
        name, url = request.getfixturevalue("mariadb").new()
    db = Db(url)
    yield db
    db.close()
    if name:
        request.getfixturevalue("mariadb").drop(name)


def differences(db: Db) -> list[Any]:
    """Return what Alembic would change to get from the database to the tables of the program."""
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, METADATA))


def picture(db: Db) -> dict[str, Any]:
    """Return the tables with all that can be read of them."""
    look = inspect(db.engine)
    return {
        name: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(name)),
            sorted(str((i["name"], i["column_names"], i["unique"])) for i in look.get_indexes(name)),
            sorted(str(u["column_names"]) for u in look.get_unique_constraints(name)),
            sorted(str((f["constrained_columns"], f["referred_table"])) for f in look.get_foreign_keys(name)),
            look.get_pk_constraint(name)["constrained_columns"],
        )
        for name in sorted(look.get_table_names())
        if name != "alembic_version"
    }


def test_from_nothing_to_the_tables_of_the_program(empty: Db) -> None:
    schema.upgrade(empty)

    assert set(inspect(empty.engine).get_table_names()) - {"alembic_version"} == set(METADATA.tables)
    assert differences(empty) == []
    schema.must_fit(empty)


def test_migrations_and_models_make_the_same(empty: Db, db: Db) -> None:
    if empty.is_sqlite != db.is_sqlite:
        pytest.skip("two different kinds of database are not compared")
    schema.upgrade(empty)

    assert picture(empty) == picture(db)


def test_upgrading_twice_changes_nothing(empty: Db) -> None:
    schema.upgrade(empty)
    once = picture(empty)

    schema.upgrade(empty)

    assert picture(empty) == once


def test_an_empty_database_is_refused_and_says_what_to_run(empty: Db) -> None:
    with pytest.raises(Refused, match=r"at revision none, this server needs \d+: tegar db upgrade"):
        schema.must_fit(empty)


def test_a_database_of_a_later_version_is_refused(empty: Db) -> None:
    schema.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(Refused, match="at revision 9999, this server needs"):
        schema.must_fit(empty)


def test_every_table_of_mariadb_is_transactional_and_compares_bytes(mariadb: Any) -> None:
    name, url = mariadb.new()
    db = Db(url)
    schema.upgrade(db)

    rows = mariadb.run(f"SELECT table_name, engine, table_collation FROM information_schema.tables "
                       f"WHERE table_schema = '{name}' AND table_name <> 'alembic_version'")  # fmt: skip
    db.close()
    mariadb.drop(name)
    assert {row[1:] for row in rows} == {("InnoDB", "utf8mb4_bin")}
