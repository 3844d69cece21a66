from __future__ import annotations

import json
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.values import FieldSpec, Formats, Scalar, clean_text, decode, display, encode, equal, parse

GERMAN = Formats("DD.MM.YYYY", ",", ".")
SWISS = Formats("DD.MM.YYYY", ".", "'")
FRENCH = Formats("DD/MM/YYYY", ",", " ")
AMERICAN = Formats("MM/DD/YYYY", ".", ",")
SHORT = Formats("D.M.YY", ",", "")
ISO = Formats()
ALL = [ISO, GERMAN, SWISS, FRENCH, AMERICAN, SHORT]

TEXT, INTEGER, DECIMAL = FieldSpec(type="text"), FieldSpec(type="integer"), FieldSpec(type="decimal")
MONEY, DATE, BOOLEAN = FieldSpec(type="money"), FieldSpec(type="date"), FieldSpec(type="boolean")
EUR = FieldSpec(type="money", currency="EUR")
LINES = FieldSpec(type="table", columns={"text": TEXT, "amount": MONEY, "day": DATE})


@pytest.mark.parametrize(
    ("raw", "spec", "formats", "expected"),
    [
        ("  东方\u00a0贸易 \n 有限公司 ", TEXT, ISO, "东方 贸易 有限公司"),
        ("Mu\u0308ller", TEXT, ISO, "Müller"),
        ("", TEXT, ISO, None),
        (" \u00a0 ", MONEY, ISO, None),
        (None, DATE, ISO, None),
        ("42", INTEGER, ISO, 42),
        ("-1.234", INTEGER, GERMAN, -1234),
        ("1.0", INTEGER, ISO, 1),
        ("1.234,567", DECIMAL, GERMAN, Decimal("1234.567")),
        ("0,5", DECIMAL, GERMAN, Decimal("0.5")),
        ("1.234,56", MONEY, GERMAN, Decimal("1234.56")),
        ("1234,5", MONEY, GERMAN, Decimal("1234.50")),
        ("1.234.567,80 €", MONEY, GERMAN, Decimal("1234567.80")),
        ("1'234.50", MONEY, SWISS, Decimal("1234.50")),
        ("CHF 1’234.50", MONEY, SWISS, Decimal("1234.50")),  # U+2019, as Swiss pages write it
        ("1 234,50", MONEY, FRENCH, Decimal("1234.50")),
        ("1\u00a0234,50", MONEY, FRENCH, Decimal("1234.50")),
        ("1\u202f234\u202f567,50 EUR", MONEY, FRENCH, Decimal("1234567.50")),
        ("12\u00a0345.67", MONEY, ISO, Decimal("12345.67")),
        ("$1,234.50", MONEY, AMERICAN, Decimal("1234.50")),
        ("1,00,000.00", MONEY, AMERICAN, Decimal("100000.00")),  # Indian grouping
        ("\u221212,30", MONEY, GERMAN, Decimal("-12.30")),  # a typographic minus
        ("-€5.00", MONEY, ISO, Decimal("-5.00")),
        ("+5", MONEY, ISO, Decimal("5.00")),
        ("1.005", MONEY, ISO, Decimal("1.005")),
        (0.1, MONEY, ISO, Decimal("0.10")),
        (1e16, DECIMAL, ISO, Decimal(10) ** 16),
        (7, MONEY, ISO, Decimal("7.00")),
        ("EUR 5.00", EUR, ISO, Decimal("5.00")),
        ("05.01.2026", DATE, GERMAN, date(2026, 1, 5)),
        ("5.1.2026", DATE, GERMAN, date(2026, 1, 5)),
        ("01/05/2026", DATE, AMERICAN, date(2026, 1, 5)),
        ("5.1.26", DATE, SHORT, date(2026, 1, 5)),
        (date(2026, 1, 5), DATE, GERMAN, date(2026, 1, 5)),
        ("Yes", BOOLEAN, ISO, True),
        ("off", BOOLEAN, ISO, False),
        (False, BOOLEAN, ISO, False),
    ],
)
def test_what_pages_and_files_show_becomes_a_typed_value(
    raw: object, spec: FieldSpec, formats: Formats, expected: Any
) -> None:
    value = parse(raw, spec, formats)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("raw", "spec", "formats"),
    [
        ("1.50", MONEY, GERMAN),  # not one hundred and fifty
        ("1,50", MONEY, AMERICAN),
        ("1'50", MONEY, SWISS),
        ("1 50", MONEY, FRENCH),
        ("1.5", MONEY, SHORT),
        ("1,234.50", MONEY, GERMAN),
        ("1,234.50", MONEY, ISO),
        ("1 234.50", MONEY, ISO),
        ("1.234,50.0", MONEY, GERMAN),
        (".234,50", MONEY, GERMAN),
        ("1_000", INTEGER, ISO),
        ("1_000.00", MONEY, ISO),
        ("NaN", DECIMAL, ISO),
        ("Infinity", MONEY, ISO),
        ("12 apples", INTEGER, ISO),
        ("1.5", INTEGER, ISO),
        ("--5", MONEY, ISO),
        ("5 USD", EUR, ISO),
        ("$5.00", EUR, ISO),
        (True, MONEY, ISO),
        (True, INTEGER, ISO),
        (False, DATE, ISO),
        ("2026-02-30", DATE, ISO),
        ("05.01.2026", DATE, ISO),
        ("13/31/2026", DATE, AMERICAN),
        ("perhaps", BOOLEAN, ISO),
        ("rows", LINES, ISO),
        (["row"], LINES, ISO),
    ],
)
def test_what_is_not_of_the_type_is_refused_and_never_guessed(raw: object, spec: FieldSpec, formats: Formats) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(raw, spec, formats)


