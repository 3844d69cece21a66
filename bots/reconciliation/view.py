"""What the report shows of an outcome: its lines and matches in words, no more of them than a person reads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bots.reconciliation.explain import why
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.reasons.causes import CAUSES
from bots.reconciliation.reconcile import Outcome
from bots.reconciliation.wording import bound, counted, money, share, signed, visible

MOST = 100
"""Matches of one kind, suggestions, breaks and quarantined bookings that are shown; the tables hold all of them."""
_LONGEST = 160
_MOST_LIKELY = 20.0
SIDES = ("bank", "books")


@dataclass(frozen=True)
class LineView:
    """One line, as a person recognises it."""

    label: str
    """Side and number, as explanations name it: bank line 3."""
    day: str
    amount: str
    currency: str
    name: str
    says: str
    """References and text."""
    where: str


@dataclass(frozen=True)
class MatchView:
    """One match or suggestion."""

    number: int
    kind: str
    sentence: str
    """What the kind means."""
    bank: tuple[LineView, ...]
    book: tuple[LineView, ...]
    difference: str
    """Empty where there is none."""
    why: tuple[str, ...]
    rivals: tuple[str, ...]
    """Which candidate it displaced, and why that one lost."""
    probability: str
    rival: tuple[LineView, ...]
    """Lines of the best candidate that it displaced."""


@dataclass(frozen=True)
class KindView:
    """The matches of one kind of evidence."""

    kind: str
    sentence: str
    closed: int
    suggested: int
    bound: str
    words: str
    closes: bool
    shown: tuple[MatchView, ...]


@dataclass(frozen=True)
class BreakView:
    """One open line."""

    line: LineView
    side: str
    cause: str
    meaning: str
    blocks: str
    age: str
    expected: str
    proposal: str
    nearest: tuple[LineView, ...]
    twin: LineView | None
    """The line of its own side that it repeats or takes back."""


class Views:
    """Looks up what is shown: chosen first, so that only what is shown is explained."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._frames = (outcome.sides.bank.lines, outcome.sides.book.lines)
        self._members = outcome.matched.members
        self._lost = outcome.matched.lost_members
        matches = outcome.matched.matches
        closed = matches.index[matches["closed"].to_numpy(bool)]
        kinds = matches["kind"].astype("str").loc[closed]
        self._closed = {kind: list(numbers[:MOST]) for kind, numbers in kinds.groupby(kinds).groups.items()}
        self._waiting = self._largest_waiting()
        chosen = sorted({*self._waiting, *(number for numbers in self._closed.values() for number in numbers)})
        self._why = why(*outcome.referenced, outcome.matched, outcome.definition.policy, chosen)

    def kinds(self) -> list[KindView]:
        """Return what was matched by kind of evidence, in the order of the kinds."""
        matches = self.outcome.matched.matches
        counts = Counter(zip(matches["kind"].astype("str"), matches["closed"], strict=True))
        standings = {one.kind: one for one in self.outcome.standings}
        met = {kind for kind, _ in counts}
        found = []
        for kind in [*(kind for kind in KINDS if kind in met), *sorted(met - set(KINDS))]:
            standing = standings.get(kind)
            found.append(
                KindView(
                    kind=kind.replace("_", " "),
                    sentence=KINDS.get(kind, ""),
                    closed=counts[kind, True],
                    suggested=counts[kind, False],
                    bound=bound(standing.bound) if standing else "not measured",
                    words=standing.words if standing else "nothing is known of it: it never closes on its own",
                    closes=standing is not None and standing.closes,
                    shown=tuple(self.match(number) for number in self._closed.get(kind, ())),
                )
            )
        return found

    def suggestions(self) -> Iterator[MatchView]:
        """Yield the suggestions a person should see first: the largest amounts."""
        return (self.match(number) for number in self._waiting)

    def _largest_waiting(self) -> list[int]:
        matches = self.outcome.matched.matches
        waiting = matches.index[~matches["closed"].to_numpy(bool)]
        members = self._members[self._members["match"].isin(waiting)]
        sizes = [pd.Series(dtype="int64")]
        for side, mine in members.groupby("side"):
            amounts = self._frames[int(str(side))]["amount"].to_numpy()[mine["line"].to_numpy()]
            sizes.append(pd.Series(np.abs(amounts), index=mine["match"].to_numpy()))
        size = pd.concat(sizes).groupby(level=0).max().reindex(waiting, fill_value=0)
        return [int(number) for number in size.sort_values(ascending=False, kind="stable").index[:MOST]]

    def breaks(self) -> Iterator[BreakView]:
        """Yield the breaks a person should see first."""
        shown = order_breaks(self.outcome.breaks, self._frames).head(MOST)
        for row in shown.to_dict("records"):
            side = int(row["side"])
            nearest = [int(row[f"nearest_{at}"]) for at in (1, 2, 3) if row[f"nearest_{at}"] >= 0]
            yield BreakView(
                line=self.line(side, int(row["line"])),
                side=SIDES[side],
                cause=row["cause"],
                meaning=CAUSES.get(row["cause"], ""),
                blocks=row["blocks"],
                age=counted(int(row["age"]), "day"),
                expected="" if pd.isna(row["expected"]) else f"{row['expected']:%Y-%m-%d}",
                proposal=visible(row["proposal"]),
                nearest=tuple(self.line(1 - side, at) for at in nearest),
                twin=self.line(side, int(row["twin"])) if row["twin"] >= 0 else None,
            )

    def match(self, number: int) -> MatchView:
        """Return one match of the solution."""
        row: Any = self.outcome.matched.matches.loc[number]
        bank, book = self._lines(self._members, number)
        currency = (bank or book)[0].currency
        told: Any = self._why.loc[number]
        runner_up = int(row["runner_up"])
        rival = sum(self._lines(self._lost, runner_up), start=()) if runner_up >= 0 else ()
        reasons = [str(told["evidence"])]
        if row["alternatives"]:
            reasons.append(f"the sum can be reached in {counted(int(row['alternatives']), 'other way')}")
        rivals = [str(told["lost"])] if told["lost"] else []
        if told["runner_up"]:
            rivals.insert(0, f"best rival: {told['runner_up']} ({_margin(float(row['margin']))})")
        return MatchView(
            number=number,
            kind=str(row["kind"]).replace("_", " "),
            sentence=KINDS.get(str(row["kind"]), ""),
            bank=bank,
            book=book,
            difference=signed(int(row["difference"]), currency) if row["difference"] else "",
            why=tuple(visible(one) for one in reasons),
            rivals=tuple(visible(one) for one in rivals),
            probability=self._probability(number),
            rival=tuple(rival),
        )

    def _probability(self, number: int) -> str:
        wrong = self.outcome.probability.get(number, math.nan)
        return "" if math.isnan(wrong) else f"{share(1 - wrong)} likely right"

    def line(self, side: int, at: int) -> LineView:
        """Return one line."""
        row: Any = self._frames[side].iloc[at]
        said = dict.fromkeys(visible(row[name]) for name in ("reference", "end_to_end", "text") if row[name])
        says = " · ".join(one for one in said if not any(one != other and one in other for other in said))
        return LineView(
            label=f"{SIDES[side]} line {at}",
            day=f"{row['booked']:%Y-%m-%d}",
            amount=money(int(row["amount"]), row["currency"]),
            currency=row["currency"],
            name=_short(visible(row["name"])),
            says=_short(says),
            where=f"{visible(row['file'])}:{row['number']}",
        )

    def _lines(self, members: pd.DataFrame, number: int) -> tuple[tuple[LineView, ...], tuple[LineView, ...]]:
        first, last = np.searchsorted(members["match"].to_numpy(), [number, number + 1])
        mine = members.iloc[first:last]
        found: dict[int, list[LineView]] = {BANK: [], BOOK: []}
        for side, at in zip(mine["side"], mine["line"], strict=True):
            found[side].append(self.line(int(side), int(at)))
        return tuple(found[BANK]), tuple(found[BOOK])


def _margin(margin: float) -> str:
    """Write a margin, a difference of log-odds, as how many times likelier the match is than its rival."""
    if margin <= 0:
        return "just as likely"
    times = math.exp(min(margin, _MOST_LIKELY))
    return f"{times:,.1f} times less likely" if times < 10 else f"{times:,.0f} times less likely"  # noqa: PLR2004


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def order_breaks(breaks: pd.DataFrame, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the breaks a person should see first: the largest amounts, then the oldest."""
    sizes = np.empty(len(breaks), dtype="int64")
    for side, frame in enumerate(frames):
        here = (breaks["side"] == side).to_numpy()
        sizes[here] = np.abs(frame["amount"].to_numpy()[breaks["line"].to_numpy()[here]])
    return (
        breaks.assign(_size=sizes).sort_values(["_size", "age"], ascending=False, kind="stable").drop(columns="_size")
    )
