"""Segments, router groups, public addresses and firewall rules; a network's one router becomes its group's first."""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('router_group',
    sa.Column('id', BIG, nullable=False),
    sa.Column('desired', sa.Integer(), nullable=False),
    sa.Column('redundant', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    op.create_table('segment_use',
    sa.Column('id', BIG, nullable=False),
    sa.Column('physical_network_id', BIG, nullable=False),
    sa.Column('tag', sa.Integer(), nullable=False),
    sa.Column('network_id', BIG, nullable=False),
    sa.ForeignKeyConstraint(['network_id'], ['network.id'], ),
    sa.ForeignKeyConstraint(['physical_network_id'], ['physical_network.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('physical_network_id', 'tag'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('segment_use', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_segment_use_network_id'), ['network_id'], unique=False)

    op.create_table('public_address',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('zone_id', BIG, nullable=False),
    sa.Column('range_id', BIG, nullable=False),
    sa.Column('ip', sa.String(length=64), nullable=False),
    sa.Column('state', sa.Enum('Free', 'Allocated', 'Releasing', 'Reserved', name='state', native_enum=False, length=32), nullable=False),
    sa.Column('account_id', BIG, nullable=True),
    sa.Column('domain_id', BIG, nullable=True),
    sa.Column('network_id', BIG, nullable=True),
    sa.Column('vpc_id', BIG, nullable=True),
    sa.Column('source_nat', sa.Boolean(), nullable=False),
    sa.Column('static_nat', sa.Boolean(), nullable=False),
    sa.Column('nic_id', BIG, nullable=True),
    sa.Column('guest_ip', sa.String(length=64), nullable=True),
    sa.Column('elastic', sa.Boolean(), nullable=False),
    sa.Column('shown', sa.Boolean(), nullable=False),
    sa.Column('allocated_s', sa.Double(), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], ),
    sa.ForeignKeyConstraint(['domain_id'], ['domain.id'], ),
    sa.ForeignKeyConstraint(['network_id'], ['network.id'], ),
    sa.ForeignKeyConstraint(['range_id'], ['vlan_range.id'], ),
    sa.ForeignKeyConstraint(['zone_id'], ['zone.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('range_id', 'ip'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('public_address', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_public_address_account_id'), ['account_id'], unique=False)
        batch_op.create_index('ix_public_address_free', ['zone_id', 'state', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_public_address_ip'), ['ip'], unique=False)
        batch_op.create_index(batch_op.f('ix_public_address_network_id'), ['network_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_public_address_nic_id'), ['nic_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_public_address_vpc_id'), ['vpc_id'], unique=False)

    op.create_table('firewall_rule',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('account_id', BIG, nullable=False),
    sa.Column('domain_id', BIG, nullable=False),
    sa.Column('network_id', BIG, nullable=False),
    sa.Column('address_id', BIG, nullable=True),
    sa.Column('state', sa.Enum('Add', 'Active', 'Deleting', name='rulestate', native_enum=False, length=32), nullable=False),
    sa.Column('protocol', sa.Enum('tcp', 'udp', 'icmp', 'all', 'number', name='protocol', native_enum=False, length=32), nullable=False),
    sa.Column('first_port', sa.Integer(), nullable=True),
    sa.Column('last_port', sa.Integer(), nullable=True),
    sa.Column('icmp_type', sa.Integer(), nullable=True),
    sa.Column('icmp_code', sa.Integer(), nullable=True),
    sa.Column('cidrs', sa.Text(), nullable=False),
    sa.Column('destinations', sa.Text(), nullable=False),
    sa.Column('automatic', sa.Boolean(), nullable=False),
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
    with op.batch_alter_table('firewall_rule', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_firewall_rule_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_firewall_rule_address_id'), ['address_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_firewall_rule_network_id'), ['network_id'], unique=False)

    op.execute("INSERT INTO router_group (id, desired, redundant) SELECT network_id, version, 0 FROM network_desired")
    _network()
    op.execute("UPDATE network SET group_id = id WHERE id IN (SELECT id FROM router_group)")
    op.drop_table('network_desired')
    with op.batch_alter_table('nic', schema=None) as batch_op:
        batch_op.add_column(sa.Column('router_id', BIG, nullable=True))
        batch_op.create_index(batch_op.f('ix_nic_router_id'), ['router_id'], unique=False)
    op.execute("UPDATE nic SET router_id = (SELECT id FROM router WHERE router.nic_id = nic.id) WHERE vm_id IS NULL")
    _router()
    _offering()


def _network() -> None:
    added = (('broadcast', sa.String(length=10), 'Vlan'), ('specified_vlan', sa.Boolean(), sa.true()),
             ('restart_required', sa.Boolean(), sa.false()))
    with op.batch_alter_table('network', schema=None) as batch_op:
        batch_op.add_column(sa.Column('group_id', BIG, nullable=True))
        batch_op.add_column(sa.Column('vpc_id', BIG, nullable=True))
        batch_op.add_column(sa.Column('acl_list_id', BIG, nullable=True))
        batch_op.add_column(sa.Column('idle_since_s', sa.Double(), nullable=True))
        for name, kind, value in added:
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=value))
        batch_op.create_index(batch_op.f('ix_network_acl_list_id'), ['acl_list_id'], unique=False)
        batch_op.create_index('ix_network_group', ['group_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_network_vpc_id'), ['vpc_id'], unique=False)
        batch_op.create_foreign_key('fk_network_group', 'router_group', ['group_id'], ['id'])
    with op.batch_alter_table('network', schema=None) as batch_op:
        for name, kind, _ in added:
            batch_op.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)


def _router() -> None:
    """Build the table anew, for its keys have no names to drop them by."""
    op.create_table('router_next',
    sa.Column('id', BIG, nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_s', sa.Double(), nullable=False),
    sa.Column('removed_s', sa.Double(), nullable=True),
    sa.Column('group_id', BIG, nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('host_id', BIG, nullable=True),
    sa.Column('applied', sa.Integer(), nullable=False),
    sa.Column('role', sa.String(length=10), nullable=False),
    sa.Column('role_since_s', sa.Double(), nullable=True),
    sa.Column('stopped', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['router_group.id'], ),
    sa.ForeignKeyConstraint(['host_id'], ['host.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('group_id', 'position'),
    sa.UniqueConstraint('uuid'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    op.execute(
        "INSERT INTO router_next "
        "(id, uuid, version, created_s, removed_s, group_id, position, host_id, applied, role, stopped) "
        "SELECT id, uuid, version, created_s, removed_s, network_id, 0, host_id, applied, 'PRIMARY', 0 FROM router"
    )
    op.drop_table('router')
    op.rename_table('router_next', 'router')
    with op.batch_alter_table('router', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_router_host_id'), ['host_id'], unique=False)


def _offering() -> None:
    added = (('redundant', sa.Boolean(), sa.false()), ('persistent', sa.Boolean(), sa.false()),
             ('egress_allowed', sa.Boolean(), sa.true()), ('internal_lb', sa.Boolean(), sa.false()))
    with op.batch_alter_table('network_offering', schema=None) as batch_op:
        for name, kind, value in added:
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=value))
        batch_op.add_column(sa.Column('details', sa.Text(), nullable=True))
    op.execute("UPDATE network_offering SET details = '{}'")
    with op.batch_alter_table('network_offering', schema=None) as batch_op:
        for name, kind, _ in added:
            batch_op.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)
        batch_op.alter_column('details', existing_type=sa.Text(), nullable=False)
