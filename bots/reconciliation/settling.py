"""Files that may leave open what the other side tells: a currency, the order of days and months, a sign."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from bots.reconciliation.definition import TABLES, SideFile
from bots.reconciliation.lines import Delivery
from bots.reconciliation.readers.registry import WORDS, Undeclared, read
from engine.errors import UserError

_NEAR = 10
"""Calendar days within which an amount of one side is looked for on the other."""
_CLEAR = 2.0
"""A reading is told if it explains more than twice as many lines as every other."""
_LEAST = 3
"""... and at least so many, or all of the shorter file: fewer amounts are near each other by chance."""
_TOLD = ("date_order", "decimal")
"""What amounts and days that both files share can tell."""
_SIDES = ("bank", "book")
_WHOSE = ("bank's", "books'")


class Entry(Protocol):
    """What the other side knows of a line, in a file or in the ledger."""

    @property
    def currency(self) -> str:
        """Return its currency."""

    @property
    def amount(self) -> int:
        """Return its amount, minor units."""

    @property
    def booked(self) -> date:
        """Return the day on which it was booked."""


@dataclass(frozen=True)
class Settled:
    """What was told of a file by the other one, or by its own running balance."""

    said: tuple[str, ...] = ()
    turned: bool = False
    """Whether the running balance only runs if amounts are turned round."""


def both_read(
    bank: tuple[Path, SideFile], book: tuple[Path, SideFile], currency: str | None, definition: str = ""
) -> tuple[Delivery, Delivery, tuple[Settled, Settled]]:
    """Read both files.

    Args:
        bank: the file, and what is declared of it.
        book: the same of the books.
        currency: of tables that tell none.
        definition: path of the definition, if there is one, for whoever has to declare something.

    Raises:
        UserError: a file cannot be read, or what it leaves open the other one does not tell either.
    """
    files = [bank, book]
    found: list[Delivery | Undeclared] = []
    for path, told in files:
        other = found[0].lines if found and isinstance(found[0], Delivery) else ()
        try:
            found.append(read_as(path, told, currency or only_currency(other)))
        except Undeclared as problem:
            found.append(problem)
    settled = [Settled(), Settled()]
    for at, one in enumerate(found):
        if isinstance(one, Undeclared):
            whole = found[1 - at]
            try:
                other = tuple(whole.lines) if isinstance(whole, Delivery) else ()
                found[at], files[at], settled[at] = told_by(other, files[at], one, currency)
            except Undeclared as left:
                raise asked(left, at, definition=definition) from left
    read_ = [one for one in found if isinstance(one, Delivery)]
    for at, file in enumerate(files):
        turned = turned_round(read_[at], file, currency or only_currency(read_[1 - at].lines), at)
        if turned is not None:
            read_[at] = turned[0]
            settled[at] = Settled((*settled[at].said, turned[1]), turned=True)
    return read_[0], read_[1], (settled[0], settled[1])


def read_as(path: Path, told: SideFile, currency: str | None, *, turned: bool = False) -> Delivery:
    """Read a file as it is declared.

    Raises:
        Undeclared: something has to be declared, or told by the other side (`told_by`).
        UserError: it cannot be read.
    """
    return read(path, format=told.format, spec=told.spec(currency=currency, turned=turned))


def turned_round(
    kept: Delivery, file: tuple[Path, SideFile], currency: str | None, at: int
) -> tuple[Delivery, str] | None:
    """Return a file with its amounts turned round, if less of it is then held back: its running balance runs.

    Args:
        kept: the file as it is written.
        file: the same, and what is declared of it: a declared sign is not told.
        currency: if it tells none.
        at: 0 the bank's, 1 the books'.

    Returns:
        The file, and what is to be said of it; None if it stands as it is.
    """
    path, told = file
    if not kept.quarantined or told.money_in is not None or kept.format not in TABLES:
        return None
    other = read_as(path, told, currency, turned=True)
    held = [sum(one.lines for one in delivery.quarantined) for delivery in (kept, other)]
    return (
        (other, f"the {_WHOSE[at]} running balance says that money in is {_written(other)}")
        if held[1] < held[0]
        else None
    )


def _written(delivery: Delivery) -> str:
    columns = next((one for one in delivery.said if "debit = " in one), "")
    return "a debit" if columns else "written as negative"


def told_by(
    other: Sequence[Entry], file: tuple[Path, SideFile], problem: Undeclared, currency: str | None
) -> tuple[Delivery, tuple[Path, SideFile], Settled]:
    """Read a file as the lines of the other side tell it.

    Raises:
        Undeclared: they do not tell it.
    """
    path, told = file
    given = currency or only_currency(other)
    if problem.key == "currency" and given:
        try:
            said = f"{path.name} tells no currency: {given} is taken from the other side"
            return read_as(path, told, given), file, Settled((said,))
        except Undeclared as next_:
            problem = next_
    scored = [(_shared(one, other), declared, one) for declared, one in _readings(path, told, problem, given)]
    scored.sort(key=lambda one: -one[0])
    enough = max(1, min([_LEAST, len(other), *(len(list(one.lines)) for *_, one in scored)]))
    if not scored or scored[0][0] < enough or (len(scored) > 1 and scored[0][0] <= _CLEAR * scored[1][0]):
        raise problem
    best, declared, one = scored[0]
    keys = [key for key in _TOLD if getattr(declared, key) != getattr(told, key)]
    read_ = " and ".join(f"its {WORDS[key]} is {getattr(declared, key)!r}" for key in keys)
    said = f"{path.name}: {read_}: {best:,} amount(s) are then near their day on the other side"
    return one, (path, declared), Settled((said,))


def _readings(
    path: Path, told: SideFile, problem: Undeclared, currency: str | None
) -> Iterator[tuple[SideFile, Delivery]]:
    """Yield each way in which a file can be read, and what has to be declared for it."""
    for choice in problem.choices if problem.key in _TOLD else ():
        declared = told.model_copy(update={problem.key: choice})
        try:
            yield declared, read_as(path, declared, currency)
        except Undeclared as next_:
            yield from _readings(path, declared, next_, currency)


def _shared(one: Delivery, other: Sequence[Entry]) -> int:
    """Return how many lines have their amount on the other side too, within some days, whatever its sign."""
    days: dict[tuple[str, int], list[date]] = defaultdict(list)
    for line in other:
        days[line.currency, abs(line.amount)].append(line.booked)
    for found in days.values():
        found.sort()
    return sum(_near(line.booked, days.get((line.currency, abs(line.amount)), [])) for line in one.lines)


def _near(day: date, days: list[date]) -> bool:
    at = bisect_left(days, day)
    return any(abs((other - day).days) <= _NEAR for other in days[max(0, at - 1) : at + 1])


def only_currency(lines: Iterable[Entry]) -> str | None:
    """Return the currency of all lines; None if they have several, or there are none."""
    found = {line.currency for line in lines}
    return found.pop() if len(found) == 1 else None


def asked(problem: Undeclared, at: int, *, definition: str = "", name: str = "") -> UserError:
    """Return a problem with what to write where.

    Args:
        problem: what has to be declared.
        at: 0 of the bank's file, 1 of the books'.
        definition: path of the definition that is used, if one is.
        name: of the rolling reconciliation, whose verbs have no --currency; empty for two files.
    """
    side = _SIDES[at]
    if problem.key == "currency" and not name:
        return UserError(f"{problem} with --currency, e.g. --currency EUR")
    if problem.key == "currency":
        example = "{currency: EUR}"
    elif problem.key == "columns":
        example = "{columns: {booked: <heading of the date>, amount: <heading of the amount>}}"
    else:
        example = f"{{{problem.key}: {next(iter(problem.choices), '...')!r}}}".replace("'", '"')
    if definition:
        return UserError(f"{problem}.\n  Write `{side}: {example}` into {definition}, and run the same again")
    return UserError(
        f"{problem}.\n  Write a file of two lines, `name: {name or f'{side}-file'}` and `{side}: {example}`, "
        "and run the same with --definition and its name"
    )
