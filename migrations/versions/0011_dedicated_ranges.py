"""Guest VLANs dedicated to an account; what an offering is tagged with, and for whom it is"""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('dedicated_range',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('physical_network_id', BIG, nullable=False),
    sa.Column('account_id', BIG, nullable=True),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('first', sa.Integer(), nullable=False),
    sa.Column('last', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['physical_network_id'], ['physical_network.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('dedicated_range', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_dedicated_range_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_dedicated_range_domain_id'), ['domain_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_dedicated_range_physical_network_id'), ['physical_network_id'], unique=False)

    with op.batch_alter_table('network_offering', schema=None) as batch_op:
        batch_op.add_column(sa.Column('tags', sa.String(length=255), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('domain_ids', sa.String(length=255), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('zone_ids', sa.String(length=255), nullable=False, server_default=''))
    with op.batch_alter_table('network_offering', schema=None) as batch_op:
        batch_op.alter_column('tags', existing_type=sa.String(length=255), existing_nullable=False, server_default=None)
        batch_op.alter_column('domain_ids', existing_type=sa.String(length=255), existing_nullable=False, server_default=None)
        batch_op.alter_column('zone_ids', existing_type=sa.String(length=255), existing_nullable=False, server_default=None)
