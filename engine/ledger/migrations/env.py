"""Alembic environment: runs inside the transaction that `Database.upgrade` opened."""

from __future__ import annotations

from alembic import context

from engine.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
