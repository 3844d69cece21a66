"""What people ask of the ledger: lists with a limit, one item or run in full.

Every function is one reading transaction: what it returns is the ledger as of one instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.ledger import canaries, second_looks
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.labels import CANARY
from engine.ledger.queue import Intent
from engine.ledger.rows import (
    AttemptRow,
    EventRow,
    EvidenceRow,
    ItemDetail,
    ItemRow,
    ReviewRow,
    RunRow,
    SecondReviewRow,
    VerdictRow,
)
from engine.ports import Finding

LIMIT = 100
_DECIDED_EVENTS = ("review.", "second_review.")

Row = TypeVar("Row")


def items(
    database: Database,
    *,
    states: Sequence[str] = (),
    run_id: int | None = None,
    workflow: str | None = None,
    reference: str | None = None,
    reason: str | None = None,
    viewer: str | None = None,
    before: int | None = None,
    limit: int = LIMIT,
) -> list[ItemRow]:
    """List items, newest first.

    Canaries are shown under the run of what they were copied from, and never in the list of one run.

    Args:
        database: the ledger.
        states: only items in one of these states.
        run_id: only items of this run.
        workflow: only items of this workflow.
        reference: only items whose reference contains this text, whatever its case.
        reason: only items with this reason code.
        viewer: who looks; what this person may be asked to decide without knowing looks undecided.
        before: only items with a smaller id.
        limit: how many at most.
    """
    query = sa.select(*columns_of(t.items, ItemRow)).order_by(t.items.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(t.items.c.id < before)
    for column, wanted in ((t.items.c.run_id, run_id), (t.items.c.workflow, workflow), (t.items.c.reason, reason)):
        if wanted is not None:
            query = query.where(column == wanted)
    if run_id is not None:
        query = query.where(t.items.c.id.not_in(sa.select(t.canaries.c.item_id)))
    if reference:
        query = query.where(t.items.c.reference.icontains(reference, autoescape=True))
    with database.read() as connection:
        if hidden := second_looks.hidden(connection, viewer):
            query = query.where(t.items.c.id.not_in(hidden))
        if states:
            veils = second_looks.veils(connection, viewer)
            seen = [item_id for item_id, veil in veils.items() if veil.state in states]
            stands = sa.and_(t.items.c.state.in_(states), t.items.c.id.not_in(veils))
            query = query.where(sa.or_(stands, t.items.c.id.in_(seen)) if veils else t.items.c.state.in_(states))
        return _as_shown(connection, typed(connection, query, ItemRow), viewer)


def item(database: Database, item_id: int, viewer: str | None = None) -> ItemDetail:
    """Return everything about one item; for a viewer, without what this person may be asked to decide unknowingly.

    Raises:
        UserError: there is no such item.
    """
    with database.read() as connection:
        extra = (t.items.c.payload, t.items.c.origin, t.runs.c.definition_hash, t.runs.c.kind)
        query = sa.select(*columns_of(t.items, ItemRow), *extra).join(t.runs, t.runs.c.id == t.items.c.run_id)
        row = connection.execute(query.where(t.items.c.id == item_id)).mappings().first()
        if row is None or (row["corrects_item_id"] and item_id in second_looks.hidden(connection, viewer)):
            raise UserError(f"there is no item {item_id}; `runner.py items list` shows what there is")
        ids = [item_id]
        stored = ItemRow(**{name: row[name] for name in ItemRow.__dataclass_fields__})
        [shown] = _as_shown(connection, [stored], viewer)
        detail = ItemDetail(
            item=shown,
            definition_hash=row["definition_hash"],
            kind="entry" if row["kind"] == CANARY else row["kind"],
            payload=row["payload"],
            origin=row["origin"],
            attempts=tuple(of_items(connection, t.attempts, AttemptRow, ids)),
            read_backs=_read_backs(connection, item_id),
            intents=tuple(intent for _, intent in intents_of(connection, ids)) or _copied(connection, item_id),
            verdicts=tuple(verdicts_of(connection, ids)),
            evidence=tuple(of_items(connection, t.evidence, EvidenceRow, ids)),
            reviews=tuple(of_items(connection, t.reviews, ReviewRow, ids)),
            second_reviews=tuple(of_items(connection, t.second_reviews, SecondReviewRow, ids)),
            events=tuple(
                replace(event, run_id=shown.run_id if event.run_id == stored.run_id else event.run_id)
                for event in of_items(connection, t.events, EventRow, ids)
            ),
        )
        veiled = second_looks.veils(connection, viewer, ids)
    if not veiled:
        return detail
    told = tuple(event for event in detail.events if not event.kind.startswith(_DECIDED_EVENTS))
    return replace(detail, reviews=(), second_reviews=(), events=told)


def runs(
    database: Database,
    *,
    workflow: str | None = None,
    canaries: bool = False,
    before: int | None = None,
    limit: int = LIMIT,
) -> list[RunRow]:
    """List runs, newest first; those of canaries only if asked for, only those with a smaller id than `before`."""
    query = _runs().order_by(t.runs.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(t.runs.c.id < before)
    if not canaries:
        query = query.where(t.runs.c.kind != CANARY)
    if workflow is not None:
        query = query.where(t.runs.c.workflow == workflow)
    with database.read() as connection:
        return runs_with_states(connection, query)


def run(database: Database, run_id: int) -> RunRow:
    """Return one run.

    Raises:
        UserError: there is no such run.
    """
    with database.read() as connection:
        found = runs_with_states(connection, _runs().where(t.runs.c.id == run_id, t.runs.c.kind != CANARY))
    if not found:
        raise UserError(f"there is no run {run_id}; `runner.py report` shows the runs there are")
    return found[0]


def events(
    database: Database, kinds: Iterable[str], *, run_id: int | None = None, limit: int = LIMIT
) -> list[EventRow]:
    """List the newest events of these kinds, newest first."""
    query = sa.select(*columns_of(t.events, EventRow)).where(t.events.c.kind.in_(list(kinds)))
    if run_id is not None:
        query = query.where(t.events.c.run_id == run_id)
    with database.read() as connection:
        return typed(connection, query.order_by(t.events.c.id.desc()).limit(limit), EventRow)


def evidence(
    database: Database, item_ids: Sequence[int], *, kind: str = "screenshot", limit: int = LIMIT
) -> list[EvidenceRow]:
    """List the kept files of one kind about these items, newest first; pruned ones are left out."""
    query = sa.select(*columns_of(t.evidence, EvidenceRow)).where(
        t.evidence.c.item_id.in_(item_ids), t.evidence.c.kind == kind, t.evidence.c.pruned_at.is_(None)
    )
    with database.read() as connection:
        return typed(connection, query.order_by(t.evidence.c.id.desc()).limit(limit), EvidenceRow)


def typed(connection: Connection, query: sa.Select[Any], row: type[Row]) -> list[Row]:
    """Run a query whose columns are the fields of a row type."""
    return [row(**found) for found in connection.execute(query).mappings()]


def of_items(connection: Connection, table: sa.Table, row: type[Row], ids: Any) -> list[Row]:
    """Return a table's rows about these items (ids or a subquery of them), oldest first."""
    query = sa.select(*columns_of(table, row)).where(table.c.item_id.in_(ids)).order_by(table.c.id)
    return typed(connection, query, row)


