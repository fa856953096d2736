"""Virtual private clouds: network ACLs, private gateways, static routes and load balancers inside of tiers."""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('vpc_offering',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('display_text', sa.String(length=1024), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('services', sa.String(length=1024), nullable=False),
    sa.Column('redundant', sa.Boolean(), nullable=False),
    sa.Column('is_default', sa.Boolean(), nullable=False),
    sa.Column('sort_key', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    op.create_table('vpc',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('display_text', sa.String(length=1024), nullable=False),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('zone_id', BIG, nullable=False),
    sa.Column('offering_id', BIG, nullable=False),
    sa.Column('group_id', BIG, nullable=False),
    sa.Column('state', sa.Enum('Enabled', 'Inactive', name='state', native_enum=False, length=32), nullable=False),
    sa.Column('cidr', sa.String(length=64), nullable=False),
    sa.Column('network_domain', sa.String(length=255), nullable=False),
    sa.Column('dns1', sa.String(length=64), nullable=True),
    sa.Column('dns2', sa.String(length=64), nullable=True),
    sa.Column('shown', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['group_id'], ['router_group.id'], ),
    sa.ForeignKeyConstraint(['offering_id'], ['vpc_offering.id'], ),
    sa.ForeignKeyConstraint(['zone_id'], ['zone.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('vpc', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_vpc_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_vpc_group_id'), ['group_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_vpc_zone_id'), ['zone_id'], unique=False)

    op.create_table('network_acl_list',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=1024), nullable=False),
    sa.Column('vpc_id', BIG, nullable=True),
    sa.Column('account_id', BIG, nullable=True),
    sa.Column('domain_id', BIG, nullable=True),
    sa.Column('shown', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['vpc_id'], ['vpc.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('network_acl_list', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_network_acl_list_vpc_id'), ['vpc_id'], unique=False)

    op.create_table('network_acl_item',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('list_id', BIG, nullable=False),
    sa.Column('account_id', BIG, nullable=True),
    sa.Column('domain_id', BIG, nullable=True),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('allow', sa.Boolean(), nullable=False),
    sa.Column('inbound', sa.Boolean(), nullable=False),
    sa.Column('protocol', sa.Enum('tcp', 'udp', 'icmp', 'all', 'number', name='protocol', native_enum=False, length=32), nullable=False),
    sa.Column('protocol_number', sa.Integer(), nullable=True),
    sa.Column('first_port', sa.Integer(), nullable=True),
    sa.Column('last_port', sa.Integer(), nullable=True),
    sa.Column('icmp_type', sa.Integer(), nullable=True),
    sa.Column('icmp_code', sa.Integer(), nullable=True),
    sa.Column('cidrs', sa.Text(), nullable=False),
    sa.Column('reason', sa.String(length=2500), nullable=True),
    sa.Column('shown', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['list_id'], ['network_acl_list.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('network_acl_item', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_network_acl_item_list_id'), ['list_id'], unique=False)

    op.create_table('private_gateway',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('vpc_id', BIG, nullable=False),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('zone_id', BIG, nullable=False),
    sa.Column('physical_network_id', BIG, nullable=False),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.Column('bridge', sa.String(length=15), nullable=False),
    sa.Column('vlan', sa.String(length=30), nullable=False),
    sa.Column('ip', sa.String(length=64), nullable=False),
    sa.Column('gateway', sa.String(length=64), nullable=False),
    sa.Column('netmask', sa.String(length=64), nullable=False),
    sa.Column('source_nat', sa.Boolean(), nullable=False),
    sa.Column('acl_list_id', BIG, nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['acl_list_id'], ['network_acl_list.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['physical_network_id'], ['physical_network.id'], ),
    sa.ForeignKeyConstraint(['vpc_id'], ['vpc.id'], ),
    sa.ForeignKeyConstraint(['zone_id'], ['zone.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('private_gateway', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_private_gateway_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_private_gateway_acl_list_id'), ['acl_list_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_private_gateway_vpc_id'), ['vpc_id'], unique=False)

    op.create_table('static_route',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('vpc_id', BIG, nullable=False),
    sa.Column('gateway_id', BIG, nullable=True),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.Column('cidr', sa.String(length=64), nullable=False),
    sa.Column('next_hop', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['gateway_id'], ['private_gateway.id'], ),
    sa.ForeignKeyConstraint(['vpc_id'], ['vpc.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('static_route', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_static_route_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_static_route_gateway_id'), ['gateway_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_static_route_vpc_id'), ['vpc_id'], unique=False)

    op.create_table('internal_lb',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('network_id', BIG, nullable=False),
    sa.Column('nic_id', BIG, nullable=False),
    sa.Column('ip', sa.String(length=64), nullable=False),
    sa.Column('stopped', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['network_id'], ['network.id'], ),
    sa.ForeignKeyConstraint(['nic_id'], ['nic.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('internal_lb', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_internal_lb_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_internal_lb_network_id'), ['network_id'], unique=False)

    op.create_table('internal_balancer',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('network_id', BIG, nullable=False),
    sa.Column('lb_id', BIG, nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=1024), nullable=True),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.Column('port', sa.Integer(), nullable=False),
    sa.Column('instance_port', sa.Integer(), nullable=False),
    sa.Column('algorithm', sa.String(length=20), nullable=False),
    sa.Column('shown', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['lb_id'], ['internal_lb.id'], ),
    sa.ForeignKeyConstraint(['network_id'], ['network.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('internal_balancer', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_internal_balancer_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_internal_balancer_lb_id'), ['lb_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_internal_balancer_network_id'), ['network_id'], unique=False)

    op.create_table('internal_member',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('balancer_id', BIG, nullable=False),
    sa.Column('vm_id', BIG, nullable=False),
    sa.Column('nic_id', BIG, nullable=False),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.ForeignKeyConstraint(['balancer_id'], ['internal_balancer.id'], ),
    sa.ForeignKeyConstraint(['nic_id'], ['nic.id'], ),
    sa.ForeignKeyConstraint(['vm_id'], ['vm.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('internal_member', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_internal_member_balancer_id'), ['balancer_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_internal_member_vm_id'), ['vm_id'], unique=False)

