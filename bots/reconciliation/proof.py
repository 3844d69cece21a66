"""Proof of a reconciliation: one file that anybody can check without us (`tools/verify_reconciliation.py`).

Per account and side opening + movements = closing; the bank's balance and the listed items give the books' balance, to
the minor unit; every line of both sides stands in it exactly once, in its state: in a closed match, in a suggested one,
open, or held back in the quarantine. Entries are chained; the head goes into the ledger and onto paper, because a chain
alone can be computed anew by whoever changed it (docs/reference/proof.md).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.proof_log import ChainedLog
from bots.reconciliation.proven import FORWARD, SIDES, Decision, Gated, ProvenSide, Reconciliation
from engine.errors import UserError
from engine.redact import replacing

_TEXTS = ("reference", "text", "name", "bank_id", "end_to_end", "batch", "counter_account", "origin")
_CLOSES = frozenset({"confirm", "match", "approve"})
_CHUNK = 20_000
"""Matches or lines that are in memory as objects at a time."""


@dataclass(frozen=True)
class Account:
    """What holds of one account in one currency; minor units; None where no balance was delivered."""

    account: str
    currency: str
    opening: tuple[int | None, int | None]
    movement: tuple[int, int]
    closing: tuple[int | None, int | None]
    forward: tuple[int, int]
    lines: tuple[int, int]
    open: tuple[int, int]
    suggested: tuple[int, int]
    closed: tuple[int, int]
    """Lines of closed matches; what they leave (fees, exchange) is a listed item."""
    unexplained: int | None
    """What the opening balances differ by beyond the lines carried forward."""
    proven: str
    """`balances`, `movements` (a side has no balances), or `no`."""
    why: str


@dataclass(frozen=True)
class Proof:
    """A written proof."""

    path: Path
    head: str
    """To be kept apart from the file: in the ledger, on paper."""
    accounts: tuple[Account, ...]
    states: dict[str, int]
    """Lines closed, suggested, open; bookings quarantined."""
    asof: date

    @property
    def holds(self) -> bool:
        """Say whether every account is proven and nothing is held back."""
        return not self.states["quarantined"] and all(one.proven != "no" for one in self.accounts)


@dataclass
class _Sums:
    """Sums of one account and currency while its lines go by."""

    movement: list[int] = field(default_factory=lambda: [0, 0])
    forward: list[int] = field(default_factory=lambda: [0, 0])
    lines: list[int] = field(default_factory=lambda: [0, 0])
    open: list[int] = field(default_factory=lambda: [0, 0])
    suggested: list[int] = field(default_factory=lambda: [0, 0])
    closed: list[int] = field(default_factory=lambda: [0, 0])


def write_proof(facts: Reconciliation, path: Path) -> Proof:
    """Write the proof of a reconciliation; memory does not grow with what is written.

    Raises:
        UserError: the file cannot be written.
        ValueError: a match closes on a kind of evidence that may not, or a line is in two matches.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as target:
            log = ChainedLog(target)
            accounts, states = _Writer(facts, log).write()
            log.close()
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    return Proof(path, log.head, tuple(accounts), states, facts.asof)


