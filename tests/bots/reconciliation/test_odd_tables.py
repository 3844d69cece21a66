"""Tables as people and banks really write them: each was misread, or refused without need, before."""

from __future__ import annotations

import io
from datetime import date, datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from bots.reconciliation.lines import Delivery
from engine.errors import UserError
from tests.bots.reconciliation.test_readers import reading


def sheets(**of: list[list[object]]) -> bytes:
    book = Workbook()
    book.remove(book.active)
    for name, rows in of.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def amounts(found: Delivery) -> list[int]:
    assert found.quarantined == ()
    return [line.amount for line in found.lines]


H: list[object] = ["Date", "Amount", "Currency"]
DAY = datetime(2026, 3, 2)  # noqa: DTZ001 - a sheet knows no zones


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'Date,Amount,Currency\n2026-03-01,"$1,234.50",USD\n2026-03-01,-$5.00,USD\n2026-03-01,($5.00),USD\n',
            "1234.50 -5 -5",
        ),
        ("Date;Amount;Currency\n2026-03-01;1.234,56 €;EUR\n2026-03-01;-7,00 €;EUR\n", "1234.56 -7"),
        ("Date,Amount,Currency\n2026-03-01,5.00 CR,EUR\n2026-03-01,6.00 Dr,EUR\n", "5 -6"),
        ('Date,Amount,Currency\n2026-03-01,"12,34,567.89",INR\n', "1234567.89"),
        ('Date,Amount,Currency\n2026-03-01,"1,234",EUR\n2026-03-01,"2,500",EUR\n', "1234 2500"),
        ("Date;Debit;Credit;Currency\n2026-03-01;-10,00;;EUR\n2026-03-01;;20,00;EUR\n", "-10 20"),
        (
            "Date;Debit;Credit;Currency\n2026-03-01;10,00;;EUR\n2026-03-01;11,00;;EUR\n2026-03-01;-10,00;;EUR\n",
            "-10 -11 10",
        ),
        ("Date;Debit;Credit;Currency\n2026-03-01;10,00;;EUR\n2026-03-01;;-20,00;EUR\n", "-10 20"),
        (
            "Date;Amount;D/C;Currency\n2026-03-01;10,00;D;EUR\n2026-03-01;9,00;D;EUR\n2026-03-01;-10,00;D;EUR\n",
            "-10 -9 10",
        ),
        ("Date;Amount;S/H;Currency\n2026-03-01;10,00;S;EUR\n2026-03-01;-20,00;H;EUR\n", "-10 20"),
        ("Date,Amount,,Currency\n,Debit,Credit,\n2026-03-01,5.00,,EUR\n2026-03-01,,6.00,EUR\n", "-5 6"),
        ("Datum;Betrag in EUR;Text\n13.03.2026;5,00;x\n", "5"),
        ("Date,Amount (Foreign Currency),Amount (EUR)\n2026-03-01,,7.00\n2026-03-01,5.00,8.00\n", "7 8"),
        ("Datum;Betrag;Währung;Text\n13.03.2026;1,00;EUR;a, b, c\n14.03.2026;2,00;EUR;d, e, f\n", "1 2"),
    ],
)
def test_amounts_mean_what_their_writer_meant(text: str, expected: str, tmp_path: Path) -> None:
    assert amounts(reading(tmp_path, "a.csv", text, otherwise="EUR")) == [
        round(100 * float(one)) for one in expected.split()
    ]


