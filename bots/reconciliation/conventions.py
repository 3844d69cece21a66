"""What the two sides tell of each other where nothing is declared: the books' sign, and which account is which.

Told only from amounts and names that both sides share, and always said; what is not clear is asked, never guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from bots.reconciliation.lines import Delivery, Statement
from bots.reconciliation.sides import Balance
from engine.errors import UserError

_TAIL = 6
"""So many last letters and digits name an account: the books often keep the end of an IBAN only."""
_ENOUGH, _CLEAR = 0.5, 2.0
"""Accounts are the same if they share half of the smaller one's amounts, and less than half as many with others."""

_MOST_NAMES = 8
Names = Mapping[tuple[str, str], str]
"""(account of the books, currency) -> account of the bank."""


@dataclass(frozen=True)
class Sign:
    """How the books write money that came in."""

    turned: bool
    """Whether their amounts are to be turned round."""
    as_written: int
    """How many of the bank's amounts they hold as they are written."""
    reversed: int
    """The same, with the other sign."""

    told: bool = True
    """False where it is declared."""

    @classmethod
    def declared(cls) -> Self:
        """Return the sign of amounts that were read as the definition says."""
        return cls(False, 0, 0, told=False)

    def sentences(self) -> list[str]:
        """Say what was told, and from what."""
        if not self.told:
            return []
        with_, without = (self.reversed, self.as_written) if self.turned else (self.as_written, self.reversed)
        if not with_:
            return ["the books' sign is kept as it was read: the two files share no amount"]
        how = "turned round: the books write money that came in as a debit, or as negative" if self.turned else "kept"
        said = f"the books' sign is {how} (so {with_:,} amount(s) are on both sides, else {without:,})"
        return [f"{said}; to be sure, declare `book: {{money_in: …}}`" if without * 2 >= with_ else said]


def told_sign(bank: pd.DataFrame, book: pd.DataFrame) -> Sign:
    """Tell whether the books' amounts must be turned round, from the amounts that both sides share."""
    as_written, turned = (
        int(_shared(bank, book.assign(amount=sign * book["amount"]))["shared"].sum()) for sign in (1, -1)
    )
    return Sign(turned > as_written, as_written, turned)


def told_accounts(
    bank: pd.DataFrame,
    book: pd.DataFrame,
    declared: Mapping[str, str],
    stated: tuple[Sequence[Balance], Sequence[Balance]] = ((), ()),
) -> tuple[Names, list[str]]:
    """Tell which account of the bank each account of the books is.

    Args:
        bank: a side, with its accounts as the bank writes them.
        book: the other one, its sign settled.
        declared: the bank's account to the books'; goes before everything.
        stated: what the statements of each side say; an account may have one without a line.

    Returns:
        (account of the books, currency) to account of the bank, and what is to be said about it. Accounts of the books
        that no statement is about keep their names.

    Raises:
        UserError: it cannot be told.
    """
    ours, theirs = _names(book, stated[1]), _names(bank, stated[0])
    names = {books: banks for banks, books in declared.items() if books in ours}
    names |= _by_name(sorted(theirs - set(names.values())), sorted(ours - set(names)))
    left, free = sorted(ours - set(names)), sorted(theirs - set(names.values()) - set(declared))
    if len(left) == 1 and len(free) == 1:
        names[left[0]] = free[0]
    elif left == [""] and free:
        return {**_by_currency(bank, free), **_of_each(names, book, stated[1])}, [
            "the books name no account: each line is that of its currency"
        ]
    elif left and free:
        names |= _by_amounts(bank, book, free, left)
    missing = sorted(theirs - set(names.values()) - set(declared))
    unused = sorted(ours - set(names))
    if missing and unused:
        raise UserError(
            f"which account of the books is {_list(missing)}? They hold {_list(unused)}; "
            "write it into a definition as `accounts: {<of the bank>: <of the books>}` and name it with --definition"
        )
    said = [
        f"account {_shown(one)} of the books is {_shown(names[one])} of the bank"
        for one in sorted(names)
        if one != names[one]
    ]
    said += [f"account {_shown(one)} of the books is on no statement: its lines stay open" for one in unused]
    said += [f"account {_shown(one)} of the bank is not in the books: its lines stay open" for one in missing]
    return _of_each(names, book, stated[1]), said


def in_terms_of_the_bank(lines: pd.DataFrame, sign: Sign, names: Names) -> pd.DataFrame:
    """Return the books' lines with the bank's sign and the bank's names of the accounts."""
    pairs = pd.MultiIndex.from_frame(lines[["account", "currency"]])
    told = pd.Series([names.get(pair, pair[0]) for pair in pairs.unique()], index=pairs.unique(), dtype="str")
    amount = -lines["amount"] if sign.turned else lines["amount"]
    return lines.assign(amount=amount, account=told.reindex(pairs).to_numpy() if len(lines) else lines["account"])


