"""Runs: all of them, newest first, and one with its items."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from console import charts
from console.web.routes import EVERYONE, Routes
from console.web.visit import Here
from engine.ledger import reads
from engine.ledger.rows import ItemRow, RunRow
from engine.ledger.tables import CLOSED, OPEN

routes = Routes("runs")
_RUNS = 30
_ITEMS = 50


@routes.get("/runs", roles=EVERYONE)
def listing(here: Here, before: int | None = None, workflow: str | None = None) -> Response:
    """List runs."""
    database, wanted = here.house.database, workflow or None

    def ask() -> list[RunRow]:
        return reads.runs(database, workflow=wanted, before=before, limit=_RUNS + 1)

    rows = here.house.memo.get(("runs", wanted, before), ask)
    more = rows[_RUNS - 1].id if len(rows) > _RUNS else None
    return here.page("runs.html", rows=rows[:_RUNS], more=more, workflow=wanted, before=before)


@routes.get("/runs/{run_id}", roles=EVERYONE)
def run(here: Here, run_id: int, before: int | None = None, state: str | None = None) -> Response:
    """Show one run and its items, newest first."""
    database = here.house.database
    found = here.house.memo.get(("run", run_id), lambda: reads.run(database, run_id))
    wanted = state if state in {*OPEN, *CLOSED} else None
    states = [wanted] if wanted else []
    some: list[ItemRow] = reads.items(
        database, run_id=run_id, states=states, before=before, viewer=here.user.name, limit=_ITEMS + 1
    )
    more = some[_ITEMS - 1].id if len(some) > _ITEMS else None
    data: dict[str, Any] = {"run": found, "items": some[:_ITEMS], "more": more, "state": wanted, "before": before}
    return here.page("run.html", **data, bar=charts.outcome_bar(found.items), open_states=OPEN)
