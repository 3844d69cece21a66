"""Tables of the ledger, in SQLAlchemy Core; the migrations must agree with them (a test compares)."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from engine.ledger import console_tables, reconciliation_tables  # noqa: F401 (they are in the same metadata)
from engine.ledger.columns import UtcDateTime, at, id_, metadata, partial, ref
from engine.ledger.inspection_tables import (
    canaries,
    certificates,
    sampling_plans,
    scopes,
    second_reviews,
    shadow_scores,
)

__all__ = [  # what this module hands on besides its own tables
    "UtcDateTime",
    "canaries",
    "certificates",
    "metadata",
    "sampling_plans",
    "scopes",
    "second_reviews",
    "shadow_scores",
]

OPEN = ("ready", "working", "submitting", "submitted")
"""States of an item that a worker still has to bring to an end."""
IN_REVIEW = ("review",)
UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
"""When retention has to look at a run that it has not looked at yet."""
NEVER = datetime(9000, 1, 1, tzinfo=UTC)
"""The deadline of what has none; a real value, because databases disagree on where NULL sorts."""
CLOSED = ("passed", "review", "accepted", "correcting", "corrected", "rejected", "cancelled")
DECIDED = ("accepted", "correcting", "corrected", "rejected")
"""States of an item that a person decided; with four eyes, the second pair too."""


definitions = sa.Table(
    "definitions",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("snapshot", sa.JSON, nullable=False),
    at("created_at"),
)

runs = sa.Table(
    "runs",
    metadata,
    id_(),
    sa.Column("workflow", sa.Text, nullable=False, index=True),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("definition_hash", sa.String(64), sa.ForeignKey("definitions.hash"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("trigger", sa.Text, nullable=False),
    sa.Column("slot", sa.Text),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("counts", sa.JSON, nullable=False),
    at("created_at"),
    at("due_at", nullable=True),
    at("finished_at", nullable=True),
    at("audit_at", nullable=True),
    sa.Column("audit_owner", sa.Text),
    at("audit_lease_until", nullable=True),
    sa.Column("audit", sa.JSON),
    sa.Column("prune_at", UtcDateTime, nullable=False, server_default=sa.text("'1970-01-01 00:00:00.000000'")),
    sa.Column("prune_from", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.UniqueConstraint("workflow", "slot"),
)

items = sa.Table(
    "items",
    metadata,
    id_(),
    sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("payload_hash", sa.String(64), nullable=False),
    sa.Column("origin", sa.Text),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("priority", sa.Integer, nullable=False, default=0),
    sa.Column("fence", sa.Integer, nullable=False, default=0),
    sa.Column("owner", sa.Text),
    at("lease_until", nullable=True),
    at("available_at"),
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    sa.Column("record_url", sa.Text),
    sa.Column("app_id", sa.Text),
    sa.Column("audit_draw", sa.Float, nullable=False),
    sa.Column("audited", sa.Boolean, nullable=False, default=False),
    ref("corrects_item_id", "items.id", nullable=True),
    sa.Column("due_at", UtcDateTime, nullable=False, server_default=sa.text("'9000-01-01 00:00:00.000000'")),
    sa.Column("find_first", sa.Boolean, nullable=False, server_default=sa.false()),
    at("created_at"),
    at("closed_at", nullable=True),
    at("pruned_at", nullable=True),
    at("erased_at", nullable=True),
    sa.UniqueConstraint("workflow", "reference"),
)
IS_OPEN = items.c.state.in_([sa.literal_column(f"'{state}'") for state in OPEN])
"""Written as the partial indexes are, so that both databases see that they apply."""
IS_UNFINISHED = runs.c.state.in_([sa.literal_column(f"'{state}'") for state in ("open", "auditing")])
"""The runs that every idle worker asks for; written as their index is, for the same reason."""
WAITS_FOR_PERSON = sa.or_(
    items.c.state == sa.literal_column("'review'"),
    sa.and_(items.c.state == sa.literal_column("'passed'"), sa.text("items.audited")),
)
"""Written as `ix_items_review` is: with a bound value, or `audited = 1`, SQLite looks through all items instead."""
ITEM_ORDER = (items.c.priority.desc(), items.c.due_at, items.c.id)
"""In what order items are taken: priority, then deadline, then age."""


partial("ix_runs_prune", runs.c.prune_at, where=runs.c.state == sa.literal_column("'done'"))
partial("ix_runs_unfinished", runs.c.state, runs.c.audit_at, where=IS_UNFINISHED)
partial("ix_items_open", items.c.app, *ITEM_ORDER, where=IS_OPEN)
partial("ix_items_open_run", items.c.run_id, items.c.app, *ITEM_ORDER, where=IS_OPEN)
partial("ix_items_held", items.c.app, items.c.owner, where=items.c.owner.is_not(None))
partial(
    "ix_items_review",
    items.c.closed_at,
    items.c.id,
    where=sa.text("state = 'review' or (state = 'passed' and audited)"),
)
partial("ix_items_erased", items.c.workflow, where=items.c.erased_at.is_not(None))
sa.Index("ix_items_run_id_id", items.c.run_id, items.c.id)
sa.Index("ix_items_run_state", items.c.run_id, items.c.state)

attempts = sa.Table(
    "attempts",
    metadata,
    id_(),
    ref("item_id", "items.id"),
    sa.Column("workflow", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("worker", sa.Text, nullable=False),
    at("started_at"),
    at("ended_at", nullable=True),
    sa.Column("outcome", sa.String(16)),
    sa.Column("error_kind", sa.String(16)),
    sa.Column("error_code", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("steps", sa.JSON),
    sa.Column("read_back", sa.JSON),
    sa.UniqueConstraint("item_id", "fence"),
)
sa.Index("ix_attempts_workflow_id", attempts.c.workflow, attempts.c.id)
"""The newest attempts of a workflow, however many the others have made: what its service times are measured from."""

intents = sa.Table(
    "intents",
    metadata,
    id_(),
    ref("item_id", "items.id"),
    sa.Column("segment", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("gate", sa.Integer, nullable=False),
    at("at"),
    at("lands_until"),
    sa.Column("payload_hash", sa.String(64), nullable=False),
    sa.Column("outcome", sa.String(16)),
    at("decided_at", nullable=True),
    sa.Column("app_id", sa.Text),
    sa.Column("url", sa.Text),
    sa.UniqueConstraint("item_id", "segment", "fence", "gate"),
)

evidence = sa.Table(
    "evidence",
    metadata,
    id_(),
    ref("item_id", "items.id"),
    ref("attempt_id", "attempts.id"),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    at("created_at"),
    at("pruned_at", nullable=True),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    id_(),
    ref("item_id", "items.id"),
    ref("attempt_id", "attempts.id", nullable=True),
    sa.Column("decision", sa.String(8), nullable=False),
    sa.Column("findings", sa.JSON, nullable=False),
    sa.Column("probability", sa.Float),
    sa.Column("threshold", sa.Float),
    sa.Column("model", sa.Text),
    sa.Column("model_version", sa.Text),
    sa.Column("definition_hash", sa.String(64), nullable=False),
    at("created_at"),
    sa.Column("signals", sa.JSON),
    sa.Column("scope", sa.String(64)),
    sa.Column("audit_floor", sa.Float),
    sa.Column("audit_probability", sa.Float),
    sa.Column("certificate_id", sa.Integer),
)
sa.Index("ix_verdicts_scope_id", verdicts.c.scope, verdicts.c.id)

reviews = sa.Table(
    "reviews",
    metadata,
    id_(),
    ref("item_id", "items.id"),
    sa.Column("attempt_id", sa.Integer, sa.ForeignKey("attempts.id")),
    sa.Column("decision", sa.String(8), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("changes", sa.JSON),
    sa.Column("reviewer", sa.Text, nullable=False),
    ref("correction_item_id", "items.id", nullable=True),
    at("created_at"),
)

events = sa.Table(
    "events",
    metadata,
    id_(),
    sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), index=True),
    sa.Column("item_id", sa.Integer, sa.ForeignKey("items.id"), index=True),
    sa.Column("kind", sa.String(48), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    at("at"),
)

models = sa.Table(
    "models",
    metadata,
    id_(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    at("created_at"),
    at("promoted_at", nullable=True),
    sa.UniqueConstraint("name", "version"),
)

apps = sa.Table(
    "apps",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("max_sessions", sa.Integer, nullable=False),
    sa.Column("pace_seconds", sa.Float),
    at("next_start_at", nullable=True),
    sa.Column("maintenance", sa.JSON, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    at("open_until", nullable=True),
    sa.Column("reason", sa.Text),
    at("changed_at"),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("lease_seconds", sa.Float, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("refuses", sa.JSON, nullable=False),
    at("started_at"),
    at("seen_at"),
)

schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("written", sa.JSON, nullable=False),
    sa.Column("changed", sa.JSON(none_as_null=True)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("pauses", sa.JSON, nullable=False),
    at("skip_after", nullable=True),
    at("since"),
    at("walked_to"),
    sa.Column("changed_by", sa.Text),
    at("changed_at", nullable=True),
)

slots = sa.Table(
    "slots",
    metadata,
    sa.Column("schedule", sa.Text, sa.ForeignKey("schedules.workflow"), primary_key=True),
    sa.Column("slot", sa.Text, primary_key=True),
    at("fire_at"),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    ref("run_id", "runs.id", nullable=True),
    sa.Column("decided_by", sa.Text, nullable=False),
    at("decided_at"),
)
sa.Index("ix_slots_schedule_fire_at", slots.c.schedule, slots.c.fire_at)
sa.Index("ix_slots_fire_at", slots.c.fire_at)

incidents = sa.Table(
    "incidents",
    metadata,
    id_(),
    sa.Column("kind", sa.String(48), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    at("opened_at"),
    at("closed_at", nullable=True),
    sa.UniqueConstraint("kind", "subject", "key"),
)
sa.Index("ix_incidents_closed_at", incidents.c.closed_at)
partial("ix_incidents_open", incidents.c.opened_at, where=incidents.c.closed_at.is_(None))

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
    at("changed_at"),
)
