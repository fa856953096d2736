"""Port forwarding, load balancers, certificates; public ranges can be dedicated, and their addresses have rows."""

from ipaddress import IPv4Address
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    _certificates_and_forwarding()
    _balancers()
    _ranges()
    _addresses()


def _certificates_and_forwarding() -> None:
    op.create_table('ssl_cert',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('certificate', sa.Text(), nullable=False),
    sa.Column('chain', sa.Text(), nullable=False),
    sa.Column('key_sealed', sa.Text(), nullable=False),
    sa.Column('fingerprint', sa.String(length=95), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('ssl_cert', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_ssl_cert_account_id'), ['account_id'], unique=False)

    op.create_table('forwarding_rule',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('network_id', BIG, nullable=False),
    sa.Column('address_id', BIG, nullable=False),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.Column('static_nat', sa.Boolean(), nullable=False),
    sa.Column('protocol', sa.Enum('tcp', 'udp', 'icmp', 'all', 'number', name='protocol', native_enum=False, length=32), nullable=False),
    sa.Column('first_port', sa.Integer(), nullable=False),
    sa.Column('last_port', sa.Integer(), nullable=False),
    sa.Column('to_first_port', sa.Integer(), nullable=False),
    sa.Column('to_last_port', sa.Integer(), nullable=False),
    sa.Column('nic_id', BIG, nullable=False),
    sa.Column('guest_ip', sa.String(length=64), nullable=False),
    sa.Column('cidrs', sa.Text(), nullable=False),
    sa.Column('opening_id', BIG, nullable=True),
    sa.Column('shown', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['address_id'], ['public_address.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['network_id'], ['network.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('forwarding_rule', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_forwarding_rule_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_forwarding_rule_address_id'), ['address_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_forwarding_rule_network_id'), ['network_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_forwarding_rule_nic_id'), ['nic_id'], unique=False)


def _balancers() -> None:
    op.create_table('load_balancer',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=1024), nullable=False),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('network_id', BIG, nullable=False),
    sa.Column('address_id', BIG, nullable=False),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.Column('algorithm', sa.String(length=20), nullable=False),
    sa.Column('protocol', sa.String(length=20), nullable=False),
    sa.Column('public_port', sa.Integer(), nullable=False),
    sa.Column('private_port', sa.Integer(), nullable=False),
    sa.Column('cidrs', sa.Text(), nullable=False),
    sa.Column('cert_id', BIG, nullable=True),
    sa.Column('opening_id', BIG, nullable=True),
    sa.Column('shown', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['address_id'], ['public_address.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['network_id'], ['network.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('load_balancer', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_load_balancer_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_load_balancer_address_id'), ['address_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_load_balancer_cert_id'), ['cert_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_load_balancer_network_id'), ['network_id'], unique=False)

    op.create_table('balancer_member',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('balancer_id', BIG, nullable=False),
    sa.Column('nic_id', BIG, nullable=False),
    sa.Column('guest_ip', sa.String(length=64), nullable=False),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.ForeignKeyConstraint(['balancer_id'], ['load_balancer.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('balancer_member', schema=None) as batch_op:
        batch_op.create_index('ix_balancer_member', ['balancer_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_balancer_member_nic_id'), ['nic_id'], unique=False)

    op.create_table('health_policy',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('description', sa.String(length=1024), nullable=False),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('balancer_id', BIG, nullable=False),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.Column('path', sa.String(length=225), nullable=False),
    sa.Column('interval_s', sa.Integer(), nullable=False),
    sa.Column('timeout_s', sa.Integer(), nullable=False),
    sa.Column('healthy', sa.Integer(), nullable=False),
    sa.Column('unhealthy', sa.Integer(), nullable=False),
    sa.Column('shown', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['balancer_id'], ['load_balancer.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('health_policy', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_health_policy_balancer_id'), ['balancer_id'], unique=False)

    op.create_table('stickiness_policy',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=1024), nullable=False),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('balancer_id', BIG, nullable=False),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.Column('method', sa.String(length=20), nullable=False),
    sa.Column('params', sa.Text(), nullable=False),
    sa.Column('shown', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['balancer_id'], ['load_balancer.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('stickiness_policy', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_stickiness_policy_balancer_id'), ['balancer_id'], unique=False)


def _ranges() -> None:
    with op.batch_alter_table('vlan_range', schema=None) as batch_op:
        batch_op.add_column(sa.Column('account_id', BIG, nullable=True))
        batch_op.add_column(sa.Column('domain_id', BIG, nullable=True))
        batch_op.create_index(batch_op.f('ix_vlan_range_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_vlan_range_domain_id'), ['domain_id'], unique=False)
        batch_op.create_foreign_key('fk_vlan_range_domain', 'domain', ['domain_id'], ['id'])
        batch_op.create_foreign_key('fk_vlan_range_account', 'account', ['account_id'], ['id'])


def _addresses() -> None:
    """Write down the addresses of the public ranges that operators gave before."""
    names = ('id', 'zone_id', 'created_s', 'start_ip', 'end_ip')
    ranges = sa.table('vlan_range', *map(sa.column, (*names, 'for_virtual_network', 'removed_s')))
    given = sa.select(*(ranges.c[n] for n in names)).where(
        ranges.c.for_virtual_network == sa.true(), ranges.c.removed_s.is_(None)
    )
    address = sa.table(
        'public_address',
        *map(sa.column, ('uuid', 'version', 'created_s', 'zone_id', 'range_id', 'ip', 'state')),
        *(sa.column(n, sa.Boolean()) for n in ('source_nat', 'static_nat', 'elastic', 'shown')),
    )
    for id, zone_id, created_s, first, last in op.get_bind().execute(given).all():
        rows = [
            {'uuid': str(uuid4()), 'version': 1, 'created_s': created_s, 'zone_id': zone_id, 'range_id': id,
             'ip': str(IPv4Address(n)), 'state': 'Free', 'source_nat': False, 'static_nat': False, 'elastic': False,
             'shown': True}
            for n in range(int(IPv4Address(first)), int(IPv4Address(last)) + 1)
        ]
        op.bulk_insert(address, rows)
