"""Invoices as typed cases, for the tests of checks and models."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from engine.ports import Case
from engine.values import FieldSpec, Record


def spec(kind: str, **more: Any) -> FieldSpec:
    return FieldSpec.model_validate({"type": kind, **more})


FIELDS: dict[str, FieldSpec] = {
    "supplier": spec("text", required=True),
    "invoice_no": spec("text", required=True),
    "invoice_date": spec("date"),
    "due_date": spec("date"),
    "currency": spec("choice", options=("EUR", "USD", "GBP", "CHF", "CNY", "JPY", "SEK")),
    "purchase_order": spec("text"),
    "iban": spec("text"),
    "cost_center": spec("choice"),
    "net": spec("money"),
    "tax_rate": spec("choice"),
    "tax": spec("money"),
    "total": spec("money"),
    "lines": spec(
        "table",
        columns={
            "description": spec("text"),
            "quantity": spec("decimal"),
            "unit_price": spec("money"),
            "amount": spec("money"),
        },
    ),
}


def invoice(**changes: Any) -> Record:
    record: Record = {
        "supplier": "Möller & Söhne GmbH",
        "invoice_no": "RE-2026-00017",
        "invoice_date": date(2026, 1, 12),
        "due_date": date(2026, 2, 11),
        "currency": "EUR",
        "purchase_order": "PO-45123456",
        "iban": "DE11051561280362021136",
        "cost_center": "4200 IT",
        "net": Decimal("100.00"),
        "tax_rate": "19 %",
        "tax": Decimal("19.00"),
        "total": Decimal("119.00"),
        "lines": [
            {
                "description": "螺丝 M8",
                "quantity": Decimal(4),
                "unit_price": Decimal("20.00"),
                "amount": Decimal("80.00"),
            },
            {
                "description": "Kabel",
                "quantity": Decimal(1),
                "unit_price": Decimal("20.00"),
                "amount": Decimal("20.00"),
            },
        ],
    }
    return {**record, **changes}


def case(payload: Record, record: Record | None = None, fields: dict[str, FieldSpec] | None = None) -> Case:
    reference = f"{payload.get('supplier')}/{payload.get('invoice_no')}"
    shown = payload if record is None else record
    return Case("invoice-entry", reference, payload, shown, FIELDS if fields is None else fields)
