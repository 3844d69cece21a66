"""An amount with its currency, as people write it into a definition: `12.50 EUR`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from bots.reconciliation.money import plain
from bots.reconciliation.wording import decimal


@dataclass(frozen=True)
class Money:
    """An amount as people write it into a definition: `12.50 EUR`."""

    amount: int
    """Minor units of the currency."""
    currency: str


def parse_money(raw: object) -> Money:
    """Read `12.50 EUR`.

    Raises:
        ValueError: it is no amount with its currency, or has more decimals than the currency.
    """
    if isinstance(raw, Money):
        return raw
    number, _, currency = str(raw).strip().rpartition(" ")
    if not number:
        raise ValueError(f"{str(raw)!r} is no amount with its currency; write it like 12.50 EUR")
    return Money(plain(number, currency), currency)


MoneyText = Annotated[
    Money,
    BeforeValidator(parse_money),
    PlainSerializer(lambda money: f"{decimal(money.amount, money.currency)} {money.currency}"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? [A-Z]{3}$", "examples": ["12.50 EUR"]}),
]
