"""Takes a delivery in: which of its lines are new, seen again, corrected, late or back-dated, and which are no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from bots.reconciliation.identity import Missing, content, corrections, facts, seen_again
from bots.reconciliation.lines import Delivery, Line, Statement
from bots.reconciliation.ports import Intake, OpenItems
from engine.open_items import SIDES, Arrival, DeliveryFacts, Facts, Known, StatementFacts

COUNTED = (
    "lines",
    "new",
    "again",
    "corrected",
    "late",
    "back_dated",
    "withdrawn",
    "outdated",
    "quarantined",
    "reopened",
)
"""What is counted of a delivery. late: new, and booked before the newest day that was known. back_dated: new, and
valued before it. outdated: says what a line said before its correction. reopened: matches taken back because of it."""


@dataclass(frozen=True)
class Received:
    """What was in a delivery."""

    delivery: int
    repeats: int | None
    counts: Mapping[str, int]


def receive(
    items: OpenItems,
    side: int,
    delivery: Delivery,
    who: str,
    accounts: Mapping[str, str] | None = None,
    terms_id: int | None = None,
) -> Received:
    """Take a delivery in.

    Args:
        items: where the open items are kept.
        side: 0 the bank, 1 the books.
        delivery: the file, read whole; what is in quarantine is counted and not taken in.
        who: who brought it.
        accounts: the file's name of an account to ours, where they differ.
        terms_id: under what it was read (`OpenItems.under`).
    """
    lines = sum(len(one.lines) for one in delivery.statements)
    told = DeliveryFacts(side, delivery.path.name, delivery.sha256, delivery.format, who, lines, terms_id)
    with items.taking_in(told) as intake:
        intake.counts.update(dict.fromkeys(COUNTED, 0))
        intake.counts["lines"] = lines
        intake.counts["quarantined"] = sum(one.lines for one in delivery.quarantined)
        if intake.repeats is not None:
            intake.counts["again"] = lines
        else:
            _statements(intake, side, delivery, accounts or {})
        return Received(intake.delivery_id, intake.repeats, dict(intake.counts))


def _statements(intake: Intake, side: int, delivery: Delivery, accounts: Mapping[str, str]) -> None:
    latest: dict[tuple[str, str], date | None] = {}
    listed: set[int] = set()
    for statement in delivery.statements:
        for part in _by_currency(replace(statement, account=accounts.get(statement.account, statement.account))):
            key = part.account, part.currency
            latest.setdefault(key, intake.account(*key).latest)
            _Statement(intake, part, f"{SIDES[side]} delivery {intake.delivery_id}", latest[key], listed).take_in()


def _by_currency(statement: Statement) -> list[Statement]:
    """Cut a statement whose lines are not all in its currency; only the part in its own has its balances."""
    of: dict[str, list[Line]] = {}
    for line in statement.lines:
        of.setdefault(line.currency, []).append(line)
    own = statement.currency or next(iter(of), "")
    if set(of) <= {own}:
        return [replace(statement, currency=own)]
    bare = replace(statement, opening=None, closing=None)
    return [replace(statement if one == own else bare, currency=one, lines=tuple(lines)) for one, lines in of.items()]


class _Statement:
    """One statement of one account in one currency on its way in."""

    def __init__(self, intake: Intake, statement: Statement, why: str, latest: date | None, listed: set[int]) -> None:
        self.intake, self.statement, self.why = intake, statement, why
        self.listed = listed
        """Ids of the lines that the delivery's statements before this one list."""
        said = [(facts(line, statement.account), line.number) for line in statement.lines]
        self.arrivals = [Arrival(one, content(one), number, _how(one, latest)) for one, number in said]
        self.told = StatementFacts(
            account=statement.account,
            currency=statement.currency,
            name=statement.id,
            opening=statement.opening,
            closing=statement.closing,
            opened=statement.opened or min((line.booked for line in statement.lines), default=None),
            closed=statement.closed or max((line.booked for line in statement.lines), default=None),
            lines=len(said),
            movements=sum(line.amount for line in statement.lines),
        )

    def take_in(self) -> None:
        """Sort the lines out and write what has to be written."""
        counts = self.intake.counts
        again, rest = self._again()
        rest, outdated = self._without_outdated(rest, again)
        covered, missing = self._missing(again, rest)
        pairs, new = corrections(missing, rest)
        paired = {one.id for one, _ in pairs}
        withdrawn = [one for one in covered if one.id not in paired]
        statement_id = self.intake.add_statement(self.told)
        for known, arrival in pairs:
            self.intake.correct(known, arrival, f"corrected in {self.why}")
        if withdrawn:
            self.intake.withdraw(withdrawn, f"withdrawn in {self.why}")
        self.listed |= (
            {one.id for one in again} | {one.id for one, _ in pairs} | set(self.intake.add(statement_id, new))
        )
        counts["again"] += len(again)
        counts["outdated"] += outdated
        counts["corrected"] += len(pairs)
        counts["withdrawn"] += len(withdrawn)
        counts["new"] += len(new)
        for how in ("late", "back_dated"):
            counts[how] += [one.how for one in new].count(how)

    def _again(self) -> tuple[list[Known], list[Arrival]]:
        """Return what is seen again and what is not known.

        Where the statement opens with the balance that closed the newest one, and seeing lines again would leave its
        closing balance unexplained, its lines only look like known ones: the balances decide, unless this very
        statement is known (a day may lead back to the balance that it began with). Without balances, two statements of
        one file are two parts of it, and a line without an id of the bank that both list is two lines.
        """
        known = self.intake.with_contents({one.content for one in self.arrivals})
        if self.told.opening is None or self.told.closing is None:
            known = [one for one in known if one.facts.bank_id or one.id not in self.listed]
        again, rest = seen_again(self.arrivals, known)
        if self._goes_on() and sum(one.facts.amount for one in again) != 0 and not self._is_known():
            return [], list(self.arrivals)
        return again, rest

    def _goes_on(self) -> bool:
        """Say whether it opens, then or later, with the balance that closed the newest statement."""
        before = self.intake.account(self.told.account, self.told.currency)
        if self.told.opening is None or self.told.closing is None:
            return False
        return self.told.opening == before.closing and not _before(self.told.opened, before.closed)

    def _is_known(self) -> bool:
        """Say whether a statement that says the same of itself came before; no id is every id."""
        told = replace(self.told, name="", id=0)
        return any(
            replace(one, name="", id=0) == told and (one.name == self.told.name or not (one.name and self.told.name))
            for one in self._later()
        )

    def _without_outdated(self, rest: list[Arrival], again: Sequence[Known]) -> tuple[list[Arrival], int]:
        """Leave out what a line said before it was corrected, unless the corrected line is listed too."""
        if not rest:
            return rest, 0
        listed = {one.id for one in again}
        old = self.intake.outdated({one.content for one in rest})
        left = [one for one in rest if one.content not in old or old[one.content] in listed]
        return left, len(rest) - len(left)

    def _missing(self, again: Sequence[Known], rest: Sequence[Arrival]) -> tuple[list[Known], Missing]:
        """Return the known lines that this statement does not list: those that its balances cover, and all.

        A statement without anything new may be an earlier state of one that is known: it shows that nothing is gone.
        """
        if not rest:
            return [], Missing()
        relisted = Counter(one.statement for one in again)
        goes_on = self._goes_on()
        covering = {one.id for one in self._later() if _covers(self.told, one, goes_on=goes_on)}
        left = self._unlisted(self.intake.of_statements({*covering, *relisted}), again)
        left_out = Counter(one.statement for one in left)
        covered = [one for one in left if one.statement in covering]
        most = [one for one in left if one.statement in covering or relisted[one.statement] > left_out[one.statement]]
        ids = {one.facts.bank_id for one in rest} - {""}
        late = {(one.facts.booked, one.facts.amount) for one in rest if one.how == "late"}
        missing = Missing(
            gone=_worded(most),
            perhaps=_worded(left),
            with_ids=self._unlisted(self.intake.with_bank_ids(self.told.account, ids), again),
            alike=self._unlisted(self.intake.alike(self.told.account, late), again),
        )
        return covered, missing

    def _unlisted(self, known: Sequence[Known], again: Sequence[Known]) -> list[Known]:
        listed = {one.id for one in again}
        return [one for one in known if one.id not in listed and one.facts.currency == self.told.currency]

    def _later(self) -> list[StatementFacts]:
        if self.told.opening is None or self.told.closing is None or self.told.opened is None:
            return []
        return self.intake.since(self.told.account, self.told.currency, self.told.opened)


def _covers(one: StatementFacts, other: StatementFacts, *, goes_on: bool) -> bool:
    """Say whether a statement must list everything that an earlier one brought.

    It must if both have balances and its days hold the other's; if they begin on the same day, they must open with the
    same balance, because a day may have several statements. Where one goes on from the newest balance of a day that led
    back to its first, it covers only the statement of its own name.
    """
    if other.opening is None or other.closing is None or other.opened is None or other.closed is None:
        return False
    if one.opened is None or one.closed is None or other.closed > one.closed:
        return False
    if one.opened != other.opened or one.opening != other.opening:
        return one.opened < other.opened
    return not goes_on or bool(one.name and one.name == other.name)


def _worded(known: Sequence[Known]) -> list[Known]:
    """Return lines that say what they said: without its words, a line would be that of any payment as high."""
    return [one for one in known if content(one.facts) == one.content]


def _how(said: Facts, latest: date | None) -> Literal["new", "late", "back_dated"]:
    if latest is None:
        return "new"
    if said.booked < latest:
        return "late"
    return "back_dated" if said.day < latest else "new"


def _before(one: date | None, other: date | None) -> bool:
    return one is not None and other is not None and one < other
