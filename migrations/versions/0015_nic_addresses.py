"""Secondary addresses of NICs, and NICs that come and go"""

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('nic_address',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('nic_id', BIG, nullable=False),
    sa.Column('ip', sa.String(length=64), nullable=False),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.ForeignKeyConstraint(['nic_id'], ['nic.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('nic_address', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_nic_address_nic_id'), ['nic_id'], unique=False)

    states = sa.Enum('Adding', 'Active', 'Removing', 'Unplugged', name='nicstate', native_enum=False, length=32)
    with op.batch_alter_table('nic', schema=None) as batch_op:
        batch_op.add_column(sa.Column('state', states, nullable=False, server_default='Active'))
    with op.batch_alter_table('nic', schema=None) as batch_op:
        batch_op.alter_column('state', existing_type=states, existing_nullable=False, server_default=None)
