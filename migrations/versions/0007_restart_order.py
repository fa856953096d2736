"""Restarts know where they go and whether they are ready; false alarms and stalled pools are kept."""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'

ADDED = (
    ('host_lease', 'alarms', sa.String(length=100)),
    ('pulse', 'stalled', sa.String(length=1000)),
)


def upgrade() -> None:
    with op.batch_alter_table('restart', schema=None) as batch_op:
        batch_op.add_column(sa.Column('to_host_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
        batch_op.add_column(sa.Column('started_s', sa.Double(), nullable=True))
        batch_op.add_column(sa.Column('running_s', sa.Double(), nullable=True))
    for table, name, kind in ADDED:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=''))
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)