class _Writer:
    def __init__(self, facts: Reconciliation, log: ChainedLog) -> None:
        self.facts, self.log = facts, log
        self.sums: dict[tuple[str, str], _Sums] = {}
        self.states: Counter[str] = Counter({"closed": 0, "suggested": 0, "open": 0, "quarantined": 0})
        self.first_input = {BANK: 0, BOOK: len(facts.bank.inputs)}
        self.first_statement = {BANK: 0, BOOK: len(facts.bank.statements)}
        decided = (one for one in self._decisions() if one.match is not None and one.what != "note")
        self.decided = {one.match: one.what for one in decided}

    def write(self) -> tuple[list[Account], dict[str, int]]:
        """Write every entry, in the order in which a reader needs them."""
        self._head()
        self._inputs()
        self._statements()
        for one in self._decisions():
            body = {"at": one.at.astimezone(UTC).isoformat(), "who": one.who, "what": one.what, "match": one.match}
            self.log.add("decision", {**body, "subject": one.subject, "reason": one.reason})
        self._matches()
        self._open()
        accounts = [self._account(*key) for key in sorted(self._keys())]
        for account in accounts:
            self.log.add("account", _body(account))
        lines = {SIDES[side]: len(one.lines) for side, one in self.facts.sides().items()}
        proven = all(one.proven != "no" for one in accounts)
        self.log.add("end", {"total": lines, "states": dict(self.states), "proven": proven})
        return accounts, dict(self.states)

    def _decisions(self) -> list[Decision]:
        return sorted(self.facts.decisions, key=lambda one: (one.at, one.who, one.match or 0))

    def _head(self) -> None:
        facts = self.facts
        text = facts.definition
        body = {
            "name": facts.name,
            "made": facts.made.isoformat(),
            "asof": facts.asof.isoformat(),
            "software": facts.software,
            "models": dict(facts.models),
            "definition": {"text": text, "sha256": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()},
            "limit": repr(facts.limit),
            "confidence": repr(facts.confidence),
            "previous": facts.previous,
        }
        self.log.add("head", body)
        for one in facts.gate:
            self.log.add("evidence", _figures(one))
        for earlier in facts.before:
            own = {"limit": repr(earlier.limit), "confidence": repr(earlier.confidence)}
            self.log.add("evidence", _figures(earlier) | own)

    def _inputs(self) -> None:
        for side, one in self.facts.sides().items():
            for given in one.inputs:
                named = {"side": SIDES[side], "name": given.name, "sha256": given.sha256}
                counted = {"bytes": given.size, "format": given.format, "bookings": given.bookings}
                self.log.add("input", {**named, **counted})
        for side, one in self.facts.sides().items():
            for number, held in one.quarantined:
                where = {"input": number + self.first_input[side], "row": held.number, "field": held.field}
                what = {"value": held.value, "problem": held.problem, "bookings": held.lines}
                self.log.add("quarantined", {**where, **what})
                self.states["quarantined"] += held.lines

    def _statements(self) -> None:
        for side, one in self.facts.sides().items():
            belongs = one.lines["statement"].to_numpy()
            count = np.bincount(belongs[belongs >= 0], minlength=len(one.statements))
            for number, given in enumerate(one.statements):
                body = {
                    "side": SIDES[side],
                    "input": given.input + self.first_input[side],
                    "row": given.row,
                    "account": given.account,
                    "currency": given.currency,
                    "id": given.id,
                    "opening": given.opening,
                    "closing": given.closing,
                    "from": given.opened.isoformat() if given.opened else "",
                    "to": given.closed.isoformat() if given.closed else "",
                    "count": int(count[number]),
                    "bookings": given.bookings,
                }
                self.log.add("statement", body)

    def _matches(self) -> None:
        matches, members = self.facts.matched.matches, self.facts.matched.members
        may_close = {one.kind: number for number, one in enumerate(self.facts.gate) if one.closes}
        starts = np.searchsorted(members["match"].to_numpy(), np.arange(len(matches) + 1))
        for first in range(0, len(matches), _CHUNK):
            part = matches.iloc[first : first + _CHUNK]
            low, high = starts[first], starts[first + len(part)]
            lines = self._lines_of(members.iloc[low:high])
            for number, row in enumerate(part.to_dict("records"), first):
                belonging = list(islice(lines, int(starts[number + 1] - starts[number])))
                closed, evidence = self._closed_by(number, row, may_close)
                self._count(belonging, closed)
                by = {"closed": closed} | ({} if evidence is None else {"evidence": evidence})
                self.log.add("match", {**by, **_told(row), "lines": belonging})

    def _closed_by(self, number: int, row: dict[Any, Any], may_close: Mapping[str, int]) -> tuple[str, int | None]:
        """Return who or what closed a match, and the entry of the evidence that did."""
        if self.decided.get(number) in _CLOSES:
            return "person", None
        if not row["closed"]:
            return "", None
        evidence = self.facts.closed_by.get(number, may_close.get(row["kind"]))
        if evidence is None:
            raise ValueError(f"match {number} is closed on {row['kind']!r}, which may not close on its own")
        return "evidence", evidence

    def _open(self) -> None:
        members = self.facts.matched.members
        for side, one in self.facts.sides().items():
            taken = np.bincount(members.loc[members["side"] == side, "line"], minlength=len(one.lines))
            if taken.max(initial=0) > 1:
                raise ValueError(f"line {int(taken.argmax())} of the {SIDES[side]} is in {taken.max()} matches")
            left = np.flatnonzero(taken == 0)
            for first in range(0, len(left), _CHUNK):
                part = left[first : first + _CHUNK]
                for line in self._lines(side, part):
                    account = self._sums_of(line)
                    account.open[side] += line["amount"]
                    self.states["open"] += 1
                    self.log.add("open", {"lines": [line], "cause": self.facts.causes.get((side, line["line"]), "")})

    def _lines_of(self, members: pd.DataFrame) -> Iterator[dict[str, Any]]:
        """Yield the lines of members, in their order."""
        sides, lines = members["side"].to_numpy(), members["line"].to_numpy()
        told = {side: self._lines(side, lines[sides == side]) for side in SIDES}
        return (next(told[side]) for side in sides)

    def _lines(self, side: int, positions: np.ndarray) -> Iterator[dict[str, Any]]:
        one = self.facts.sides()[side]
        rows = one.lines.iloc[positions]
        names = [name for name in _TEXTS if name in rows]
        days = {name: rows[name].dt.strftime("%Y-%m-%d").fillna("").tolist() for name in ("booked", "valued")}
        columns = [rows[name].tolist() for name in ("account", "currency", "amount", "statement", "row", "reversal")]
        texts = zip(*(rows[name].tolist() for name in names), strict=True)
        at = zip(positions.tolist(), *columns, days["booked"], days["valued"], texts, strict=True)
        for line, account, currency, amount, statement, row, reversal, booked, valued, told in at:
            body = {"side": SIDES[side], "line": line, "account": account, "currency": currency, "amount": amount}
            body |= {"statement": FORWARD if statement == FORWARD else statement + self.first_statement[side]}
            body |= {"row": row, "booked": booked} | ({"valued": valued} if valued else {})
            body |= {name: text for name, text in zip(names, told, strict=True) if text and text == text}  # noqa: PLR0124
            yield body | ({"reversal": True} if reversal else {})

    def _sums_of(self, line: dict[str, Any]) -> _Sums:
        """Return the sums of a line's account, the line counted."""
        found = self.sums.setdefault((line["account"], line["currency"]), _Sums())
        side = BANK if line["side"] == "bank" else BOOK
        found.lines[side] += 1
        (found.forward if line["statement"] == FORWARD else found.movement)[side] += line["amount"]
        return found

    def _count(self, lines: Iterable[dict[str, Any]], closed: str) -> None:
        for line in lines:
            found = self._sums_of(line)
            side = BANK if line["side"] == "bank" else BOOK
            (found.closed if closed else found.suggested)[side] += line["amount"]
            self.states["closed" if closed else "suggested"] += 1

    def _keys(self) -> set[tuple[str, str]]:
        told = {(one.account, one.currency) for side in self.facts.sides().values() for one in side.statements}
        return told | set(self.sums)

    def _account(self, account: str, currency: str) -> Account:
        sums = self.sums.get((account, currency), _Sums())
        ends = [_ends(side, account, currency) for side in self.facts.sides().values()]
        why = []
        for side, (opening, closing) in enumerate(ends):
            if opening is not None and closing is not None and opening + sums.movement[side] != closing:
                off = closing - opening - sums.movement[side]
                why.append(f"{SIDES[side]}: opening + movements is {-off} off the closing")
        known = None not in [*ends[BANK], *ends[BOOK]]
        carried = sums.forward[BANK] - sums.forward[BOOK]
        return Account(
            account=account,
            currency=currency,
            opening=(ends[BANK][0], ends[BOOK][0]),
            movement=(sums.movement[BANK], sums.movement[BOOK]),
            closing=(ends[BANK][1], ends[BOOK][1]),
            forward=(sums.forward[BANK], sums.forward[BOOK]),
            lines=(sums.lines[BANK], sums.lines[BOOK]),
            open=(sums.open[BANK], sums.open[BOOK]),
            suggested=(sums.suggested[BANK], sums.suggested[BOOK]),
            closed=(sums.closed[BANK], sums.closed[BOOK]),
            unexplained=(ends[BANK][0] or 0) - (ends[BOOK][0] or 0) - carried if known else None,
            proven="no" if why else "balances" if known else "movements",
            why="; ".join(why),
        )


