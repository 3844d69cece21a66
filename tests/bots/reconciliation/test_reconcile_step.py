"""The step `reconcile` in a real browser, and what a rolling reconciliation's reviews have to say there."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bots.office import BotOffice
from bots.reconciliation.partitions import statement_rows
from engine.ledger.database import Database
from engine.ledger.reconciliation import reviewed
from engine.ports import ItemView
from engine.redact import Redactor
from engine.secrets import SecretStore
from tests.bots.house import Pages, application, step, workflow
from tests.bots.reconciliation.rolling_desk import Desk, line

ROWS = [f"2026-03-0{n},{1000 + 10 * n}.00,EUR,INV-{n}" for n in range(1, 4)]
PARAMS: dict[str, Any] = {
    "items": "open",
    "name": "Item",
    "book": {"columns": {"booked": "Date", "amount": "Amount", "reference": "Document"}, "date_order": "ymd"},
    "evidence": {"reference": {"reviewed": 29_956}},  # just as many as prove the limit
}


@pytest.mark.asyncio
@pytest.mark.parametrize("backend", ["sqlite"])
async def test_a_match_undone_in_a_rolling_reconciliation_holds_its_kind_back_in_the_workflow_that_names_it(
    database: Database, pages: Pages, tmp_path: Path
) -> None:
    desk = Desk(database)
    desk.bank(line())
    desk.book(line())
    desk.match()
    desk.items.undo(desk.one("closed").id, "ana", "another customer's invoice")
    statement = tmp_path / "statement.csv"
    statement.write_text("\n".join(["Date,Amount,Currency,Reference", *ROWS, ""]), encoding="utf-8")
    (row,) = statement_rows(statement)
    pages.show('<a href="/items.csv">Get</a>')
    items = [f"OP-{number},{one}" for number, one in enumerate(ROWS)]
    pages.pages["/items.csv"] = "\n".join(["Item,Date,Amount,Currency,Document", *items, ""])
    redactor = Redactor()
    async with BotOffice(
        redactor=redactor,
        secrets=SecretStore(redactor, environ={}, keyring=lambda _name: None),
        reviewed=partial(reviewed, database),
    ) as office:
        hands = await office.hands(workflow(application(pages.url)), 0)
        await hands.begin(ItemView(1, "1", row.cells, {}, {}, tmp_path))
        await hands.perform(step("open", "/"))
        await hands.perform(step("download", {"click": {"link": "Get"}, "to": "open"}))
        held: dict[str, Counter[bool]] = {}
        for name in ("", "main", "another"):
            await hands.perform(step("reconcile", PARAMS | ({"reviews": name} if name else {})))
            held[name] = Counter(bool(one["hold"]) for one in hands.record["clearings"])
    assert held == {"": {False: 3}, "main": {True: 3}, "another": {False: 3}}
