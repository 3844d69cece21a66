"""Accepted rules act in matching, and only there where nothing else ties the lines so well."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from bots.reconciliation.explain import why
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.matching.engine import match
from bots.reconciliation.policy import Policy
from bots.reconciliation.rolling import reach
from bots.reconciliation.rules import Alias, Form, Late, PartyFee, Rule, Word
from tests.bots.reconciliation.frames import side

LATER = "2026-03-03"
PAIRS: dict[Rule, tuple[dict[str, Any], dict[str, Any]]] = {
    Alias("Payway 17", "ACME GmbH", 0.1): (
        {"amount": 1000, "name": "PAYWAY 17"},
        {"amount": 1000, "name": "Acme GmbH"},
    ),
    Word("kd48213", "Beta Ltd", 0.1): (
        {"amount": 2000, "text": "collected for KD48213/7"},
        {"amount": 2000, "name": "Beta Ltd."},
    ),
    PartyFee("Gamma", Decimal("0.03"), 35, "EUR", 0.1): (
        {"amount": 100_000 - 3_035, "name": "Gamma"},
        {"amount": 100_000, "name": "Gamma"},
    ),
    Late("Delta AG", 25, 0.1): (
        {"amount": 4000, "name": "Delta AG", "booked": "2026-04-03"},
        {"amount": 4000, "name": "Delta AG"},
    ),
    Form("KD", "INV", 0.1): ({"amount": 5000, "reference": "KD 00123"}, {"amount": 5000, "reference": "INV-123"}),
}
"""Of each rule: a line of the bank and one of the books that it ties."""


def _matched(bank: pd.DataFrame, book: pd.DataFrame, *rules: Rule) -> pd.DataFrame:
    found = match(bank, book, Policy(rules=rules), frozenset())
    lines = found.members.groupby("match")["line"].agg(tuple)
    return found.matches.assign(lines=lines)


@pytest.mark.parametrize("rule", PAIRS, ids=lambda rule: type(rule).__name__)
def test_a_rule_ties_its_lines_against_a_line_that_fits_by_amount_alone(rule: Rule) -> None:
    one, other = PAIRS[rule]
    stranger = {"amount": other["amount"], "name": "Somebody else"}
    bank, book = side({"booked": LATER} | one), side(stranger, other)
    (row,) = _matched(bank, book, rule).to_dict("records")
    assert row["lines"] == (0, 1)
    assert row["kind"].startswith(f"rule_{type(rule).__name__.lower().removeprefix('party')}")
    without = _matched(bank, book)
    assert not any(str(kind).startswith("rule") for kind in without["kind"])


def test_a_name_and_a_fee_together_tie_what_neither_ties_alone() -> None:
    bank = side({"amount": 9_700, "name": "PAYWAY 17", "booked": LATER})
    book = side({"amount": 10_000, "name": "Acme GmbH"})
    alias, fee = Alias("PAYWAY 17", "Acme GmbH", 0.1), PartyFee("Acme GmbH", Decimal("0.03"), 0, "EUR", 0.1)
    (row,) = _matched(bank, book, alias, fee).to_dict("records")
    assert (row["kind"].rpartition("_")[0], row["difference"]) == ("rule_several", -300)
    assert row["score"] < _matched(*_alone(), alias)["score"].iloc[0]
    assert not any(
        "rule" in kind for kind in (*_matched(bank, book, alias)["kind"], *_matched(bank, book, fee)["kind"])
    )


def _alone() -> tuple[pd.DataFrame, pd.DataFrame]:
    bank, book = (side(dict(one)) for one in PAIRS[next(iter(PAIRS))])
    return bank, book


def test_a_rule_that_is_wrong_as_often_as_right_ties_nothing() -> None:
    bank, book = side({"amount": 1000, "name": "PAYWAY 17"}), side({"amount": 1000, "name": "Acme GmbH"})
    weak = _matched(bank, book, Alias("PAYWAY 17", "Acme GmbH", 0.5))
    assert not any("rule" in kind for kind in weak["kind"])


def test_a_match_by_a_rule_says_so_and_never_closes_by_the_evidence_of_others() -> None:
    (bank, book), rule = _alone(), next(iter(PAIRS))
    closing = frozenset(kind for kind in KINDS if not kind.startswith("rule_"))
    found = match(bank, book, Policy(rules=(rule,)), closing)
    assert not found.matches["closed"].any()
    assert "accepted rule" in KINDS[found.matches["kind"].iloc[0]]
    told = why(bank, book, found, Policy(rules=(rule,)))
    assert "with  besides" not in told["runner_up"].iloc[0]


def test_the_rolling_look_reaches_as_far_as_the_latest_party() -> None:
    plain = Policy()
    assert reach(replace(plain, rules=(Late("Delta AG", 40, 0.1),))) > reach(plain)
