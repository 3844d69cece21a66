"""Runs of the rolling benchmark: a world's deliveries, as files, through readers, ledger and matcher; and its truth."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from bots.reconciliation.matching.engine import match_as_read
from bots.reconciliation.policy import Policy
from bots.reconciliation.readers.registry import read
from bots.reconciliation.receiving import receive
from bots.reconciliation.rolling import Outcome, match_open
from engine.clock import ManualClock
from engine.ledger.database import Database
from engine.ledger.reconciliation import OpenItems
from engine.open_items import BANK, BOOK, MatchRow, OpenLine, key_of
from fixtures.generate.deliveries import Sent, deliveries, whole
from fixtures.generate.entries import Entry, World
from fixtures.generate.statement_files import write_deliveries

Said = tuple[object, ...]
Name = tuple[int, Said, int]
"""A line in every run: side, what it says, the how-manieth of those that say so."""


@dataclass
class Day:
    """What one delivery cost."""

    delivered: int
    new: int
    loaded: int
    """Lines that were matched."""
    questions: int
    """SQL statements."""
    seconds: float
    """CPU."""


@dataclass
class Run:
    """One run over the deliveries of a world."""

    items: OpenItems
    database: Database
    days: list[Day] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    decided: dict[int, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    """Match to state and lines, as a person left it."""
    refused: set[str] = field(default_factory=set)

    def solution(self, state: str) -> dict[frozenset[Name], MatchRow]:
        """Return the matches in a state by their lines."""
        rows = self.items.matches([state])  # type: ignore[list-item]
        return {frozenset(name_of(line) for line in row.lines): row for row in rows}


def name_of(line: OpenLine) -> Name:
    """Return a line's name in every run."""
    return line.side, _said(line.facts.account, line.facts), line.occurrence


def rolling(
    folder: Path, made: World, closing: frozenset[str], *, everything: bool = False, people: bool = False
) -> Run:
    """Take the deliveries in, day by day, and match after each."""
    run = _opened(folder)
    rng = random.Random("people")  # noqa: S311 (repeatable)
    asked: list[str] = []
    sa.event.listen(run.database.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    for sent, path in _files(folder, deliveries(made)):
        asked.clear()
        start = time.process_time()
        counts, outcome = _take_in(run, sent, path, closing, everything=everything)
        seconds = time.process_time() - start
        run.days.append(Day(counts["lines"], counts["new"], outcome.loaded, len(asked), seconds))
        if people:
            _decide(run, rng)
    return run


def at_once(folder: Path, made: World, closing: frozenset[str]) -> Run:
    """Take everything in as one file a side and match once."""
    run = _opened(folder)
    for sent, path in _files(folder, [whole(made, "bank"), whole(made, "book")]):
        _receive(run, sent, path)
    match_open(run.items, match_as_read, Policy(), closing, everything=True)
    return run


def _opened(folder: Path) -> Run:
    folder.mkdir(parents=True)
    database = Database(str(folder / "ledger.db"), ManualClock())
    database.upgrade()
    return Run(OpenItems(database, "benchmark"), database)


def _files(folder: Path, sent: Sequence[Sent]) -> Iterator[tuple[Sent, Path]]:
    for one in sent:
        for path in write_deliveries(folder, [one], bank="camt", book="csv"):
            yield one, path


def _receive(run: Run, sent: Sent, path: Path) -> Counter[str]:
    delivery = read(path)
    if delivery.quarantined:
        raise ValueError(f"{path.name}: {delivery.problems()[0]}")
    counts = Counter(receive(run.items, BANK if sent.side == "bank" else BOOK, delivery, "benchmark").counts)
    run.counts += counts
    return counts


def _take_in(
    run: Run, sent: Sent, path: Path, closing: frozenset[str], *, everything: bool
) -> tuple[Counter[str], Outcome]:
    counts = _receive(run, sent, path)
    return counts, match_open(run.items, match_as_read, Policy(), closing, everything=everything)


def _decide(run: Run, rng: random.Random) -> None:
    """Let people accept, reject, undo and match a little."""
    items = run.items
    suggested, closed = items.matches(["suggested"], 30), items.matches(["closed"], 30)
    for row in rng.sample(suggested, min(3, len(suggested))):
        if rng.random() < 0.6:
            _keep(run, items.accept(row.id, "ana"))
        else:
            _refuse(run, items.reject(row.id, "ana", "benchmark"))
    automatic = [row for row in closed if not row.manual]
    for row in rng.sample(automatic, min(1, len(automatic))):
        _refuse(run, items.undo(row.id, "ben", "benchmark"))
    lines = [one for one in items.lines(limit=60) if one.state == "open"]
    for bank in rng.sample(lines, len(lines)):
        for book in lines:
            same = (bank.facts.account, bank.facts.currency) == (book.facts.account, book.facts.currency)
            if bank.side == BANK and book.side == BOOK and same:
                _keep(run, items.match_by_hand([bank.id, book.id], "ben", "benchmark"))
                return


def _keep(run: Run, row: MatchRow) -> None:
    run.decided[row.id] = row.state, tuple(line.id for line in row.lines)


def _refuse(run: Run, row: MatchRow) -> None:
    run.refused.add(key_of(line.id for line in row.lines))


def changed_decisions(run: Run) -> int:
    """Count decisions of people that are not as they left them, and matches they refused that were made again."""
    found = 0
    for match_id, (state, lines) in run.decided.items():
        row = run.items.match(match_id)
        found += (row.state, tuple(line.id for line in row.lines)) != (state, lines)
    automatic = [row for row in run.items.matches(["closed", "suggested"]) if not row.manual]
    return found + sum(key_of(line.id for line in row.lines) in run.refused for row in automatic)


def lost_and_doubled(run: Run, made: World) -> tuple[int, int]:
    """Compare the lines that stand with the world's."""
    lost = doubled = 0
    lines = run.items.lines(everything=True)
    for side, entries in ((BANK, made.bank), (BOOK, made.book)):
        last = made.days[-1]
        wanted = Counter(_said_of(one.at(last)) for one in entries if one.known <= last)
        kept = Counter(_said(one.facts.account, one.facts) for one in lines if one.side == side)
        lost += (wanted - kept).total()
        doubled += (kept - wanted).total()
    return lost, doubled


class Truth:
    """Which matches of a world are right: their lines are all of one piece of business; twins stand for each other."""

    def __init__(self, made: World) -> None:
        self._keys: dict[tuple[int, Said], list[str]] = defaultdict(list)
        last = made.days[-1]
        for side, entries in ((BANK, made.bank), (BOOK, made.book)):
            for one in entries:
                if one.known <= last:
                    self._keys[side, _said_of(one.at(last))].append(one.key)
        self._link = {key: number for number, link in enumerate(made.links) for key in (*link.bank, *link.book)}

    def right(self, lines: frozenset[Name]) -> bool:
        """Say whether lines belong together."""
        links = [{self._link.get(key) for key in self._keys[side, said]} for side, said, _ in lines]
        return bool(set.intersection(*links) - {None})


def _said_of(one: Entry) -> Said:
    return _said(one.account, one)


def _said(account: str, one: object) -> Said:
    names = ("amount", "booked", "valued", "reference", "text", "name", "bank_id", "end_to_end")
    return account, *(getattr(one, name) for name in names)
