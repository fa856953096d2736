"""What troubles a router, and which of a pair is to serve"""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'


def upgrade() -> None:
    with op.batch_alter_table('router', schema=None) as batch_op:
        batch_op.add_column(sa.Column('trouble', sa.String(length=200), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('trouble_since_s', sa.Double(), nullable=True))

    with op.batch_alter_table('router_group', schema=None) as batch_op:
        batch_op.add_column(sa.Column('swapped', sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table('router', schema=None) as batch_op:
        batch_op.alter_column('trouble', existing_type=sa.String(length=200), existing_nullable=False, server_default=None)
    with op.batch_alter_table('router_group', schema=None) as batch_op:
        batch_op.alter_column('swapped', existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
