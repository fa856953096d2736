"""Security groups, their rules and members, and which filters hosts have"""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('security_group',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('desired', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('security_group', schema=None) as batch_op:
        batch_op.create_index('ix_security_group_name', ['account_id', 'name'], unique=False)
        batch_op.create_index('ix_security_group_removed', ['removed_s', 'id'], unique=False)

    op.create_table('security_rule',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('group_id', BIG, nullable=False),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.Column('inbound', sa.Boolean(), nullable=False),
    sa.Column('protocol', sa.Enum('tcp', 'udp', 'icmp', 'all', 'number', name='protocol', native_enum=False, length=32), nullable=False),
    sa.Column('number', sa.Integer(), nullable=True),
    sa.Column('first_port', sa.Integer(), nullable=True),
    sa.Column('last_port', sa.Integer(), nullable=True),
    sa.Column('icmp_type', sa.Integer(), nullable=True),
    sa.Column('icmp_code', sa.Integer(), nullable=True),
    sa.Column('cidr', sa.String(length=18), nullable=False),
    sa.Column('other_id', BIG, nullable=True),
    sa.Column('request', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['group_id'], ['security_group.id'], ),
    sa.ForeignKeyConstraint(['other_id'], ['security_group.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('security_rule', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_security_rule_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_security_rule_group_id'), ['group_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_security_rule_other_id'), ['other_id'], unique=False)

    op.create_table('security_member',
    sa.Column('id', BIG, nullable=False),
    sa.Column('vm_id', BIG, nullable=False),
    sa.Column('group_id', BIG, nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['security_group.id'], ),
    sa.ForeignKeyConstraint(['vm_id'], ['vm.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('vm_id', 'group_id'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('security_member', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_security_member_group_id'), ['group_id'], unique=False)

    op.create_table('vm_filter',
    sa.Column('vm_id', BIG, autoincrement=False, nullable=False),
    sa.Column('base', sa.Integer(), nullable=False),
    sa.Column('applied', sa.Integer(), nullable=False),
    sa.Column('host_id', BIG, nullable=True),
    sa.ForeignKeyConstraint(['vm_id'], ['vm.id'], ),
    sa.PrimaryKeyConstraint('vm_id'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
