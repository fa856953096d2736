"""Alembic's entry: migrations run on the engine that the program hands over."""

from alembic import context

from tegar.store.schema import METADATA

engine = context.config.attributes["engine"]

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
