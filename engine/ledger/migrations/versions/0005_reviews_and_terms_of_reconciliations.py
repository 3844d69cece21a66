"""Rolling reconciliations: P(wrong) of suggestions, versions they were made under, conventions told, erased lines."""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

MANUAL = sa.text("manual")
WORDS = sa.text("erased_at IS NULL AND state = 'closed'")
REPLACED_BY = sa.text("replaced_by IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        'recon_terms',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('reconciliation_id', sa.Integer(), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        sa.Column('versions', sa.JSON(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['reconciliation_id'], ['reconciliations.id'], name=op.f('fk_recon_terms_reconciliation_id_reconciliations')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_recon_terms')),
        sa.UniqueConstraint('reconciliation_id', 'sha256', name=op.f('uq_recon_terms_reconciliation_id_sha256')),
    )
    # plain columns, because SQLite cannot add a constraint to a table that is there
    op.add_column('recon_deliveries', sa.Column('terms_id', sa.Integer(), nullable=True))
    op.add_column('recon_matches', sa.Column('terms_id', sa.Integer(), nullable=True))
    op.add_column('recon_matches', sa.Column('probability_wrong', sa.Float(), nullable=True))
    op.add_column('recon_matches', sa.Column('replaced_by', sa.Integer(), nullable=True))
    op.add_column('recon_lines', sa.Column('erased_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('reconciliations', sa.Column('conventions', sa.JSON(), nullable=True))
    for name, columns, where in (
        ('ix_recon_matches_manual', ['reconciliation_id', 'key'], MANUAL),
        ('ix_recon_matches_replaced_by', ['reconciliation_id', 'replaced_by'], REPLACED_BY),
    ):
        op.create_index(name, 'recon_matches', columns, sqlite_where=where, postgresql_where=where)
    op.create_index('ix_recon_lines_words', 'recon_lines', ['reconciliation_id', 'delivery_id'], sqlite_where=WORDS, postgresql_where=WORDS)


def downgrade() -> None:
    op.drop_index('ix_recon_lines_words', 'recon_lines')
    for name in ('ix_recon_matches_manual', 'ix_recon_matches_replaced_by'):
        op.drop_index(name, 'recon_matches')
    for table, names in (
        ('reconciliations', ['conventions']),
        ('recon_lines', ['erased_at']),
        ('recon_matches', ['replaced_by', 'probability_wrong', 'terms_id']),
        ('recon_deliveries', ['terms_id']),
    ):
        for name in names:
            op.drop_column(table, name)
    op.drop_table('recon_terms')
