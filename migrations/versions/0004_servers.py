"""Management servers have rows."""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'


def upgrade() -> None:
    op.create_table('server',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('state', sa.Enum('Up', 'PreparingForShutDown', 'ReadyToShutDown', 'ShuttingDown', 'Down', name='state', native_enum=False, length=32), nullable=False),
    sa.Column('run', sa.String(length=36), nullable=False),
    sa.Column('address', sa.String(length=255), nullable=False),
    sa.Column('software', sa.String(length=40), nullable=False),
    sa.Column('os', sa.String(length=100), nullable=False),
    sa.Column('kernel', sa.String(length=100), nullable=False),
    sa.Column('boot_s', sa.Double(), nullable=False),
    sa.Column('started_s', sa.Double(), nullable=False),
    sa.Column('stopped_s', sa.Double(), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
