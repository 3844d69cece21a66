"""Data are kept as long as their definition says; figures, hashes, codes and references stay for good.

A run says when there is next something to let go of (`runs.prune_at`) and how far the present pass has come
(`runs.prune_from`), so that a call costs the same however large the ledger is. What is open or waits for a person is
never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from loguru import logger
from sqlalchemy.engine import Connection

from engine.definition import Evidence, Workflow
from engine.errors import SystemException, UserError
from engine.evidence import EvidenceStore
from engine.ledger import canaries, second_looks
from engine.ledger import tables as t
from engine.ledger.database import Database, record_event
from engine.ledger.redaction import bare_data, redact_contents

_RUNS = 20
_AGAIN = timedelta(days=1)
"""When a run is looked at again in which something waits for a person, or whose definition cannot be loaded."""
SLOTS_KEPT = timedelta(days=400)
"""How long slots that were walked past, and incidents that are over, are remembered."""
NEEDED = sa.or_(
    t.items.c.state.in_((*t.OPEN, *t.IN_REVIEW, "correcting")),
    sa.and_(t.items.c.state == "passed", t.items.c.audited),
    second_looks.waits_for(t.items.c.id),
)
"""Items whose data the bots or a person still need."""


@dataclass(frozen=True)
class Pruned:
    """What was let go of."""

    files: int = 0
    payloads: int = 0
    """Items that lost payload, read-backs and words."""
    rows: int = 0
    """Slots and incidents of the past."""
    more: bool = False
    """Whether something is left that is due now."""

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(self.files + other.files, self.payloads + other.payloads, self.rows + other.rows, more=other.more)


def prune(database: Database, store: EvidenceStore, definition: Callable[[str], Workflow]) -> Pruned:
    """Let go of everything that is due."""
    done = prune_some(database, store, definition)
    while done.more:
        done += prune_some(database, store, definition)
    return done


def prune_some(
    database: Database, store: EvidenceStore, definition: Callable[[str], Workflow], limit: int = 500
) -> Pruned:
    """Let go of a little of what is due; many processes may do so at the same time.

    Args:
        database: the ledger.
        store: where the evidence files are.
        definition: the pinned definition of a hash; one that cannot be loaded keeps its runs' data.
        limit: how many items to look at, at most.
    """
    now = database.clock.now()
    query = (
        sa.select(*(t.runs.c[name] for name in ("id", "definition_hash", "created_at", "finished_at", "prune_from")))
        .where(t.runs.c.state == "done", t.runs.c.prune_at <= now)
        .order_by(t.runs.c.prune_at)
        .limit(_RUNS)
    )
    with database.read() as connection:
        due = connection.execute(query).all()
    done, left = Pruned(rows=_prune_past(database, now, limit)), limit
    for run in due:
        try:
            keep = definition(run.definition_hash).evidence
            one, looked_at = _prune_run(database, store, run, keep, now, left)
        except (UserError, SystemException) as error:
            logger.bind(event="retention.skipped", run=run.id).warning("data are kept: {}", error)
            _next(database, run.id, now + _AGAIN)
            continue
        done, left = done + one, left - looked_at
        if left <= 0:
            break
    return Pruned(done.files, done.payloads, done.rows, more=len(due) == _RUNS or left <= 0)


def _prune_run(
    database: Database, store: EvidenceStore, run: Any, keep: Evidence, now: datetime, limit: int
) -> tuple[Pruned, int]:
    """Go on with a run's pass; return what was let go of and how many items were looked at."""
    ended = run.finished_at or run.created_at
    if run.prune_from == 0 and ended + keep.keep > now:  # `keep_payload` is never shorter
        _next(database, run.id, ended + keep.keep)
        return Pruned(), 0
    columns = [t.items.c[name] for name in ("id", "closed_at", "pruned_at", "erased_at")]
    page = sa.select(*columns, NEEDED.label("needed")).where(t.items.c.run_id == run.id, t.items.c.id > run.prune_from)
    with database.read() as connection:
        items = connection.execute(page.order_by(t.items.c.id).limit(limit)).all()
        free = [item for item in items if not item.needed and item.closed_at is not None]
        old = [item.id for item in free if item.closed_at <= now - keep.keep]
    # those without a row too: a worker that was killed has left files that were never sealed
    files = sum(store.forget(run.id, item_id) for item_id in old)
    words = [
        item.id
        for item in free
        if keep.keep_payload is not None
        and item.closed_at <= now - keep.keep_payload
        and item.pruned_at is None
        and item.erased_at is None
    ]
    with database.write() as connection:
        forgotten = sa.and_(t.evidence.c.item_id.in_(old), t.evidence.c.pruned_at.is_(None))
        connection.execute(sa.update(t.evidence).where(forgotten).values(pruned_at=now))
        payloads = _forget_words(connection, words, now)
        last = items[-1].id if items else run.prune_from
        connection.execute(sa.update(t.runs).where(t.runs.c.id == run.id).values(prune_from=last))
        if files or payloads:
            told = {"files": files, "payloads": payloads}
            record_event(connection, database.clock, "evidence.pruned", "retention", run_id=run.id, **told)
    if len(items) < limit:
        store.forget(run.id, 0)
        _end_pass(database, run.id, ended, keep, now)
    return Pruned(files, payloads), len(items)


