"""Leases of hosts, witnesses, and proofs of death."""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'


def upgrade() -> None:
    op.create_table('witness',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('cluster_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('address', sa.String(length=100), nullable=False),
    sa.Column('port', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['cluster_id'], ['cluster.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('witness', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_witness_cluster_id'), ['cluster_id'], unique=False)

    op.create_table('death',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('host_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('boot', sa.String(length=80), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('vm_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('evidence', sa.Text(), nullable=False),
    sa.Column('at_s', sa.Double(), nullable=False),
    sa.ForeignKeyConstraint(['host_id'], ['host.id'], ),
    sa.PrimaryKeyConstraint('id'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('death', schema=None) as batch_op:
        batch_op.create_index('ix_death_at', ['at_s'], unique=False)
        batch_op.create_index('ix_death_lease', ['host_id', 'boot'], unique=False)

    op.create_table('host_lease',
    sa.Column('host_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('boot', sa.String(length=80), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('since_s', sa.Double(), nullable=False),
    sa.Column('dead_s', sa.Double(), nullable=False),
    sa.Column('braked', sa.Boolean(), nullable=False),
    sa.Column('flaps', sa.Integer(), nullable=False),
    sa.Column('quarantined_until_s', sa.Double(), nullable=False),
    sa.ForeignKeyConstraint(['host_id'], ['host.id'], ),
    sa.PrimaryKeyConstraint('host_id'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    op.create_table('secret_key',
    sa.Column('name', sa.String(length=20), nullable=False),
    sa.Column('sealed', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('name'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    op.create_table('restart',
    sa.Column('vm_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('death_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('from_host_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('queued_s', sa.Double(), nullable=False),
    sa.Column('saga_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('held', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['from_host_id'], ['host.id'], ),
    sa.ForeignKeyConstraint(['vm_id'], ['vm.id'], ),
    sa.PrimaryKeyConstraint('vm_id'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('cluster', schema=None) as batch_op:
        batch_op.add_column(sa.Column('ha_enabled', sa.Boolean(), nullable=False, server_default=sa.true()))

    with op.batch_alter_table('hold', schema=None) as batch_op:
        batch_op.add_column(sa.Column('boot', sa.String(length=80), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('epoch', sa.Integer(), nullable=False, server_default='0'))

    with op.batch_alter_table('host', schema=None) as batch_op:
        batch_op.add_column(sa.Column('ha_enabled', sa.Boolean(), nullable=False, server_default=sa.true()))

    with op.batch_alter_table('vm', schema=None) as batch_op:
        batch_op.add_column(sa.Column('epoch', sa.Integer(), nullable=False, server_default='0'))

    with op.batch_alter_table('zone', schema=None) as batch_op:
        batch_op.add_column(sa.Column('ha_enabled', sa.Boolean(), nullable=False, server_default=sa.true()))
    with op.batch_alter_table('cluster') as batch_op:
        batch_op.alter_column('ha_enabled', existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
    with op.batch_alter_table('hold') as batch_op:
        batch_op.alter_column('boot', existing_type=sa.String(length=80), existing_nullable=False, server_default=None)
    with op.batch_alter_table('hold') as batch_op:
        batch_op.alter_column('epoch', existing_type=sa.Integer(), existing_nullable=False, server_default=None)
    with op.batch_alter_table('host') as batch_op:
        batch_op.alter_column('ha_enabled', existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
    with op.batch_alter_table('vm') as batch_op:
        batch_op.alter_column('epoch', existing_type=sa.Integer(), existing_nullable=False, server_default=None)
    with op.batch_alter_table('zone') as batch_op:
        batch_op.alter_column('ha_enabled', existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