def delivery_in_terms_of_the_bank(delivery: Delivery, sign: Sign, names: Names) -> Delivery:
    """Return a delivery of the books with the bank's sign and names: what `in_terms_of_the_bank` does to its lines."""
    return replace(delivery, statements=tuple(_statement(one, sign, names) for one in delivery.statements))


def _statement(one: Statement, sign: Sign, names: Names) -> Statement:
    named = replace(one, account=names.get((one.account, one.currency), one.account))
    if not sign.turned:
        return named
    return replace(
        named,
        lines=tuple(replace(line, amount=-line.amount) for line in one.lines),
        opening=None if one.opening is None else -one.opening,
        closing=None if one.closing is None else -one.closing,
        incoming=one.outgoing,
        outgoing=one.incoming,
    )


def _of_each(names: Mapping[str, str], book: pd.DataFrame, stated: Sequence[Balance]) -> Names:
    """Return the names by account and currency, as far as the books have them."""
    pairs = {
        (one, currency) for one, currency in book[["account", "currency"]].drop_duplicates().itertuples(index=False)
    }
    pairs |= {(one.account, one.currency) for one in stated}
    return {pair: names[pair[0]] for pair in sorted(pairs) if pair[0] in names}


def _by_currency(bank: pd.DataFrame, accounts: list[str]) -> Names:
    """Give the lines of books that name no account to the one account of their currency."""
    here = bank[bank["account"].isin(accounts)]
    by_currency = here.groupby("currency")["account"].agg(["nunique", "first"])
    several = by_currency.index[by_currency["nunique"] > 1]
    if len(several):
        raise UserError(
            f"the books name no account, and the statement has several in {', '.join(several)}: "
            f"{_list(accounts)}; declare the books' account column, or reconcile one account at a time"
        )
    return {("", str(currency)): str(account) for currency, account in by_currency["first"].items()}


def _by_name(theirs: list[str], ours: list[str]) -> dict[str, str]:
    """Pair accounts of one name, or of one ending, where no other could be meant."""
    pairs = [(one, other) for one in ours for other in theirs if _same(one, other)]
    once = Counter(name for pair in pairs for name in (("book", pair[0]), ("bank", pair[1])))
    return {one: other for one, other in pairs if once["book", one] == once["bank", other] == 1}


def _by_amounts(bank: pd.DataFrame, book: pd.DataFrame, theirs: list[str], ours: list[str]) -> dict[str, str]:
    """Pair accounts that share most of their amounts and share them with no other."""
    here, there = bank[bank["account"].isin(theirs)], book[book["account"].isin(ours)]
    pairs = _shared(here, there, by=["account"])
    counted = pairs.pivot_table("shared", "account_bank", "account_book", aggfunc="sum", fill_value=0)
    shared = counted.reindex(index=theirs, columns=ours, fill_value=0).to_numpy()
    sizes = [lines.groupby("account").size() for lines in (here, there)]
    found = {}
    for row, column in zip(*linear_sum_assignment(shared, maximize=True), strict=True):
        best = shared[row, column]
        smaller = min(sizes[0].get(theirs[row], 0), sizes[1].get(ours[column], 0))
        rivals = np.concatenate([np.delete(shared[row], column), np.delete(shared[:, column], row)])
        if best and best >= _ENOUGH * smaller and best > _CLEAR * rivals.max(initial=0):
            found[ours[column]] = theirs[row]
    return found


def _shared(bank: pd.DataFrame, book: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Count how many amounts two sides share, and by which further columns."""
    counts = [lines.groupby([*by, "currency", "amount"], as_index=False).size() for lines in (bank, book)]
    both = counts[0].merge(counts[1], on=["currency", "amount"], suffixes=("_bank", "_book"))
    return both.assign(shared=both[["size_bank", "size_book"]].min(axis=1))


def _names(lines: pd.DataFrame, stated: Sequence[Balance]) -> set[str]:
    return {*lines["account"].unique(), *(one.account for one in stated)}


def _same(one: str, other: str) -> bool:
    short, long = sorted((re.sub(r"\W", "", name).casefold() for name in (one, other)), key=len)
    return short == long or (len(short) >= _TAIL and long.endswith(short))


def _list(names: list[str]) -> str:
    shown = ", ".join(map(_shown, names[:_MOST_NAMES]))
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def _shown(name: str) -> str:
    return name or "(unnamed)"
