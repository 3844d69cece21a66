"""Audit probabilities, scopes, certificates, sampling plans, second reviews, canaries, shadow scores."""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

VALID = sa.text("revoked_at IS NULL")
WAITING = sa.text("decided_at IS NULL")
COLUMNS = ('signals', 'scope', 'audit_floor', 'audit_probability', 'certificate_id')
TABLES = ('shadow_scores', 'canaries', 'second_reviews', 'sampling_plans', 'certificates', 'scopes')


def _partial(name, table, columns, where):
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _at(name, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _ref(table, column, target):
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f'fk_{table}_{column}_{target.partition(".")[0]}'))


def upgrade() -> None:
    # plain columns, because SQLite cannot add a constraint to a table that is there
    op.add_column('verdicts', sa.Column('signals', sa.JSON(), nullable=True))
    op.add_column('verdicts', sa.Column('scope', sa.String(length=64), nullable=True))
    op.add_column('verdicts', sa.Column('audit_floor', sa.Float(), nullable=True))
    op.add_column('verdicts', sa.Column('audit_probability', sa.Float(), nullable=True))
    op.add_column('verdicts', sa.Column('certificate_id', sa.Integer(), nullable=True))
    op.create_index('ix_verdicts_scope_id', 'verdicts', ['scope', 'id'])

    op.create_table(
        'scopes',
        sa.Column('hash', sa.String(length=64), nullable=False),
        sa.Column('workflow', sa.Text(), nullable=False),
        sa.Column('pins', sa.JSON(), nullable=False),
        _at('created_at'),
        sa.PrimaryKeyConstraint('hash', name=op.f('pk_scopes')),
    )
    op.create_index(op.f('ix_scopes_workflow'), 'scopes', ['workflow'])
    op.create_table(
        'certificates',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('workflow', sa.Text(), nullable=False),
        sa.Column('scope', sa.String(length=64), nullable=False),
        sa.Column('recalibration', sa.Integer(), nullable=False),
        sa.Column('threshold', sa.Float(), nullable=True),
        sa.Column('receipt', sa.JSON(), nullable=False),
        sa.Column('sha256', sa.String(length=64), nullable=False),
        _at('issued_at'),
        _at('revoked_at', nullable=True),
        sa.Column('revoked_reason', sa.Text(), nullable=True),
        _ref('certificates', 'scope', 'scopes.hash'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_certificates')),
        sa.UniqueConstraint('workflow', 'recalibration', name=op.f('uq_certificates_workflow_recalibration')),
    )
    _partial('ix_certificates_valid', 'certificates', ['scope'], VALID)
    op.create_table(
        'sampling_plans',
        sa.Column('workflow', sa.Text(), nullable=False),
        sa.Column('level', sa.String(length=16), nullable=False),
        sa.Column('floor', sa.Float(), nullable=False),
        sa.Column('top_up', sa.Float(), nullable=False),
        sa.Column('auto_pass', sa.Boolean(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('state', sa.JSON(), nullable=False),
        _at('changed_at'),
        sa.PrimaryKeyConstraint('workflow', name=op.f('pk_sampling_plans')),
    )
    op.create_table(
        'second_reviews',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('item_id', sa.Integer(), nullable=False),
        sa.Column('review_id', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=16), nullable=False),
        sa.Column('draw', sa.Float(), nullable=False),
        sa.Column('probability', sa.Float(), nullable=False),
        sa.Column('reviewer', sa.Text(), nullable=True),
        sa.Column('decision', sa.String(length=8), nullable=True),
        sa.Column('reason', sa.Text(), nullable=True),
        sa.Column('changes', sa.JSON(), nullable=True),
        _at('created_at'),
        _at('decided_at', nullable=True),
        _ref('second_reviews', 'item_id', 'items.id'),
        _ref('second_reviews', 'review_id', 'reviews.id'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_second_reviews')),
        sa.UniqueConstraint('review_id', 'kind', name=op.f('uq_second_reviews_review_id_kind')),
    )
    op.create_index(op.f('ix_second_reviews_item_id'), 'second_reviews', ['item_id'])
    _partial('ix_second_reviews_waiting', 'second_reviews', ['created_at'], WAITING)
    op.create_table(
        'canaries',
        sa.Column('item_id', sa.Integer(), nullable=False),
        sa.Column('copied_from', sa.Integer(), nullable=False),
        sa.Column('planted', sa.JSON(), nullable=False),
        sa.Column('planted_by', sa.Text(), nullable=False),
        _at('planted_at'),
        _ref('canaries', 'copied_from', 'items.id'),
        _ref('canaries', 'item_id', 'items.id'),
        sa.PrimaryKeyConstraint('item_id', name=op.f('pk_canaries')),
    )
    op.create_index(op.f('ix_canaries_copied_from'), 'canaries', ['copied_from'])
    op.create_table(
        'shadow_scores',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('item_id', sa.Integer(), nullable=False),
        sa.Column('attempt_id', sa.Integer(), nullable=False),
        sa.Column('model', sa.Text(), nullable=False),
        sa.Column('version', sa.Text(), nullable=False),
        sa.Column('probability', sa.Float(), nullable=False),
        sa.Column('threshold', sa.Float(), nullable=False),
        _at('created_at'),
        _ref('shadow_scores', 'attempt_id', 'attempts.id'),
        _ref('shadow_scores', 'item_id', 'items.id'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_shadow_scores')),
        sa.UniqueConstraint('attempt_id', 'model', 'version', name=op.f('uq_shadow_scores_attempt_id_model_version')),
    )
    op.create_index(op.f('ix_shadow_scores_attempt_id'), 'shadow_scores', ['attempt_id'])
    op.create_index(op.f('ix_shadow_scores_item_id'), 'shadow_scores', ['item_id'])


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    op.drop_index('ix_verdicts_scope_id', table_name='verdicts')
    for column in COLUMNS:
        op.drop_column('verdicts', column)