def _ends(side: ProvenSide, account: str, currency: str) -> tuple[int | None, int | None]:
    """Return the opening balance of the first statement and the closing balance of the last."""
    mine = [one for one in side.statements if (one.account, one.currency) == (account, currency)]
    return (mine[0].opening, mine[-1].closing) if mine else (None, None)


def _figures(one: Gated) -> dict[str, Any]:
    counts = {"kind": one.kind, "reviewed": one.reviewed, "wrong": one.wrong, "source": one.source}
    return {**counts, "bound": repr(one.bound), "closes": one.closes}


def _told(row: dict[Any, Any]) -> dict[str, Any]:
    """Return what a match says of itself; fractions as text, because they have no one form in JSON."""
    whole = {name: int(row[name]) for name in ("difference", "days", "rivals", "alternatives")}
    return {"kind": str(row["kind"]), **whole, "score": repr(float(row["score"])), "margin": repr(float(row["margin"]))}


def _body(one: Account) -> dict[str, Any]:
    pairs = ("opening", "movement", "closing", "forward", "lines", "open", "suggested", "closed")
    both: dict[str, Any] = {SIDES[side]: {name: getattr(one, name)[side] for name in pairs} for side in SIDES}
    rest = {name: getattr(one, name) for name in ("account", "currency", "unexplained", "proven", "why")}
    return {**rest, **both}
