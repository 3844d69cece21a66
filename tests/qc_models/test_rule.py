"""Declared rules: exact sums, products, dates and account numbers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from engine.ports import Finding
from qc_models.checks.rule import RuleParams, iban_holds, rule
from tests.qc_models.cases import case, invoice

RULES: dict[str, dict[str, Any]] = {
    "sum_of": {"sum_of": "lines.amount", "equals": "net"},
    "sum": {"sum": ["net", "tax"], "equals": "total"},
    "product": {"product": ["net", "tax_rate"], "equals": "tax", "within": "0.01"},
    "row_product": {"row_product": ["quantity", "unit_price"], "equals": "amount", "in": "lines", "within": "0.01"},
    "not_before": {"not_before": ["due_date", "invoice_date"]},
    "iban": {"iban": "iban"},
    "required": {"required": ["supplier", "total"]},
}


def check(family: str, **changes: Any) -> list[Finding]:
    return rule(RuleParams.model_validate(RULES[family]), case(invoice(**changes)), None)


@pytest.mark.parametrize("family", sorted(RULES))
def test_a_right_invoice_keeps_every_rule(family: str) -> None:
    assert check(family) == []


@pytest.mark.parametrize(
    ("family", "changes", "field"),
    [
        ("sum_of", {"net": Decimal("100.01")}, "net"),
        ("sum_of", {"lines": []}, "net"),
        ("sum", {"total": Decimal("191.00")}, "total"),
        ("product", {"tax": Decimal("19.02")}, "tax"),
        ("product", {"tax_rate": "7 %"}, "tax"),
        ("not_before", {"due_date": date(2026, 1, 11)}, "due_date"),
        ("iban", {"iban": "DE11051561280362021163"}, "iban"),
        ("required", {"supplier": None}, "supplier"),
    ],
)
def test_a_broken_rule_names_the_field(family: str, changes: dict[str, Any], field: str) -> None:
    (found,) = check(family, **changes)
    assert found.field == field
    assert found.check == "rule"


def test_a_sum_says_both_amounts() -> None:
    (found,) = check("sum", total=Decimal("1191.00"))
    assert found.message == "net + tax is 119.00, but total says 1,191.00"
    assert (found.expected, found.observed) == ("119.00", "1191.00")


def test_a_wrong_row_is_found_by_number() -> None:
    lines = invoice()["lines"]
    lines[1]["amount"] = Decimal("2.00")  # type: ignore[index]
    (found,) = check("row_product", lines=lines)
    assert found.message.startswith("row 2 of lines: quantity x unit_price is 20.00, but amount says 2.00")


def test_a_missing_number_is_a_finding_and_not_a_pass() -> None:
    (found,) = check("product", tax_rate="reduced")
    assert (found.code, found.field) == ("no_number", "tax_rate")
    (found,) = check("sum", tax=None)
    assert (found.code, found.field) == ("no_number", "tax")


def test_within_allows_rounding_and_no_more() -> None:
    assert check("product", net=Decimal("100.03"), tax=Decimal("19.00")) == []
    assert check("product", net=Decimal("100.11"), tax=Decimal("19.00"))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("GB82 WEST 1234 5698 7654 32", True),
        ("GB82WEST12345698765423", False),
        ("de89370400440532013000", True),
        ("6222938353258603271", True),
        ("", True),
    ],
)
def test_iban_check_digits(text: str, holds: bool) -> None:
    assert iban_holds(text) is holds


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"sum": ["a", "b"]},
        {"iban": "a", "required": ["b"]},
        {"iban": "a", "equals": "b"},
        {"row_product": ["a", "b"], "equals": "c"},
        {"sum_of": "amount", "equals": "net"},
        {"sum": ["a"], "equals": "b", "wihtin": 1},
    ],
)
def test_a_rule_that_says_nothing_or_too_much_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RuleParams.model_validate(params)


def test_a_rule_says_which_fields_it_names() -> None:
    assert RuleParams.model_validate(RULES["row_product"]).named() == (
        "lines.quantity",
        "lines.unit_price",
        "lines.amount",
    )
    assert RuleParams.model_validate(RULES["sum_of"]).named() == ("lines.amount", "net")
