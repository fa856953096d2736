"""The database's schema: migrations make exactly the tables that the program has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

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


def fill(db: Db, table: str, **values: object) -> None:
    """Write a row as an older version would have: what is not said is filled with something of its type."""
    row: dict[str, object] = {}
    for column in inspect(db.engine).get_columns(table):
        kind = str(column["type"])
        if not column["nullable"]:
            row[column["name"]] = f"{table}-{values['id']}"[:15] if "CHAR" in kind or "TEXT" in kind else 1
    known = {c["name"] for c in inspect(db.engine).get_columns(table)}
    row |= {name: value for name, value in values.items() if name in known}
    with db.engine.begin() as connection:
        names = ", ".join(row)
        marks = ", ".join(":" + name for name in row)
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)


def test_the_router_of_a_network_becomes_the_first_of_its_group(empty: Db) -> None:
    command.upgrade(schema.config_of(empty), "0007")
    for table in (
        "domain",
        "account",
        "zone",
        "pod",
        "cluster",
        "host",
        "network_offering",
        "physical_network",
    ):
        fill(empty, table, id=1, parent_id=None)
    fill(empty, "network", id=5, offering_id=1, zone_id=1)
    fill(empty, "network_desired", network_id=5, version=9, id=5)
    fill(empty, "nic", id=3, network_id=5, vm_id=None)
    fill(empty, "router", id=2, network_id=5, nic_id=3, host_id=1, applied=8)

    schema.upgrade(empty)

    with empty.engine.connect() as connection:
        said = connection.exec_driver_sql(
            "SELECT g.desired, r.applied, r.position, r.host_id, n.vlan, nic.router_id FROM network n "
            "JOIN router_group g ON g.id = n.group_id JOIN router r ON r.group_id = g.id "
            "JOIN nic ON nic.network_id = n.id"
        ).all()
    assert [tuple(row) for row in said] == [(9, 8, 0, 1, "network-5", 2)]
