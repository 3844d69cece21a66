"""The console: users, sessions, throttling, the audit log, claims of review items."""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

TABLES = ('review_claims', 'audit_log', 'throttles', 'sessions', 'users')
REFUSAL = 'the audit log is append-only'


def _at(name, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        'users',
        sa.Column('name', sa.String(length=64), nullable=False),
        sa.Column('full_name', sa.Text(), nullable=False),
        sa.Column('password', sa.Text(), nullable=True),
        sa.Column('must_change', sa.Boolean(), nullable=False),
        sa.Column('roles', sa.JSON(), nullable=False),
        sa.Column('language', sa.String(length=16), nullable=True),
        sa.Column('theme', sa.String(length=8), nullable=False),
        sa.Column('timezone', sa.Text(), nullable=False),
        _at('created_at'),
        _at('disabled_at', nullable=True),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_users')),
    )
    op.create_table(
        'sessions',
        sa.Column('token_hash', sa.String(length=64), nullable=False),
        sa.Column('user', sa.String(length=64), nullable=False),
        sa.Column('csrf', sa.String(length=64), nullable=False),
        sa.Column('address', sa.Text(), nullable=False),
        sa.Column('agent', sa.Text(), nullable=False),
        _at('created_at'),
        _at('seen_at'),
        _at('expires_at'),
        _at('revoked_at', nullable=True),
        sa.ForeignKeyConstraint(['user'], ['users.name'], name=op.f('fk_sessions_user_users')),
        sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_sessions')),
    )
    op.create_index(op.f('ix_sessions_user'), 'sessions', ['user'])
    op.create_table(
        'throttles',
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        _at('last_at'),
        _at('blocked_until', nullable=True),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_throttles')),
    )
    op.create_index(op.f('ix_throttles_last_at'), 'throttles', ['last_at'])
    op.create_table(
        'audit_log',
        sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
        _at('at'),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('action', sa.String(length=48), nullable=False),
        sa.Column('object', sa.Text(), nullable=False),
        sa.Column('detail', sa.JSON(), nullable=False),
        sa.Column('previous', sa.String(length=64), nullable=False),
        sa.Column('hash', sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint('number', name=op.f('pk_audit_log')),
    )
    for column in ('actor', 'action', 'object'):
        op.create_index(op.f(f'ix_audit_log_{column}_number'), 'audit_log', [column, 'number'])
    op.create_table(
        'review_claims',
        sa.Column('item_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('reviewer', sa.Text(), nullable=False),
        _at('since'),
        _at('until'),
        sa.ForeignKeyConstraint(['item_id'], ['items.id'], name=op.f('fk_review_claims_item_id_items')),
        sa.PrimaryKeyConstraint('item_id', name=op.f('pk_review_claims')),
    )
    op.create_index(op.f('ix_review_claims_until'), 'review_claims', ['until'])
    # a page of a run's items is read from the end of an index, however many items the run has
    op.drop_index(op.f('ix_items_run_id'), 'items')
    op.create_index(op.f('ix_items_run_id_id'), 'items', ['run_id', 'id'])
    _append_only()


def _append_only() -> None:
    if op.get_bind().dialect.name == 'sqlite':
        for verb in ('UPDATE', 'DELETE'):
            op.execute(
                f"CREATE TRIGGER audit_log_no_{verb.lower()} BEFORE {verb} ON audit_log "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse()"
    )


def downgrade() -> None:
    op.drop_index(op.f('ix_items_run_id_id'), 'items')
    op.create_index(op.f('ix_items_run_id'), 'items', ['run_id'])
    for table in TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name != 'sqlite':
        op.execute("DROP FUNCTION audit_log_refuse()")
