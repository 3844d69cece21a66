from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.reconciliation.money import NoAmount, plain, written


@pytest.mark.parametrize(
    ("text", "currency", "decimal", "amount"),
    [
        ("1,234.56", "EUR", None, 123456),
        ("1.234,56", "EUR", None, 123456),
        ("1 234,56", "EUR", None, 123456),
        ("1'234.56", "CHF", None, 123456),
        ("(12.00)", "USD", None, -1200),
        ("12.00-", "USD", None, -1200),
        ("\u221212,5", "EUR", None, -1250),
        ("EUR 7", "EUR", None, 700),
        ("1,234", "EUR", ".", 123400),
        ("1.234", "EUR", ",", 123400),
        ("1,234", "KWD", ",", 1234),
        ("1,234,567", "JPY", None, 1234567),
        ("0.5", "EUR", None, 50),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, currency: str, decimal: str | None, amount: int) -> None:
    assert written(text, currency, decimal) == amount


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1,234", "EUR"),
        ("1.234", "EUR"),
        ("12..34", "EUR"),
        ("1.2.3", "EUR"),
        ("", "EUR"),
        ("5.001", "EUR"),
        ("1", "E"),
        ("0.5", "JPY"),
        ("1,23,4", "EUR"),
        ("9" * 25, "EUR"),
        ("NaN", "EUR"),
        ("1e3", "EUR"),
    ],
)
def test_what_is_no_amount_or_could_be_two_is_refused(text: str, currency: str) -> None:
    with pytest.raises(NoAmount):
        written(text, currency)


@given(st.integers(-(10**14), 10**14))
def test_every_amount_survives_both_ways_of_writing(amount: int) -> None:
    sign, digits = "-" if amount < 0 else "", f"{abs(amount):03d}"
    whole, cents = int(digits[:-2]), digits[-2:]
    assert plain(f"{sign}{whole}.{cents}", "EUR") == amount
    assert written(f"{sign}{whole:,}.{cents}", "EUR") == amount
    assert written(f"{sign}{whole:,}".replace(",", ".") + f",{cents}", "EUR") == amount
