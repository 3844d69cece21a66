"""A bank statement as work: one record an account, currency and month of a file, so that many workers share it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from bots.reconciliation.lines import Delivery, Line
from bots.reconciliation.money import exponent
from bots.reconciliation.readers.registry import read
from engine.errors import BusinessException, UserError
from engine.source_files import RawRow

_JOINT = ".."


@dataclass(frozen=True)
class Partition:
    """The lines of one account and currency, booked from `first` to `last`."""

    account: str
    currency: str
    first: date
    last: date

    @property
    def period(self) -> str:
        """Return the first and the last booking day, e.g. 2026-01-05..2026-01-31."""
        return f"{self.first}{_JOINT}{self.last}"

    def holds(self, day: date) -> bool:
        """Say whether a day is one of its own."""
        return self.first <= day <= self.last


@dataclass(frozen=True)
class BookItem:
    """One line of the books and the name that the application has for it."""

    name: str
    line: Line
    is_open: bool = True


def partition(account: str, currency: str, period: str) -> Partition:
    """Return a partition from what its record says.

    Raises:
        BusinessException: the period is none.
    """
    first, _, last = period.partition(_JOINT)
    try:
        return Partition(account, currency, date.fromisoformat(first), date.fromisoformat(last))
    except ValueError:
        raise BusinessException("no_period", f"{period!r} is no period like 2026-01-05..2026-01-31") from None


def major(amount: int, currency: str) -> Decimal:
    """Return minor units as an amount."""
    return Decimal(amount).scaleb(-exponent(currency))


def statement_rows(path: Path) -> Iterator[RawRow]:
    """Yield a record a partition, then a row with its problem for everything that is held back.

    A month is cut where the file ends, so that the next file's days are a partition of their own.

    Raises:
        UserError: the file cannot be read at all.
    """
    delivery = read(path)
    lines: dict[tuple[str, str, str], list[Line]] = {}
    for account, line in accounts(delivery):
        lines.setdefault((account, line.currency, f"{line.booked:%Y-%m}"), []).append(line)
    for (account, currency, _), own in sorted(lines.items()):
        days = [line.booked for line in own]
        cells = {
            "account": account,
            "currency": currency,
            "period": Partition(account, currency, min(days), max(days)).period,
            "lines": len(own),
            "total": major(sum(line.amount for line in own), currency),
            "statement": str(path.resolve()),
            "sha256": delivery.sha256,
        }
        yield RawRow(f"{path.name}:{min(line.number for line in own)}", cells)
    for held in delivery.quarantined:
        cells = {"field": held.field, "value": held.value, "lines": held.lines}
        yield RawRow(f"{path.name}:{held.number}", cells, f"{held.field}: {held.problem}")


def accounts(delivery: Delivery) -> Iterator[tuple[str, Line]]:
    """Yield every line with its account, in the order of the file."""
    return ((statement.account, line) for statement in delivery.statements for line in statement.lines)


def statement_as_enqueued(path: str, sha256: str) -> Delivery:
    """Return the file that a partition was made of; it is read once a process.

    Raises:
        BusinessException: it is not there any more, or is another one by now.
    """
    try:
        delivery = _read(path, sha256)
    except UserError as error:
        raise BusinessException("statement_unreadable", str(error)) from None
    if delivery.sha256 != sha256:
        raise BusinessException("statement_changed", f"{path} is not the file any more that this record was made of")
    return delivery


@lru_cache(maxsize=2)
def _read(path: str, sha256: str) -> Delivery:  # noqa: ARG001 - the hash keeps files apart that had the same name
    return read(Path(path))
