"""Rolling open items: each delivery is matched against what is open, at a cost that follows what is new.

What matching has not looked at yet (*fresh* lines: new, corrected, or opened again) is matched together with the open
lines within twice the *reach*, the farthest that two lines of one match may be apart. Lines within one reach of a fresh
one see every candidate that they have, so what is found there is written; what lies farther out was only loaded to be
seen, and stays as it is. A suggestion that reaches there and has to give way makes its other lines fresh, and the look
moves on.

Closed stays closed: a better partner that comes later finds the line taken, and a person may undo the match. What a
person decided is never touched; what a person refused is never made again automatically.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from bots.reconciliation.judging import Judge, suggestions
from bots.reconciliation.kinds import SURE
from bots.reconciliation.matched import BANK, BOOK, SIDE, Matched
from bots.reconciliation.policy import Policy
from bots.reconciliation.ports import Matcher, OpenItems
from bots.reconciliation.rules import Late
from engine.errors import Stale
from engine.open_items import FACTS, Proposed, Window, key_of

_LOOKS: Final = 10
"""Looks in a row, each at what the one before made fresh; what is fresh after the last waits for the next matching."""
_HOLIDAYS: Final = 10
"""Days off in a row, beside weekends, that a calendar may hold."""
_TRIES: Final = 20
"""Times that what others wrote meanwhile is heeded."""
_NO_MEMBERS: Final = pd.DataFrame({"match": [], "side": [], "line": []}, dtype="int64")
Bools = NDArray[np.bool_]


@dataclass
class Found:
    """What is to be written of one look."""

    looked_at: list[int]
    """Lines that are not fresh any more."""
    replaced: list[int] = field(default_factory=list)
    """Suggestions taken back."""
    kept: dict[int, Proposed] = field(default_factory=dict)
    """Suggestions found again."""
    proposed: list[Proposed] = field(default_factory=list)
    barred: int = 0
    """Matches not made again because a person refused them."""


@dataclass
class Outcome:
    """What one matching did; counts of lines and of matches."""

    looks: int = 0
    loaded: int = 0
    """Lines that were matched: the measure of its cost."""
    fresh: int = 0
    closed: int = 0
    suggested: int = 0
    kept: int = 0
    replaced: int = 0
    barred: int = 0

    def add(self, look: _Look, found: Found) -> None:
        """Count one look."""
        self.looks += 1
        self.loaded += len(look.lines)
        self.fresh += int(look.lines["fresh"].sum())
        self.closed += sum(one.closes for one in found.proposed)
        self.suggested += sum(not one.closes for one in found.proposed)
        self.kept += len(found.kept)
        self.replaced += len(found.replaced)
        self.barred += found.barred


def match_open(
    items: OpenItems,
    matcher: Matcher,
    policy: Policy,
    closing: frozenset[str],
    *,
    at_once: frozenset[str] = frozenset(SURE),
    everything: bool = False,
    judge: Judge | None = None,
    terms_id: int | None = None,
) -> Outcome:
    """Match what is fresh with what is open.

    Args:
        items: where the open items are kept.
        matcher: finds what belongs together.
        policy: its limits.
        closing: kinds of evidence that close on their own.
        at_once: those that need not wait: a rival would have to bear the same reference. A match of another kind is a
            suggestion until both sides are known so far that no rival can come any more, and closes then if it stands.
        everything: match all that is open, not only what is near to what is fresh.
        judge: a second opinion of suggestions, beside the matcher's own odds (`judging.suggestions`).
        terms_id: under what it is matched (`OpenItems.under`).

    Raises:
        Stale: others write without end.
    """
    outcome = Outcome()
    rules = Rules(matcher, policy, closing, at_once, items.ripen(), judge, everything=everything)
    tries = 0
    while outcome.looks < _LOOKS:
        revision, fresh = items.fresh()
        if not fresh:
            break
        look = _Look(items, rules, fresh)
        found = look.result()
        try:
            items.settle(
                revision,
                looked_at=found.looked_at,
                replaced=found.replaced,
                kept=found.kept,
                proposed=found.proposed,
                terms_id=terms_id,
            )
        except Stale:
            tries += 1
            if tries == _TRIES:
                raise
            continue
        outcome.add(look, found)
    return outcome


def reach(policy: Policy) -> timedelta:
    """Return how far apart two lines of one match, or of its rivals, may be: business days, weekends and holidays."""
    policy = policy.watched()
    late = [rule.latest for rule in policy.rules if isinstance(rule, Late)]
    most = max(abs(policy.earliest), abs(policy.latest), policy.reversal, *late)
    return timedelta(days=most + 2 * (most // 5 + 1) + (_HOLIDAYS if policy.calendar else 0))


class _Look:
    """One look at what is fresh and at what is near it."""

    def __init__(self, items: OpenItems, rules: Rules, fresh: Sequence[Window]) -> None:
        self._items, self._rules = items, rules
        near, far = (widened(fresh, many * reach(rules.policy)) for many in (1, 2))
        self.lines = _frame(items.open_lines(None if rules.everything else far))
        self._rows = [np.flatnonzero(self.lines["side"] == side) for side in (BANK, BOOK)]
        bank, book = (_side(self.lines, rows) for rows in self._rows)
        self._sides = bank, book
        self._matched = rules.matcher(*self._sides, rules.policy, rules.closing)
        self._inside = self._reached_from_fresh()
        if not rules.everything:
            self._inside &= _within(self.lines, near)

    def result(self) -> Found:
        """Return what is to be written."""
        found = Found(looked_at=self.lines.loc[self._inside, "id"].tolist())
        proposed = self._won(found)
        standing = self._standing()
        taken: set[int] = set()
        for one in proposed:
            if not one.closes and one.lines in standing:
                found.kept[standing.pop(one.lines)] = one
            else:
                found.proposed.append(one)
            taken |= set(one.lines)
        seen = set(found.looked_at)
        found.replaced = sorted(number for ids, number in standing.items() if taken & set(ids) or seen >= set(ids))
        return found

    def _reached_from_fresh(self) -> Bools:
        """Return which lines hang together with a fresh one through candidates, whether these won or lost."""
        won, lost = self._members(self._matched.members), self._members(self._matched.lost_members)
        matches = np.concatenate([won["match"], lost["match"] + len(self._matched.matches)]).astype(np.int64)
        rows = np.concatenate([won["row"], lost["row"]]).astype(np.int64)
        size = len(self.lines) + len(self._matched.matches) + len(self._matched.lost)
        edges = coo_array((np.ones(len(rows), np.int8), (rows, matches + len(self.lines))), shape=(size, size))
        _, part = connected_components(edges, directed=False)
        mine = part[: len(self.lines)]
        return np.isin(mine, mine[self.lines["fresh"].to_numpy(bool)])

    def _members(self, members: pd.DataFrame) -> pd.DataFrame:
        """Return members with the row of `lines` that each is."""
        rows = np.empty(len(members), np.int64)
        for side in (BANK, BOOK):
            mine = (members["side"] == side).to_numpy()
            rows[mine] = self._rows[side][members["line"].to_numpy()[mine]]
        return members.assign(row=rows)

    def _won(self, found: Found) -> list[Proposed]:
        """Return the matches without those that a person refused; who loses its match so gets its next best one.

        The next best is a suggestion, whatever its evidence: it did not stand on its own.
        """
        won = self._proposed(self._matched)
        barred = self._items.barred([key_of(one.lines) for one in won])
        kept = {one: number for one, number in won.items() if key_of(one.lines) not in barred}
        found.barred = len(won) - len(kept)
        if not found.barred:
            return self._weighed(kept, self._matched)
        freed = {line for one in won if key_of(one.lines) in barred for line in one.lines}
        taken = {line for one in kept for line in one.lines}
        losers = Matched(self._matched.lost, self._matched.lost_members, self._matched.lost[:0], _NO_MEMBERS)
        lost = self._proposed(losers)
        barred |= self._items.barred([key_of(one.lines) for one in lost])
        best: dict[Proposed, int] = {}
        for one in sorted(lost, key=lambda one: (-one.score, one.lines)):
            lines = set(one.lines)
            if lines & freed and not lines & taken and key_of(one.lines) not in barred:
                best[replace(one, closes=False, due=None)] = lost[one]
                taken |= lines
        return self._weighed(kept, self._matched) + self._weighed(best, losers)

    def _weighed(self, proposed: Mapping[Proposed, int], matched: Matched) -> list[Proposed]:
        """Return matches, those that do not close with the probability that they are wrong."""
        asked = {number: one for one, number in proposed.items() if not one.closes}
        wrong = suggestions(*self._sides, matched, self._rules.judge, list(asked))
        told = {one: replace(one, probability_wrong=float(wrong[number])) for number, one in asked.items()}
        return [told.get(one, one) for one in proposed]

    def _proposed(self, matched: Matched) -> dict[Proposed, int]:
        """Return the matches all of whose lines are inside, by their lines, and their numbers."""
        told = self._members(matched.members)
        outside = told.loc[~self._inside[told["row"].to_numpy()], "match"]
        told = told[~told["match"].isin(outside)].sort_values(["match", "row"])
        rows, numbers = told["row"].to_numpy(), told["match"].to_numpy()
        ids, amounts, days = (self.lines[name].to_numpy()[rows] for name in ("id", "amount", "day"))
        accounts = self.lines["account"].to_numpy()[rows]
        currencies, sides = self.lines["currency"].to_numpy()[rows], told["side"].to_numpy()
        found, starts = [], np.flatnonzero(np.diff(numbers, prepend=-1))
        ends = np.append(starts, len(rows))[1:]
        figures = matched.matches.iloc[numbers[starts]].to_dict("records")
        for start, end, row in zip(starts, ends, figures, strict=True):
            of = amounts[start:end]
            sums = [int(of[sides[start:end] == side].sum()) for side in (BANK, BOOK)]
            due = self._rules.due(str(row["kind"]), accounts[start], max(days[start:end])) if row["closed"] else None
            found.append(
                Proposed(
                    kind=str(row["kind"]),
                    closes=bool(row["closed"]) and due is None,
                    due=due,
                    lines=tuple(sorted(ids[start:end].tolist())),
                    amount=max(map(abs, [*of.tolist(), *sums])),
                    currency=str(currencies[start:end][np.argmin(sides[start:end])]),
                    difference=int(row["difference"]),
                    days=int(row["days"]),
                    score=float(row["score"]),
                    margin=float(row["margin"]) if np.isfinite(row["margin"]) else None,
                    rivals=int(row["rivals"]),
                    alternatives=int(row["alternatives"]),
                )
            )
        numbered = zip(found, numbers[starts].tolist(), strict=True)
        return dict(sorted(numbered, key=lambda one: one[0].lines))

    def _standing(self) -> dict[tuple[int, ...], int]:
        """Return the suggestions that any line inside is in, by their lines."""
        numbers = self.lines["match"].to_numpy()
        concerned = np.unique(numbers[self._inside & (numbers > 0)])
        mine = self.lines[np.isin(numbers, concerned)]
        lines: dict[int, list[int]] = {}
        for number, line in zip(mine["match"].tolist(), mine["id"].tolist(), strict=True):
            lines.setdefault(number, []).append(line)
        return {tuple(sorted(ids)): number for number, ids in lines.items()}


@dataclass(frozen=True)
class Rules:
    """How one matching is done (`match_open`)."""

    matcher: Matcher
    policy: Policy
    closing: frozenset[str]
    at_once: frozenset[str]
    known: Mapping[str, date]
    """Account to the day up to which both sides are known."""
    judge: Judge | None
    everything: bool

    def due(self, kind: str, account: str, last: date) -> date | None:
        """Return the day that has to be known before a match closes, `last` being its last line's; None: it may now."""
        day = last + reach(self.policy)
        if kind in self.at_once or (account in self.known and self.known[account] >= day):
            return None
        return day


