"""Thirty scripted incidents over four causes, and quiet traffic: is the cause named, how soon, how many false alarms.

`python -m benchmarks.drift_causes [--quick] [--json]`. The watch is fed as the ledger feeds it, record by record.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.drift_office import Office, Record
from benchmarks.drift_scripts import SCRIPTS, Change
from qc_models.loop.drift.cause import name
from qc_models.loop.drift.state import RECORDS_PER_FALSE_ALARM, State

QUIET_BEFORE = 800
"""Records before the incident: learnt from, and quiet."""
MOST_AFTER = 1_500
LIMIT = math.log(RECORDS_PER_FALSE_ALARM * 60)
"""As the watch has it for a record of seven fields: about sixty signs."""


def feed(state: State, record: Record, number: int) -> None:
    """Let the watch see a record as the ledger would show it."""
    limit = LIMIT
    state.enter(record.entered, limit)
    if record.entered.invalid is None:
        state.work(record.worked, limit)
        if record.audited is not None and record.worked.error_kind is None:
            state.audit(number, record.audited, limit)


@dataclass(frozen=True)
class Ended:
    """How an incident ended: the cause named first and after 100 more records, and the records until the alarm."""

    cause: str
    title: str
    first: str | None
    settled: str | None
    exposed: int
    sentence: str


def play(cause: str, title: str, change: Change, seed: int) -> Ended:
    """Play one incident after quiet traffic."""
    office, state, rng = Office(seed), State(), Random(seed)  # noqa: S311 - repeatable
    for number in range(QUIET_BEFORE):
        feed(state, office.record(), number)
    if state.alarmed:
        return Ended(cause, title, "false alarm before", None, 0, "")
    for exposed in range(1, MOST_AFTER):
        feed(state, change(office.record(), rng), QUIET_BEFORE + exposed)
        first = name(state)
        if first is not None:
            for later in range(100):
                feed(state, change(office.record(), rng), QUIET_BEFORE + exposed + later)
            settled = name(state)
            return Ended(cause, title, first.cause, settled.cause if settled else None, exposed, first.sentence)
    return Ended(cause, title, None, None, MOST_AFTER, "")


def quiet(streams: int, records: int) -> int:
    """Count the false alarms over quiet streams; each is watched to its first."""
    alarms = 0
    for seed in range(streams):
        office, state = Office(10_000 + seed), State()
        for number in range(records):
            feed(state, office.record(), number)
            if state.alarmed:
                alarms += 1
                break
    return alarms


def main(
    quick: Annotated[bool, typer.Option("--quick", help="One seed, few quiet streams.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False,
) -> None:
    """Play all incidents over some seeds, then quiet traffic."""
    seeds, streams, records = (1, 5, 2_000) if quick else (5, 40, 5_000)
    ended = [play(*script, 100 * seed + n) for seed in range(seeds) for n, script in enumerate(SCRIPTS)]
    table = Table("cause", "incident", "named", "records until the alarm", "what was said")
    for one in ended[: len(SCRIPTS)]:
        table.add_row(one.cause, one.title, str(one.first), str(one.exposed), one.sentence)
    Console(width=200).print(table)
    alarms = quiet(streams, records)
    right = [one.first == one.cause for one in ended]
    exposed = sorted(one.exposed for one in ended)
    figures = {
        "incidents": len(ended),
        "cause_accuracy": sum(right) / len(right),
        "cause_accuracy_after_100": sum(one.settled == one.cause for one in ended) / len(ended),
        "by_cause": {
            cause: sum(one.first == cause for one in ended if one.cause == cause) / count
            for cause, count in Counter(one.cause for one in ended).items()
        },
        "missed": sum(one.first is None for one in ended),
        "exposed_p50": exposed[len(exposed) // 2],
        "exposed_p90": exposed[len(exposed) * 9 // 10],
        "quiet_records": streams * records,
        "false_alarms": alarms,
    }
    print(json.dumps(figures) if as_json else "\n".join(f"{key}: {value}" for key, value in figures.items()))


if __name__ == "__main__":
    typer.run(main)
