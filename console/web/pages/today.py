"""Today: what runs, what waits, how right it is, and what went wrong; kept up to date by the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from typing import Any

from fastapi.responses import JSONResponse, Response, StreamingResponse

from console import charts
from console.web.board import WINDOW, Panel
from console.web.routes import EVERYONE, Routes
from console.web.visit import Here
from console.web.words import N_
from engine.errors import UserError
from engine.metrics import rate

routes = Routes("today")
FIGURES = ("error_rate", "straight_through", "first_pass_yield", "accuracy")
"""What is shown of a workflow even where it declares no target for it."""
_TITLE = N_("Wrong items among those judged, by day")
_LINES = (N_("wrong"), N_("mean"), N_("lower limit"), N_("upper limit"))
_LOOK = 2.0
"""Seconds between two looks of a page that is open."""
_LOOKS = 150
"""After so many looks the browser asks anew, and is asked anew who it is."""


@routes.get("/", roles=EVERYONE)
def today(here: Here) -> Response:
    """Show the cockpit."""
    return here.page("today.html", **_data(here))


@routes.get("/today/board", roles=EVERYONE)
def board(here: Here) -> Response:
    """Return the part of the page that changes."""
    return here.page("today_board.html", **_data(here))


@routes.get("/today/chart/{workflow}.json", roles=EVERYONE)
def chart(here: Here, workflow: str) -> Response:
    """Return a workflow's control chart: one list a line, as uPlot takes them."""
    for panel in here.house.board.get().panels:
        if panel.workflow == workflow:
            return JSONResponse(_chart(here, panel))
    raise UserError(f"there is no workflow {workflow!r} with a run")


@routes.get("/today/events", roles=EVERYONE)
async def events(here: Here) -> Response:
    """Tell, as server-sent events, whenever the board has changed."""

    async def stream() -> AsyncIterator[str]:
        told = ""
        for _ in range(_LOOKS):
            found = await asyncio.to_thread(here.house.board.get)
            version = f"{found.version} {found.made_at.isoformat()}"
            if told and version != told:
                yield "event: changed\ndata: 1\n\n"
            else:
                yield ": still here\n\n"
            told = version
            await asyncio.sleep(_LOOK)

    return StreamingResponse(stream(), media_type="text/event-stream")


def _data(here: Here) -> dict[str, Any]:
    found = here.house.board.get()
    return {"board": found, "figures_of": _figures, "window": WINDOW, "strip": charts.interval_strip}


def _figures(panel: Panel) -> list[dict[str, Any]]:
    """Return the figures of a workflow: those with targets first, then what else everybody wants to know."""
    targets = {check.figure: check for check in panel.targets}
    names = dict.fromkeys([*targets, *FIGURES])
    if "residual_error_rate" in targets:
        names.pop("error_rate", None)
    return [{"name": name, "share": rate(panel.figures, name), "check": targets.get(name)} for name in names]


def _chart(here: Here, panel: Panel) -> dict[str, Any]:
    points = panel.chart.points
    starts = [datetime.combine(date.fromisoformat(point.key), time(), UTC).timestamp() for point in points]
    return {
        "title": here.say(_TITLE),
        "data": [
            starts,
            [point.value for point in points],
            [panel.chart.centre for _ in points],
            [point.low for point in points],
            [point.high for point in points],
        ],
        "labels": [here.say(text) for text in _LINES],
        "out": [point.key for point in points if point.out],
    }
