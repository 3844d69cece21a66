"""A file to a checked definition of a reconciliation: every problem in one pass, each at its place."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from bots.reconciliation.definition import TABLES, Definition, ReconciliationFile, SideFile
from bots.reconciliation.money import NoAmount, exponent
from bots.reconciliation.readers.columns import ROLES
from bots.reconciliation.readers.registry import READERS
from engine.draft import Draft
from engine.errors import UserError
from engine.frame import AppFile
from engine.ports import Registry
from engine.schedules.calendars import known, unknown_calendar
from engine.yaml_source import Document, Problem, read, unknown

Rates = Mapping[tuple[str, str, date], Decimal]
_HEADINGS = ("from", "to", "day", "rate")
_OF_TABLES = ("columns", "decimal", "date_order", "delimiter", "encoding", "sheet")

_NOTHING = Registry(steps={}, checks={}, app_extras=AppFile)
"""A definition of a reconciliation names no step."""


def load(path: Path, kinds: Iterable[str] = ()) -> tuple[Definition | None, list[Problem]]:
    """Load one definition.

    Args:
        path: the YAML file.
        kinds: the kinds of evidence that it may name.

    Returns:
        The definition, or None and everything that is wrong with it.
    """
    name = path.as_posix()
    try:
        raw = path.read_bytes()
    except OSError as error:
        return None, [Problem(name, 1, 1, f"cannot be read: {error.strerror or error}", "file")]
    document, problems = read(name, raw)
    if document is None:
        return None, problems
    draft = Draft(document, _NOTHING, problems)
    file: ReconciliationFile = draft.frame(ReconciliationFile, document.data)
    problems += _beyond_shape(document, file, tuple(kinds))
    rates, found = _rates(document, file, path)
    problems += found
    if problems:
        return None, sorted(set(problems))
    return Definition(file, raw.decode("utf-8-sig"), name, rates), []


def load_one(path: Path, kinds: Iterable[str] = ()) -> Definition:
    """Load one definition.

    Raises:
        UserError: anything is wrong with it; the message lists every problem.
    """
    definition, problems = load(path, kinds)
    if definition is None:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise UserError(f"{path.as_posix()} cannot be used; mend this first:\n{listed}")
    return definition


def _beyond_shape(document: Document, file: ReconciliationFile, kinds: tuple[str, ...]) -> Iterator[Problem]:
    """Yield what is wrong although every value has the right type."""
    for side, told in (("bank", file.bank), ("book", file.book)):
        yield from _side(document, side, told)
    doubled = [name for name, count in Counter(file.accounts.values()).items() if count > 1]
    for bank, book in file.accounts.items():
        if book in doubled:
            said = f'the account "{book}" of the books stands for several of the bank: say which one it is'
            yield document.problem(("accounts", bank), said, "account")
    window = file.policy.window
    if window.earliest > window.latest:
        said = f"the window begins {window.earliest} business days after the books' day and ends after {window.latest}"
        yield document.problem(("policy", "window"), said, "value")
    calendar = file.policy.calendar
    if calendar is not None and not known(calendar):
        yield document.problem(("policy", "calendar"), unknown_calendar(calendar), "calendar")
    for at, kind in enumerate(file.gate.suggest_only):
        if kind not in kinds:
            yield document.problem(("gate", "suggest_only", at), unknown("kind of evidence", kind, kinds), "kind")
    seen: set[str] = set()
    for at, limit in enumerate(file.review.four_eyes_over):
        if limit.currency in seen:
            said = f"{limit.currency} has a limit already"
            yield document.problem(("review", "four_eyes_over", at), said, "value")
        seen.add(limit.currency)


def _side(document: Document, side: str, told: SideFile) -> Iterator[Problem]:
    if told.format is not None and told.format not in READERS:
        yield document.problem((side, "format"), unknown("format", told.format, READERS), "format")
    elif told.format is not None and told.format not in TABLES:
        for key in (key for key in _OF_TABLES if getattr(told, key)):
            said = f"{told.format} files say this themselves; only files of {', '.join(TABLES)} are told"
            yield document.problem((side, key), said, "format", key=True)
    for role in told.columns:
        if role not in ROLES:
            yield document.problem((side, "columns", role), unknown("column", role, ROLES), "column", key=True)
    doubled = [heading for heading, count in Counter(told.columns.values()).items() if count > 1]
    for role, heading in told.columns.items():
        if heading in doubled:
            said = f'the heading "{heading}" is named for two columns'
            yield document.problem((side, "columns", role), said, "column")
    if {"amount", "debit", "credit"} <= told.columns.keys():
        said = "an amount column, or one of debits and one of credits: not both"
        yield document.problem((side, "columns", "amount"), said, "column", key=True)
    if told.encoding is not None and not _is_encoding(told.encoding):
        yield document.problem((side, "encoding"), f'"{told.encoding}" is no encoding; e.g. utf-8, gb18030', "value")


def _is_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def _rates(document: Document, file: ReconciliationFile, path: Path) -> tuple[Rates, list[Problem]]:
    """Read the rate table that a definition names."""
    if file.policy.rates is None:
        return {}, []
    table, at = path.parent / file.policy.rates, ("policy", "rates")
    try:
        text = table.read_text(encoding="utf-8-sig")
    except OSError as error:
        said = f"{table.as_posix()} cannot be read: {error.strerror or error}"
        return {}, [document.problem(at, said, "file")]
    except UnicodeDecodeError:
        return {}, [document.problem(at, f"{table.as_posix()} is not UTF-8", "encoding")]
    return read_rates(table.as_posix(), text)


def read_rates(name: str, text: str) -> tuple[Rates, list[Problem]]:
    """Read a rate table: CSV with the columns from, to, day and rate (how many units of `to` one of `from` is).

    Returns:
        (from, to, day) to rate, and a problem for each row that is wrong; `name` is how problems name the file.
    """
    reader = csv.DictReader(text.splitlines())
    missing = [heading for heading in _HEADINGS if heading not in (reader.fieldnames or [])]
    if missing:
        said = f"no column {', '.join(missing)}; a rate table has {', '.join(_HEADINGS)}"
        return {}, [Problem(name, 1, 1, said, "rates")]
    rates: dict[tuple[str, str, date], Decimal] = {}
    problems = []
    for row in reader:
        try:
            key, rate = _rate(row)
        except ValueError as error:
            problems.append(Problem(name, reader.line_num, 1, str(error), "rates"))
            continue
        if rates.setdefault(key, rate) != rate:
            said = f"{key[0]} to {key[1]} on {key[2]} has two rates: {rates[key]} and {rate}"
            problems.append(Problem(name, reader.line_num, 1, said, "rates"))
    return rates, problems


def _rate(row: Mapping[str, Any]) -> tuple[tuple[str, str, date], Decimal]:
    try:
        source, target = (_currency(str(row[key] or "")) for key in ("from", "to"))
        rate = Decimal(str(row["rate"] or "").strip())
    except InvalidOperation:
        raise ValueError(f'"{row["rate"] or ""}" is no rate; write it like 1.0845') from None
    if not rate.is_finite() or rate <= 0:
        raise ValueError(f'"{row["rate"]}" is no rate; it must be more than 0')
    try:
        day = date.fromisoformat(str(row["day"] or "").strip())
    except ValueError:
        raise ValueError(f'"{row["day"]}" is no day; write it like 2026-01-31') from None
    return (source, target, day), rate


def _currency(text: str) -> str:
    code = text.strip()
    try:
        exponent(code)
    except NoAmount as error:
        raise ValueError(str(error)) from error
    return code
