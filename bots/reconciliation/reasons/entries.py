"""What to do about an open line: an entry in the books, in words, with its amount and side.

Only the books can be corrected, so every entry is one in the books' bank account: a debit (positive) where they lack
money that the bank has, a credit (negative) where they have too much. An entry stands once: of a line and its partner
at the bank's line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from bots.reconciliation import wording
from bots.reconciliation.matched import BANK
from bots.reconciliation.money import exponent


@dataclass(frozen=True)
class Open:
    """An open line, as far as an entry depends on it."""

    side: int
    amount: int
    currency: str
    account: str
    party: str
    partner: int
    """Number of its partner on the other side; -1 without one."""
    partner_amount: int
    partner_account: str
    partner_currency: str
    rate: Decimal | None
    """How many units of the bank's currency one unit of the books' is, by the table of rates."""
    expected: str
    twin: int
    twin_open: bool
    twin_sure: bool
    """Whether each of two open lines takes back the other."""
    parts: int
    """How many open lines are parts of the whole that it is, or is a part of."""
    rest: int
    """What they leave of it, minor units, not negative."""


def money(amount: int, currency: str) -> str:
    """Return an amount in minor units as people write it: 1,234.50 EUR; 1,234 JPY."""
    return f"{wording.money(amount, currency)} {currency}"


def proposal(cause: str, line: Open) -> tuple[int, str]:
    """Return the proposed entry in the books' bank account (debit positive, minor units; 0 for none) and its words."""
    if line.partner < 0 and cause in _PAIRED:
        return 0, "None yet: several lines of the other side fit as well; a person decides which it is"
    return _PROPOSALS[cause](line)


def entry(amount: int, currency: str, other: str) -> str:
    """Say an entry: which side of the bank account, how much, and what stands on the other side."""
    ours, theirs = ("Debit", "credit") if amount > 0 else ("Credit", "debit")
    return f"{ours} the bank account {money(abs(amount), currency)}, {theirs} {other}"


def _timing(line: Open) -> tuple[int, str]:
    if line.partner >= 0:
        return 0, f"None: {_pair(line)} are one payment, outside the window of days; confirm the match"
    return 0, f"None: expected to clear on {line.expected}" if line.expected else "None: expected to clear by itself"


def _pair(line: Open) -> str:
    return f"this and {'books' if line.side == BANK else 'bank'} line {line.partner}"


def _difference(line: Open, other: str) -> tuple[int, str]:
    if line.side != BANK:
        return 0, f"See bank line {line.partner}: the entry stands there"
    amount = line.amount - line.partner_amount
    return amount, f"{entry(amount, line.currency, other)}; then books line {line.partner} matches"


def _duplicate(line: Open) -> tuple[int, str]:
    if line.side == BANK:
        party = line.party or "the other party"
        return 0, f"None yet: the bank has bank line {line.twin} already; ask the bank, or {party}, for which it stands"
    return -line.amount, f"{entry(-line.amount, line.currency, 'what it was booked to')}: books line {line.twin} has it"


def _account(line: Open) -> tuple[int, str]:
    if line.side != BANK:
        return 0, f"See bank line {line.partner}: the entry stands there"
    return line.amount, entry(line.amount, line.currency, f"the bank account {line.partner_account or 'of the books'}")


def _partial(line: Open) -> tuple[int, str]:
    left = f"{money(line.rest, line.currency)} stay open" if line.rest else "nothing stays open"
    several = f", all its {line.parts} parts together" if line.parts > 1 else ""
    return 0, f"None: match {_pair(line)} in part{several}; {left}"


def _reversal(line: Open) -> tuple[int, str]:
    if line.twin_open:
        own = "bank" if line.side == BANK else "books"
        if not line.twin_sure:
            return 0, f"None yet: it and {own} line {line.twin} may cancel out, as may others; a person decides"
        return 0, f"None: it and {own} line {line.twin} cancel out"
    if line.side == BANK:
        return (
            line.amount,
            f"{entry(line.amount, line.currency, _party(line))}: the bank took bank line {line.twin} back",
        )
    taken = f"books line {line.twin} was taken back, which the bank does not show"
    return -line.amount, f"{entry(-line.amount, line.currency, _party(line))}, if the bank confirms: {taken}"


def _missing(line: Open) -> tuple[int, str]:
    if line.side == BANK:
        return line.amount, f"{entry(line.amount, line.currency, _party(line))}: the books lack it"
    return -line.amount, f"{entry(-line.amount, line.currency, _party(line))}, if the bank confirms that it never came"


def _exchange(line: Open) -> tuple[int, str]:
    if line.side != BANK:
        return 0, f"See bank line {line.partner}: the entry stands there"
    if line.rate is None:
        paid = f"{money(line.amount, line.currency)} for {money(line.partner_amount, line.partner_currency)}"
        return 0, f"None yet: {paid}; give the rate of the day, so that the exchange difference is known"
    scale = Decimal(10) ** (exponent(line.currency) - exponent(line.partner_currency))
    amount = line.amount - int((Decimal(line.partner_amount) * line.rate * scale).to_integral_value())
    return amount, entry(amount, line.currency, "exchange differences") if amount else "None: the rate explains it"


def _party(line: Open) -> str:
    return line.party or "a suspense account"


_PAIRED: Final = frozenset({"fee", "transposed digits", "wrong sign", "wrong account", "partial", "FX", "ambiguous"})
"""Causes that are about two lines."""
_PROPOSALS: Final = MappingProxyType[str, Callable[[Open], tuple[int, str]]](
    {
        "timing": _timing,
        "fee": lambda line: _difference(line, "bank charges"),
        "duplicate": _duplicate,
        "transposed digits": lambda line: _difference(
            line, "what it was booked to, whose amount has two digits swapped"
        ),
        "wrong sign": lambda line: _difference(line, "what it was booked to, whose sign is turned"),
        "wrong account": _account,
        "partial": _partial,
        "reversal": _reversal,
        "missing on one side": _missing,
        "FX": _exchange,
        "ambiguous": lambda line: (0, f"None: a person decides whether {_pair(line)} belong together"),
    }
)
