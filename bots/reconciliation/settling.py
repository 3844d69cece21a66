"""Two files, each of which may leave open what the other one tells: a currency, the order of days and months."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

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


@dataclass(frozen=True)
class Settled:
    """What was told of a file by the other one, or by its own running balance."""

    said: tuple[str, ...] = ()
    turned: bool = False
    """Whether the running balance only runs if amounts are turned round."""


def both_read(
    bank: tuple[Path, SideFile], book: tuple[Path, SideFile], currency: str | None
) -> tuple[Delivery, Delivery, tuple[Settled, Settled]]:
    """Read both files.

    Args:
        bank: the file, and what is declared of it.
        book: the same of the books.
        currency: of tables that tell none.

    Raises:
        UserError: a file cannot be read, or what it leaves open the other one does not tell either.
    """
    files = [bank, book]
    found: list[Delivery | Undeclared] = []
    for path, told in files:
        other = found[0] if found and isinstance(found[0], Delivery) else None
        try:
            found.append(_read(path, told, currency or (_only_currency(other) if other else None)))
        except Undeclared as problem:
            found.append(problem)
    settled = [Settled(), Settled()]
    for at, one in enumerate(found):
        if isinstance(one, Undeclared):
            whole = found[1 - at]
            if not isinstance(whole, Delivery):
                raise _asked(one, at) from one
            found[at], files[at], settled[at] = _told_by(whole, files[at], one, currency, at)
    read_ = [one for one in found if isinstance(one, Delivery)]
    for at, (path, told) in enumerate(files):
        if read_[at].quarantined and told.money_in is None and read_[at].format in TABLES:
            turned = _turned(read_[at], path, told, currency or _only_currency(read_[1 - at]))
            if turned is not None:
                whose = "bank's" if at == 0 else "books'"
                said = f"the {whose} running balance says that money in is {_written(turned)}"
                read_[at], settled[at] = turned, Settled((*settled[at].said, said), turned=True)
    return read_[0], read_[1], (settled[0], settled[1])


def _read(path: Path, told: SideFile, currency: str | None, *, turned: bool = False) -> Delivery:
    return read(path, format=told.format, spec=told.spec(currency=currency, turned=turned))


def _turned(kept: Delivery, path: Path, told: SideFile, currency: str | None) -> Delivery | None:
    """Return a file with its amounts turned round, if less of it is then held back: its running balance runs."""
    other = _read(path, told, currency, turned=True)
    held = [sum(one.lines for one in delivery.quarantined) for delivery in (kept, other)]
    return other if held[1] < held[0] else None


def _written(delivery: Delivery) -> str:
    columns = next((one for one in delivery.said if "debit = " in one), "")
    return "a debit" if columns else "written as negative"


def _told_by(
    other: Delivery, file: tuple[Path, SideFile], problem: Undeclared, currency: str | None, at: int
) -> tuple[Delivery, tuple[Path, SideFile], Settled]:
    """Read a file as the other one tells it.

    Raises:
        UserError: it does not tell it.
    """
    path, told = file
    given = currency or _only_currency(other)
    if problem.key == "currency" and given:
        try:
            said = f"{path.name} tells no currency: {given} is taken from the other file"
            return _read(path, told, given), file, Settled((said,))
        except Undeclared as next_:
            problem = next_
    scored = [(_shared(one, other), declared, one) for declared, one in _readings(path, told, problem, given)]
    scored.sort(key=lambda one: -one[0])
    enough = max(1, min([_LEAST, *(len(list(file.lines)) for file in (other, *(one for *_, one in scored)))]))
    if not scored or scored[0][0] < enough or (len(scored) > 1 and scored[0][0] <= _CLEAR * scored[1][0]):
        raise _asked(problem, at) from problem
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
            yield declared, _read(path, declared, currency)
        except Undeclared as next_:
            yield from _readings(path, declared, next_, currency)


def _shared(one: Delivery, other: Delivery) -> int:
    """Return how many lines have their amount on the other side too, within some days, whatever its sign."""
    days: dict[tuple[str, int], list[date]] = defaultdict(list)
    for line in other.lines:
        days[line.currency, abs(line.amount)].append(line.booked)
    for found in days.values():
        found.sort()
    return sum(_near(line.booked, days.get((line.currency, abs(line.amount)), [])) for line in one.lines)


def _near(day: date, days: list[date]) -> bool:
    at = bisect_left(days, day)
    return any(abs((other - day).days) <= _NEAR for other in days[max(0, at - 1) : at + 1])


def _only_currency(delivery: Delivery) -> str | None:
    found = {line.currency for line in delivery.lines}
    return found.pop() if len(found) == 1 else None


def _asked(problem: Undeclared, at: int) -> UserError:
    """Return a problem with what to write where."""
    side = _SIDES[at]
    if problem.key == "currency":
        return UserError(f"{problem} with --currency, e.g. --currency EUR")
    if problem.key == "columns":
        example = "{columns: {booked: <heading of the date>, amount: <heading of the amount>}}"
    else:
        example = f"{{{problem.key}: {next(iter(problem.choices), '...')!r}}}".replace("'", '"')
    return UserError(
        f"{problem}.\n  Write a file of two lines, `name: {side}-file` and `{side}: {example}`, "
        "and run the same with --definition and its name"
    )