def test_a_wrong_cell_names_its_row() -> None:
    rows = [{"amount": "1.00"}, {"amount": "one"}]
    with pytest.raises(ValueError, match=r"row 2: 'one' is not an amount of money"):
        parse(rows, LINES)


def test_a_table_is_parsed_cell_by_cell() -> None:
    rows = [{"text": " 纸 ", "amount": "1.234,50", "day": "05.01.2026", "other": "x"}, {}]
    assert parse(rows, LINES, GERMAN) == [
        {"text": "纸", "amount": Decimal("1234.50"), "day": date(2026, 1, 5)},
        {"text": None, "amount": None, "day": None},
    ]
    assert parse("", LINES) == parse(None, LINES) == []


@pytest.mark.parametrize(
    ("value", "formats", "money", "shown"),
    [
        (None, ISO, False, ""),
        ("东方", ISO, False, "东方"),
        (True, ISO, False, "true"),
        (42, GERMAN, False, "42"),
        (Decimal("1234.5"), ISO, True, "1234.50"),
        (Decimal("1234.5"), GERMAN, True, "1.234,50"),
        (Decimal("1234567.5"), SWISS, True, "1'234'567.50"),
        (Decimal("1234.5"), FRENCH, True, "1 234,50"),
        (Decimal("-1234.5"), SHORT, True, "-1234,50"),
        (Decimal("1.005"), ISO, True, "1.005"),
        (Decimal("1E+3"), AMERICAN, False, "1,000"),
        (Decimal(10) ** 30, ISO, True, "1" + "0" * 30 + ".00"),
        (date(2026, 1, 5), GERMAN, False, "05.01.2026"),
        (date(2026, 1, 5), SHORT, False, "5.1.26"),
        (date(987, 1, 5), ISO, False, "0987-01-05"),
    ],
)
def test_values_are_written_as_the_applications_users_type_them(
    value: Scalar, formats: Formats, money: bool, shown: str
) -> None:
    assert display(value, formats, money=money) == shown


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (Decimal("1.5"), Decimal("1.50"), True),
        (Decimal("1.50"), Decimal("1.51"), False),
        (Decimal("1.50"), Decimal("1.501"), False),
        (7, Decimal("7.00"), True),
        ("Mu\u0308ller  AG", "Müller AG", True),
        ("Müller", "Muller", False),
        ("abc", "ABC", False),
        ("", None, True),
        (None, None, True),
        (None, Decimal(0), False),
        (None, False, False),
        (date(2026, 1, 5), date(2026, 1, 6), False),
        ([], None, True),
        ([], Decimal(0), False),
        ([{"amount": Decimal("1.5"), "text": "纸  A"}], [{"amount": Decimal("1.50"), "text": "纸 A"}], True),
        ([{"text": ""}], [{"text": None}], True),
        ([{"text": "a"}], [{"text": "a"}, {"text": "b"}], False),
        ([{"text": "a"}, {"text": "b"}], [{"text": "b"}, {"text": "a"}], False),
        ([{"text": "a"}], "a", False),
        (1, True, False),
    ],
)
def test_two_values_are_the_same_or_not(left: Any, right: Any, same: bool) -> None:
    assert equal(left, right) is same
    assert equal(right, left) is same


