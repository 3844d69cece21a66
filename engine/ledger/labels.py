"""What inspection said of each item beside what people found: the labels that rates, certificates and training rest on.

A label stands on the attempt that the verdict was about. A decision counts once the item is decided (with four eyes:
after the second pair). A blind second review that disagrees makes the label disputed until a third person decides;
a disputed item counts as wrong wherever a promise rests on it. What a third person decided stands, whatever is decided
afterwards about the same output: that is about mending it. Labels are never overwritten: every read derives them
from the append-only decisions, so one that changed later changes what is derived from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.second_looks import agree, opinion

CANARY = "canary"
"""Kind of the runs whose items are planted to measure the reviewers; they are in no rate and no label."""
NOT_INSPECTION = frozenset({"process", "run_audit"})
"""Checks whose findings are about the bot's work; they say nothing about whether inspection judged a record well."""
MODEL = "model"
"""The check that is a trained model's; what nothing else holds back passes where the model lets it."""
_PAGE = 2_000


@dataclass(frozen=True)
class Label:
    """What people found in one output."""

    wrong: bool
    """Also true while it is disputed."""
    fields: tuple[str, ...] | None
    """The fields that were corrected; None where the reviewer only rejected."""
    reviewers: tuple[str, ...]
    disputed: bool
    adjudicated: bool
    """Two people agreed without knowing of each other, or a third decided between them."""
    at: datetime


@dataclass(frozen=True)
class Redone:
    """An output that only a model could hold back, and that a person neither accepted nor called wrong."""

    probability: float
    floor: float | None


@dataclass(frozen=True)
class Inspected:
    """One inspected output: the verdict that stands, how likely it was to be audited, and its label if it has one."""

    verdict_id: int
    item_id: int
    attempt_id: int
    run_id: int
    workflow: str
    reference: str
    payload: Mapping[str, Any]
    """As enqueued, encoded; empty once its contents were erased or pruned."""
    read_back: Mapping[str, Any] | None
    origin: str | None
    erased: bool
    """Whether the contents are gone."""
    decision: str
    checks: tuple[str, ...]
    """The checks that found something, each once."""
    findings: tuple[Mapping[str, Any], ...]
    probability: float | None
    threshold: float | None
    model: str | None
    model_version: str | None
    definition_hash: str
    signals: Mapping[str, float] | None
    scope: str | None
    certificate_id: int | None
    draw: float
    """Uniform in [0, 1), from the run's seed, written when the item was enqueued."""
    floor: float | None
    audit_probability: float | None
    """Probability that a person looks at it: 1 for a flagged item."""
    audited: bool
    state: str
    enqueued_at: datetime
    inspected_at: datetime
    label: Label | None = None
    redone: tuple[Redone, ...] = ()
    """Outputs of the item under the same scope, this one among them, that a person had done again undecided."""


def inspected(
    database: Database,
    workflow: str,
    *,
    scope: str | None = None,
    after: int = 0,
    item_ids: Sequence[int] | None = None,
    given_back: bool = False,
) -> Iterator[Inspected]:
    """Yield the inspected outputs of a workflow in the order of their verdicts, labels included.

    Corrections and canaries are left out. Each page is read in a transaction of its own.

    Args:
        database: the ledger.
        workflow: its name.
        scope: only verdicts under this scope.
        after: only verdicts with a larger id.
        item_ids: only these items.
        given_back: of an item that was done again and left the scope so (the next attempt failed, or was inspected
            under another one), yield what it was under the scope.
    """
    wanted = [t.items.c.workflow == workflow, t.items.c.corrects_item_id.is_(None), t.runs.c.kind != CANARY]
    if scope is not None:
        wanted.append(t.verdicts.c.scope == scope)
    if item_ids is not None:
        wanted.append(t.items.c.id.in_(item_ids))
    since = after
    while True:
        with database.read() as connection:
            query = _query([*wanted, t.verdicts.c.id > after], scope if given_back else None)
            rows = [row._asdict() for row in connection.execute(query)]
            of_items = {row["item_id"]: row for row in rows}
            labels, redone = _labels(connection, of_items), _redone(connection, of_items, since)
        for row in rows:
            checks = tuple(dict.fromkeys(finding["check"] for finding in row["findings"]))
            if not checks or not set(checks) <= NOT_INSPECTION:
                more = {"label": labels.get(row["item_id"]), "redone": tuple(redone[row["item_id"]])}
                yield _inspected(row, checks, more)
        if len(rows) < _PAGE:
            return
        after = rows[-1]["verdict_id"]


