"""Deliveries to sides, and what two sides tell of each other."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from bots.reconciliation.conventions import Sign, in_terms_of_the_bank, told_accounts, told_sign
from bots.reconciliation.definition import DEFAULT
from bots.reconciliation.loading import load_one
from bots.reconciliation.matched import SIDE
from bots.reconciliation.reading import read_sides
from bots.reconciliation.sides import ORIGIN, balances, side
from engine.errors import UserError
from tests.bots.reconciliation.outcomes import delivery
from tests.bots.reconciliation.samples import CAMT

DATA = Path(__file__).parents[3] / "fixtures" / "data"
LEDGER = """Date,Document,Details,Debit,Credit
2026-03-02,INV-1,receipt,1000.00,
2026-03-02,RF18,receipt,234.50,
2026-03-04,,charges,,63.06
"""


def frame(*rows: tuple[str, str, int]) -> pd.DataFrame:
    """Return a side of account, currency and amount."""
    return pd.DataFrame(rows, columns=["account", "currency", "amount"])


def test_a_side_has_the_matchers_columns_and_says_where_each_line_came_from() -> None:
    lines = side([delivery(100, -5), delivery(7, name="second.csv")])
    assert {name: str(kind) for name, kind in lines.dtypes.items()} == SIDE | ORIGIN
    assert list(zip(lines["file"], lines["number"], lines["amount"], strict=True)) == [
        ("bank.csv", 2, 100),
        ("bank.csv", 3, -5),
        ("second.csv", 2, 7),
    ]
    assert lines["valued"].isna().all()
    assert len(side([])) == 0
    assert {name: str(kind) for name, kind in side([]).dtypes.items()} == SIDE | ORIGIN


def test_balances_run_through_statements_and_a_missing_one_is_told() -> None:
    whole = balances([delivery(100, opening=50), delivery(-20, opening=150)])
    assert [(one.opening, one.closing, one.gap) for one in whole] == [(50, 130, "")]
    (broken,) = balances([delivery(100, opening=50), delivery(-20, opening=160)])
    assert (broken.opening, broken.closing) == (None, None)
    assert "closes with 1.50 EUR" in broken.gap
    (none,) = balances([delivery(100)])
    assert (none.opening, none.gap) == (None, "")


def test_two_file_names_are_enough_where_a_debit_of_the_books_is_money_in(tmp_path: Path) -> None:
    """The ledger has no currency, no account and no balance: all of it is told by the statement, and said."""
    bank, book = tmp_path / "bank.xml", tmp_path / "ledger.csv"
    bank.write_text(CAMT, encoding="utf-8")
    book.write_text(LEDGER, encoding="utf-8")
    sides = read_sides(bank, book, DEFAULT)
    assert sides.book.lines["amount"].tolist() == [100_000, 23_450, -6_306]
    assert sides.book.lines["account"].unique().tolist() == ["DE02120300000000202051"]
    assert sides.book.lines["own_account"].unique().tolist() == [""]
    assert any("turned round" in sentence and "3 amount(s)" in sentence for sentence in sides.said)
    assert [one.account for one in sides.book.deliveries[0].statements] == ["DE02120300000000202051"]
    other_way = read_sides(book, bank, DEFAULT)
    assert "taken as bank and books in this order" in other_way.said[0]
    assert other_way.bank.lines["amount"].tolist() == [100_000, 23_450, -6_306]


def test_a_running_balance_tells_the_books_sign() -> None:
    sides = read_sides(DATA / "bank-2026-03.xml", DATA / "ledger-2026-03.xlsx", DEFAULT)
    assert "the books' running balance says that money in is a debit" in sides.said
    assert sides.book.balances[0].opening == sides.bank.balances[0].opening
    assert "东方贸易有限公司" in set(sides.bank.lines["name"]) & set(sides.book.lines["name"])


def test_what_is_declared_is_neither_told_nor_said(tmp_path: Path) -> None:
    (tmp_path / "bank.xml").write_text(CAMT, encoding="utf-8")
    (tmp_path / "ledger.csv").write_text(LEDGER, encoding="utf-8")
    (tmp_path / "d.yaml").write_text("name: d\nbook: {currency: EUR, account: '1200', money_in: credit}\n")
    sides = read_sides(tmp_path / "bank.xml", tmp_path / "ledger.csv", load_one(tmp_path / "d.yaml"))
    assert sides.book.lines["amount"].tolist() == [-100_000, -23_450, 6_306]
    assert not any("sign" in sentence for sentence in sides.said)


def test_a_sign_that_is_not_clear_is_said_to_be_so() -> None:
    bank = frame(("A", "EUR", 5), ("A", "EUR", 7), ("A", "EUR", 9))
    assert told_sign(bank, frame(("A", "EUR", -5), ("A", "EUR", -7))) == Sign(turned=True, as_written=0, reversed=2)
    unclear = told_sign(bank, frame(("A", "EUR", -5), ("A", "EUR", -7), ("A", "EUR", 9)))
    assert unclear.turned
    assert "to be sure, declare" in unclear.sentences()[0]
    assert not told_sign(bank, frame(("A", "USD", -5))).turned


def test_accounts_are_told_by_name_then_by_the_amounts_they_share() -> None:
    bank = frame(
        ("DE02120300000000202051", "EUR", 1), ("B", "EUR", 2), ("B", "EUR", 3), ("C", "EUR", 4), ("C", "EUR", 5)
    )
    book = frame(("202051", "EUR", 9), ("1210", "EUR", 4), ("1210", "EUR", 5), ("1220", "EUR", 2), ("1220", "EUR", 3))
    names, said = told_accounts(bank, book, {})
    assert names == {
        ("202051", "EUR"): "DE02120300000000202051",
        ("1210", "EUR"): "C",
        ("1220", "EUR"): "B",
    }
    assert said == [
        "account 1210 of the books is C of the bank",
        "account 1220 of the books is B of the bank",
        "account 202051 of the books is DE02120300000000202051 of the bank",
    ]
    settled = in_terms_of_the_bank(book, Sign(turned=True, as_written=0, reversed=1), names)
    assert settled["account"].tolist() == ["DE02120300000000202051", "C", "C", "B", "B"]
    assert settled["amount"].tolist() == [-9, -4, -5, -2, -3]


def test_an_account_that_cannot_be_told_is_asked_for_and_a_declared_one_is_taken() -> None:
    bank = frame(("A", "EUR", 1), ("B", "EUR", 1))
    book = frame(("1", "EUR", 1), ("2", "EUR", 1))
    with pytest.raises(UserError, match="which account of the books is A, B"):
        told_accounts(bank, book, {})
    names, _ = told_accounts(bank, book, {"A": "2"})
    assert names == {("2", "EUR"): "A", ("1", "EUR"): "B"}
    with pytest.raises(UserError, match="the books name no account, and the statement has several in EUR"):
        told_accounts(bank, frame(("", "EUR", 1)), {})


def test_a_currency_that_neither_file_tells_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "bank.csv").write_text("Date,Amount\n2026-03-01,5.00\n", encoding="utf-8")
    (tmp_path / "book.csv").write_text("Date,Amount\n2026-03-01,5.00\n\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"bank\.csv: .* tells its currency; declare its currency with --currency"):
        read_sides(tmp_path / "bank.csv", tmp_path / "book.csv", DEFAULT)
    sides = read_sides(tmp_path / "bank.csv", tmp_path / "book.csv", DEFAULT, currency="EUR")
    assert len(sides.bank.lines) == 1


def test_what_one_file_leaves_open_the_other_one_tells(tmp_path: Path) -> None:
    """Dates that may be day-month or month-day, and thousands that may be decimals, are told by what both share."""
    days = [date(2026, 3, 1 + at) for at in range(12)]
    bank = "".join(f"{day},{1000 + 10 * at}.00,EUR\n" for at, day in enumerate(days))
    book = "".join(f'{day:%d/%m/%y};"{1000 + 10 * at:,}"\n' for at, day in enumerate(days))
    (tmp_path / "bank.csv").write_text(f"Date,Amount,Currency\n{bank}", encoding="utf-8")
    (tmp_path / "book.csv").write_text(f"Date;Amount\n{book}", encoding="utf-8")
    sides = read_sides(tmp_path / "bank.csv", tmp_path / "book.csv", DEFAULT)
    assert sides.book.lines["booked"].dt.date.tolist() == days
    assert sides.book.lines["amount"].tolist() == sides.bank.lines["amount"].tolist()
    assert any("order of dates is 'dmy' and its decimal sign is '.': 12 amount(s)" in one for one in sides.said)
    with pytest.raises(UserError, match=r"`bank: \{date_order: .*--definition"):
        read_sides(tmp_path / "book.csv", tmp_path / "book.csv", DEFAULT, currency="EUR")