def _forget_words(connection: Connection, ids: list[int], now: datetime) -> int:
    """Redact those of the items that nobody needs now that they are locked, and their canaries; return how many."""
    locked = sa.select(t.items.c.id).where(t.items.c.id.in_(ids), ~NEEDED).order_by(t.items.c.id)
    free = list(connection.execute(locked.with_for_update(key_share=True)).scalars())
    if free:
        copies = canaries.of_originals(connection, free)
        canaries.put_away(connection, copies, now)
        redact_contents(connection, [*free, *copies])
        connection.execute(sa.update(t.items).where(t.items.c.id.in_([*free, *copies])).values(pruned_at=now))
    return len(free)


def _end_pass(database: Database, run_id: int, ended: datetime, keep: Evidence, now: datetime) -> None:
    """Say when there is next something to do in a run: never, if nothing is left that may go."""
    of_run = t.items.c.run_id == run_id
    with_files = (
        sa.select(sa.literal(1))
        .join_from(t.items, t.evidence, t.evidence.c.item_id == t.items.c.id)
        .where(of_run, t.evidence.c.pruned_at.is_(None))
    )
    with_words = sa.select(sa.literal(1)).where(of_run, t.items.c.pruned_at.is_(None), t.items.c.erased_at.is_(None))
    times: list[datetime] = []
    with database.read() as connection:
        if connection.execute(with_files.limit(1)).first():
            times.append(max(ended + keep.keep, now + _AGAIN))
        if keep.keep_payload is not None and connection.execute(with_words.limit(1)).first():
            times.append(max(ended + keep.keep_payload, now + _AGAIN))
    if keep.keep_payload is not None and ended + keep.keep_payload <= now:
        _forget_source_rows(database, run_id)
    _next(database, run_id, min(times, default=t.NEVER))


def _forget_source_rows(database: Database, run_id: int) -> None:
    """Redact the rows of the source that no item was made of."""
    kinds = t.events.c.kind.in_(("source.rejected", "source.conflict"))
    with database.write() as connection:
        query = sa.select(t.events.c.id, t.events.c.data).where(t.events.c.run_id == run_id, kinds)
        for row in connection.execute(query).all():
            connection.execute(sa.update(t.events).where(t.events.c.id == row.id).values(data=bare_data(row.data)))


def _next(database: Database, run_id: int, at: datetime) -> None:
    with database.write() as connection:
        query = sa.update(t.runs).where(t.runs.c.id == run_id, t.runs.c.state == "done")
        connection.execute(query.values(prune_at=at, prune_from=0))


def _prune_past(database: Database, now: datetime, limit: int) -> int:
    """Delete slots and incidents of long ago; return how many rows."""
    walked = sa.exists().where(
        t.schedules.c.workflow == t.slots.c.schedule, t.schedules.c.walked_to > t.slots.c.fire_at
    )
    past: tuple[tuple[sa.Table, sa.ColumnElement[bool]], ...] = (
        (t.slots, sa.and_(t.slots.c.fire_at < now - SLOTS_KEPT, walked)),
        (t.incidents, t.incidents.c.closed_at < now - SLOTS_KEPT),
    )
    count = 0
    for table, which in past:
        key = sa.tuple_(*table.primary_key.columns)
        query = sa.select(*table.primary_key.columns).where(which).limit(limit)
        with database.read() as connection:
            old = [tuple(row) for row in connection.execute(query)]
        if old:
            with database.write() as connection:
                connection.execute(sa.delete(table).where(key.in_(old), which))
            count += len(old)
    return count
