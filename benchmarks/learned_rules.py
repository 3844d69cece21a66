"""What rules learned from 200 reviews add in the next month: `python -m benchmarks.learned_rules [--quick] [--json]`.

A world with parties of habits (`fixtures.generate.habits`): what is left after some months of matching is decided by a
reviewer who knows the truth, half of it the most doubtful suggestions, half of it open lines that are matched by hand.
Rules are proposed from these decisions, all are accepted, and a later month, which no one looked at, is matched without
and with them. Exit code 1 if a rule was wrong there more often than its bound says.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bots.reconciliation.gate import closing, seeded
from bots.reconciliation.learning import Proposal, propose
from bots.reconciliation.lines import Delivery, Line, Statement
from bots.reconciliation.matched import BANK, BOOK, SIDE, Matched
from bots.reconciliation.matching.engine import match
from bots.reconciliation.matching.ruled import USES, Said, pairs
from bots.reconciliation.policy import Policy
from bots.reconciliation.receiving import receive
from bots.reconciliation.reviewed import history
from bots.reconciliation.rolling import match_open
from engine.ledger import schema
from engine.ledger.database import Database
from engine.ledger.reconciliation import OpenItems
from fixtures.generate.entries import Entry, Side, World
from fixtures.generate.habits import world_of_habits

DAYS, NEXT = 66, 22
"""Business days of the history, and of the month after it."""
DECISIONS = 200
Truth = set[tuple[int, int]]


@dataclass(frozen=True)
class Month:
    """The lines of some days, and which of them belong together: positions in both sides."""

    bank: pd.DataFrame
    book: pd.DataFrame
    truth: Truth


def main() -> None:
    """Measure some seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small seed")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--per-day", type=int, default=60, help="pieces of business a day")
    arguments = parser.parse_args()
    seeds = 1 if arguments.quick else arguments.seeds
    rows = [measure(seed, 30 if arguments.quick else arguments.per_day) for seed in range(1, seeds + 1)]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    told = {
        "seeds": seeds,
        "decisions": DECISIONS,
        "coverage_before": round(float(np.mean([row["coverage_before"] for row in rows])), 4),
        "coverage_after": round(float(np.mean([row["coverage_after"] for row in rows])), 4),
        "gain": round(float(np.mean([row["gain"] for row in rows])), 4),
        "gain_worst": min(row["gain"] for row in rows),
        "wrong_closed_more": sum(row["wrong_closed_after"] - row["wrong_closed_before"] for row in rows),
        "rules": sum(row["rules"] for row in rows),
        "exceeding": sum(row["exceeding"] for row in rows),
        "propose_s": max(row["propose_s"] for row in rows),
    }
    if arguments.json:
        print(json.dumps(told))
    if told["exceeding"]:
        sys.exit(1)


def measure(seed: int, per_day: int) -> dict[str, Any]:
    """Return what rules add in one world."""
    made = world_of_habits(seed=seed, days=DAYS + NEXT, per_day=per_day)
    cut = made.days[DAYS]
    kinds = closing(seeded().evidence)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(str(Path(folder) / "ledger.db"))
        schema.prepare(database)
        items = OpenItems(database, "world")
        decided = reviewed(items, made, cut, kinds, seed)
        known = history(items)
        start = time.process_time()
        proposals = propose(known, Policy())
        took = time.process_time() - start
    month = following(made, cut)
    plain, ruled = Policy(), Policy(rules=tuple(one.rule for one in proposals))
    before, after = (match(month.bank, month.book, policy, kinds) for policy in (plain, ruled))
    said, wrong, exceeding = held_out(month, before, proposals)
    right = [share(one, month.truth) for one in (before, after)]
    return {
        "seed": seed,
        "decided": decided,
        "pairs": len(month.truth),
        "coverage_before": right[0],
        "coverage_after": right[1],
        "gain": round(right[1] - right[0], 4),
        "wrong_suggested_before": wrongly(before, month.truth, closed=False),
        "wrong_suggested_after": wrongly(after, month.truth, closed=False),
        "wrong_closed_before": wrongly(before, month.truth, closed=True),
        "wrong_closed_after": wrongly(after, month.truth, closed=True),
        "rules": len(proposals),
        "kinds": dict(Counter(type(one.rule).__name__ for one in proposals)),
        "held_out_said": said,
        "held_out_wrong": wrong,
        "exceeding": exceeding,
        "propose_s": round(took, 2),
    }


