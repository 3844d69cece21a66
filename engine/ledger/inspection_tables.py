"""Tables of what inspection promises: what a promise is about, its receipts, the sampling, the check on reviewers.

`scopes` name everything that a rate is measured under; an item inspected under another scope says nothing about it.
Certificates are append-only: one that does not hold any more is revoked, never changed.
"""

from __future__ import annotations

import sqlalchemy as sa

from engine.ledger.columns import at, id_, metadata, partial, ref

scopes = sa.Table(
    "scopes",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False, index=True),
    sa.Column("pins", sa.JSON, nullable=False),
    at("created_at"),
)
"""Model version, feature schema, record contract, application version and whatever else a rate depends on."""

certificates = sa.Table(
    "certificates",
    metadata,
    id_(),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("scope", sa.String(64), sa.ForeignKey("scopes.hash"), nullable=False),
    sa.Column("recalibration", sa.Integer, nullable=False),
    sa.Column("threshold", sa.Float),
    sa.Column("receipt", sa.JSON, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    at("issued_at"),
    at("revoked_at", nullable=True),
    sa.Column("revoked_reason", sa.Text),
    sa.UniqueConstraint("workflow", "recalibration"),
)
"""One row a look at the audits, also where nothing could be certified (threshold NULL): each look spends error."""
partial("ix_certificates_valid", certificates.c.scope, where=certificates.c.revoked_at.is_(None))

sampling_plans = sa.Table(
    "sampling_plans",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("level", sa.String(16), nullable=False),
    sa.Column("floor", sa.Float, nullable=False),
    sa.Column("top_up", sa.Float, nullable=False),
    sa.Column("auto_pass", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("state", sa.JSON, nullable=False),
    at("changed_at"),
)
"""Normal, tightened, reduced or stopped, in the manner of ISO 2859-1; no row means the definition's own share."""

second_reviews = sa.Table(
    "second_reviews",
    metadata,
    id_(),
    ref("item_id", "items.id"),
    sa.Column("review_id", sa.Integer, sa.ForeignKey("reviews.id"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("draw", sa.Float, nullable=False),
    sa.Column("probability", sa.Float, nullable=False),
    sa.Column("reviewer", sa.Text),
    sa.Column("decision", sa.String(8)),
    sa.Column("reason", sa.Text),
    sa.Column("changes", sa.JSON(none_as_null=True)),
    at("created_at"),
    at("decided_at", nullable=True),
    sa.UniqueConstraint("review_id", "kind"),
)
"""A look by a second person who is not told what the first decided (`blind`), or by a third who decides between them
(`adjudication`); the row is written when it is drawn, and filled in when it is made."""
partial("ix_second_reviews_waiting", second_reviews.c.created_at, where=second_reviews.c.decided_at.is_(None))

canaries = sa.Table(
    "canaries",
    metadata,
    sa.Column("item_id", sa.Integer, sa.ForeignKey("items.id"), primary_key=True),
    ref("copied_from", "items.id"),
    sa.Column("planted", sa.JSON, nullable=False),
    sa.Column("planted_by", sa.Text, nullable=False),
    at("planted_at"),
)
"""Items of runs of the kind `canary`: copies with a known error (or with none), which no application ever sees."""

shadow_scores = sa.Table(
    "shadow_scores",
    metadata,
    id_(),
    ref("item_id", "items.id"),
    ref("attempt_id", "attempts.id"),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("probability", sa.Float, nullable=False),
    sa.Column("threshold", sa.Float, nullable=False),
    at("created_at"),
    sa.UniqueConstraint("attempt_id", "model", "version"),
)
"""What a challenger would have said of an attempt's output; it decides nothing."""
