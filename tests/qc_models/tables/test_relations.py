from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from qc_models.tables.columns import columns_of
from qc_models.tables.corrections import Corrector
from qc_models.tables.detector import Detector
from qc_models.tables.features import statistics_of
from qc_models.tables.reasons import Reasons
from qc_models.tables.relations import relations_of
from qc_models.tables.table import Table

HEADER = ("customer", "sent", "due", "net", "rate", "tax", "total")
SENT, DUE, NET, TOTAL = 1, 2, 3, 6
TERMS = {"Adler": 10, "Birke": 30, "Conti": 45}


def bills(count: int = 120) -> list[list[str]]:
    rng = random.Random(2)  # noqa: S311 - seeded, not secret
    rows = []
    for number in range(count):
        name, rate = rng.choice(list(TERMS)), rng.choice((7, 19))
        sent = date(2026, 1, 2) + timedelta(days=number // 2)
        net = rng.randrange(1_000, 90_000)
        tax = round(net * rate / 100)
        money = [f"{net / 100:.2f}", f"{rate} %", f"{tax / 100:.2f}", f"{(net + tax) / 100:.2f}"]
        rows.append([name, f"{sent:%d.%m.%Y}", f"{sent + timedelta(days=TERMS[name]):%d.%m.%Y}", *money])
    return rows


def table_of(rows: list[list[str]], header: tuple[str, ...] = HEADER) -> Table:
    return Table(header, tuple(tuple(row) for row in rows))


def said_of(rows: list[list[str]], row: int, column: int) -> tuple[list[str], str | None]:
    """Return the reasons against a cell and its correction, with every other cell trusted."""
    statistics = statistics_of(table_of(rows))
    found = Corrector(statistics, np.zeros((len(rows), len(HEADER)))).suggest(row, column)
    return [one.text for one in Reasons(statistics).of(row, column, most=9)], found.value if found else None


def test_a_sum_that_does_not_come_out_blames_the_one_cell_that_mends_all_laws() -> None:
    rows = bills()
    rows[40][NET:] = ["100.00", "19 %", "19.00", "191.00"]
    detector = Detector(table_of(rows))
    assert divmod(int(detector.probabilities().argmax()), len(HEADER)) == (40, TOTAL)
    reasons, correction = said_of(rows, 40, TOTAL)
    assert "net + tax is 119.00, total says 191.00" in reasons
    assert correction == "119.00"


def test_an_empty_cell_is_filled_from_the_laws_of_its_row() -> None:
    rows = bills()
    right, rows[40][TOTAL] = rows[40][TOTAL], ""
    assert said_of(rows, 40, TOTAL)[1] == right


def test_dates_are_held_against_their_order_and_against_the_gap_that_a_customer_has() -> None:
    rows = bills()
    right, rows[41][DUE] = rows[41][DUE], "03.01.2026"
    customer = rows[41][0]
    reasons, correction = said_of(rows, 41, DUE)
    assert any(text.startswith("due is 19 days before sent; in 99.2% of rows it is not") for text in reasons), reasons
    assert correction == right
    rows[41][DUE] = "28.02.2026"
    others = sum(row[0] == customer for row in rows) - 1
    reasons, _ = said_of(rows, 41, DUE)
    assert f"due is 37 days after sent; customer {customer} has {TERMS[customer]} in {others} of {others}" in reasons


def test_a_day_far_from_the_rows_around_it_is_suspected_rather_than_its_partner() -> None:
    rows = bills()
    right, rows[60][SENT] = rows[60][SENT], rows[60][SENT].replace("2026", "2025")
    chances = Detector(table_of(rows)).probabilities()[60]
    assert chances[SENT] > 0.5 > chances[DUE]
    reasons, correction = said_of(rows, 60, SENT)
    assert "the rows around it are of 31.01.2026 or so" in reasons
    assert correction == right


@pytest.mark.parametrize(
    ("law", "left"),
    [
        (lambda cells: cells[0] + cells[1] + cells[2], "a + b + c"),
        (lambda cells: cells[0] + cells[1] - cells[2], "a + b - c"),
        (lambda cells: cells[0] * cells[3] / 100, "a x r / 100"),
        (lambda cells: cells[0] * (1 - cells[3] / 100), "a x (1 - r / 100)"),
        (lambda cells: 2.5 * cells[1], "2.5 x b"),
    ],
)
def test_each_law_is_found_among_a_tenth_of_wrong_cells(law: Callable[[list[float]], float], left: str) -> None:
    rng = random.Random(4)  # noqa: S311 - seeded, not secret
    rows = []
    for _ in range(150):
        cells = [*(rng.randrange(100, 50_000) / 100 for _ in range(3)), rng.choice((5, 7, 12, 20))]
        total = law(cells) * (1 if rng.random() > 0.1 else 10)
        rows.append([*(f"{cell:.2f}" for cell in cells[:3]), str(cells[3]), f"{total:.2f}".replace(".", ",")])
    names = ("a", "b", "c", "r", "t")
    found = [law.say(names) for law in relations_of(columns_of(table_of(rows, names))).arithmetic.laws]
    assert (left, "t") in found
    assert len(found) == 1


def test_columns_without_relations_give_none() -> None:
    rng = random.Random(1)  # noqa: S311 - seeded, not secret
    rows = []
    for number in range(300):
        flags = [str(rng.randrange(2)), str(rng.randrange(2)), str(int(rng.random() < 0.9))]
        rows.append([str(number), "7", *flags, f"{rng.gauss(9, 2):.1f}", rng.choice("abc"), f"0{rng.randrange(99):02}"])
    relations = relations_of(columns_of(table_of(rows, tuple("abcdefgh"))))
    assert not list(relations.opinions())
