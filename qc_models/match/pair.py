"""A candidate match: lines of the bank's side, lines of the books' side, and what the matcher saw in them.

Amounts are integers in minor units of their currency (cents), with the sign that both sides share: money received is
positive on either. What is not known is empty, or None; it is never made up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, ClassVar

from pydantic import ConfigDict

from qc_models.match.texts import digit_runs, name_key, reference_key

_NOT_PROVIDED = "NOTPROVIDED"
KINDS = (
    "exact_reference",
    "reference_contained",
    "damaged_reference",
    "end_to_end",
    "amount_and_date",
    "amount_and_name",
    "unique_amount",
    "shared_reference",
    "subset_sum",
    "fee",
    "fx",
    "reversal",
)
"""The kinds of evidence that have a feature of their own; any other name counts as `other`."""


@dataclass(frozen=True)
class Line:
    """One line of a bank statement or of the books."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    id: str
    amount: int
    currency: str
    booked: date | None = None
    valued: date | None = None
    structured: tuple[str, ...] = ()
    """References in fields of their own: invoice number, creditor reference, document number."""
    end_to_end: str = ""
    remittance: str = ""
    """Free text that the payer wrote."""
    name: str = ""
    account: str = ""
    """The counterparty's account, e.g. its IBAN."""
    text: str = ""
    """The raw text of the line."""

    @property
    def day(self) -> date | None:
        """Return the value date, else the booking date."""
        return self.valued or self.booked

    @cached_property
    def keys(self) -> frozenset[str]:
        """Return its references folded: structured ones and the end-to-end one."""
        found = {reference_key(text) for text in (*self.structured, self.end_to_end)}
        return frozenset(key for key in found if key and key != _NOT_PROVIDED)

    @cached_property
    def trace(self) -> str:
        """Return the end-to-end reference folded; empty where the payer gave none (ISO 20022: NOTPROVIDED)."""
        key = reference_key(self.end_to_end)
        return "" if key == _NOT_PROVIDED else key

    @cached_property
    def account_key(self) -> str:
        """Return the counterparty's account folded: with or without blanks it is one."""
        return reference_key(self.account)

    @cached_property
    def runs(self) -> frozenset[str]:
        """Return all runs of digits that it carries, wherever they stand."""
        return digit_runs(" ".join((*self.structured, self.end_to_end, self.remittance, self.text)))

    @cached_property
    def folded(self) -> str:
        """Return everything it says as letters and digits, to look for a reference in."""
        return reference_key(" ".join((*self.structured, self.end_to_end, self.remittance, self.text)))

    @cached_property
    def party(self) -> str:
        """Return the counterparty's name, folded."""
        return name_key(self.name)

    @cached_property
    def wording(self) -> str:
        """Return the free text and the raw text, folded as a name is, to look for a name in."""
        return name_key(f"{self.remittance} {self.text}")

    @cached_property
    def value(self) -> tuple[str, int]:
        """Return currency and size of its amount, to count how common it is."""
        return self.currency, abs(self.amount)


@dataclass(frozen=True)
class Side:
    """The lines of one side of a match, at least one, all of one currency."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        if not self.lines:
            raise ValueError("a side of a match has at least one line")
        if len({line.currency for line in self.lines}) > 1:
            raise ValueError("the lines of one side of a match have one currency")

    @cached_property
    def total(self) -> int:
        """Return the sum of its lines, minor units."""
        return sum(line.amount for line in self.lines)

    @property
    def currency(self) -> str:
        """Return the currency of its lines."""
        return self.lines[0].currency


@dataclass(frozen=True)
class Pair:
    """One candidate: 1-1, 1-N, N-1 or N-M."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    bank: Side
    book: Side
    kinds: frozenset[str] = field(default_factory=frozenset)
    """Kinds of evidence that tie the sides, by name (see KINDS)."""
    score: float | None = None
    """The matcher's own score of this candidate, in [0, 1]: better is higher."""
    rivals: int | None = None
    """Other candidates that want one of these lines."""
    rival_score: float | None = None
    """Score of the best of them."""
    margin: float | None = None
    """Score of the best solution minus that of the best one without this candidate."""
    alternatives: int | None = None
    """Other subsets of lines that reach the same sum."""
    days: int | None = None
    """Bank's day minus books' day; computed from the lines if None."""
    business_days: int | None = None
    """The same in business days of the caller's calendar; Monday to Friday if None."""
    fee: int | None = None
    """Part of the difference that the matcher explains as a fee, minor units of the bank's currency."""
    fx_difference: int | None = None
    """Part of the difference that the matcher explains by the rate, minor units of the bank's currency."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """Return all lines of both sides."""
        return self.bank.lines + self.book.lines


def one_to_one(bank: Line, book: Line, **more: object) -> Pair:
    """Return the candidate of a single line on either side; `more` is any other field of Pair."""
    return Pair(Side((bank,)), Side((book,)), **more)  # type: ignore[arg-type]


def by_line(
    pair: Pair, features: Callable[[Line, Line], tuple[float, ...]], fit: Callable[[tuple[float, ...]], Any]
) -> list[tuple[float, ...]]:
    """Return the features (bank line, book line) of each line of the larger side with the other line that fits it best.

    `fit` ranks features; of equal ones the first counts. A 1-1 match gives one row.
    """
    bank, book = pair.bank.lines, pair.book.lines
    if len(bank) >= len(book):
        return [max((features(one, other) for other in book), key=fit) for one in bank]
    return [max((features(one, other) for one in bank), key=fit) for other in book]
