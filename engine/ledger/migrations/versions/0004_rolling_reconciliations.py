"""Rolling reconciliations: deliveries, lines, matches, decisions."""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

MATCHES_PENDING = sa.text("state IN ('suggested', 'waiting')")
MATCHES_BARRED = sa.text("state IN ('rejected', 'undone')")
MATCHES_DUE = sa.text("due IS NOT NULL AND state = 'suggested'")
MATCHES_ATTENTION = sa.text("attention IS NOT NULL")
LINES_BANK_ID = sa.text("bank_id != ''")
LINES_OPEN = sa.text("state IN ('open', 'suggested') AND withdrawn_in IS NULL")
LINES_FRESH = sa.text("fresh AND withdrawn_in IS NULL")
LINES_MATCH_ID = sa.text("match_id IS NOT NULL")
TABLES = ('recon_members', 'recon_corrections', 'recon_lines', 'recon_statements', 'recon_decisions', 'recon_matches', 'recon_deliveries', 'recon_accounts', 'reconciliations')


def _partial(name, table, columns, where):
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _ref(table, column, target):
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f'fk_{table}_{column}_{target.partition(".")[0]}'))


def upgrade() -> None:
    op.create_table(
        'reconciliations',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('revision', sa.Integer(), nullable=False),
        sa.Column('limits', sa.JSON(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_reconciliations')),
        sa.UniqueConstraint('name', name=op.f('uq_reconciliations_name')),
    )
    op.create_table(
        'recon_accounts',
        sa.Column('reconciliation_id', sa.Integer(), nullable=False),
        sa.Column('side', sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column('account', sa.Text(), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('opening', sa.BigInteger(), nullable=True),
        sa.Column('opened', sa.Date(), nullable=True),
        sa.Column('movements', sa.BigInteger(), nullable=False),
        sa.Column('lines', sa.Integer(), nullable=False),
        sa.Column('closing', sa.BigInteger(), nullable=True),
        sa.Column('closed', sa.Date(), nullable=True),
        sa.Column('latest', sa.Date(), nullable=True),
        _ref('recon_accounts', 'reconciliation_id', 'reconciliations.id'),
        sa.PrimaryKeyConstraint('reconciliation_id', 'side', 'account', 'currency', name=op.f('pk_recon_accounts')),
    )
    op.create_table(
        'recon_deliveries',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('reconciliation_id', sa.Integer(), nullable=False),
        sa.Column('side', sa.SmallInteger(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        sa.Column('format', sa.Text(), nullable=False),
        sa.Column('repeats', sa.Integer(), nullable=True),
        sa.Column('counts', sa.JSON(), nullable=False),
        sa.Column('received_by', sa.Text(), nullable=False),
        sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
        _ref('recon_deliveries', 'reconciliation_id', 'reconciliations.id'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_recon_deliveries')),
    )
    op.create_index(op.f('ix_recon_deliveries_sha256'), 'recon_deliveries', ['reconciliation_id', 'side', 'sha256'])
    op.create_table(
        'recon_matches',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('reconciliation_id', sa.Integer(), nullable=False),
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('state', sa.String(length=16), nullable=False),
        sa.Column('manual', sa.Boolean(), nullable=False),
        sa.Column('amount', sa.BigInteger(), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('difference', sa.BigInteger(), nullable=False),
        sa.Column('days', sa.Integer(), nullable=False),
        sa.Column('score', sa.Float(), nullable=True),
        sa.Column('margin', sa.Float(), nullable=True),
        sa.Column('rivals', sa.Integer(), nullable=False),
        sa.Column('alternatives', sa.Integer(), nullable=False),
        sa.Column('made_by', sa.Text(), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('first', sa.Text(), nullable=True),
        sa.Column('attention', sa.Text(), nullable=True),
        sa.Column('due', sa.Date(), nullable=True),
        _ref('recon_matches', 'reconciliation_id', 'reconciliations.id'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_recon_matches')),
    )
    _partial('ix_recon_matches_attention', 'recon_matches', ['reconciliation_id'], MATCHES_ATTENTION)
    _partial('ix_recon_matches_barred', 'recon_matches', ['reconciliation_id', 'key'], MATCHES_BARRED)
    _partial('ix_recon_matches_due', 'recon_matches', ['reconciliation_id', 'due'], MATCHES_DUE)
    _partial('ix_recon_matches_pending', 'recon_matches', ['reconciliation_id', 'state'], MATCHES_PENDING)
    op.create_table(
        'recon_decisions',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('reconciliation_id', sa.Integer(), nullable=False),
        sa.Column('match_id', sa.Integer(), nullable=True),
        sa.Column('verb', sa.String(length=16), nullable=False),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        _ref('recon_decisions', 'match_id', 'recon_matches.id'),
        _ref('recon_decisions', 'reconciliation_id', 'reconciliations.id'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_recon_decisions')),
    )
    op.create_index(op.f('ix_recon_decisions_match_id'), 'recon_decisions', ['match_id'])
    op.create_index(op.f('ix_recon_decisions_reconciliation_id'), 'recon_decisions', ['reconciliation_id', 'id'])
    op.create_table(
        'recon_statements',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('delivery_id', sa.Integer(), nullable=False),
        sa.Column('reconciliation_id', sa.Integer(), nullable=False),
        sa.Column('side', sa.SmallInteger(), nullable=False),
        sa.Column('account', sa.Text(), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('opening', sa.BigInteger(), nullable=True),
        sa.Column('closing', sa.BigInteger(), nullable=True),
        sa.Column('opened', sa.Date(), nullable=True),
        sa.Column('closed', sa.Date(), nullable=True),
        sa.Column('lines', sa.Integer(), nullable=False),
        sa.Column('movements', sa.BigInteger(), nullable=False),
        _ref('recon_statements', 'delivery_id', 'recon_deliveries.id'),
        _ref('recon_statements', 'reconciliation_id', 'reconciliations.id'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_recon_statements')),
    )
    op.create_index(op.f('ix_recon_statements_account'), 'recon_statements', ['reconciliation_id', 'side', 'account', 'currency', 'closed'])
    op.create_index(op.f('ix_recon_statements_delivery_id'), 'recon_statements', ['delivery_id'])
    op.create_table(
        'recon_lines',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('reconciliation_id', sa.Integer(), nullable=False),
        sa.Column('side', sa.SmallInteger(), nullable=False),
        sa.Column('account', sa.Text(), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('amount', sa.BigInteger(), nullable=False),
        sa.Column('booked', sa.Date(), nullable=False),
        sa.Column('valued', sa.Date(), nullable=True),
        sa.Column('reference', sa.Text(), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('bank_id', sa.Text(), nullable=False),
        sa.Column('end_to_end', sa.Text(), nullable=False),
        sa.Column('counter_account', sa.Text(), nullable=False),
        sa.Column('reversal', sa.Boolean(), nullable=False),
        sa.Column('batch', sa.Text(), nullable=False),
        sa.Column('content', sa.String(length=64), nullable=False),
        sa.Column('occurrence', sa.Integer(), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('state', sa.String(length=16), nullable=False),
        sa.Column('fresh', sa.Boolean(), nullable=False),
        sa.Column('match_id', sa.Integer(), nullable=True),
        sa.Column('how', sa.String(length=16), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('statement_id', sa.Integer(), nullable=False),
        sa.Column('delivery_id', sa.Integer(), nullable=False),
        sa.Column('corrections', sa.Integer(), nullable=False),
        sa.Column('withdrawn_in', sa.Integer(), nullable=True),
        _ref('recon_lines', 'delivery_id', 'recon_deliveries.id'),
        _ref('recon_lines', 'match_id', 'recon_matches.id'),
        _ref('recon_lines', 'reconciliation_id', 'reconciliations.id'),
        _ref('recon_lines', 'statement_id', 'recon_statements.id'),
        _ref('recon_lines', 'withdrawn_in', 'recon_deliveries.id'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_recon_lines')),
        sa.UniqueConstraint('reconciliation_id', 'side', 'content', 'occurrence', name=op.f('uq_recon_lines_reconciliation_id_side_content_occurrence')),
    )
    op.create_index(op.f('ix_recon_lines_booked'), 'recon_lines', ['reconciliation_id', 'side', 'account', 'booked'])
    _partial('ix_recon_lines_bank_id', 'recon_lines', ['reconciliation_id', 'side', 'bank_id'], LINES_BANK_ID)
    _partial('ix_recon_lines_fresh', 'recon_lines', ['reconciliation_id'], LINES_FRESH)
    _partial('ix_recon_lines_match_id', 'recon_lines', ['match_id'], LINES_MATCH_ID)
    _partial('ix_recon_lines_open', 'recon_lines', ['reconciliation_id', 'account', 'day'], LINES_OPEN)
    op.create_index(op.f('ix_recon_lines_statement_id'), 'recon_lines', ['statement_id'])
    op.create_table(
        'recon_corrections',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('line_id', sa.Integer(), nullable=False),
        sa.Column('reconciliation_id', sa.Integer(), nullable=False),
        sa.Column('side', sa.SmallInteger(), nullable=False),
        sa.Column('delivery_id', sa.Integer(), nullable=False),
        sa.Column('content', sa.String(length=64), nullable=False),
        sa.Column('before', sa.JSON(), nullable=False),
        sa.Column('after', sa.JSON(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        _ref('recon_corrections', 'delivery_id', 'recon_deliveries.id'),
        _ref('recon_corrections', 'line_id', 'recon_lines.id'),
        _ref('recon_corrections', 'reconciliation_id', 'reconciliations.id'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_recon_corrections')),
    )
    op.create_index(op.f('ix_recon_corrections_content'), 'recon_corrections', ['reconciliation_id', 'side', 'content'])
    op.create_index(op.f('ix_recon_corrections_line_id'), 'recon_corrections', ['line_id'])
    op.create_table(
        'recon_members',
        sa.Column('match_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('line_id', sa.Integer(), autoincrement=False, nullable=False),
        _ref('recon_members', 'line_id', 'recon_lines.id'),
        _ref('recon_members', 'match_id', 'recon_matches.id'),
        sa.PrimaryKeyConstraint('match_id', 'line_id', name=op.f('pk_recon_members')),
    )
    op.create_index(op.f('ix_recon_members_line_id'), 'recon_members', ['line_id'])


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