def _query(wanted: Iterable[sa.ColumnElement[bool]], within: str | None) -> sa.Select[Any]:
    """Ask for the newest verdict of each item, or for the newest within a scope."""
    later = t.verdicts.alias("later")
    newer = sa.exists().where(
        later.c.item_id == t.verdicts.c.item_id, later.c.id > t.verdicts.c.id, later.c.attempt_id.is_not(None)
    )
    superseded = newer if within is None else newer.where(later.c.scope == within)
    of_verdict = "attempt_id decision findings probability threshold model model_version definition_hash signals scope"
    of_item = "run_id workflow reference payload origin audited state"
    return (
        sa.select(
            t.verdicts.c.id.label("verdict_id"),
            t.verdicts.c.item_id,
            *(t.verdicts.c[name] for name in of_verdict.split()),
            *(t.verdicts.c[name] for name in ("certificate_id", "audit_probability")),
            t.verdicts.c.audit_floor.label("floor"),
            t.verdicts.c.created_at.label("inspected_at"),
            *(t.items.c[name] for name in of_item.split()),
            t.items.c.audit_draw.label("draw"),
            t.items.c.created_at.label("enqueued_at"),
            sa.or_(t.items.c.erased_at.is_not(None), t.items.c.pruned_at.is_not(None)).label("erased"),
            t.attempts.c.read_back,
            newer.label("done_again"),
        )
        .join(t.items, t.items.c.id == t.verdicts.c.item_id)
        .join(t.runs, t.runs.c.id == t.items.c.run_id)
        .join(t.attempts, t.attempts.c.id == t.verdicts.c.attempt_id)
        .where(*wanted, ~superseded)
        .order_by(t.verdicts.c.id)
        .limit(_PAGE)
    )


def _inspected(row: Mapping[str, Any], checks: tuple[str, ...], more: dict[str, Any]) -> Inspected:
    values = {name: row[name] for name in Inspected.__dataclass_fields__ if name in row}
    findings = tuple(row["findings"])
    erased = bool(row["erased"])
    payload = {} if erased else row["payload"]
    return Inspected(**values | {"findings": findings, "checks": checks, "payload": payload, "erased": erased} | more)


def _redone(connection: Connection, verdicts: Mapping[int, Mapping[str, Any]], since: int) -> dict[int, list[Redone]]:
    """Return what was inspected of items and done again, nothing but a model being able to doubt it."""
    columns = [t.verdicts.c[name] for name in ("id", "item_id", "scope", "findings", "probability", "audit_floor")]
    query = sa.select(*columns).where(t.verdicts.c.item_id.in_(list(verdicts)), t.verdicts.c.id > since)
    query = query.where(t.verdicts.c.attempt_id.is_not(None), t.verdicts.c.probability.is_not(None))
    found: dict[int, list[Redone]] = defaultdict(list)
    for row in connection.execute(query.order_by(t.verdicts.c.id)):
        stands = verdicts[row.item_id]
        again = row.id < stands["verdict_id"] or (row.id == stands["verdict_id"] and stands["done_again"])
        same = row.scope is not None and row.scope == stands["scope"]
        if again and same and {finding["check"] for finding in row.findings} <= {MODEL}:
            found[row.item_id].append(Redone(row.probability, row.audit_floor))
    return found


def _labels(connection: Connection, verdicts: Mapping[int, Mapping[str, Any]]) -> dict[int, Label]:
    rows: list[dict[int, list[Any]]] = []
    for table in (t.reviews, t.second_reviews):
        made: dict[int, list[Any]] = defaultdict(list)
        query = sa.select(table).where(table.c.item_id.in_(list(verdicts)), table.c.decision.is_not(None))
        for row in connection.execute(query.order_by(table.c.id)):
            made[row.item_id].append(row)
        rows.append(made)
    reviews, seconds = rows
    found = {
        item_id: label_of(of_item, seconds[item_id], verdicts[item_id]["attempt_id"], verdicts[item_id]["state"])
        for item_id, of_item in reviews.items()
    }
    return {item_id: label for item_id, label in found.items() if label is not None}


def label_of(reviews: Sequence[Any], seconds: Sequence[Any], attempt_id: int | None, state: str) -> Label | None:
    """Return what people found in the output of one attempt; None while that is not decided.

    Args:
        reviews: the decisions about an item, oldest first.
        seconds: the looks at them, oldest first; those that were not made say nothing.
        attempt_id: the attempt.
        state: of the item.
    """
    made = [one for one in seconds if one.decision is not None]
    here = [review for review in reviews if review.attempt_id == attempt_id]
    third = {one.review_id for one in made if one.kind == "adjudication"}
    standing = [review for review in here if review.id in third] or (here[-1:] if state in t.DECIDED else [])
    if not standing:
        return None
    return adjudicate(standing[0], [one for one in made if one.review_id == standing[0].id])


def adjudicate(review: Any, seconds: Sequence[Any]) -> Label:
    """Return the label that a decision and the looks that followed it make together, oldest first."""
    opinions = [review, *seconds]
    third = next((one for one in seconds if one.kind == "adjudication"), None)
    standing = third or next((one for one in opinions if one.decision == "correct"), opinions[0])
    disputed = third is None and not all(agree(opinion(review), opinion(one)) for one in seconds)
    wrong = disputed or (standing.decision != "accept")
    return Label(
        wrong=wrong,
        fields=tuple(standing.changes) if wrong and standing.decision == "correct" and standing.changes else None,
        reviewers=tuple(one.reviewer for one in opinions),
        disputed=disputed,
        adjudicated=bool(seconds) and not disputed,
        at=opinions[-1].created_at if opinions[-1] is review else opinions[-1].decided_at,
    )
