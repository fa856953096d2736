"""What operators and owners say of a VM's restart: priority, readiness, what it needs."""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'

ADDED = (
    ('ha_priority', sa.Integer(), '2'),
    ('ha_ready', sa.String(length=10), ''),
    ('ha_ready_timeout_s', sa.Integer(), '120'),
    ('guest_action', sa.String(length=10), 'none'),
)


def upgrade() -> None:
    op.create_table('vm_dependency',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('vm_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('needs_vm_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.ForeignKeyConstraint(['needs_vm_id'], ['vm.id'], ),
    sa.ForeignKeyConstraint(['vm_id'], ['vm.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('vm_id', 'needs_vm_id'),
    mysql_charset='utf8mb4',
    mysql_collate='utf8mb4_bin',
    mysql_engine='InnoDB'
    )
    with op.batch_alter_table('vm_dependency', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_vm_dependency_needs_vm_id'), ['needs_vm_id'], unique=False)

    with op.batch_alter_table('vm', schema=None) as batch_op:
        for name, kind, value in ADDED:
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=value))
    with op.batch_alter_table('vm', schema=None) as batch_op:
        for name, kind, _ in ADDED:
            batch_op.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)
