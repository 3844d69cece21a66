"""Two files to two sides: formats, columns, currency, sign and accounts told where they are not declared, and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bots.reconciliation.conventions import (
    Sign,
    delivery_in_terms_of_the_bank,
    in_terms_of_the_bank,
    told_accounts,
    told_sign,
)
from bots.reconciliation.definition import TABLES, Definition
from bots.reconciliation.lines import Delivery
from bots.reconciliation.readers.registry import sniff
from bots.reconciliation.settling import both_read
from bots.reconciliation.sides import Balance, balances, side
from engine.errors import UserError

_HEAD = 4000
_SHOWN = 8


@dataclass(frozen=True)
class Side:
    """One side, read: both sides write amounts with the bank's sign and accounts with the bank's names."""

    deliveries: tuple[Delivery, ...]
    lines: pd.DataFrame
    """Columns of `SIDE` and `ORIGIN`."""
    balances: tuple[Balance, ...]

    @property
    def quarantined(self) -> int:
        """How many bookings are held back."""
        return sum(one.lines for delivery in self.deliveries for one in delivery.quarantined)


@dataclass(frozen=True)
class Sides:
    """Both sides, and what was told of them that nobody had declared."""

    bank: Side
    book: Side
    said: tuple[str, ...]


def read_sides(bank: Path, book: Path, definition: Definition, *, currency: str | None = None) -> Sides:
    """Read both files.

    Args:
        bank: the bank's file.
        book: the books' file; the other way round is noticed where the formats tell it.
        definition: what is declared; everything else is told from the files.
        currency: of tables without such a column, where the definition does not say it.

    Raises:
        UserError: a file cannot be read, nothing of it may go on, or something can be told in more than one way.
    """
    said: list[str] = []
    if definition.text == "" and _is_table(bank) and not _is_table(book):
        bank, book = book, bank
        said.append(f"{bank.name} is a bank's statement, {book.name} a table: taken as bank and books in this order")
    theirs, ours, settled = both_read(
        (bank, definition.file.bank), (book, definition.file.book), currency, definition.path
    )
    for delivery in (theirs, ours):
        _refuse_empty(delivery)
    if theirs.sha256 == ours.sha256:
        raise UserError(
            f"{bank} and {book} are the same file, which agrees with itself whatever it says: "
            "name the bank's file and the books' file"
        )
    lines, raw = side([theirs]), side([ours])
    by_balance = settled[1].turned
    known = by_balance or definition.file.book.money_in is not None
    sign = Sign.declared() if known else told_sign(lines, raw)
    stated = (balances([theirs]), balances([ours]))
    names, about = told_accounts(lines, in_terms_of_the_bank(raw, sign, {}), definition.file.accounts, stated)
    said += [_read_as("bank", theirs, lines), *said_of("bank", [theirs]), *settled[0].said]
    said += [_read_as("books", ours, raw), *said_of("books", [ours]), *settled[1].said]
    said += [] if by_balance else sign.sentences()
    said += about[:_SHOWN] + ([f"and {len(about) - _SHOWN} more accounts"] if len(about) > _SHOWN else [])
    in_terms = delivery_in_terms_of_the_bank(ours, sign, names)
    return Sides(
        Side((theirs,), lines, tuple(stated[0])),
        Side((in_terms,), in_terms_of_the_bank(raw, sign, names), tuple(balances([in_terms]))),
        tuple(said),
    )


def said_of(what: str, deliveries: Sequence[Delivery]) -> list[str]:
    """Say what was told of files, and which of their statements nothing ties; once what holds of all of them."""
    files: dict[str, dict[int, str]] = {}
    for number, one in enumerate(deliveries):
        more = len(one.loose) - _SHOWN
        loose = [*one.loose[:_SHOWN], *([f"and {more} more statements that nothing ties"] if more > 0 else [])]
        for sentence in (*one.said, *loose):
            files.setdefault(sentence, {})[number] = one.path.name
    every = len(deliveries)
    return [
        f"{what}: {sentence}" if len(names) == every else f"{what}: {', '.join(names.values())}: {sentence}"
        for sentence, names in files.items()
    ]


def _is_table(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return sniff(file.read(_HEAD)) in TABLES
    except OSError:
        return False  # `read` says what is wrong with it


def _refuse_empty(delivery: Delivery) -> None:
    if not delivery.statements:
        problems = delivery.problems()
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        listed = "".join(f"\n  {one}" for one in problems[:_SHOWN])
        raise UserError(
            f"{delivery.path}: nothing of it may go on, because all of it is held back:{listed}{more}\n"
            "  Fetch the file anew or mend it; what is only written in another way can be declared: --definition"
        )


def _read_as(what: str, delivery: Delivery, lines: pd.DataFrame) -> str:
    accounts = lines["account"].nunique()
    days = f", {lines['booked'].min():%Y-%m-%d} to {lines['booked'].max():%Y-%m-%d}" if len(lines) else ""
    return (
        f"{what}: {delivery.path.name}, read as {delivery.format}: {len(lines):,} line{_s(len(lines))} of "
        f"{accounts} account{_s(accounts)} in {_and(sorted(lines['currency'].unique()))}{days}"
    )


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _and(words: Sequence[str]) -> str:
    return " and ".join(words) or "no currency"
