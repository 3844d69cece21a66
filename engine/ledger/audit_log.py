"""Who did what, in an append-only chain: every entry holds the hash of the one before it.

An entry is written in the transaction of what it tells of (`recorded`), so that neither is there without the other. It
names things by their numbers and holds no data of a record: what has to be erasable never gets in here. The database
refuses to change or delete an entry; the chain shows it where somebody got around that, and the head that every entry
also leaves in the log shows where the end was cut off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from loguru import logger
from sqlalchemy.engine import Connection

from engine.ledger import console_tables as t
from engine.ledger.database import Database, one_at_a_time

GENESIS = "0" * 64
"""What the first entry names as the hash before it."""
_PAGE = 10_000


@dataclass(frozen=True)
class Entry:
    """One entry."""

    number: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True)
class Chain:
    """What a verification found; `broken_at` is the first entry that is not what was written, None if all are."""

    entries: int
    head: str
    broken_at: int | None = None
    why: str = ""


def entry_hash(entry: Entry) -> str:
    """Return the SHA-256 over an entry: canonical JSON (sorted keys, no blanks, UTF-8) of all but its own hash."""
    said = {name: getattr(entry, name) for name in ("number", "actor", "action", "object", "previous")}
    said |= {"at": entry.at.isoformat(timespec="microseconds"), "detail": dict(entry.detail)}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def recorded(
    database: Database, actor: str, action: str, about: str, **detail: Any
) -> Iterator[tuple[Connection, dict[str, Any]]]:
    """One transaction that does something and writes down that it was done.

    Args:
        database: the ledger; what is written through it within the block joins the transaction.
        actor: who does it.
        action: what, e.g. `review.accept`.
        about: what it is done to, by number or name, e.g. `item 12`.
        detail: JSON-able facts; more may be added to the mapping that the block gets.
    """
    with database.together() as connection:
        one_at_a_time(connection, "audit log")  # first: two that did things in another order would wait for each other
        said: dict[str, Any] = dict(detail)
        yield connection, said
        append(connection, database, actor, action, about, said)


def append(
    connection: Connection, database: Database, actor: str, action: str, about: str, detail: Mapping[str, Any]
) -> Entry:
    """Append an entry in the caller's transaction."""
    one_at_a_time(connection, "audit log")
    newest = sa.select(t.audit_log.c.number, t.audit_log.c.hash).order_by(t.audit_log.c.number.desc()).limit(1)
    last = connection.execute(newest).first()
    number, previous = (last.number + 1, last.hash) if last else (1, GENESIS)
    entry = Entry(number, database.clock.now(), actor, action, about, dict(detail), previous, "")
    made = Entry(**{**vars(entry), "hash": entry_hash(entry)})
    connection.execute(sa.insert(t.audit_log).values(**vars(made)))
    logger.bind(event="audit", number=made.number, hash=made.hash, action=action).info("audit entry {}", made.number)
    return made


def entries(
    database: Database,
    *,
    before: int | None = None,
    actor: str | None = None,
    action: str | None = None,
    about: str | None = None,
    limit: int = 50,
) -> list[Entry]:
    """List entries, newest first, from an index whatever the filter.

    Args:
        database: the ledger.
        before: only entries with a smaller number.
        actor: only what this person did.
        action: only this action.
        about: only what was done to this.
        limit: how many at most.
    """
    c = t.audit_log.c
    query = sa.select(t.audit_log).order_by(c.number.desc()).limit(limit)
    for column, wanted in ((c.actor, actor), (c.action, action), (c.object, about)):
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        query = query.where(c.number < before)
    with database.read() as connection:
        return [Entry(**row) for row in connection.execute(query).mappings()]


def verify(database: Database) -> Chain:
    """Compute the whole chain anew, a page at a time, as of one instant."""
    last, count = Entry(0, datetime.min, "", "", "", {}, "", GENESIS), 0  # noqa: DTZ901 - it is never compared
    with database.read() as connection:
        while page := _page(connection, last.number):
            for before, entry in pairwise([last, *page]):
                if why := _flaw(before, entry):
                    return Chain(count, before.hash, entry.number, why)
                count += 1
            last = page[-1]
    return Chain(count, last.hash)


def _page(connection: Connection, after: int) -> list[Entry]:
    query = sa.select(t.audit_log).where(t.audit_log.c.number > after).order_by(t.audit_log.c.number).limit(_PAGE)
    return [Entry(**row) for row in connection.execute(query).mappings()]


def _flaw(before: Entry, entry: Entry) -> str:
    if entry.number != before.number + 1:
        return f"entry {before.number + 1} is missing"
    if entry.previous != before.hash:
        return "it does not follow from the entry before it"
    if entry_hash(entry) != entry.hash:
        return "its content is not what was written"
    return ""
