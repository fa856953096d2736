"""Each raise of a VM's epoch has a name, by which witnesses know it again."""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'


def upgrade() -> None:
    with op.batch_alter_table('vm', schema=None) as batch_op:
        batch_op.add_column(sa.Column('epoch_name', sa.String(length=36), nullable=False, server_default=''))
    with op.batch_alter_table('vm') as batch_op:
        batch_op.alter_column('epoch_name', existing_type=sa.String(length=36), existing_nullable=False, server_default=None)