def widened(windows: Sequence[Window], by: timedelta) -> list[Window]:
    """Return windows reaching further on both ends, those that then touch each other as one."""
    found: list[Window] = []
    for account, first, last in sorted(set(windows)):
        start, end = first - by, last + by
        if found and found[-1][0] == account and start <= found[-1][2] + timedelta(days=1):
            found[-1] = (account, found[-1][1], max(end, found[-1][2]))
        else:
            found.append((account, start, end))
    return found


def _within(lines: pd.DataFrame, windows: Sequence[Window]) -> Bools:
    """Return which lines are in one of the windows."""
    days = pd.to_datetime(lines["day"]).to_numpy()
    found = np.zeros(len(lines), dtype=bool)
    of: dict[str, list[Window]] = defaultdict(list)
    for one in windows:
        of[one[0]].append(one)
    for account, mine in lines.groupby("account").indices.items():
        for _, first, last in of[str(account)]:
            found[mine] |= (days[mine] >= np.datetime64(first)) & (days[mine] <= np.datetime64(last))
    return found


def _frame(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    made = pd.DataFrame(rows, columns=["id", "side", "fresh", "match", *FACTS])
    made["match"] = made["match"].fillna(0).astype("int64")
    return made.assign(day=made["valued"].where(made["valued"].notna(), made["booked"]))


def _side(lines: pd.DataFrame, rows: NDArray[np.int64]) -> pd.DataFrame:
    mine = lines.loc[rows].reset_index(drop=True)
    return pd.DataFrame({name: pd.Series(mine[name].tolist(), dtype=kind) for name, kind in SIDE.items()})
