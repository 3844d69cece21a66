"""Read-back: what the application shows must be what was meant."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from qc_models.checks.read_back import ReadBackParams, read_back
from tests.qc_models.cases import case, invoice

ALL = ReadBackParams.model_validate("all")


def codes(
    payload: dict[str, Any], record: dict[str, Any], params: ReadBackParams = ALL
) -> list[tuple[str, str | None]]:
    return [(finding.code, finding.field) for finding in read_back(params, case(payload, record), None)]


def test_equal_records_leave_nothing_to_say() -> None:
    assert codes(invoice(), invoice(net=Decimal(100), supplier=" Möller  & Söhne GmbH ")) == []


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("net", Decimal("100.01")),
        ("invoice_no", "RE-2026-0001"),
        ("currency", "USD"),
        ("iban", None),
        ("supplier", "Möller & Sohn GmbH"),
    ],
)
def test_a_field_that_differs_is_named_with_both_values(field: str, shown: Any) -> None:
    (found,) = read_back(ALL, case(invoice(), invoice(**{field: shown})), None)
    assert (found.code, found.field) == ("not_equal", field)
    assert found.expected is not None
    assert found.expected in found.message


def test_a_field_that_was_entered_but_not_read_is_a_finding() -> None:
    record = invoice()
    del record["iban"]
    assert codes(invoice(), record) == [("not_read", "iban")]
    assert codes(invoice(iban=None), record) == [], "nothing was entered, nothing needs reading"


def test_only_named_fields_are_compared() -> None:
    params = ReadBackParams.model_validate(["net", "total"])
    assert codes(invoice(), invoice(iban="X", net=Decimal(5)), params) == [("not_equal", "net")]
    assert params.named() == ("net", "total")


def test_tables_are_compared_row_by_row() -> None:
    short = invoice()
    short["lines"] = invoice()["lines"][:1]  # type: ignore[index]
    assert codes(invoice(), short) == [("row_count", "lines")]
    other = invoice()
    other["lines"][1]["unit_price"] = Decimal("2.00")  # type: ignore[index]
    (found,) = read_back(ALL, case(invoice(), other), None)
    assert found.message == "row 2 of lines, unit_price, should be 20.00, the application shows 2.00"
    unread = invoice()
    del unread["lines"][0]["quantity"]  # type: ignore[index, union-attr]
    assert codes(invoice(), unread) == [("not_read", "lines")]
