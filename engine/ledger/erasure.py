"""Erases personal data by reference: what identifies goes, what counts stays, and the reference is still known.

Gone: payload, read-backs, messages, findings' values, what reviews and events say, addresses and ids in the
application, evidence files. Kept: payload hash, SHA-256 and sizes of evidence, states, times, outcomes, codes and
figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import tables as t
from engine.ledger.database import Database, one_at_a_time, record_event
from engine.ledger.pseudonym import erased_among, pseudonym, salt_or_new
from engine.ledger.redaction import redact_contents, redact_traces, replace_mentions

_OF_ITEMS = (t.attempts, t.intents, t.verdicts, t.shadow_scores, t.reviews, t.second_reviews, t.events, t.evidence)


@dataclass(frozen=True)
class Erasable:
    """What would be erased: the item and its corrections, oldest first."""

    workflow: str
    reference: str
    item_ids: tuple[int, ...]
    run_ids: tuple[int, ...]
    states: tuple[str, ...]
    rows: dict[str, int]
    """By table."""


@dataclass(frozen=True)
class Erased:
    """What was erased."""

    item_ids: tuple[int, ...]
    run_ids: tuple[int, ...]
    """Runs whose reports named one."""
    files: int


def look(database: Database, reference: str, workflow: str | None = None) -> Erasable:
    """Find what a reference names, and see that it may be erased.

    Raises:
        UserError: there is no such item, several workflows have one, it was erased already, or it is still needed.
    """
    with database.read() as connection:
        items = _family(connection, _root(connection, reference, workflow))
        _refuse(connection, items)
        ids = [item.id for item in items]
        rows = {table.name: _count(connection, table, ids) for table in _OF_ITEMS}
        return Erasable(
            items[0].workflow,
            items[0].reference,
            tuple(ids),
            tuple(dict.fromkeys(item.run_id for item in items)),
            tuple(item.state for item in items),
            rows,
        )


def see_reason(found: Erasable, reason: str) -> None:
    """See that a reason may be kept.

    Raises:
        UserError: it names the reference.
    """
    if found.reference in reason:
        raise UserError("the reason is kept: say it without the reference")


def erase(database: Database, store: EvidenceStore, found: Erasable, who: str, reason: str) -> Erased:
    """Erase it, files and rows, in one transaction; who, when and why is an event.

    Afterwards `vacuum.wipe` takes the bytes out of the database's own files too.

    Args:
        database: the ledger.
        store: where the evidence files are.
        found: what `look` returned.
        who: who erases.
        reason: why, in words that name nobody.

    Raises:
        UserError: the reason names the reference, or the item may not be erased any more.
        SystemException: a file could not be deleted; then no row was changed.
    """
    see_reason(found, reason)
    with database.write() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        one_at_a_time(connection, f"enqueue {found.workflow}")
        locked = sa.select(t.items.c.id).where(t.items.c.id.in_(found.item_ids)).order_by(t.items.c.id)
        connection.execute(locked.with_for_update(key_share=True))
        items = _family(connection, found.item_ids[0])
        _refuse(connection, items)
        now = database.clock.now()
        salt = salt_or_new(connection, now)
        ids = [item.id for item in items]
        names = {item.reference: pseudonym(salt, item.workflow, item.reference) for item in items}
        files = sum(store.forget(item.run_id, item.id) for item in items)
        redact_contents(connection, ids)
        redact_traces(connection, ids)
        mentioned = replace_mentions(connection, names)
        unpruned = sa.and_(t.evidence.c.item_id.in_(ids), t.evidence.c.pruned_at.is_(None))
        connection.execute(sa.update(t.evidence).where(unpruned).values(pruned_at=now))
        for item in items:
            values = {"reference": names[item.reference], "erased_at": now}
            connection.execute(sa.update(t.items).where(t.items.c.id == item.id).values(**values))
            record_event(
                connection, database.clock, "item.erased", who, run_id=item.run_id, item_id=item.id, reason=reason
            )
        runs = mentioned | {item.run_id for item in items}
        return Erased(tuple(ids), tuple(sorted(runs)), files)


def _root(connection: Connection, reference: str, workflow: str | None) -> int:
    """Return the item that a reference names, or the one that it corrects."""
    workflows = [workflow] if workflow else list(connection.execute(sa.select(t.runs.c.workflow).distinct()).scalars())
    query = sa.select(t.items).where(t.items.c.workflow.in_(workflows), t.items.c.reference == reference)
    found = connection.execute(query).all()
    if not found:
        raise UserError(_unknown(connection, reference, workflows))
    if len(found) > 1:
        several = ", ".join(sorted(item.workflow for item in found))
        raise UserError(f"{several} have an item with this reference: name one with --workflow")
    item = found[0]
    while item.corrects_item_id is not None:
        item = connection.execute(sa.select(t.items).where(t.items.c.id == item.corrects_item_id)).one()
    return int(item.id)


def _unknown(connection: Connection, reference: str, workflows: Sequence[str]) -> str:
    for workflow in workflows:
        if gone := erased_among(connection, workflow, [reference]):
            query = sa.select(t.items.c.id, t.items.c.erased_at).where(
                t.items.c.workflow == workflow, t.items.c.reference == gone[reference]
            )
            item = connection.execute(query).one()
            return f"that was erased already, at {item.erased_at:%Y-%m-%d %H:%M} UTC: `runner.py items show {item.id}`"
    return "there is no item with this reference; `runner.py items list --reference` finds parts of one"


def _family(connection: Connection, root: int) -> list[Any]:
    """Return an item and everything that corrects it, directly or not."""
    ids, newest = [root], [root]
    while newest:
        query = sa.select(t.items.c.id).where(t.items.c.corrects_item_id.in_(newest)).order_by(t.items.c.id)
        newest = list(connection.execute(query).scalars())
        ids += newest
    return list(connection.execute(sa.select(t.items).where(t.items.c.id.in_(ids)).order_by(t.items.c.id)))


def _refuse(connection: Connection, items: Sequence[Any]) -> None:
    for item in items:
        which = f"item {item.id}"
        if item.erased_at is not None:
            raise UserError(f"{which} was erased already, at {item.erased_at:%Y-%m-%d %H:%M} UTC")
        if item.state in t.OPEN:
            raise UserError(f"{which} is {item.state}: the bots still need its data; wait until it ended, or reject it")
        if item.state in {*t.IN_REVIEW, "correcting"} or (item.state == "passed" and item.audited):
            raise UserError(f"{which} waits for a person, who needs its data: `runner.py review list`; decide it first")
    run_ids = sorted({item.run_id for item in items})
    going = sa.select(t.runs.c.id, t.runs.c.state).where(t.runs.c.id.in_(run_ids), t.runs.c.state != "done")
    if run := connection.execute(going).first():
        raise UserError(f"run {run.id} is {run.state}: its audit still needs the data; try again when it is done")


def _count(connection: Connection, table: sa.Table, ids: Sequence[int]) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(table.c.item_id.in_(ids))
    return int(connection.execute(query).scalar_one())
