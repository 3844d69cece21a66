"""The kinds of evidence by which lines are matched; each has an error rate of its own."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from bots.reconciliation.matching import groups

SURE: Final = {
    "reference": "the same reference and amount, and no other line has both",
    "reference_first": "the same reference and amount as several lines have: the first of them",
    "reference_nth": "the same reference and amount, n times on both sides: the n-th with the n-th",
    "normalised": "the same amount, and the same reference once spelling is set aside; no other line has both",
}
"""Kinds that need no weighing: nothing competes."""

WEIGHED: Final = {
    "same": "the same amount and reference, contested",
    "same_fee": "the same reference and an amount that a fee explains",
    "slip": "the same amount, and a reference one slip of the hand away",
    "slips": "the same amount, and a reference two slips of the hand away",
    "slip_fee": "a reference one slip of the hand away, and an amount that a fee explains",
    "amount": "the same amount within the days, and no name on one side",
    "amount_name": "the same amount within the days, and the same name",
    "amount_alike": "the same amount within the days, and a name cut short or misspelt",
    "other_name": "the same amount or reference, but another name",
}
STRENGTHS: Final = {
    "certain": "odds of a thousand to one",
    "strong": "odds of a hundred to one",
    "likely": "odds of ten to one",
    "doubtful": "less than that",
}
"""By how much a match fits better than chance and than its rivals, the smaller of both."""
ODDS: Final = (1000.0, 100.0, 10.0)

BASES: Final = WEIGHED | dict(groups.KINDS)
"""What is weighed, pairs and groups alike; each has all strengths."""

KINDS: Final = MappingProxyType(
    SURE
    | {f"{base}_{strength}": f"{text}; {odds}" for base, text in BASES.items() for strength, odds in STRENGTHS.items()}
)
"""Name of a kind -> what it means, in one sentence."""
