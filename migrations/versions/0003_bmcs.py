"""BMCs of hosts, and whether they may be used in clusters and zones."""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    op.create_table('bmc',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('host_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('driver', sa.String(length=20), nullable=False),
    sa.Column('address', sa.String(length=255), nullable=False),
    sa.Column('trust', sa.String(length=255), nullable=False),
    sa.Column('port', sa.Integer(), nullable=False),
    sa.Column('username', sa.String(length=64), nullable=False),
    sa.Column('password_sealed', sa.Text(), nullable=False),
    sa.Column('pending_sealed', sa.Text(), nullable=True),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('power', sa.Enum('On', 'Off', 'Unknown', name='power', native_enum=False, length=32), nullable=False),
    sa.Column('power_at_s', sa.Double(), nullable=True),
    sa.Column('told', sa.String(length=50), nullable=False),
    sa.Column('action', sa.String(length=10), nullable=False),
    sa.ForeignKeyConstraint(['host_id'], ['host.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('host_id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('cluster', schema=None) as batch_op:
        batch_op.add_column(sa.Column('bmc_enabled', sa.Boolean(), nullable=False, server_default=sa.true()))

    with op.batch_alter_table('zone', schema=None) as batch_op:
        batch_op.add_column(sa.Column('bmc_enabled', sa.Boolean(), nullable=False, server_default=sa.true()))
    with op.batch_alter_table('cluster') as batch_op:
        batch_op.alter_column('bmc_enabled', existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
    with op.batch_alter_table('zone') as batch_op:
        batch_op.alter_column('bmc_enabled', existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
