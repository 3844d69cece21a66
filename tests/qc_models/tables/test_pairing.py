from __future__ import annotations

import pytest

from engine.errors import UserError
from qc_models.tables.canonical import convention_of, readings
from qc_models.tables.pairing import pair
from qc_models.tables.table import Table
from tests.qc_models.tables.made import COLUMNS, clean, table


def agree(one: str, other: str, mine: list[str] | None = None, theirs: list[str] | None = None) -> bool:
    """Say whether two values agree in columns that hold the given other values too."""
    left, right = convention_of([one, *(mine or [])]), convention_of([other, *(theirs or [])])
    return not readings(one, left).isdisjoint(readings(other, right))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,234.50", "1234.5"),
        ("1.234,50", "1234.5"),
        ("1 234,5", "1234.50"),
        ("2026-01-05", "05.01.2026"),
        ("2026-01-05", "5 Jan 2026"),
        ("January 5, 2026", "2026/01/05"),
        ("13/02/2026", "2026-02-13"),
        ("02/13/2026", "2026-02-13"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("  two   words ", "two words"),
        ("N/A", ""),
        ("-0.0", "0"),
    ],
)
def test_what_is_written_in_two_ways_is_one_value(one: str, other: str) -> None:
    assert agree(one, other)
    assert agree(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,234.50", "1234.6"),
        ("2026-01-05", "2026-01-06"),
        ("007", "7"),
        ("35233", "035233"),
        ("London", "london"),
        ("", "0"),
        ("1e3", "1000"),
        ("31.02.2026", "2026-02-28"),
    ],
)
def test_what_differs_is_a_disagreement(one: str, other: str) -> None:
    assert not agree(one, other)


def test_a_column_decides_how_its_numbers_and_dates_are_read() -> None:
    assert agree("1.234", "1234")  # either reading may be meant
    assert not agree("1.234", "1234", mine=["0.5"])
    assert agree("03/04/2026", "2026-03-04")
    assert not agree("03/04/2026", "2026-03-04", mine=["25/04/2026"])
    assert agree("03/04/2026", "2026-04-03", mine=["25/04/2026"])


def test_rows_find_their_records_in_any_order_and_say_where_they_differ() -> None:
    rows, source = clean(), clean()
    rows[5][4], rows[9][3] = "118.05", "01.02.2026"
    source = source[::-1]
    shuffled = Table(
        ("City", "ID", "Amount ", "booked on", "Zip"), tuple((r[2], r[0], r[4], r[3], r[1]) for r in source)
    )
    found = pair(table(rows), shuffled)
    assert found.key == ("id",)
    assert found.complete
    assert [source[other][0] for other in found.partner] == [row[0] for row in rows]
    assert found.told == {(5, 4): clean()[5][4], (9, 3): clean()[9][3]}
    assert found.rows.rows[5][4] == clean()[5][4]
    assert found.rows.rows[5][2] == rows[5][2]


def test_a_misspelt_key_is_recognised_by_the_rest_of_its_row() -> None:
    rows = clean()
    rows[7][0] = "D-OOO7"
    found = pair(table(rows), table(clean()))
    assert found.partner[7] == 7
    assert found.near == (7,)
    assert found.told == {(7, 0): "D-0007"}


def test_what_stands_on_one_side_only_is_reported() -> None:
    rows = clean()
    stranger = ["D-9999", "35233", "Birmingham", "2026-02-28", "99.99"]
    found = pair(table([*rows[:70], stranger]), table(rows))
    assert found.only_table == (70,)
    assert found.only_source == tuple(range(70, 80))
    assert not found.complete


def test_a_row_that_two_records_fit_stays_alone() -> None:
    rows = clean()
    rows[3][0] = ""
    source = clean()
    source.append([*source[3]])
    source[3][0], source[-1][0] = "D-0903", "D-0913"
    found = pair(table(rows), table(source))
    assert found.ambiguous == (3,)
    assert found.partner[3] == -1
    assert found.only_table == ()


def test_a_row_entered_twice_takes_one_record_and_the_other_stays_alone() -> None:
    rows = clean()
    rows.append([*rows[3]])
    found = pair(table(rows), table(clean()))
    assert {found.partner[3], found.partner[80]} == {3, -1}
    assert found.told == {}


def test_two_columns_are_the_key_where_one_is_not_enough() -> None:
    rows = [[f"F{number % 9}", f"2026-01-{number // 9 + 1:02}", str(number * 37 % 11)] for number in range(81)]
    flights = Table(("flight", "day", "delay"), tuple(map(tuple, rows)))
    other = Table(("day", "delay", "flight"), tuple((day, delay, flight) for flight, day, delay in reversed(rows)))
    found = pair(flights, other)
    assert found.key == ("flight", "day")
    assert found.partner == tuple(range(80, -1, -1))


def test_columns_that_only_look_alike_are_not_compared() -> None:
    rows = [[f"K{number:03}", str(number % 10)] for number in range(100)]
    source = [[f"K{number:03}", str((number + 3) % 10)] for number in range(100)]
    found = pair(Table(("key", "floor"), tuple(map(tuple, rows))), Table(("key", "lane"), tuple(map(tuple, source))))
    assert found.left_out == ("floor",)
    assert found.told == {}


def test_sources_that_cannot_be_paired_are_refused_with_advice() -> None:
    with pytest.raises(UserError, match="give both the same names"):
        pair(table(clean()), Table(("x", "y"), (("1", "2"), ("3", "4"))))
    same = Table(COLUMNS, tuple(("a", "b", "c", "d", "e") for _ in range(5)))
    with pytest.raises(UserError, match="numbers the records"):
        pair(same, same)
