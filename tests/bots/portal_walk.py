"""The invoice entry on the portal, as a workflow for tests of bots."""

from __future__ import annotations

from typing import Any

from engine.definition import Application, ListAudit, Step
from engine.values import FieldSpec
from fixtures.portal.accounts import DEMO_USER
from fixtures.portal.server import PortalServer
from tests.bots.house import application, steps

LABELS = {
    "supplier": "Supplier",
    "invoice_no": "Invoice number",
    "invoice_date": "Invoice date",
    "due_date": "Due date",
    "currency": "Currency",
    "purchase_order": "Purchase order",
    "iban": "IBAN",
    "cost_center": "Cost center",
    "net": "Net amount",
    "tax_rate": "Tax rate",
    "tax": "Tax amount",
    "total": "Total",
}
_DATES = {"invoice_date", "due_date"}
_MONEY = {"net", "tax", "total"}


def _type(name: str) -> str:
    return "date" if name in _DATES else "money" if name in _MONEY else "text"


COLUMNS = {
    "description": ("Description", "text"),
    "quantity": ("Quantity", "decimal"),
    "unit_price": ("Unit price", "money"),
    "amount": ("Amount", "money"),
}
FIELDS: dict[str, FieldSpec] = {
    **{name: FieldSpec.model_validate({"type": _type(name)}) for name in LABELS},
    "lines": FieldSpec.model_validate(
        {"type": "table", "columns": {name: {"type": kind} for name, (_, kind) in COLUMNS.items()}}
    ),
}
FIND: dict[str, Any] = {
    "open": "/invoices?q=${item.invoice_no}",
    "table": "Invoices",
    "row": {"Supplier": "${item.supplier}", "Invoice number": "${item.invoice_no}"},
    "alike": {
        "open": "/invoices?q=${item.supplier}",
        "row": {"Supplier": "${item.supplier}", "Total": "${item.total}", "Invoice date": "${item.invoice_date}"},
    },
}
COMMIT: dict[str, Any] = {
    "click": {"button": "Save"},
    "confirm": {"text": "Invoice saved"},
    "rejected": {"role": "alert"},
    "id": {"field": "Record no"},
    "find": FIND,
}
AUDIT = ListAudit.model_validate(
    {
        "open": "/invoices?per_page=3&page=${page}",
        "table": "Invoices",
        "key": {"Supplier": "${item.supplier}", "Invoice number": "${item.invoice_no}"},
    }
)
LOGIN: tuple[tuple[str, Any], ...] = (
    ("open", "/login"),
    ("fill", {"User name": DEMO_USER, "Password": "${secret:erp_password}"}),
    ("click", {"button": "Sign in"}),
)
EXTRAS: dict[str, Any] = {
    "session": {"probe": {"button": "Sign out"}, "lost": {"url": "/login"}},
    "interrupts": [{"when": {"role": "dialog", "name": "Maintenance notice"}, "click": {"button": "Close"}}],
}


def walk() -> tuple[Step, ...]:
    """Return the steps of the entry."""
    return steps(
        ("open", "/invoices/new"),
        ("fill", {label: f"${{item.{name}}}" for name, label in LABELS.items()}),
        (
            "rows",
            {
                "table": "Lines",
                "add": {"button": "Add line"},
                "each": "${item.lines}",
                "columns": {header: f"${{row.{name}}}" for name, (header, _) in COLUMNS.items()},
            },
        ),
        ("commit", COMMIT),
        (
            "read",
            {
                **{name: {"field": label} for name, label in LABELS.items()},
                "lines": {"table": "Lines", "columns": {name: header for name, (header, _) in COLUMNS.items()}},
            },
        ),
    )


def erp(portal: PortalServer, **changes: Any) -> Application:
    """Return the portal's profile."""
    return application(portal.url, login=steps(*LOGIN), extras=EXTRAS, **changes)


def invoice(number: str = "INV-1", **changes: Any) -> dict[str, Any]:
    """Return a right invoice as a source would give it."""
    return {
        "supplier": "上海恒通贸易有限公司",
        "invoice_no": number,
        "invoice_date": "2026-11-03",
        "due_date": "2026-12-03",
        "currency": "CNY",
        "purchase_order": "PO-77",
        "iban": "DE89370400440532013000",
        "cost_center": "4100 Office",
        "net": "1234.50",
        "tax_rate": "19 %",
        "tax": "234.56",
        "total": "1469.06",
        "lines": [
            {"description": "Paper & ink", "quantity": "2", "unit_price": "100.00", "amount": "200.00"},
            {"description": "Größe <b>", "quantity": "1.5", "unit_price": "689.67", "amount": "1034.50"},
        ],
        **changes,
    }