def verdicts_of(connection: Connection, ids: Any, *, newest_only: bool = False) -> list[VerdictRow]:
    """Return the verdicts on these items (ids or a subquery of them), oldest first, with typed findings."""
    kept = newest if newest_only else of_items
    return [
        VerdictRow(**{**vars(row), "findings": tuple(Finding(**finding) for finding in row.findings)})  # type: ignore[arg-type]
        for row in kept(connection, t.verdicts, VerdictRow, ids)
    ]


def intents_of(connection: Connection, ids: Any) -> list[tuple[int, Intent]]:
    """Return the intents of these items (ids or a subquery of them) with the item's id, oldest first."""
    columns = columns_of(t.intents, Intent)
    query = sa.select(t.intents.c.item_id, *columns).where(t.intents.c.item_id.in_(ids)).order_by(t.intents.c.id)
    return [(row[0], Intent(*row[1:])) for row in connection.execute(query)]


def runs_with_states(connection: Connection, query: sa.Select[Any]) -> list[RunRow]:
    """Run a query over runs and count each one's items by state."""
    found = connection.execute(query).mappings().all()
    ids = [row["id"] for row in found]
    counted = (
        sa.select(t.items.c.run_id, t.items.c.state, sa.func.count())
        .where(t.items.c.run_id.in_(ids))
        .group_by(t.items.c.run_id, t.items.c.state)
    )
    states: dict[int, dict[str, int]] = {}
    for run_id, state, count in connection.execute(counted):
        states.setdefault(run_id, {})[state] = count
    return [RunRow(**row, items=states.get(row["id"], {})) for row in found]


def _copied(connection: Connection, item_id: int) -> tuple[Intent, ...]:
    """Return the commits that a canary's original needed, as if they were the canary's; none for other items."""
    source = sa.select(t.canaries.c.copied_from).where(t.canaries.c.item_id == item_id)
    original = connection.execute(source).scalar_one_or_none()
    if original is None:
        return ()
    begun = [newest(connection, t.attempts, AttemptRow, [one])[0] for one in (item_id, original)]
    later, shown = (
        begun[0].started_at - begun[1].started_at,
        connection.execute(sa.select(t.items.c.app_id, t.items.c.record_url).where(t.items.c.id == item_id)).one(),
    )
    return tuple(
        replace(
            intent,
            fence=1,
            at=intent.at + later,
            lands_until=intent.lands_until + later,
            decided_at=intent.decided_at + later if intent.decided_at else None,
            app_id=intent.app_id and shown.app_id,
            url=intent.url and shown.record_url,
        )
        for _, intent in intents_of(connection, [original])
        if intent.fence == begun[1].fence
    )


def _as_shown(connection: Connection, rows: list[ItemRow], viewer: str | None) -> list[ItemRow]:
    """Return items as a viewer may see them: canaries in a usual run, what is to be judged blindly undecided."""
    ids = [row.id for row in rows]
    runs, veils = canaries.shown_runs(connection, ids), second_looks.veils(connection, viewer, ids)
    rows = [replace(row, run_id=runs[row.id]) if row.id in runs else row for row in rows]
    return [replace(row, **vars(veils[row.id])) if row.id in veils else row for row in rows]


def columns_of(table: sa.Table, row: type[Any]) -> list[sa.Column[Any]]:
    """Return the columns of a table that a row type has fields for."""
    return [table.c[name] for name in row.__dataclass_fields__ if name in table.c]


def _runs() -> sa.Select[Any]:
    return sa.select(*columns_of(t.runs, RunRow))


def newest(connection: Connection, table: sa.Table, row: type[Row], ids: Sequence[int]) -> list[Row]:
    """Return each item's newest row of a table."""
    last = sa.select(sa.func.max(table.c.id)).where(table.c.item_id.in_(ids)).group_by(table.c.item_id)
    return typed(connection, sa.select(*columns_of(table, row)).where(table.c.id.in_(last)), row)


def _read_backs(connection: Connection, item_id: int) -> dict[int, dict[str, Any]]:
    query = sa.select(t.attempts.c.id, t.attempts.c.read_back).where(t.attempts.c.item_id == item_id)
    return {row.id: row.read_back for row in connection.execute(query) if row.read_back}
