"""Files of rolling open items, read as `reconcile` reads them: what nobody declared is told from the other side.

The sign and the accounts of the books are told once, from the bank's lines that are kept, and hold from then on:
told anew each day, one odd day would turn the amounts of a line that is delivered twice. So they must be clear, or be
declared; nothing of the books goes in before that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bots.reconciliation.conventions import (
    Names,
    Sign,
    delivery_in_terms_of_the_bank,
    in_terms_of_the_bank,
    told_accounts,
    told_sign,
)
from bots.reconciliation.definition import Definition, SideFile
from bots.reconciliation.lines import Delivery
from bots.reconciliation.matched import SIDE
from bots.reconciliation.ports import OpenItems
from bots.reconciliation.readers.registry import read
from bots.reconciliation.sides import balances, side
from engine.errors import UserError
from engine.open_items import BANK, BOOK, Conventions

_WHOSE = ("the bank's", "the books'")
_DECLARE = "declare `book: {money_in: positive}` (or negative, debit, credit) in a definition"


def read_files(
    items: OpenItems, number: int, files: Sequence[Path], definition: Definition, who: str
) -> tuple[list[Delivery], list[str]]:
    """Read the files of one side, those of the books with the bank's sign and the bank's names of the accounts.

    Args:
        items: what is kept, and what was told of the books before.
        number: 0 the bank, 1 the books.
        files: in the order in which they came.
        definition: what is declared.
        who: who brought them.

    Returns:
        The files, and what was told that nobody had declared.

    Raises:
        UserError: a file cannot be read, or something cannot be told for sure.
    """
    told = definition.file.bank if number == BANK else definition.file.book
    currencies = {one.currency for one in (items.accounts() if items.exists() else ()) if one.side == 1 - number}
    currency = currencies.pop() if len(currencies) == 1 else None
    found = [_read(path, told, currency, turning=number == BOOK) for path in files]
    deliveries = [one for one, _ in found]
    _refuse_of_other_side(items, number, deliveries)
    lines = side(deliveries)
    if number == BANK or not len(lines):
        return deliveries, []
    turned = any(turned for _, turned in found)
    signed = told.money_in is not None or turned
    sign, names, said = _conventions(items, lines, deliveries, definition, signed=signed, who=who)
    said += ["the books' running balance says that money in is a debit"] if turned else []
    return [delivery_in_terms_of_the_bank(one, sign, names) for one in deliveries], said


def _refuse_of_other_side(items: OpenItems, number: int, deliveries: Sequence[Delivery]) -> None:
    """Refuse a file that is there as one of the other side: it would agree with itself."""
    theirs = {one.sha256: one for one in (items.deliveries() if items.exists() else ()) if one.side != number}
    for one in deliveries:
        if one.sha256 in theirs:
            raise UserError(
                f"{one.path} was taken in as {_WHOSE[1 - number]} before (delivery {theirs[one.sha256].id}); if that "
                "was the mistake, begin anew under another --name"
            )


def _read(path: Path, told: SideFile, currency: str | None, *, turning: bool) -> tuple[Delivery, bool]:
    """Read a file, turned round where only so its running balance runs; say whether it was."""
    found = read(path, format=told.format, spec=told.spec(currency=currency))
    if turning and not found.statements and told.money_in is None:
        turned = read(path, format=told.format, spec=told.spec(currency=currency, turned=True))
        if turned.statements:
            return turned, True
    return found, False


def _conventions(
    items: OpenItems,
    lines: pd.DataFrame,
    deliveries: Sequence[Delivery],
    definition: Definition,
    *,
    signed: bool,
    who: str,
) -> tuple[Sign, Names, list[str]]:
    """Return the books' sign and names, and what is to be said; what is told for the first time is kept."""
    before = items.conventions()
    pairs = set(lines[["account", "currency"]].drop_duplicates().itertuples(index=False, name=None))
    known = {(one.account, one.currency): one.bank for one in before.names}
    declared = {book: bank for bank, book in definition.file.accounts.items()}
    known |= {pair: declared[pair[0]] for pair in pairs if pair[0] in declared}
    sign_known = signed or before.turned is not None
    if sign_known and pairs <= known.keys():
        return _sign(before, signed=signed), known, []
    bank = _bank(items) if items.exists() else None
    if bank is None or not len(bank):
        raise UserError(
            "the books' sign and accounts are told from the bank's lines, and there are none yet: take in the bank's "
            f"files first, or {_DECLARE} and `accounts: {{<of the bank>: <of the books>}}`"
        )
    sign, said = (_sign(before, signed=signed), []) if sign_known else _clear(told_sign(bank, lines))
    new = lines[[pair not in known for pair in zip(lines["account"], lines["currency"], strict=True)]]
    free = bank[~bank["account"].isin(set(known.values()))] if len(pairs & known.keys()) else bank
    names, about = told_accounts(
        free,
        in_terms_of_the_bank(new, sign, {}),
        definition.file.accounts,
        ([], [] if len(new) < len(lines) else balances(deliveries)),
    )
    names = {**{pair: pair[0] for pair in pairs}, **names, **known}
    turned = before.turned if sign_known else sign.turned
    items.keep_conventions(Conventions.of(turned, names), who)
    return sign, names, said + about


def _sign(before: Conventions, *, signed: bool) -> Sign:
    return Sign.declared() if signed else Sign(bool(before.turned), 0, 0, told=False)


def _clear(sign: Sign) -> tuple[Sign, list[str]]:
    """Return a sign that is told for sure.

    Raises:
        UserError: it is not.
    """
    most, least = max(sign.as_written, sign.reversed), min(sign.as_written, sign.reversed)
    if not most or least * 2 >= most:
        raise UserError(
            f"whether the books write money that came in as positive is not clear: {sign.as_written:,} of their "
            f"amounts are on the bank's side as they are, {sign.reversed:,} with the other sign; {_DECLARE}"
        )
    return sign, sign.sentences()


def _bank(items: OpenItems) -> pd.DataFrame:
    """Return every line of the bank that stands; read only when something has to be told."""
    rows: list[Mapping[str, object]] = [
        {name: getattr(one.facts, name) for name in SIDE} for one in items.lines(everything=True) if one.side == BANK
    ]
    return pd.DataFrame(rows, columns=list(SIDE)).astype(SIDE)
