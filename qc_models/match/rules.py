"""The score of the first day: how likely a candidate is wrong, by stated weights of evidence, before any model.

Each rule that applies adds its weight to the log-odds of "wrong", as in record linkage (I. P. Fellegi and A. B. Sunter,
"A theory for record linkage", Journal of the American Statistical Association 64 (1969), 1183-1210). The weights are
round numbers chosen by hand, not measured: good for ranking suggestions, never for closing one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc_models.match.features import AT, Matrix

Floats = NDArray[np.float64]
Test = Callable[[Callable[[str], Matrix]], NDArray[np.bool_]]
START = 1.0
"""Log-odds of "wrong" before any evidence: a candidate is more often wrong than right."""


@dataclass(frozen=True)
class Rule:
    """One weight of evidence: positive speaks against the match. NaN (unknown) never applies."""

    group: str
    weight: float
    says: str
    applies: Test


RULES = (
    Rule("reference", -5.0, "the references are equal", lambda f: f("ref_equal") >= 1),
    Rule(
        "reference",
        -3.5,
        "a reference stands in the other side's text",
        lambda f: ~(f("ref_equal") >= 1) & (f("ref_contained") >= 1),
    ),
    Rule(
        "reference",
        -3.0,
        "a running number that hardly any line carries is on both sides",
        lambda f: ~(f("ref_equal") >= 1) & ~(f("ref_contained") >= 1) & (f("digits_copies") < np.log1p(4)),
    ),
    Rule(
        "reference",
        -1.0,
        "the references are one or two edits apart",
        lambda f: (f("ref_edits") >= 1) & (f("ref_edits") <= 2),  # noqa: PLR2004
    ),
    Rule(
        "reference",
        2.5,
        "the references are unlike",
        lambda f: (f("ref_edits") > 2) & ~(f("ref_contained") >= 1) & ~(f("digits_shared") > 0),  # noqa: PLR2004
    ),
    Rule("reference", 3.5, "the reference names another line of the books", lambda f: f("ref_named_elsewhere") > 0),
    Rule("reference", -3.0, "the end-to-end references are equal", lambda f: f("end_to_end_equal") >= 1),
    Rule("copies", 2.0, "several bank lines carry this reference", lambda f: f("ref_copies_bank") > np.log1p(1)),
    Rule("copies", 2.0, "several lines of the books carry it", lambda f: f("ref_copies_book") > np.log1p(1)),
    Rule("amount", -2.0, "the amounts are equal", lambda f: f("amount_equal") >= 1),
    Rule(
        "amount",
        0.5,
        "a fee or a rate explains the difference",
        lambda f: (f("amount_equal") < 1) & (f("amount_explained") >= 1),
    ),
    Rule(
        "amount",
        2.0,
        "the amounts differ by no more than five percent",
        lambda f: (f("amount_explained") < 1) & (f("amount_off_share") <= 0.05) & (f("amount_equal") < 1),  # noqa: PLR2004
    ),
    Rule(
        "amount",
        5.0,
        "the amounts differ by more than five percent",
        lambda f: (f("amount_explained") < 1) & (f("amount_off_share") > 0.05),  # noqa: PLR2004
    ),
    Rule("amount", 3.0, "the currencies differ", lambda f: (f("currency_equal") < 1) & (f("kind_fx") < 1)),
    Rule(
        "amount",
        -1.5,
        "hardly any other line has this amount",
        lambda f: (f("amount_copies_bank") <= np.log1p(1)) & (f("amount_copies_book") <= np.log1p(1)),
    ),
    Rule("name", -2.0, "the names agree", lambda f: (f("name_set") >= 0.9) | (f("name_in_text") >= 0.9)),  # noqa: PLR2004
    Rule(
        "name",
        2.5,
        "the names are unlike",
        lambda f: (f("name_set") < 0.6) & ~(f("name_in_text") >= 0.5) & ~(f("name_initials") >= 1),  # noqa: PLR2004
    ),
    Rule("date", -0.5, "the days are close", lambda f: f("days_apart") <= 5),  # noqa: PLR2004
    Rule("date", 1.5, "the days are more than ten apart", lambda f: f("days_apart") > 10),  # noqa: PLR2004
    Rule("date", 2.5, "the days are more than thirty apart", lambda f: f("days_apart") > 30),  # noqa: PLR2004
    Rule("rivals", 2.0, "another candidate fits as well", lambda f: f("margin") <= 0.01),  # noqa: PLR2004
    Rule(
        "rivals",
        1.0,
        "another candidate fits nearly as well",
        lambda f: (f("margin") > 0.01) & (f("margin") <= 0.1),  # noqa: PLR2004
    ),
    Rule("rivals", 2.5, "other lines reach the same sum", lambda f: f("alternatives") > 0),
    Rule("history", -1.5, "this payer was matched with this party before", lambda f: f("history_count") > 0),
    Rule(
        "history",
        1.0,
        "this payer was only ever matched with others",
        lambda f: (f("history_count") <= 0) & (f("history_others") > 0),
    ),
)


def wrong(rows: Matrix) -> Floats:
    """Return P(wrong) a row of features, by the weights of RULES."""
    return _squeezed(_logits(rows, RULES))


def evidence(rows: Matrix) -> Floats:
    """Return how well each candidate fits by itself, rivals aside, in [0, 1]: what rivals and margins are made of."""
    return 1.0 - _squeezed(_logits(rows, [rule for rule in RULES if rule.group != "rivals"]))


def applying(row: Matrix) -> list[Rule]:
    """Return the rules that speak against one row of features, heaviest first."""
    found = [rule for rule in RULES if rule.weight > 0 and bool(rule.applies(_columns(row[None, :]))[0])]
    return sorted(found, key=lambda rule: -rule.weight)


def _logits(rows: Matrix, rules: tuple[Rule, ...] | list[Rule]) -> Floats:
    column = _columns(rows)
    total = np.full(len(rows), START)
    for rule in rules:
        total += np.where(rule.applies(column), rule.weight, 0.0)
    return total


def _columns(rows: Matrix) -> Callable[[str], Matrix]:
    return lambda name: rows[:, AT[name]]


def _squeezed(logits: Floats) -> Floats:
    squeezed: Floats = 1.0 / (1.0 + np.exp(-logits))
    return squeezed
