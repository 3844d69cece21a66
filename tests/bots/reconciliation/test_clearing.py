"""A statement cut into partitions: every line in one place, no item marked twice, whatever was marked meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from bots.reconciliation.clearing import Outcome, clearings, identities
from bots.reconciliation.judging import Judge
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.lines import Line
from bots.reconciliation.partitions import (
    BookItem,
    Partition,
    accounts,
    major,
    partition,
    statement_as_enqueued,
    statement_rows,
)
from bots.reconciliation.policy import Policy
from bots.reconciliation.readers.registry import read
from engine.errors import BusinessException
from fixtures.generate.entries import Entry
from fixtures.generate.statements import world
from fixtures.portal import seed
from fixtures.portal.statement import camt053

CLOSING = frozenset({"reference"})
SUPPLIERS = seed.load_suppliers()


@pytest.fixture
def statement(tmp_path: Path) -> Path:
    path = tmp_path / "statement.xml"
    path.write_text(camt053(seed.bank_lines(SUPPLIERS)), encoding="utf-8")
    return path


def books(account: str, cleared: frozenset[str] = frozenset()) -> list[BookItem]:
    found = []
    for number, (own, name, document, posted, _, amount, currency) in enumerate(seed.open_items(SUPPLIERS), start=1):
        line = Line(number, -amount, currency, date.fromisoformat(posted), reference=document, name=name)
        item = f"OP-{number:06d}"
        found += [BookItem(item, line, item not in cleared)] if own == account else []
    return found


def outcome(
    path: Path, cells: dict[str, Any], cleared: frozenset[str] = frozenset(), judge: Judge | None = None
) -> Outcome:
    own = partition(cells["account"], cells["currency"], cells["period"])
    lines = [line for account, line in accounts(read(path)) if account == own.account]
    return clearings(own, lines, books(own.account, cleared), Policy(), CLOSING, judge=judge, sign=-1)


def test_every_line_of_a_statement_is_in_one_state_and_every_item_is_marked_once(statement: Path) -> None:
    records = [row.cells for row in statement_rows(statement)]
    outcomes = [outcome(statement, cells) for cells in records]
    assert len({tuple(cells[key] for key in ("account", "currency", "period")) for cells in records}) == 4
    for cells, found in zip(records, outcomes, strict=True):
        assert sum(found.states.values()) == cells["lines"]
    marked = Counter(row["item"] for found in outcomes for row in found.rows if not row["hold"])
    assert max(marked.values()) == 1
    assert len(marked) >= 35
    entries = [row["entry"] for found in outcomes for row in found.rows]
    assert len(set(entries)) == len(entries)
    lines = list(read(statement).lines)
    assert sum(cells["total"] for cells in records) == sum(major(line.amount, line.currency) for line in lines)


def test_what_others_marked_meanwhile_changes_nothing_but_that_it_is_not_marked_again(statement: Path) -> None:
    cells = [row.cells for row in statement_rows(statement)][1]
    before = outcome(statement, cells)
    marked = sorted(str(row["item"]) for row in before.rows if not row["hold"])
    assert {row["hold"] for row in before.rows} == {"", "suggested", "break"}
    for gone in (frozenset(marked), frozenset(marked[::2])):
        after = outcome(statement, cells, gone)
        assert after.states == before.states
        assert after.rows == [row for row in before.rows if row["item"] not in gone]


def test_what_the_judge_finds_more_likely_wrong_is_not_marked(statement: Path) -> None:
    (cells, *_) = (row.cells for row in statement_rows(statement))

    def doubts(
        bank: pd.DataFrame,  # noqa: ARG001
        book: pd.DataFrame,  # noqa: ARG001
        candidates: pd.DataFrame,
        members: pd.DataFrame,  # noqa: ARG001
        rivals: pd.DataFrame,  # noqa: ARG001
        rival_members: pd.DataFrame,  # noqa: ARG001
    ) -> NDArray[np.float64]:
        return np.where(candidates["days"] == candidates["days"].max(), 0.6, np.nan)

    before, after = outcome(statement, cells), outcome(statement, cells, judge=doubts)
    held = [row["item"] for row in after.rows if row["hold"] == "doubted"]
    assert held
    assert after.states["doubted"] == len(held) == before.states[""] - after.states[""]
    assert [row["item"] for row in before.rows] == [row["item"] for row in after.rows]


def test_partitions_together_say_what_the_whole_statement_would() -> None:
    made = world(seed=2, days=30, per_day=12, accounts=1)
    (account,) = made.accounts
    bank = [as_line(number, one) for number, one in enumerate(made.bank)]
    items = [BookItem(f"OP-{number}", as_line(number, one)) for number, one in enumerate(made.book)]
    days = [line.booked for line in bank]
    middle = date(2026, 1, 24)
    cuts = [(min(days), max(days)), (min(days), middle), (middle + timedelta(days=1), max(days))]
    whole, *parts = (
        clearings(Partition(account.account, account.currency, *cut), bank, items, Policy(), frozenset(KINDS))
        for cut in cuts
    )
    assert sum((Counter(part.states) for part in parts), Counter()) == Counter(whole.states)
    told = [(row["entry"], row["hold"]) for row in whole.rows if row["hold"] != "break"]
    joined = [(row["entry"], row["hold"]) for part in parts for row in part.rows if row["hold"] != "break"]
    assert sorted(joined) == sorted(told)
    marked = Counter(item for _, item in (str(entry).split("/") for entry, hold in told if not hold))
    assert len(marked) > 200
    assert max(marked.values()) == 1


def as_line(number: int, one: Entry) -> Line:
    texts = ("bank_id", "end_to_end", "reference", "text", "name", "counter_account")
    told = {name: getattr(one, name) for name in texts}
    return Line(number, one.amount, one.currency, one.booked, one.valued, reversal=one.reversal, **told)


def test_a_line_has_the_same_name_in_every_file_and_equal_lines_have_two() -> None:
    own = Partition("DE02", "EUR", date(2026, 1, 1), date(2026, 1, 31))
    line = Line(7, 100, "EUR", date(2026, 1, 5), text="rent")
    first, second = identities([line, replace(line, number=8)], own)
    assert first != second
    assert identities([replace(line, number=400)], own) == [first]
    assert identities([replace(line, amount=101)], own) != [first]


def test_what_is_held_back_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("Account,Date,Amount,Currency\nDE1,2026-01-05,1.00,EUR\nDE1,2026-01-06,x,EUR\n", encoding="utf-8")
    good, held = statement_rows(path)
    assert (good.problem, good.cells["lines"], good.cells["period"]) == (None, 1, "2026-01-05..2026-01-05")
    assert held.origin == "bank.csv:3"
    assert "'x'" in (held.problem or "")


def test_another_file_under_the_same_name_is_not_matched(statement: Path) -> None:
    (cells, *_) = (row.cells for row in statement_rows(statement))
    assert statement_as_enqueued(cells["statement"], cells["sha256"]).sha256 == cells["sha256"]
    with pytest.raises(BusinessException, match="not the file any more"):
        statement_as_enqueued(cells["statement"], "0" * 64)
    statement.unlink()
    with pytest.raises(BusinessException, match="cannot be read"):
        statement_as_enqueued(cells["statement"], "1" * 64)