def reviewed(items: OpenItems, made: World, cut: date, kinds: frozenset[str], seed: int) -> int:
    """Bring the history in, match it, and decide as one who knows the truth; return how many decisions were made."""
    for side, name in ((BANK, "bank"), (BOOK, "book")):
        receive(items, side, _delivery(made.side(name), cut, name), "ana")  # type: ignore[arg-type]
    match_open(items, match, Policy(), kinds)
    truth = {
        frozenset((*((BANK, _place(key)) for key in link.bank), *((BOOK, _place(key)) for key in link.book)))
        for link in made.links
    }
    rng, made_decisions = random.Random(seed), 0  # noqa: S311 - a seeded choice
    doubted = sorted(items.matches(["suggested"]), key=lambda one: (min(one.score or 0.0, one.margin or 99.0), one.id))
    for one in doubted[: DECISIONS // 2]:
        if frozenset((line.side, line.number - 1) for line in one.lines) in truth:
            items.accept(one.id, "ben")
        else:
            items.reject(one.id, "ben", "not the same")
        made_decisions += 1
    open_ = {(one.side, one.number - 1): one.id for one in items.lines() if one.state == "open"}
    by_hand = sorted(sorted(one) for one in truth if one <= open_.keys() and len(one) == 2)
    for lines in rng.sample(by_hand, min(len(by_hand), DECISIONS - made_decisions)):
        items.match_by_hand([open_[line] for line in lines], "ben", "seen in the contract")
        made_decisions += 1
    return made_decisions


def following(made: World, cut: date) -> Month:
    """Return what is booked from a day on, and late lines of earlier business are left out with their partners."""
    place: dict[str, int] = {}
    frames = []
    for name in ("bank", "book"):
        rows = [one for one in made.side(name) if one.booked >= cut]
        place |= {one.key: at for at, one in enumerate(rows)}
        frames.append(pd.DataFrame([_said(one) for one in rows], columns=list(SIDE)).astype(SIDE))
    pairs_ = {
        (place[bank], place[book])
        for link in made.links
        for bank in link.bank
        for book in link.book
        if bank in place and book in place
    }
    return Month(frames[0], frames[1], pairs_)


def held_out(month: Month, before: Matched, proposals: Sequence[Proposal]) -> tuple[int, int, int]:
    """Return how often rules tied lines that matching left open, how often wrongly, and how many exceed their bound."""
    closed = before.members.merge(before.matches["closed"].rename("closed"), left_on="match", right_index=True)
    taken = closed[closed["closed"]]
    free = [
        np.setdiff1d(np.arange(len(side)), taken.loc[taken["side"] == number, "line"].to_numpy())
        for number, side in ((BANK, month.bank), (BOOK, month.book))
    ]
    bank, book = Said(month.bank, free[0], None), Said(month.book, free[1], None)
    found = pairs(bank, book, Policy(rules=tuple(one.rule for one in proposals)))
    found = found[~found["bank"].duplicated(keep=False)]
    right = pd.Series([pair in month.truth for pair in zip(found["bank"], found["book"], strict=True)], dtype=bool)
    exceeding = 0
    for place, one in enumerate(proposals):
        mine = right[(found[USES] == place).any(axis=1).to_numpy()]
        exceeding += bool(len(mine)) and float((~mine).mean()) > one.rule.bound
    return len(right), int((~right).sum()), exceeding


def share(matched: Matched, truth: Truth) -> float:
    """Return the share of true pairs that are closed or suggested."""
    return round(len(truth & _pairs(matched.members)) / len(truth), 4)


def wrongly(matched: Matched, truth: Truth, *, closed: bool) -> int:
    """Return how many pairs that are closed, or suggested, are not true."""
    chosen = matched.matches.index[matched.matches["closed"] == closed]
    return len(_pairs(matched.members[matched.members["match"].isin(chosen)]) - truth)


def _pairs(members: pd.DataFrame) -> Truth:
    sides = [members[members["side"] == side] for side in (BANK, BOOK)]
    both = sides[0].merge(sides[1], on="match")
    return set(zip(both["line_x"].tolist(), both["line_y"].tolist(), strict=True))


def _delivery(rows: Iterable[Entry], cut: date, name: Side) -> Delivery:
    """Return what was booked before a day as one file; the number of a line is its place in the world, from 1."""
    told: dict[tuple[str, str], list[Line]] = {}
    for one in rows:
        if one.booked < cut:
            said = {key: value for key, value in _said(one).items() if key not in {"account", "batch"}}
            told.setdefault((one.account, one.currency), []).append(Line(number=_place(one.key) + 1, **said))
    statements = tuple(
        replace(Statement(account, currency, 1, ()), lines=tuple(lines)) for (account, currency), lines in told.items()
    )
    return Delivery(Path(f"{name}.csv"), name, "csv", statements, ())


def _said(one: Entry) -> dict[str, Any]:
    return {name: getattr(one, name, "") for name in SIDE}


def _place(key: str) -> int:
    return int(key.removeprefix("bank").removeprefix("book"))


if __name__ == "__main__":
    main()
