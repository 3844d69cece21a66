"""The audit log holds what was done, in the transaction in which it was done, and shows where it was touched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import audit_log, users
from engine.ledger import console_tables as t
from tests.engine.conftest import Bench


def add(bench: Bench, count: int) -> None:
    """Append some entries."""
    for number in range(count):
        with audit_log.recorded(bench.database, "ana", "test.done", f"item {number}", 字="值", n=number):
            pass


def test_a_chain_that_nobody_touched_is_whole(bench: Bench) -> None:
    assert audit_log.verify(bench.database) == audit_log.Chain(0, audit_log.GENESIS)
    add(bench, 3)
    newest, *_, oldest = audit_log.entries(bench.database)
    assert oldest.previous == audit_log.GENESIS
    assert audit_log.verify(bench.database) == audit_log.Chain(3, newest.hash)
    assert [entry.number for entry in audit_log.entries(bench.database, before=3, limit=1)] == [2]
    assert [entry.number for entry in audit_log.entries(bench.database, about="item 0", actor="ana")] == [1]


def test_the_database_itself_refuses_to_change_or_delete_an_entry(bench: Bench) -> None:
    add(bench, 1)
    for statement in (sa.update(t.audit_log).values(actor="ben"), sa.delete(t.audit_log)):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), bench.database.write() as connection:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "broken_at", "why"),
    [
        ("update audit_log set actor = 'ben' where number = 2", 2, "content"),
        ("update audit_log set detail = '{}' where number = 3", 3, "content"),
        ("delete from audit_log where number = 2", 3, "entry 2 is missing"),
        ("update audit_log set previous = hash where number = 3", 3, "does not follow"),
    ],
)
def test_what_was_touched_behind_the_databases_back_is_named(
    bench: Bench, statement: str, broken_at: int, why: str
) -> None:
    add(bench, 4)
    with bench.database.write() as connection:
        if bench.database.is_sqlite:
            for verb in ("update", "delete"):
                connection.execute(sa.text(f"drop trigger audit_log_no_{verb}"))
        else:
            connection.execute(sa.text("alter table audit_log disable trigger all"))
        connection.execute(sa.text(statement))
    chain = audit_log.verify(bench.database)
    assert chain.broken_at == broken_at
    assert why in chain.why


def test_what_fails_leaves_no_entry_and_what_leaves_none_is_not_done(bench: Bench) -> None:
    def twice() -> None:
        with bench.database.together():
            for _ in range(2):
                users.add(bench.database, "ben", "Ben", ["operator"], None, "ana")

    with pytest.raises(UserError, match="there is a user ben already"):
        twice()
    assert audit_log.entries(bench.database) == []
    assert users.listing(bench.database) == []


def test_entries_of_many_at_once_are_one_chain(bench: Bench) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: add(bench, 5), range(4)))
    assert audit_log.verify(bench.database).entries == 20
