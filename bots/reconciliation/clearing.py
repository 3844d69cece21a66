"""What becomes of a partition: items to mark as cleared, suggestions and breaks; every line in exactly one state.

A partition is matched with the days around it in view (the policy's window, twice), so that a line at its edge has the
rivals that it would have in the whole, and they have theirs; a match belongs to the partition in which its first line
was booked. Items that were cleared before are matched too, and never marked: so the outcome does not depend on how far
others have come, and a line that a bank delivers twice finds its item again instead of another one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.explain import breaks, why
from bots.reconciliation.identity import content, facts
from bots.reconciliation.judging import Judge, suggestions
from bots.reconciliation.lines import Line
from bots.reconciliation.matched import BANK, BOOK, SIDE, Matched
from bots.reconciliation.matching.days import ordinals
from bots.reconciliation.matching.engine import match
from bots.reconciliation.matching.remittance import with_references
from bots.reconciliation.partitions import BookItem, Partition, major
from bots.reconciliation.policy import Policy
from bots.reconciliation.reasons.causes import CAUSES
from bots.reconciliation.wording import share, visible
from engine.errors import BusinessException
from engine.values import Scalar

SUGGESTED, DOUBTED, BREAK = "suggested", "doubted", "break"
"""Why a person decides first."""
CLOSED = ""
_DOUBT = 0.5
"""A match that is as likely wrong as right does not close, whatever its kind."""
_WORDS = 800


@dataclass(frozen=True)
class Outcome:
    """What was found in a partition."""

    rows: list[dict[str, Scalar]]
    """One an open item to mark (`hold` is empty), a suggestion or a break (`hold` says which)."""
    states: dict[str, int] = field(default_factory=dict)
    """How many bank lines of the partition ended in which state: closed (empty), suggested, doubted, break."""


@dataclass(frozen=True)
class _Side:
    lines: Sequence[Line]
    ids: Sequence[str]

    def frame(self, account: str) -> pd.DataFrame:
        """Return the columns of SIDE."""
        columns: dict[str, list[object]] = {
            name: [account] * len(self.lines) if name == "account" else [getattr(line, name) for line in self.lines]
            for name in SIDE
        }
        return pd.DataFrame({name: pd.Series(columns[name], dtype=kind) for name, kind in SIDE.items()})

    def workdays(self, policy: Policy) -> NDArray[np.int64]:
        """Return each line's day as a count of business days."""
        days = [line.valued or line.booked for line in self.lines]
        return ordinals(np.array(days, dtype="datetime64[D]"), policy.calendar)


def clearings(
    own: Partition,
    bank: Sequence[Line],
    book: Sequence[BookItem],
    policy: Policy,
    closing: frozenset[str],
    *,
    judge: Judge | None = None,
    sign: int = 1,
) -> Outcome:
    """Match the lines of a partition with the items of its account.

    Args:
        own: the partition.
        bank: all lines of its account and currency in the file, in order.
        book: the items of its account, amounts positive where money came in.
        policy: the limits within which candidates are looked for.
        closing: kinds of evidence that may close on their own.
        judge: gives each match a probability of being wrong; one that it finds more likely wrong is held back.
        sign: -1 where the application writes money that came in as negative.

    Raises:
        BusinessException: a bank line would end in no state, or in two: a bug, or lines that cannot be told apart.
    """
    whole = _Side(bank, identities(bank, own))
    day, mine = whole.workdays(policy), np.array([own.holds(line.booked) for line in bank], dtype=bool)
    if not mine.any():
        raise BusinessException("lines_lost", f"the file has no lines of {own.account} in {own.period}")
    first, last = day[mine].min(), day[mine].max()  # a value day may lie far from the day of booking
    window = policy.latest - policy.earliest
    seen = np.flatnonzero((day >= first - 2 * window) & (day <= last + 2 * window)).tolist()
    sides = (
        _Side([bank[at] for at in seen], [whole.ids[at] for at in seen]),
        _Side([item.line for item in book], [item.name for item in book]),
    )
    frames = with_references(sides[BANK].frame(own.account), sides[BOOK].frame(own.account))
    found = match(*frames, policy, closing)
    finder = _Finder(own, sides, [item.is_open for item in book], sign)
    rows = finder.matched(found, why(*frames, found, policy).assign(wrong=_wrong(*frames, found, judge)))
    due = sides[BOOK].workdays(policy) + policy.latest
    overdue = np.flatnonzero((due >= first - window) & (due <= last)).tolist()
    rows += finder.unmatched(breaks(*frames, found, policy, own.last), overdue)
    states = Counter(finder.states.values())
    if sum(states.values()) != mine.sum():
        told = f"{sum(states.values())} of {mine.sum()} lines of {own.period} have a state"
        raise BusinessException("lines_lost", told)
    return Outcome(rows, dict(states))


def _wrong(bank: pd.DataFrame, book: pd.DataFrame, found: Matched, judge: Judge | None) -> pd.Series:
    """Return P(wrong) of each match: of what closed in the eyes of the judge alone, who inspects it (0 without one)."""
    wrong = pd.Series(0.0, index=found.matches.index)
    if judge is not None and len(wrong):
        said = judge(bank, book, found.matches, found.members, found.lost, found.lost_members)
        wrong = pd.Series(said, index=wrong.index).fillna(0.0)
    open_ = suggestions(bank, book, found, judge)
    return wrong.where(~wrong.index.isin(open_.index), open_)


