"""Deadlines, limits of applications, workers, schedules, incidents."""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('ready', 'working', 'submitting', 'submitted')")
REVIEW = sa.text("state = 'review' or (state = 'passed' and audited)")
HELD = sa.text("owner IS NOT NULL")
ERASED = sa.text("erased_at IS NOT NULL")
DONE = sa.text("state = 'done'")
UNFINISHED = sa.text("state IN ('open', 'auditing')")
UNCLOSED = sa.text("closed_at IS NULL")
ORDER = [sa.literal_column("priority DESC"), "due_at", "id"]


def _partial(name, table, columns, where):
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _at(name, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        'apps',
        sa.Column('app', sa.Text(), nullable=False),
        sa.Column('max_sessions', sa.Integer(), nullable=False),
        sa.Column('pace_seconds', sa.Float(), nullable=True),
        _at('next_start_at', nullable=True),
        sa.Column('maintenance', sa.JSON(), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        _at('open_until', nullable=True),
        sa.Column('reason', sa.Text(), nullable=True),
        _at('changed_at'),
        sa.PrimaryKeyConstraint('app', name=op.f('pk_apps')),
    )
    # what runs before this version pinned is not repeated here: four sessions was the profile's default
    op.execute(
        "INSERT INTO apps (app, max_sessions, maintenance, failures, open_until, reason, changed_at) "
        "SELECT r.app, 4, '[]', coalesce(max(b.failures), 0), max(b.open_until), max(b.reason), max(r.created_at) "
        "FROM runs r LEFT JOIN breakers b ON b.app = r.app GROUP BY r.app"
    )
    op.drop_table('breakers')

    op.add_column(
        'runs', sa.Column('prune_at', sa.DateTime(timezone=True), server_default=sa.text("'1970-01-01 00:00:00.000000'"), nullable=False)
    )
    op.add_column('runs', sa.Column('prune_from', sa.Integer(), server_default=sa.text("0"), nullable=False))
    _partial('ix_runs_prune', 'runs', ['prune_at'], DONE)
    _partial('ix_runs_unfinished', 'runs', ['state', 'audit_at'], UNFINISHED)

    op.drop_index('ix_items_open', table_name='items')
    op.add_column(
        'items', sa.Column('due_at', sa.DateTime(timezone=True), server_default=sa.text("'9000-01-01 00:00:00.000000'"), nullable=False)
    )
    op.add_column('items', sa.Column('find_first', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('items', _at('pruned_at', nullable=True))
    op.add_column('items', _at('erased_at', nullable=True))
    op.execute(
        "UPDATE items SET due_at = (SELECT due_at FROM runs WHERE runs.id = items.run_id) "
        "WHERE state IN ('ready', 'working', 'submitting', 'submitted') "
        "AND EXISTS (SELECT 1 FROM runs WHERE runs.id = items.run_id AND runs.due_at IS NOT NULL)"
    )
    _partial('ix_items_open', 'items', ['app', *ORDER], OPEN)
    _partial('ix_items_open_run', 'items', ['run_id', 'app', *ORDER], OPEN)
    _partial('ix_items_held', 'items', ['app', 'owner'], HELD)
    _partial('ix_items_review', 'items', ['closed_at', 'id'], REVIEW)
    _partial('ix_items_erased', 'items', ['workflow'], ERASED)

    op.add_column('attempts', sa.Column('workflow', sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute("UPDATE attempts SET workflow = (SELECT workflow FROM items WHERE items.id = attempts.item_id)")
    op.create_index('ix_attempts_workflow_id', 'attempts', ['workflow', 'id'])

    op.create_table(
        'workers',
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('role', sa.String(length=16), nullable=False),
        sa.Column('host', sa.Text(), nullable=False),
        sa.Column('pid', sa.Integer(), nullable=False),
        sa.Column('version', sa.Text(), nullable=False),
        sa.Column('slots', sa.Integer(), nullable=False),
        sa.Column('lease_seconds', sa.Float(), nullable=False),
        sa.Column('state', sa.String(length=16), nullable=False),
        sa.Column('refuses', sa.JSON(), nullable=False),
        _at('started_at'),
        _at('seen_at'),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_workers')),
    )
    op.create_table(
        'schedules',
        sa.Column('workflow', sa.Text(), nullable=False),
        sa.Column('path', sa.Text(), nullable=False),
        sa.Column('written', sa.JSON(), nullable=False),
        sa.Column('changed', sa.JSON(), nullable=True),
        sa.Column('state', sa.String(length=16), nullable=False),
        sa.Column('pauses', sa.JSON(), nullable=False),
        _at('skip_after', nullable=True),
        _at('since'),
        _at('walked_to'),
        sa.Column('changed_by', sa.Text(), nullable=True),
        _at('changed_at', nullable=True),
        sa.PrimaryKeyConstraint('workflow', name=op.f('pk_schedules')),
    )
    op.create_table(
        'slots',
        sa.Column('schedule', sa.Text(), nullable=False),
        sa.Column('slot', sa.Text(), nullable=False),
        _at('fire_at'),
        sa.Column('status', sa.String(length=16), nullable=False),
        sa.Column('reason', sa.Text(), nullable=True),
        sa.Column('run_id', sa.Integer(), nullable=True),
        sa.Column('decided_by', sa.Text(), nullable=False),
        _at('decided_at'),
        sa.ForeignKeyConstraint(['run_id'], ['runs.id'], name=op.f('fk_slots_run_id_runs')),
        sa.ForeignKeyConstraint(['schedule'], ['schedules.workflow'], name=op.f('fk_slots_schedule_schedules')),
        sa.PrimaryKeyConstraint('schedule', 'slot', name=op.f('pk_slots')),
    )
    op.create_index(op.f('ix_slots_run_id'), 'slots', ['run_id'])
    op.create_index('ix_slots_schedule_fire_at', 'slots', ['schedule', 'fire_at'])
    op.create_index('ix_slots_fire_at', 'slots', ['fire_at'])
    op.create_table(
        'incidents',
        sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
        sa.Column('kind', sa.String(length=48), nullable=False),
        sa.Column('subject', sa.Text(), nullable=False),
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('message', sa.Text(), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        _at('opened_at'),
        _at('closed_at', nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_incidents')),
        sa.UniqueConstraint('kind', 'subject', 'key', name=op.f('uq_incidents_kind_subject_key')),
    )
    op.create_index('ix_incidents_closed_at', 'incidents', ['closed_at'])
    _partial('ix_incidents_open', 'incidents', ['opened_at'], UNCLOSED)
    op.create_table(
        'meta',
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('value', sa.JSON(), nullable=False),
        _at('changed_at'),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_meta')),
    )


def downgrade() -> None:
    for table in ('meta', 'incidents', 'slots', 'schedules', 'workers'):
        op.drop_table(table)
    for name in ('ix_items_open', 'ix_items_open_run', 'ix_items_held', 'ix_items_review', 'ix_items_erased'):
        op.drop_index(name, table_name='items')
    op.drop_index('ix_attempts_workflow_id', table_name='attempts')
    # not in batches: those drop and copy the table on SQLite, which the rows that name its rows forbid
    op.drop_column('attempts', 'workflow')
    for column in ('due_at', 'find_first', 'pruned_at', 'erased_at'):
        op.drop_column('items', column)
    op.drop_index('ix_runs_prune', table_name='runs')
    op.drop_index('ix_runs_unfinished', table_name='runs')
    for column in ('prune_at', 'prune_from'):
        op.drop_column('runs', column)
    _partial('ix_items_open', 'items', [sa.literal_column('priority DESC'), 'available_at', 'id'], OPEN)
    op.create_table(
        'breakers',
        sa.Column('app', sa.Text(), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        _at('open_until', nullable=True),
        sa.Column('reason', sa.Text(), nullable=True),
        _at('changed_at'),
        sa.PrimaryKeyConstraint('app', name=op.f('pk_breakers')),
    )
    op.execute(
        "INSERT INTO breakers (app, failures, open_until, reason, changed_at) "
        "SELECT app, failures, open_until, reason, changed_at FROM apps"
    )
    op.drop_table('apps')
