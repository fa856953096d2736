"""Alembic's entry: migrations run on the engine that the program hands over.

SQLite changes a table by building it anew and dropping the old one, which keys that point to it forbid.  So they
are not minded while the schema changes, and all of them are checked before it is committed.
"""

from alembic import context

from tegar.store.schema import METADATA

engine = context.config.attributes["engine"]
is_sqlite = engine.dialect.name == "sqlite"

with engine.connect() as connection:
    if is_sqlite:
        connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")
    try:
        context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()
        if is_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
            raise RuntimeError(f"the new schema leaves keys that point nowhere: {broken[:5]}")
        connection.commit()
    finally:
        connection.rollback()
        if is_sqlite:
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=ON")
