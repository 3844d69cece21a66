"""Rules that people accepted from what their reviews taught: each ties lines that nothing else ties so well.

A rule says of pairs of one line of the bank and one of the books that they belong together. What it is worth is what
was proven of it: the upper bound of its errors, from reviews that had no part in suggesting it (`learning.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Alias:
    """The bank writes one name, the books another."""

    bank: str
    book: str
    bound: float


@dataclass(frozen=True)
class Word:
    """A word in the bank's text names a party of the books."""

    word: str
    book: str
    bound: float


@dataclass(frozen=True)
class PartyFee:
    """What is kept of each payment of a party: a share of the amount and something fixed."""

    party: str
    share: Decimal
    """Of the books' amount, rounded half up to a minor unit."""
    fixed: int
    """On top of the share, minor units of `currency`."""
    currency: str
    bound: float


@dataclass(frozen=True)
class Late:
    """A party's payments reach the bank after the window of the policy, up to so many business days."""

    party: str
    latest: int
    bound: float


@dataclass(frozen=True)
class Form:
    """Both sides write one number with different signs before it; leading zeros do not count.

    The signs are compared in capitals, without anything but letters and digits.
    """

    bank: str
    book: str
    bound: float


Rule = Alias | Word | PartyFee | Late | Form
KINDS = {
    Alias: "rule_alias",
    Word: "rule_word",
    PartyFee: "rule_fee",
    Late: "rule_late",
    Form: "rule_form",
}
"""The kind of evidence that each is."""
SEVERAL = "rule_several"
