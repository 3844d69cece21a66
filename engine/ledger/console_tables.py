"""Tables of the web console: who may sign in, who is signed in, who has to wait, what was done, who looks at what."""

from __future__ import annotations

import sqlalchemy as sa

from engine.ledger.columns import at, metadata

users = sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("full_name", sa.Text, nullable=False),
    sa.Column("password", sa.Text),
    sa.Column("must_change", sa.Boolean, nullable=False),
    sa.Column("roles", sa.JSON, nullable=False),
    sa.Column("language", sa.String(16)),
    sa.Column("theme", sa.String(8), nullable=False),
    sa.Column("timezone", sa.Text, nullable=False),
    at("created_at"),
    at("disabled_at", nullable=True),
)
"""The name is what the ledger calls the person everywhere; it never changes, and no user is ever deleted."""

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("user", sa.String(64), sa.ForeignKey("users.name"), nullable=False, index=True),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    at("created_at"),
    at("seen_at"),
    at("expires_at"),
    at("revoked_at", nullable=True),
)

throttles = sa.Table(
    "throttles",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    at("last_at"),
    at("blocked_until", nullable=True),
)
sa.Index("ix_throttles_last_at", throttles.c.last_at)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    at("at"),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.String(48), nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
sa.Index("ix_audit_log_actor_number", audit_log.c.actor, audit_log.c.number)
sa.Index("ix_audit_log_action_number", audit_log.c.action, audit_log.c.number)
sa.Index("ix_audit_log_object_number", audit_log.c.object, audit_log.c.number)

review_claims = sa.Table(
    "review_claims",
    metadata,
    sa.Column("item_id", sa.Integer, sa.ForeignKey("items.id"), primary_key=True, autoincrement=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    at("since"),
    at("until"),
)
sa.Index("ix_review_claims_until", review_claims.c.until)