cents = st.integers(-(10**15), 10**15).map(lambda amount: Decimal(amount).scaleb(-2))
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12)
days = st.dates(date(2000, 1, 1), date(2068, 12, 31))
texts = st.text(max_size=40).map(clean_text).filter(bool)
formats_of_all = st.sampled_from(ALL)


@given(cents, formats_of_all)
def test_money_is_read_as_it_was_written(amount: Decimal, formats: Formats) -> None:
    assert parse(display(amount, formats, money=True), MONEY, formats) == amount


@given(decimals, formats_of_all)
def test_numbers_are_read_as_they_were_written(number: Decimal, formats: Formats) -> None:
    assert parse(display(number, formats), DECIMAL, formats) == number


@given(days, formats_of_all)
def test_dates_are_read_as_they_were_written(day: date, formats: Formats) -> None:
    assert parse(display(day, formats), DATE, formats) == day


@given(st.text(max_size=60))
def test_cleaning_a_text_twice_changes_nothing(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once
    assert unicodedata.is_normalized("NFC", once)


FIELDS = {
    "t": TEXT,
    "i": INTEGER,
    "d": DECIMAL,
    "m": MONEY,
    "day": DATE,
    "b": BOOLEAN,
    "lines": FieldSpec(type="table", columns={"text": TEXT, "amount": MONEY}),
}
rows = st.lists(st.fixed_dictionaries({"text": st.none() | texts, "amount": st.none() | cents}), max_size=3)
records = st.fixed_dictionaries(
    {},
    optional={
        "t": st.none() | texts,
        "i": st.none() | st.integers(-(10**20), 10**20),
        "d": st.none() | decimals,
        "m": st.none() | cents,
        "day": st.none() | st.dates(),
        "b": st.none() | st.booleans(),
        "lines": rows,
    },
)


@given(records)
def test_what_is_stored_comes_back(record: dict[str, Any]) -> None:
    stored = json.loads(json.dumps(encode(record), ensure_ascii=False))
    back = decode(stored, FIELDS)
    assert back == record
    assert {name: type(value) for name, value in back.items()} == {name: type(record[name]) for name in record}
    assert encode(back).keys() == stored.keys()


@given(
    st.floats() | st.integers() | st.text(max_size=20) | st.booleans() | st.none() | st.dates() | st.datetimes(),
    st.sampled_from([TEXT, INTEGER, DECIMAL, MONEY, EUR, DATE, BOOLEAN, LINES]),
    formats_of_all,
)
def test_parsing_gives_a_value_of_the_type_or_a_value_error_and_never_a_float(
    raw: object, spec: FieldSpec, formats: Formats
) -> None:
    kinds = {"text": str, "integer": int, "decimal": Decimal, "money": Decimal, "date": date, "boolean": bool}
    try:
        value = parse(raw, spec, formats)
    except ValueError:
        return
    assert value is None or type(value) is kinds.get(spec.type, list)


def test_names_outside_the_contract_stay_as_they_are() -> None:
    assert decode({"note": " a  b "}, FIELDS) == {"note": " a  b "}


def test_an_instant_is_no_business_date() -> None:
    assert parse(datetime(2026, 1, 5, 23, 59), DATE) == date(2026, 1, 5)  # noqa: DTZ001 - as spreadsheets hand it over
