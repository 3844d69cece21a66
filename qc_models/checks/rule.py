"""Declared rules over a record: sums, products, order of dates, account check digits, required fields.

One `rule:` is one family, told by its first key:

    - rule: {sum_of: lines.amount, equals: net}
    - rule: {sum: [net, tax], equals: total}
    - rule: {product: [net, tax_rate], equals: tax, within: 0.01}
    - rule: {row_product: [quantity, unit_price], equals: amount, in: lines, within: 0.01}
    - rule: {not_before: [due_date, invoice_date]}
    - rule: {iban: iban}
    - rule: {required: [supplier, total]}
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from engine.definition import Frozen
from engine.ports import Case, Finding
from qc_models.checks.amounts import Absent, column, number, of, rows

_CALCULATED = {"sum_of", "sum", "product", "row_product"}
CENT = Decimal("0.01")


class RuleParams(Frozen):
    """Exactly one family of rule, and what it needs."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    sum_of: str | None = Field(None, description="Column of a table, as table.column, whose sum is compared.")
    sum: tuple[str, ...] | None = Field(None, description="Fields whose sum is compared.")
    product: tuple[str, ...] | None = Field(None, description="Fields whose product is compared; 19 % counts as 0.19.")
    row_product: tuple[str, ...] | None = Field(None, description="Columns whose product is compared in each row.")
    not_before: tuple[str, str] | None = Field(None, description="Two dates: the first must not be before the second.")
    iban: str | None = Field(None, description="Field whose IBAN check digits must hold (ISO 13616).")
    required: tuple[str, ...] | None = Field(None, description="Fields that must not be empty.")
    equals: str | None = Field(None, description="Field, or column of `in`, that holds the result.")
    table: str | None = Field(None, alias="in", description="Table of a row_product.")
    within: Decimal = Field(Decimal(0), ge=0, description="Largest allowed difference.")

    @model_validator(mode="after")
    def _one_family(self) -> Self:
        given = [name for name in FAMILIES if getattr(self, name) is not None]
        if len(given) != 1:
            listed = ", ".join(FAMILIES)
            raise ValueError(f"a rule names exactly one of {listed}; this one names {', '.join(given) or 'none'}")
        family = given[0]
        if (family in _CALCULATED) != (self.equals is not None):
            raise ValueError(f"{family} {'needs' if family in _CALCULATED else 'takes no'} `equals`")
        if (family == "row_product") != (self.table is not None):
            raise ValueError("`in` names the table of a row_product, and belongs to nothing else")
        if family == "sum_of" and "." not in str(self.sum_of):
            raise ValueError("sum_of is written table.column")
        return self

    @property
    def family(self) -> str:
        """Return the key that tells the rule."""
        return next(name for name in FAMILIES if getattr(self, name) is not None)

    def named(self) -> tuple[str, ...]:
        """Return the fields that the rule names (a column as table.column), for the checks of a definition."""
        if self.row_product is not None:
            return tuple(f"{self.table}.{name}" for name in (*self.row_product, str(self.equals)))
        single = [name for name in (self.sum_of, self.iban, self.equals) if name is not None]
        several = [self.sum, self.product, self.not_before, self.required]
        return (*single, *(name for names in several for name in names or ()))


def rule(params: RuleParams, case: Case, models: Any) -> list[Finding]:
    """Check one rule on the payload; a number that is missing where one is needed is a finding, not a pass."""
    del models
    try:
        return FAMILIES[params.family](params, case)
    except Absent as absent:
        wanted = f"{absent.field} holds no number, so {params.family} {params.equals} cannot be checked"
        return [Finding("rule", "no_number", wanted, absent.field)]


def _sum_of(params: RuleParams, case: Case) -> list[Finding]:
    target, source = str(params.equals), str(params.sum_of)
    wanted = sum(column(case, source), Decimal(0))
    return _compare(params, f"the sum of {source}", wanted, of(case.payload, target), target)


def _sum(params: RuleParams, case: Case) -> list[Finding]:
    names, target = params.sum or (), str(params.equals)
    wanted = sum((of(case.payload, name) for name in names), Decimal(0))
    return _compare(params, " + ".join(names), wanted, of(case.payload, target), target)


def _product(params: RuleParams, case: Case) -> list[Finding]:
    names, target = params.product or (), str(params.equals)
    wanted = math.prod((of(case.payload, name) for name in names), start=Decimal(1))
    return _compare(params, " x ".join(names), wanted, of(case.payload, target), target)


def _row_product(params: RuleParams, case: Case) -> list[Finding]:
    names, target, table = params.row_product or (), str(params.equals), str(params.table)
    found = []
    for position, row in enumerate(rows(case, table), start=1):
        wanted = math.prod((number(row.get(name), table) for name in names), start=Decimal(1))
        what = f"row {position} of {table}: {' x '.join(names)}"
        found.extend(_compare(params, what, wanted, number(row.get(target), table), table, target))
    return found


def _not_before(params: RuleParams, case: Case) -> list[Finding]:
    later, earlier = params.not_before or ("", "")
    first, second = case.payload.get(later), case.payload.get(earlier)
    if not isinstance(first, date) or not isinstance(second, date) or first >= second:
        return []
    message = f"{later} {first} is before {earlier} {second}"
    return [Finding("rule", "not_before", message, later, f"{second} or later", str(first))]


def _iban(params: RuleParams, case: Case) -> list[Finding]:
    field = str(params.iban)
    account = str(case.payload.get(field) or "")
    if iban_holds(account):
        return []
    message = f"{field} {account} is not a valid IBAN: its check digits do not fit"
    return [Finding("rule", "iban", message, field, None, account)]


def _required(params: RuleParams, case: Case) -> list[Finding]:
    empty = [name for name in params.required or () if case.payload.get(name) in (None, "", [])]
    return [Finding("rule", "required", f"{name} is empty", name) for name in empty]


def iban_holds(text: str) -> bool:
    """Say whether the check digits hold (ISO 13616, modulo 97); a text that is no IBAN at all passes."""
    plain = re.sub(r"[\s-]", "", text).upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", plain):
        return True
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


def _compare(
    params: RuleParams, what: str, wanted: Decimal, seen: Decimal, field: str, label: str | None = None
) -> list[Finding]:
    if abs(wanted - seen) <= params.within:
        return []
    exact = wanted.quantize(CENT) if wanted.as_tuple().exponent not in (0, -1, -2) else wanted
    message = f"{what} is {exact:,f}, but {label or field} says {seen:,f}"
    return [Finding("rule", params.family, message, field, f"{exact:f}", f"{seen:f}")]


FAMILIES: dict[str, Callable[[RuleParams, Case], list[Finding]]] = {
    "sum_of": _sum_of,
    "sum": _sum,
    "product": _product,
    "row_product": _row_product,
    "not_before": _not_before,
    "iban": _iban,
    "required": _required,
}
