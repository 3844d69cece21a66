"""Tables of rolling reconciliations: what was delivered, its lines, their matches, and who decided what.

Deliveries, statements, corrections, members and decisions are append-only. A line keeps its id for ever: a correction
writes what it said before beside it. What has to be found at each delivery is found by an index of what is open, new,
or of the same content, so that the cost of a day does not grow with the days before.
"""

from __future__ import annotations

import sqlalchemy as sa

from engine.ledger.columns import at, id_, metadata, partial, ref

OPEN = ("open", "suggested")
"""States of a line that matching may use."""
PENDING = ("suggested", "waiting")
"""States of a match that wait for a person."""
BARRED = ("rejected", "undone")
"""States of a match that a person refused: matching does not make it again."""


def _literally(column: sa.Column[str], values: tuple[str, ...]) -> sa.ColumnElement[bool]:
    """Write a condition as the partial indexes are written, so that both databases see that they apply."""
    return column.in_([sa.literal_column(f"'{value}'") for value in values])


reconciliations = sa.Table(
    "reconciliations",
    metadata,
    id_(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("limits", sa.JSON, nullable=False),
    at("created_at"),
    sa.Column("conventions", sa.JSON),
)
"""`revision` grows with every change, so that what was computed from an older state is not written. `limits`: currency
to the amount (minor units) over which two people decide. `conventions`: what was told of the books once."""

recon_terms = sa.Table(
    "recon_terms",
    metadata,
    id_(),
    sa.Column("reconciliation_id", sa.Integer, sa.ForeignKey("reconciliations.id"), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    at("at"),
    sa.UniqueConstraint("reconciliation_id", "sha256"),
)
"""Under what deliveries were read and matches made: name to hash of definition, matcher, evidence, model; matches
also under the figures of the gate (`gate`), which a proof states when they are others by then."""

recon_deliveries = sa.Table(
    "recon_deliveries",
    metadata,
    id_(),
    sa.Column("reconciliation_id", sa.Integer, sa.ForeignKey("reconciliations.id"), nullable=False),
    sa.Column("side", sa.SmallInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("repeats", sa.Integer),
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("received_by", sa.Text, nullable=False),
    at("received_at"),
    sa.Column("terms_id", sa.Integer),
    sa.Index("ix_recon_deliveries_sha256", "reconciliation_id", "side", "sha256"),
)

recon_statements = sa.Table(
    "recon_statements",
    metadata,
    id_(),
    ref("delivery_id", "recon_deliveries.id"),
    sa.Column("reconciliation_id", sa.Integer, sa.ForeignKey("reconciliations.id"), nullable=False),
    sa.Column("side", sa.SmallInteger, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("opening", sa.BigInteger),
    sa.Column("closing", sa.BigInteger),
    sa.Column("opened", sa.Date),
    sa.Column("closed", sa.Date),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("movements", sa.BigInteger, nullable=False),
    sa.Index("ix_recon_statements_account", "reconciliation_id", "side", "account", "currency", "closed"),
)

recon_accounts = sa.Table(
    "recon_accounts",
    metadata,
    sa.Column("reconciliation_id", sa.Integer, sa.ForeignKey("reconciliations.id"), primary_key=True),
    sa.Column("side", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("currency", sa.String(3), primary_key=True),
    sa.Column("opening", sa.BigInteger),
    sa.Column("opened", sa.Date),
    sa.Column("movements", sa.BigInteger, nullable=False),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("closing", sa.BigInteger),
    sa.Column("closed", sa.Date),
    sa.Column("latest", sa.Date),
)
"""The roll-forward of balances, kept up with each delivery; `db check` adds the lines up again."""

recon_matches = sa.Table(
    "recon_matches",
    metadata,
    id_(),
    sa.Column("reconciliation_id", sa.Integer, sa.ForeignKey("reconciliations.id"), nullable=False),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("manual", sa.Boolean, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("difference", sa.BigInteger, nullable=False),
    sa.Column("days", sa.Integer, nullable=False),
    sa.Column("score", sa.Float),
    sa.Column("margin", sa.Float),
    sa.Column("rivals", sa.Integer, nullable=False),
    sa.Column("alternatives", sa.Integer, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    at("made_at"),
    sa.Column("first", sa.Text),
    sa.Column("attention", sa.Text),
    sa.Column("due", sa.Date),
    sa.Column("terms_id", sa.Integer),
    sa.Column("probability_wrong", sa.Float),
    sa.Column("replaced_by", sa.Integer),
)
"""`key` is the hash of the ids of its lines. `first`: who decided first, where two have to. `due`: the
suggestion closes on its own if it still stands when both sides are known up to that day. `replaced_by`: the match that
a person made by hand of one of its lines."""
IS_MANUAL = sa.text("recon_matches.manual")
"""As text, as FRESH is."""
IS_REPLACED = recon_matches.c.replaced_by.is_not(None)
IS_PENDING = _literally(recon_matches.c.state, PENDING)
IS_BARRED = _literally(recon_matches.c.state, BARRED)
partial(
    "ix_recon_matches_pending",
    recon_matches.c.reconciliation_id,
    recon_matches.c.state,
    where=IS_PENDING,
)
partial(
    "ix_recon_matches_barred",
    recon_matches.c.reconciliation_id,
    recon_matches.c.key,
    where=IS_BARRED,
)
IS_DUE = sa.and_(recon_matches.c.due.is_not(None), recon_matches.c.state == sa.literal_column("'suggested'"))
partial("ix_recon_matches_due", recon_matches.c.reconciliation_id, recon_matches.c.due, where=IS_DUE)
partial(
    "ix_recon_matches_manual",
    recon_matches.c.reconciliation_id,
    recon_matches.c.key,
    where=sa.text("manual"),
)
partial(
    "ix_recon_matches_replaced_by",
    recon_matches.c.reconciliation_id,
    recon_matches.c.replaced_by,
    where=IS_REPLACED,
)
partial(
    "ix_recon_matches_attention",
    recon_matches.c.reconciliation_id,
    where=recon_matches.c.attention.is_not(None),
)

recon_lines = sa.Table(
    "recon_lines",
    metadata,
    id_(),
    sa.Column("reconciliation_id", sa.Integer, sa.ForeignKey("reconciliations.id"), nullable=False),
    sa.Column("side", sa.SmallInteger, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("booked", sa.Date, nullable=False),
    sa.Column("valued", sa.Date),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("bank_id", sa.Text, nullable=False),
    sa.Column("end_to_end", sa.Text, nullable=False),
    sa.Column("counter_account", sa.Text, nullable=False),
    sa.Column("reversal", sa.Boolean, nullable=False),
    sa.Column("batch", sa.Text, nullable=False),
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("occurrence", sa.Integer, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("fresh", sa.Boolean, nullable=False),
    sa.Column("match_id", sa.Integer, sa.ForeignKey("recon_matches.id")),
    sa.Column("how", sa.String(16), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    ref("statement_id", "recon_statements.id"),
    sa.Column("delivery_id", sa.Integer, sa.ForeignKey("recon_deliveries.id"), nullable=False),
    sa.Column("corrections", sa.Integer, nullable=False),
    sa.Column("withdrawn_in", sa.Integer, sa.ForeignKey("recon_deliveries.id")),
    at("erased_at", nullable=True),
    sa.UniqueConstraint("reconciliation_id", "side", "content", "occurrence"),
    sa.Index("ix_recon_lines_booked", "reconciliation_id", "side", "account", "booked"),
)
"""`content` and `occurrence` are a line's identity, `id` its name. `fresh`: matching has not looked at it since it
became open. `day`: its value date, or its booking date without one. `match_id`: the match that it is in now.
`erased_at`: when its words were; its hash stays, so that it is known when it comes again."""
STANDS = recon_lines.c.withdrawn_in.is_(None)
MATCHABLE = sa.and_(_literally(recon_lines.c.state, OPEN), STANDS)
HAS_BANK_ID = recon_lines.c.bank_id != sa.literal_column("''")
FRESH = sa.text("fresh AND withdrawn_in IS NULL")
"""As text, because the two databases would write a bare truth value in two ways."""
partial(
    "ix_recon_lines_bank_id",
    recon_lines.c.reconciliation_id,
    recon_lines.c.side,
    recon_lines.c.bank_id,
    where=HAS_BANK_ID,
)
partial(
    "ix_recon_lines_open",
    recon_lines.c.reconciliation_id,
    recon_lines.c.account,
    recon_lines.c.day,
    where=MATCHABLE,
)
HAS_WORDS = sa.and_(recon_lines.c.erased_at.is_(None), recon_lines.c.state == sa.literal_column("'closed'"))
"""Closed lines whose words may go in time."""
partial("ix_recon_lines_words", recon_lines.c.reconciliation_id, recon_lines.c.delivery_id, where=HAS_WORDS)
partial("ix_recon_lines_fresh", recon_lines.c.reconciliation_id, where=FRESH)
partial("ix_recon_lines_match_id", recon_lines.c.match_id, where=recon_lines.c.match_id.is_not(None))

recon_corrections = sa.Table(
    "recon_corrections",
    metadata,
    id_(),
    ref("line_id", "recon_lines.id"),
    sa.Column("reconciliation_id", sa.Integer, sa.ForeignKey("reconciliations.id"), nullable=False),
    sa.Column("side", sa.SmallInteger, nullable=False),
    sa.Column("delivery_id", sa.Integer, sa.ForeignKey("recon_deliveries.id"), nullable=False),
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("before", sa.JSON, nullable=False),
    sa.Column("after", sa.JSON, nullable=False),
    at("at"),
    sa.Index("ix_recon_corrections_content", "reconciliation_id", "side", "content"),
)
"""What a line said before the bank (or the books) corrected it; `content` is the hash of that."""

recon_members = sa.Table(
    "recon_members",
    metadata,
    sa.Column("match_id", sa.Integer, sa.ForeignKey("recon_matches.id"), primary_key=True, autoincrement=False),
    sa.Column("line_id", sa.Integer, sa.ForeignKey("recon_lines.id"), primary_key=True, autoincrement=False),
    sa.Index("ix_recon_members_line_id", "line_id"),
)

recon_decisions = sa.Table(
    "recon_decisions",
    metadata,
    id_(),
    sa.Column("reconciliation_id", sa.Integer, sa.ForeignKey("reconciliations.id"), nullable=False),
    ref("match_id", "recon_matches.id", nullable=True),
    sa.Column("verb", sa.String(16), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    at("at"),
    sa.Index("ix_recon_decisions_reconciliation_id", "reconciliation_id", "id"),
)