def identities(lines: Sequence[Line], own: Partition) -> list[str]:
    """Return a name for each line that any file would give it: its content, and which of several equal ones it is."""
    counted: Counter[str] = Counter()
    names = []
    for line in lines:
        said = content(facts(line, own.account))
        counted[said] += 1
        names.append(_short(f"{said} {counted[said]}"))
    return names


class _Finder:
    """Turns matches and breaks into rows and keeps count of the partition's bank lines."""

    def __init__(self, own: Partition, sides: tuple[_Side, _Side], is_open: Sequence[bool], sign: int) -> None:
        self.own, self.is_open, self.sign = own, is_open, sign
        self.bank, self.book = sides
        self.states: dict[int, str] = {}

    def matched(self, found: Matched, told: pd.DataFrame) -> list[dict[str, Scalar]]:
        """Return a row an open item of each match that is ours; `told` is what `explain.why` says, and P(wrong)."""
        rows: list[dict[str, Scalar]] = []
        matches, members = found.matches, found.members.sort_values(["match", "side", "line"])
        number, side, line = (members[name].to_numpy() for name in ("match", "side", "line"))
        starts = np.searchsorted(number, matches.index)
        ends = np.searchsorted(number, matches.index, side="right")
        each = zip(matches["kind"], matches["closed"], starts, ends, told.to_dict("records"), strict=True)
        for kind, closed, start, end, said in each:
            bank, book = (line[start:end][side[start:end] == one].tolist() for one in (BANK, BOOK))
            state = SUGGESTED if not closed else CLOSED if said["wrong"] < _DOUBT else DOUBTED
            rows += self._match(str(kind), bank, book, state, said)
        return rows

    def unmatched(self, told: pd.DataFrame, overdue: Sequence[int]) -> list[dict[str, Scalar]]:
        """Return a row a bank line without a partner and one an overdue open item; `told`: `explain.breaks`."""
        rows, late = [], set(overdue)
        for one in told.to_dict("records"):
            at, side = int(one["line"]), int(one["side"])
            line = (self.bank, self.book)[side].lines[at]
            if side == BANK and self.own.holds(line.booked):
                self._place(at, BREAK)
                name = f"L-{self.bank.ids[at]}"
                rows.append(self._row(name, name, None, line, line.booked, one["cause"], BREAK, self._break(line, one)))
            elif side == BOOK and at in late and self.is_open[at]:
                item = self.book.ids[at]
                rows.append(
                    self._row(f"B-{item}", "", at, line, line.booked, one["cause"], BREAK, self._break(line, one))
                )
        return rows

    def _place(self, at: int, state: str) -> None:
        if at in self.states:
            raise BusinessException("line_twice", f"the bank line {_said([self.bank.lines[at]])} is in two matches")
        self.states[at] = state

    def _match(
        self, kind: str, bank: list[int], book: list[int], state: str, told: dict[Any, Any]
    ) -> list[dict[str, Scalar]]:
        for at in bank:
            if self.own.holds(self.bank.lines[at].booked):
                self._place(at, state)
        lines = [self.bank.lines[at] for at in bank] or [self.book.lines[at] for at in book]
        if not self.own.holds(min(line.booked for line in lines)):
            return []
        named = [*sorted(self.bank.ids[at] for at in bank), *sorted(self.book.ids[at] for at in book)]
        name = f"M-{_short(chr(0).join(named))}"
        day = max(line.booked for line in lines)
        words = f"{_said(lines)}: {told['evidence']}; P(wrong) {share(told['wrong'])}"
        words += f"; not {told['runner_up']}: {told['lost']}" if told["runner_up"] else ""
        items = [at for at in book if self.is_open[at]]
        rows = [
            self._row(f"{name}/{self.book.ids[at]}", name, at, self.book.lines[at], day, kind, state, words)
            for at in items
        ]
        if state and not items:  # nothing to mark, but a person is to see the line
            rows.append(self._row(name, name, None, lines[0], day, kind, state, words))
        return rows

    def _break(self, line: Line, told: dict[Any, Any]) -> str:
        cause = f"{told['cause']} ({CAUSES.get(told['cause'], '')})"
        blocks = f"; it differs in {told['blocks']}" if told["blocks"] else ""
        return f"{_said([line])}: {cause}{self._nearest(told)}{blocks}; {told['proposal']}"

    def _nearest(self, told: dict[Any, Any]) -> str:
        other = self.book if told["side"] == BANK else self.bank
        near = [int(told[f"nearest_{n}"]) for n in (1, 2, 3) if told[f"nearest_{n}"] >= 0]
        named = [self.book.ids[at] if other is self.book else _said([self.bank.lines[at]]) for at in near]
        return f"; nearest: {', '.join(named)}" if named else ""

    def _row(
        self, entry: str, name: str, item: int | None, of: Line, day: date, kind: str, hold: str, words: str
    ) -> dict[str, Scalar]:
        return {
            "entry": entry,
            "match": name,
            "item": "" if item is None else self.book.ids[item],
            "account": self.own.account,
            "currency": of.currency,
            "amount": major(self.sign * of.amount, of.currency),
            "cleared_on": day,
            "kind": kind,
            "hold": hold,
            "why": words[:_WORDS],
        }


def _said(lines: Sequence[Line]) -> str:
    told = ((line.booked, major(line.amount, line.currency), line.currency, line.name, line.text) for line in lines)
    return "; ".join(" ".join(visible(part) for part in parts if part) for parts in told)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
