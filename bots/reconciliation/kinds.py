"""The kinds of evidence by which lines are matched; each has an error rate of its own."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

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
    "slip": "the same amount, and a reference one slip of the hand away, or cut off",
    "slips": "the same amount, and a reference two slips of the hand away",
    "slip_fee": "a reference one slip of the hand away, and an amount that a fee explains",
    "amount": "the same amount within the days, and no name on one side",
    "amount_name": "the same amount within the days, and the same name",
    "amount_alike": "the same amount within the days, and a name cut short or misspelt",
    "other_name": "the same amount or reference, but another name",
}
GROUPS: Final = {
    "group_by_key": "all lines that carry one reference or id add up to the other side's line with it",
    "sum_by_key": "several lines add up to a line of the other side, and some of them carry its reference or id",
    "net_by_key": "all lines of both sides that carry one reference or id add up to the same",
    "group_by_key_less_fee": "all lines that carry one reference or id add up to the same but for a fee",
    "listed_in_remittance": "the text lists several references of the other side, whose lines add up to the line",
    "listed_less_fee": "the text lists several references, whose lines add up to the line but for a fee",
    "batch_total": "all lines with one id, which the other side has not, add up to a line of it",
    "sum_in_party": "lines of one party add up to a line of it, or all of some days to a line that names no party",
    "reversal_marked": "the same amount back on one side, marked as reversal or with the same reference",
    "reversal_in_party": "the same amount back on one side, from the same party",
    "reversal_by_amount": "the only same amount back on one side, the party not named",
    "net_in_party": "several lines of one party on both sides add up to the same, and no part of them does",
    "exchange_by_key": "same reference or id in two currencies, at about the rate of the day",
    "exchange_in_party": "same party in two currencies, at about the rate of the day",
    "fee_in_party": "same party, the difference is a fee",
    "rule_alias": "same amount, and an accepted rule says that the two names are one party",
    "rule_word": "same amount, and an accepted rule says that a word of the text names the party",
    "rule_fee": "same party, and the difference is the fee that an accepted rule states",
    "rule_late": "same party and amount, as late as an accepted rule says that the party is",
    "rule_form": "same amount, and an accepted rule says how both sides write the one reference",
    "rule_several": "several accepted rules together tie the lines",
}
"""Kinds of several lines, and what two currencies or a fee tie (`matching/groups.py` finds them)."""
STRENGTHS: Final = {
    "certain": "odds of a thousand to one",
    "strong": "odds of a hundred to one",
    "likely": "odds of ten to one",
    "doubtful": "less than that",
}
"""By how much a match fits better than chance and than its rivals, the smaller of both."""
ODDS: Final = (1000.0, 100.0, 10.0)

BASES: Final = WEIGHED | GROUPS
"""What is weighed, pairs and groups alike; each has all strengths."""

KINDS: Final = MappingProxyType(
    SURE
    | {f"{base}_{strength}": f"{text}; {odds}" for base, text in BASES.items() for strength, odds in STRENGTHS.items()}
)
"""Name of a kind -> what it means, in one sentence."""
_FORMER: Final = {
    "sum_tied_by_key": "sum_by_key",
    "rest_by_key": "sum_by_key",
    "common_rest_by_key": "sum_by_key",
    "common_sum_in_party": "sum_in_party",
    "run_of_party": "sum_in_party",
    "common_run_of_party": "sum_in_party",
    "common_batch_total": "batch_total",
}
"""Bases of evidence up to version 0.4, and which ones they are part of."""


def named_now(kind: str) -> str:
    """Return what a kind of evidence that an earlier version wrote down is called now."""
    base, _, strength = kind.rpartition("_")
    return f"{_FORMER[base]}_{strength}" if base in _FORMER else kind
