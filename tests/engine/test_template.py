"""Substitution: typed, strict, and nothing that executes."""

from __future__ import annotations

import contextlib
from datetime import date
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BusinessException
from engine.secrets import Secret
from engine.template import Scope, key_of, references, resolve, resolve_text
from engine.values import FieldSpec, Formats, Record

FIELDS = {
    "supplier": FieldSpec(type="text"),
    "net": FieldSpec(type="money"),
    "count": FieldSpec(type="integer"),
    "due": FieldSpec(type="date"),
    "note": FieldSpec(type="text"),
    "lines": FieldSpec(
        type="table", columns={"amount": FieldSpec(type="money"), "quantity": FieldSpec(type="decimal")}
    ),
}
PAYLOAD: Record = {
    "supplier": "Möller & Söhne / 上海",
    "net": Decimal(1234),
    "count": 3,
    "due": date(2026, 1, 31),
    "lines": [{"amount": Decimal("2.5"), "quantity": Decimal(2)}],
}


def scope(**changes: object) -> Scope:
    parts: dict[str, object] = {
        "item": PAYLOAD,
        "params": {"period": "2026-01"},
        "secrets": lambda name: Secret(name, "hunter2"),
        "fields": FIELDS,
        "formats": Formats("DD.MM.YYYY", ".", ","),
        "record": {"url": "https://erp.example/invoices/7?saved=1"},
    }
    return Scope(**{**parts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${item.net}", Decimal(1234)),
        ("${item.due}", date(2026, 1, 31)),
        ("${item.count}", 3),
        ("${item.note}", None),
        ("${item.lines}", PAYLOAD["lines"]),
        ("${param.period}", "2026-01"),
        ("plain", "plain"),
        ("", ""),
        ("due ${item.due}, net ${item.net}", "due 31.01.2026, net 1,234.00"),
        ("[${item.note}]", "[]"),
        ("$${item.net} is ${item.count}", "${item.net} is 3"),
        ("$5 {x} $", "$5 {x} $"),
    ],
)
def test_one_reference_keeps_its_type_and_mixed_text_is_written_for_the_application(text: str, value: object) -> None:
    assert resolve(text, scope()) == value


def test_a_row_is_written_with_the_types_of_its_columns() -> None:
    here = scope(row={"amount": Decimal("2.5"), "quantity": Decimal(2)})
    assert resolve("${row.amount}", here) == Decimal("2.5")
    assert resolve("${row.quantity} x ${row.amount}", here) == "2 x 2.50"


def test_a_page_number_is_known_only_where_a_list_is_walked() -> None:
    assert resolve_text("/invoices?page=${page}", scope(page=3)) == "/invoices?page=3"
    with pytest.raises(ValueError, match="no value here"):
        resolve("${page}", scope())


def test_a_secret_stands_alone_and_stays_wrapped() -> None:
    secret = resolve("${secret:erp_password}", scope())
    assert isinstance(secret, Secret)
    assert secret.reveal() == "hunter2"
    for template in (resolve, resolve_text):
        with pytest.raises(ValueError, match="must stand alone"):
            template("pw=${secret:erp_password}", scope())


@pytest.mark.parametrize(
    "text",
    ["${item.net", "${}", "${ item.net }", "${item.net + 1}", "${item:net}", "${secret.pin}", "${__import__('os')}"],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\$"):
        references(text)


@pytest.mark.parametrize(
    "text", ["${item.nope}", "${row.amount}", "${param.nope}", "${record.nope}", "${other.x}", "${x}"]
)
def test_a_name_without_a_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no value here"):
        resolve(text, scope())


def test_a_table_cannot_stand_in_a_text() -> None:
    with pytest.raises(ValueError, match="is a table"):
        resolve("lines: ${item.lines}", scope())


def test_values_cannot_change_an_address() -> None:
    address = resolve_text("/invoices?q=${item.supplier}&page=2", scope())
    assert address == "/invoices?q=M%C3%B6ller%20%26%20S%C3%B6hne%20%2F%20%E4%B8%8A%E6%B5%B7&page=2"
    assert resolve_text("/i/${item.supplier}", scope(item={"supplier": "a/../b?c#d"})) == "/i/a%2F..%2Fb%3Fc%23d"


@pytest.mark.parametrize("value", ["..", ".", "", None])
def test_a_value_that_would_leave_its_place_in_a_path_is_wrong_data(value: str | None) -> None:
    with pytest.raises(BusinessException) as raised:
        resolve_text("/invoices/${item.supplier}/edit", scope(item={"supplier": value}))
    assert raised.value.field == "supplier"
    assert resolve_text("/invoices?q=${item.supplier}", scope(item={"supplier": value})).startswith("/invoices?q=")


def test_the_address_of_a_record_stays_as_it_is() -> None:
    assert resolve_text("${record.url}", scope()) == "https://erp.example/invoices/7?saved=1"
    assert resolve_text("${record.url}&edit=${item.count}", scope()) == "https://erp.example/invoices/7?saved=1&edit=3"


def test_references_know_where_they_stand() -> None:
    found = references("a ${item.net} $${x} ${supplier}")
    assert [(r.namespace, r.name, r.offset, r.end) for r in found] == [("item", "net", 2, 13), ("", "supplier", 20, 31)]
    assert [str(reference) for reference in found] == ["${item.net}", "${supplier}"]


def test_a_business_key_is_made_of_bare_names() -> None:
    assert key_of("${supplier}/${invoice_no}", {"supplier": "上海", "invoice_no": "A-1"}) == "上海/A-1"
    with pytest.raises(KeyError):
        key_of("${nope}", {})


@given(st.text(alphabet=st.sampled_from("${}.:item secret\u4e0a-_1"), max_size=40))
def test_any_text_without_a_dollar_brace_is_itself(text: str) -> None:
    if "${" in text:
        with contextlib.suppress(ValueError):
            assert all(text[found.offset : found.end] == str(found) for found in references(text))
    else:
        assert references(text) == ()
        assert resolve(text, scope()) == text


@given(st.text(min_size=1))
def test_a_query_value_comes_back_as_it_was(text: str) -> None:
    address = resolve_text("/invoices?q=${item.supplier}", scope(item={"supplier": text}))
    assert parse_qs(urlsplit(address).query, strict_parsing=True, keep_blank_values=True) == {"q": [text]}
