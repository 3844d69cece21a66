"""The scripted incidents of the drift benchmark: what each changes in ordinary records, and its true cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from benchmarks.drift_office import Record

Change = Callable[[Record, Random], Record]


def given(record: Record, **changes: Any) -> Record:
    """Return the record as another source would have given it, worked faithfully."""
    payload = {**record.entered.payload, **changes}
    shown = payload if record.worked.read_back is not None else None
    return replace(
        record,
        entered=replace(record.entered, payload=payload),
        worked=replace(record.worked, payload=payload, read_back=shown),
    )


def invalid(record: Record, field: str, text: str) -> Record:
    """Return the record with a field that breaks the contract; no bot gets to see it."""
    return replace(record, entered=replace(record.entered, payload={field: text}, invalid=(field,)))


def failing(record: Record, code: str, **how: Any) -> Record:
    """Return the record with an attempt that ended in a system exception."""
    worked = replace(
        record.worked, error_kind="system", error_code=code, read_back=None, findings=(), probability=None, **how
    )
    return replace(record, worked=worked, audited=None)


def misread(record: Record, field: str, **how: Any) -> Record:
    """Return the record with a field that reads back otherwise."""
    finding = {"check": "read_back", "field": field, "code": "not_equal"}
    return replace(record, worked=replace(record.worked, findings=[finding], **how))


def shown(record: Record, **changes: Any) -> Record:
    """Return the record as the application shows it now; a field that is None is not shown at all."""
    read = {**(record.worked.read_back or record.worked.payload), **changes}
    kept = {key: value for key, value in read.items() if key not in changes or value is not None}
    return replace(record, worked=replace(record.worked, read_back=kept))


def refused(record: Record) -> Record:
    """Return the record refused by the application's own validation."""
    worked = replace(record.worked, error_kind="business", error_code="rejected", read_back=None, probability=None)
    return replace(record, worked=worked, audited=None)


def scored(record: Record, change: Callable[[float], float]) -> Record:
    """Return the record with another score."""
    old = record.worked.probability
    return record if old is None else replace(record, worked=replace(record.worked, probability=min(0.99, change(old))))


def found_wrong(record: Record, chance: float, rng: Random) -> Record:
    """Return the record with an auditor who finds more wrong ones."""
    return record if record.audited is None else replace(record, audited=rng.random() < chance)


def newer(record: Record, **pins: str) -> Record:
    """Return the record under a new version of the application."""
    return replace(record, worked=replace(record.worked, pins={"application_version": "4.3", **pins}))


def upgraded(record: Record) -> Record:
    """Return the record as a new version of the bot worked it."""
    return replace(record, worked=replace(record.worked, bot_version="0.4.0"))


def of(record: Record, name: str) -> str:
    """Return a field as the source gave it."""
    return str(record.entered.payload[name])


def some(share: float, change: Change) -> Change:
    """Change only a share of the records."""
    return lambda record, rng: change(record, rng) if rng.random() < share else record


def after(first: Callable[[Record], Record], then: Change) -> Change:
    """Change all records, and then some further."""
    return lambda record, rng: then(first(record), rng)


def at(worker: str, share: float, change: Change) -> Change:
    """Change a share of one worker's records."""
    return lambda record, rng: (
        change(record, rng) if record.worked.worker == worker and rng.random() < share else record
    )


def fails(code: str) -> Change:
    """Let attempts fail."""
    return lambda record, _: failing(record, code)


def mistypes(field: str) -> Change:
    """Let a field read back otherwise."""
    return lambda record, _: misread(record, field)


def day_first(record: Record) -> Record:
    """Write the date as 31.12.2026."""
    return given(record, invoice_date=turned(of(record, "invoice_date")))


def turned(text: str) -> str:
    """Return 2026-12-31 as 31.12.2026."""
    return ".".join(reversed(text.split("-")))


def grouped(record: Record) -> Record:
    """Write the account in groups of four."""
    text = of(record, "iban")
    return given(record, iban=" ".join(text[start : start + 4] for start in range(0, len(text), 4)))


def a_year_ahead(record: Record) -> Record:
    """Give dates of next year."""
    return given(record, invoice_date=of(record, "invoice_date").replace("2026", "2027"))


def with_comma(record: Record) -> Record:
    """Give an amount that breaks the contract."""
    return invalid(record, "total", of(record, "total").replace(".", ","))


def shown_day_first(record: Record) -> Record:
    """Let the application show the date as 31.12.2026."""
    return shown(misread(record, "invoice_date"), invoice_date=turned(of(record, "invoice_date")))


SCRIPTS: tuple[tuple[str, str, Change], ...] = (
    ("source", "dates day first", lambda record, _: day_first(record)),
    ("source", "dates day first in four of five", some(0.8, lambda record, _: day_first(record))),
    ("source", "amounts in cents", lambda record, _: given(record, total=f"{float(of(record, 'total')) * 100:.0f}")),
    ("source", "accounts in groups of four", lambda record, _: grouped(record)),
    ("source", "currency missing in half", some(0.5, lambda record, _: given(record, currency=None))),
    ("source", "currencies as signs", lambda record, _: given(record, currency="€")),
    ("source", "dates a year ahead", lambda record, _: a_year_ahead(record)),
    ("source", "decimal commas break the contract", some(0.6, lambda record, _: with_comma(record))),
    ("source", "dates break the contract", some(0.3, lambda record, _: invalid(record, "invoice_date", "31.12.26"))),
    ("source", "dates day first, and the bot stumbles", after(day_first, some(0.7, mistypes("invoice_date")))),
    ("bot", "new version mistypes", after(upgraded, some(0.6, mistypes("total")))),
    ("bot", "new version fails in half", after(upgraded, some(0.5, fails("element_missing")))),
    ("bot", "new version drops a character", after(upgraded, some(0.25, mistypes("invoice_no")))),
    ("bot", "one worker fails", at("w2", 0.9, fails("browser_error"))),
    ("bot", "one worker mistypes", at("w3", 0.7, mistypes("iban"))),
    ("bot", "all mistype in a third", some(0.33, mistypes("supplier"))),
    ("bot", "new version fails in a third", after(upgraded, some(0.33, fails("field_not_kept")))),
    ("application", "a button is gone", some(0.9, fails("element_missing"))),
    ("application", "a label is ambiguous in a third", some(0.33, fails("ambiguous_locator"))),
    ("application", "pages answer errors in a quarter", some(0.25, fails("page_error"))),
    ("application", "a field is not shown any more", lambda record, _: shown(record, iban=None)),
    ("application", "dates are shown otherwise", lambda record, _: shown_day_first(record)),
    ("application", "new version rounds amounts", after(newer, some(0.5, mistypes("total")))),
    ("application", "new version loses a button", after(newer, some(0.4, fails("element_missing")))),
    ("application", "validation is stricter", some(0.4, lambda record, _: refused(record))),
    ("model", "scores three times as high", lambda record, _: scored(record, lambda p: 3 * p + 0.05)),
    ("model", "scores collapse", lambda record, _: scored(record, lambda p: p * 1e-4)),
    ("model", "audits find thirty in a hundred", lambda record, rng: found_wrong(record, 0.3, rng)),
    ("model", "audits find fifteen in a hundred", lambda record, rng: found_wrong(record, 0.15, rng)),
    ("model", "half of the scores are high", some(0.5, lambda record, _: scored(record, lambda p: p + 0.3))),
)