@pytest.mark.parametrize(
    ("text", "day"),
    [("13 Feb 2026", (2, 13)), ("5. März 2026", (3, 5)), ("05-MAY-26", (5, 5)), ("Mar 5, 2026", (3, 5))],
)
def test_months_may_be_written_out(text: str, day: tuple[int, int], tmp_path: Path) -> None:
    found = reading(tmp_path, "a.csv", f'Date;Amount;Currency\n"{text}";5.00;EUR\n')
    assert [line.booked for line in found.lines] == [date(2026, *day)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Date,Amount,Amount,Currency\n2026-03-01,5.00,7.00,EUR\n", "amount may be in the column 'Amount' or 'Amount'"),
        ("Date,Amount,Debit,Credit,Currency\n2026-03-01,5.00,7.00,,EUR\n", "one column of amounts, or two"),
        ("Date,Debit EUR,Credit USD\n2026-03-01,5.00,\n", "EUR and USD"),
        ("Date,Amount\n2026-03-01,5.00\n", "neither a column nor a heading tells its currency"),
        ("Date,Amount,Currency\n", "no booking below them"),
        ('Date,Amount,Currency\n2026-03-01,"1,230",EUR\n', "may be thousands or decimals"),
        ("<html><table></table></html>", "web page.* save it as XLSX"),
        ("%PDF-1.7\n", "it is a PDF"),
    ],
)
def test_what_is_not_clear_is_asked_and_what_is_no_table_is_named(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        reading(tmp_path, "a.csv", text)


def test_an_amount_in_another_currency_than_its_row_is_held_back(tmp_path: Path) -> None:
    found = reading(tmp_path, "a.csv", "Date,Amount,Currency\n2026-03-01,€5.00,USD\n2026-03-01,$5.00,USD\n")
    assert [one.number for one in found.quarantined] == [2]


TIED = """Date;Text;Debit;Credit;Balance;Currency
;Opening balance;;;100,00;EUR
13.03.2026;x;10,00;;90,00;EUR
14.03.2026;y;;20,00;110,00;EUR
Subtotal;;10,00;20,00;;
15.03.2026;z;;5,00;115,00;EUR
Total;;10,00;25,00;;
;Closing balance;;;115,00;EUR
Printed by A. Clerk
"""


def test_rows_of_totals_and_balances_tie_the_bookings_and_notes_are_said(tmp_path: Path) -> None:
    found = reading(tmp_path, "a.csv", TIED)
    assert (amounts(found), found.loose) == ([-1000, 2000, 500], ())
    assert (found.statements[0].opening, found.statements[0].closing) == (10_000, 11_500)
    assert found.said[1:] == ("line 9 is a note: Printed by A. Clerk",)
    assert "debit = Debit" in found.said[0]
    assert "decimal comma" in found.said[0]
    bare = "".join(f"{line}\n" for line in TIED.splitlines() if "balance" not in line).replace("Balance", "Rest")
    assert amounts(reading(tmp_path, "a.csv", bare, negate=True)) == [1000, -2000, -500]
    for damage in (("100,00", "101,00"), ("25,00;;", "26,00;;"), ("10,00;20,00;;", "10,00;21,00;;")):
        held = reading(tmp_path, "a.csv", TIED.replace(*damage))
        assert (held.statements, sum(one.lines for one in held.quarantined)) == ((), 3), damage
    without = "\n".join(line.replace(";115,00;EUR", ";;EUR") for line in TIED.splitlines()[:-1])
    assert reading(tmp_path, "a.csv", "Date,Amount,Currency\n2026-03-01,5.00,EUR\nTotal,5.00,\n").loose == ()
    assert reading(tmp_path, "a.csv", without).statements[0].opening == 10_000


def test_numbers_of_sheets_are_days_accounts_and_amounts(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["Account", *H],
        [1200, 46083, 0.1 + 0.2, "EUR"],
        [1300, 20260302, 5, "EUR"],
        [1300, DAY, 6, "EUR"],
    ]
    found = reading(tmp_path, "a.xlsx", sheets(a=rows))
    assert amounts(found) == [30, 500, 600]
    assert {line.booked for line in found.lines} == {date(2026, 3, 2)}
    assert [one.account for one in found.statements] == ["1200", "1300"]


def test_a_sheet_is_not_left_out_and_swapped_days_are_seen(tmp_path: Path) -> None:
    both = sheets(Jan=[H, [DAY, 5, "EUR"]], Feb=[H, [DAY, 6, "EUR"]], notes=[["nothing"]])
    with pytest.raises(UserError, match="several sheets have headings of bookings: Jan, Feb; declare its sheet"):
        reading(tmp_path, "a.xlsx", both)
    assert amounts(reading(tmp_path, "a.xlsx", both, sheet="Feb")) == [600]
    with pytest.raises(UserError, match="no sheet 'Mar'; its sheets are Jan, Feb, notes"):
        reading(tmp_path, "a.xlsx", both, sheet="Mar")
    swapped = sheets(a=[H, [datetime(2026, 2, 3), 5, "EUR"], ["13/03/2026", 6, "EUR"]])  # noqa: DTZ001
    with pytest.raises(UserError, match="took days for months"):
        reading(tmp_path, "a.xlsx", swapped)
    assert len(list(reading(tmp_path, "a.xlsx", swapped, date_order="dmy").lines)) == 2


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "cp1252"])
def test_a_guessed_encoding_is_said(encoding: str, tmp_path: Path) -> None:
    found = reading(tmp_path, "a.csv", "Date,Amount,Currency,Name\n2026-03-01,5.00,EUR,Müller\n".encode(encoding))
    assert [line.name for line in found.lines] == ["Müller"]
    assert ("Windows-1252" in found.said[0]) == (encoding == "cp1252")
