"""Files of rolling open items, read as `reconcile` reads them: what nobody declared is told from the other side.

The sign and the accounts of the books are told once, from the bank's lines that are kept, and hold from then on:
told anew each day, one odd day would turn the amounts of a line that is delivered twice. So they must be clear, or be
declared; nothing of the books goes in before that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cache, partial
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
from bots.reconciliation.readers.registry import Undeclared
from bots.reconciliation.reading import said_of
from bots.reconciliation.settling import Settled, asked, read_as, told_by, turned_round
from bots.reconciliation.sides import balances, side
from engine.errors import UserError
from engine.open_items import BANK, Conventions, Facts

_SIGN = "`book: {money_in: positive}` (or negative, debit, credit)"
_WHOSE = ("the bank's", "the books'")


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
        The files, and what was told that nobody had declared: columns, order of dates, what nothing ties, sign.

    Raises:
        UserError: a file cannot be read, or something cannot be told for sure.
    """
    told = definition.file.bank if number == BANK else definition.file.book
    currencies = {one.currency for one in (items.accounts() if items.exists() else ()) if one.side == 1 - number}
    currency = currencies.pop() if len(currencies) == 1 else None
    kept = cache(lambda: _kept(items, 1 - number))
    asking = partial(asked, at=number, definition=definition.path, name=items.name)
    found = [_read((path, told), currency, kept, asking) for path in files]
    deliveries = [one for one, _, _ in found]
    settled = list(dict.fromkeys(sentence for _, _, told in found for sentence in told.said))
    turned = [turned_round(one, file, currency, number) for one, file, _ in found]
    _refuse_of_other_side(items, number, deliveries)
    if number == BANK:  # its sign is the measure of the books': no file turns it by itself
        declare = "declare `bank: {money_in: negative}` (debit, where it has columns of debit and credit)"
        return deliveries, said_of("bank", deliveries) + settled + [
            f"{one[0].path.name}: {one[1]}: {declare}" for one in turned if one
        ]
    if any(turned):  # files that are too short to tell have the sign of the others
        opposite = Sign(turned=True, as_written=0, reversed=0, told=False)
        each = zip(deliveries, turned, strict=True)
        deliveries = [now[0] if now else delivery_in_terms_of_the_bank(one, opposite, {}) for one, now in each]
        settled += dict.fromkeys(one[1] for one in turned if one)
    said = said_of("books", deliveries) + settled
    lines = side(deliveries)
    if not len(lines):
        return deliveries, said
    sign, names, about = _conventions(items, lines, deliveries, definition, kept, turned=any(turned), who=who)
    return [delivery_in_terms_of_the_bank(one, sign, names) for one in deliveries], said + about


def _read(
    file: tuple[Path, SideFile],
    currency: str | None,
    kept: Callable[[], Sequence[Facts]],
    asking: Callable[[Undeclared], UserError],
) -> tuple[Delivery, tuple[Path, SideFile], Settled]:
    """Read a file; what it leaves open, the lines of the other side that are kept tell, or a person is asked."""
    try:
        return read_as(*file, currency), file, Settled()
    except Undeclared as problem:
        try:
            return told_by(kept(), file, problem, currency)
        except Undeclared as left:
            raise asking(left) from left


def _kept(items: OpenItems, number: int) -> list[Facts]:
    """Return every line of a side that stands; read only when something has to be told."""
    return [one.facts for one in items.lines(everything=True) if one.side == number] if items.exists() else []


def _refuse_of_other_side(items: OpenItems, number: int, deliveries: Sequence[Delivery]) -> None:
    """Refuse a file that is there as one of the other side: it would agree with itself."""
    theirs = {one.sha256: one for one in (items.deliveries() if items.exists() else ()) if one.side != number}
    for one in deliveries:
        if one.sha256 in theirs:
            raise UserError(
                f"{one.path} was taken in as {_WHOSE[1 - number]} before (delivery {theirs[one.sha256].id}); if that "
                "was the mistake, begin anew under another --name"
            )


def _conventions(
    items: OpenItems,
    lines: pd.DataFrame,
    deliveries: Sequence[Delivery],
    definition: Definition,
    kept: Callable[[], Sequence[Facts]],
    *,
    turned: bool,
    who: str,
) -> tuple[Sign, Names, list[str]]:
    """Return the books' sign and names, and what is to be said; what is told for the first time is kept.

    `turned`: running balances told the sign, and the amounts are turned round already; a later file may be too short
    to tell.
    """
    before = items.conventions()
    signed = turned or definition.file.book.money_in is not None
    pairs = set(lines[["account", "currency"]].drop_duplicates().itertuples(index=False, name=None))
    known = {(one.account, one.currency): one.bank for one in before.names}
    declared = {book: bank for bank, book in definition.file.accounts.items()}
    known |= {pair: declared[pair[0]] for pair in pairs if pair[0] in declared}
    named = {account: bank for (account, _), bank in known.items() if account}  # in another currency too
    known |= {pair: named[pair[0]] for pair in pairs - known.keys() if pair[0] in named}
    sign_known = signed or before.turned is not None
    if sign_known and pairs <= known.keys():
        if turned and before.turned is None:
            items.keep_conventions(replace(before, turned=True), who)
        return _sign(before, signed=signed), known, []
    bank = pd.DataFrame([{name: getattr(one, name) for name in SIDE} for one in kept()], columns=list(SIDE))
    bank = bank.astype(SIDE)
    if not len(bank):
        raise _bank_first(pairs - known.keys(), sign=not sign_known, definition=definition, name=items.name)
    sign, said = (_sign(before, signed=signed), []) if sign_known else _clear(told_sign(bank, lines))
    new = lines[[pair not in known for pair in zip(lines["account"], lines["currency"], strict=True)]]
    free = bank[~bank["account"].isin(set(known.values()))]
    names, about = told_accounts(
        free,
        in_terms_of_the_bank(new, sign, {}),
        definition.file.accounts,
        ([], [] if len(new) < len(lines) else balances(deliveries)),
    )
    names = {**{pair: pair[0] for pair in pairs}, **names, **known}
    told = True if turned else before.turned if sign_known else sign.turned
    items.keep_conventions(Conventions.of(told, names), who)
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
            f"amounts are on the bank's side as they are, {sign.reversed:,} with the other sign; "
            f"declare {_SIGN} in a definition"
        )
    return sign, sign.sentences()


def _bank_first(pairs: Collection[tuple[str, str]], *, sign: bool, definition: Definition, name: str) -> UserError:
    """Return what to do with books of which nothing is told yet: the bank's files first, or what to declare."""
    accounts = sorted({account for account, _ in pairs})
    named = ", ".join(f"<the bank's name of it>: {json.dumps(one, ensure_ascii=False)}" for one in accounts)
    keys = [*([_SIGN] if sign else []), *([f"`accounts: {{{named}}}`"] if accounts else [])]
    what = " and ".join([*(["sign"] if sign else []), *(["accounts"] if accounts else [])])
    where = (
        f"in {definition.path}" if definition.path else f"in a definition with `name: {name}`, which --definition names"
    )
    return UserError(
        f"the books' {what} are told from the bank's lines, and there are none yet: take in the bank's files "
        "first (`reconciliation receive bank FILE…`) and then these; or, where the books come first, declare "
        f"{' and '.join(keys)} {where}"
    )
