from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from qc_models.tables.detector import Detector
from qc_models.tables.features import NAMES
from qc_models.tables.picker import choose
from qc_models.tables.rules import RULES
from qc_models.tables.table import Table

CITIES = {"10115": "Berlin", "20095": "Hamburg", "80331": "Munich", "50667": "Cologne"}


def clean_rows(count: int = 120) -> list[list[str]]:
    rng = random.Random(5)  # noqa: S311 - seeded, not secret
    rows = []
    for number in range(count):
        code = rng.choice(list(CITIES))
        rows.append(
            [f"A-{number:04d}", code, CITIES[code], f"{rng.gauss(100, 5):.2f}", f"2025-03-{1 + number % 28:02d}"]
        )
    return rows


def table_of(rows: list[list[str]]) -> Table:
    return Table(("id", "zip", "city", "amount", "day"), tuple(tuple(row) for row in rows))


@pytest.mark.parametrize(
    ("column", "spoil", "rule"),
    [
        (2, lambda value: "Hamburg" if value != "Hamburg" else "Munich", "dependency"),
        (2, lambda value: value[:2] + "x" + value[3:], "near_frequent"),
        (2, lambda value: value[:2] + "x" + value[3:], "misspelt_word"),
        (0, lambda value: value[:3] + "x" + value[4:], "strange_letters"),
        (4, lambda value: value.replace("-", "/"), "rare_pattern"),
        (3, lambda _: "N/A", "missing"),
        (3, lambda _: "cheap", "type"),
        (3, lambda value: f"{float(value) * 10:.2f}", "outlier"),
    ],
)
def test_each_family_of_features_suspects_its_kind_of_error(
    column: int, spoil: Callable[[str], str], rule: str
) -> None:
    rows = clean_rows()
    rows[40][column] = spoil(rows[40][column])
    detector = Detector(table_of(rows))
    suspicion = detector.suspicions[:, column, RULES.index(rule)]
    assert suspicion.argmax() == 40
    assert detector.probabilities()[40, column] == detector.probabilities()[:, column].max() > 0.3


def spoilt(seed: int = 3) -> tuple[Table, np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    rng = random.Random(seed)  # noqa: S311 - seeded, not secret
    rows = clean_rows(200)
    wrong = np.zeros((200, 5), dtype=bool)
    for row in rng.sample(range(200), 40):
        column = rng.choice((2, 3, 4))
        rows[row][column] = {
            2: rows[row][2].replace("e", "x").replace("u", "x"),
            3: "",
            4: rows[row][4].replace("-", ""),
        }[column]
        wrong[row, column] = True
    return table_of(rows), wrong


def labelled(table: Table, wrong: np.ndarray[tuple[int, int], np.dtype[np.bool_]], count: int, seed: int) -> Detector:
    detector = Detector(table, seed=seed)
    for _ in range(count):
        row = detector.next()
        assert row not in detector.labelled
        detector.label(row, np.flatnonzero(wrong[row]).tolist())
    return detector


def test_ten_labels_find_nearly_all_errors_and_the_same_seed_gives_the_same() -> None:
    table, wrong = spoilt()
    first, second = (labelled(table, wrong, 10, seed=7) for _ in range(2))
    assert first.labelled == second.labelled
    np.testing.assert_array_equal(first.probabilities(), second.probabilities())
    flags = first.verdicts()
    assert 2 * (flags & wrong).sum() / (flags.sum() + wrong.sum()) > 0.9
    assert first.record_probabilities()[wrong.any(axis=1)].mean() > 0.8


def test_what_a_person_said_of_a_row_stands() -> None:
    table, wrong = spoilt()
    detector = labelled(table, wrong, 6, seed=1)
    for row, columns in detector.labelled.items():
        assert np.flatnonzero(detector.verdicts()[row]).tolist() == sorted(columns)


def test_every_row_is_asked_once_and_then_none() -> None:
    rows = clean_rows(8)
    detector = labelled(table_of(rows), np.eye(8, 5, dtype=bool), 8, seed=0)
    assert sorted(detector.labelled) == list(range(8))
    with pytest.raises(LookupError):
        detector.next()
    with pytest.raises(IndexError):
        detector.label(8, [])


def test_a_label_that_the_rest_contradicts_is_disputed() -> None:
    table, wrong = spoilt()
    detector = labelled(table, wrong, 30, seed=2)
    row = next(row for row in sorted(detector.labelled) if wrong[row, 4])
    detector.label(row, [])
    assert (row, 4) in detector.disputed()


def test_a_doubt_that_many_cells_of_a_column_share_is_asked_about_before_a_lone_one() -> None:
    doubts = np.zeros((60, 2))
    doubts[:40, 0] = 0.8
    doubts[50, 1] = 1.0
    assert {choose(doubts, np.random.default_rng(seed), learnt=True) < 40 for seed in range(20)} == {True}


def test_second_looks_at_disputed_labels_repair_what_a_careless_reviewer_missed() -> None:
    table, wrong = spoilt()
    detector = labelled(table, wrong, 30, seed=2)
    missed = [(row, column) for row, columns in sorted(detector.labelled.items()) for column in sorted(columns)][::5]
    for row, column in missed:
        detector.label(row, detector.labelled[row] - {column})
    disputed = detector.disputed()
    assert len(set(disputed) & set(missed)) > 0.8 * len(missed)
    assert len(disputed) < 3 * len(missed)


def test_a_value_that_differs_from_its_source_is_suspected_first() -> None:
    rows = clean_rows()
    source = tuple(tuple(row) if at % 2 else (None,) * 5 for at, row in enumerate(clean_rows()))
    rows[41][3] = "101.00"

    class Source:
        def __init__(self) -> None:
            self.rows = source

    assert divmod(int(Detector(table_of(rows), paired=Source()).probabilities().argmax()), 5) == (41, 3)


@pytest.mark.parametrize(
    "table",
    [
        Table((), ()),
        Table(("a", "b"), ()),
        Table(("a", "b"), (("x", "1"),)),
        Table(("a",), (("",),) * 7),
        Table(("a", "b"), (("same", "1e999"),) * 9),
        Table(("a", "b"), tuple((f"{n}", "") for n in range(30))),
        Table(("a", "b", "c"), tuple(("\x01ß" * n, "日本語"[n % 3], "\ud800 \u202e") for n in range(12))),
        Table(tuple(f"c{n}" for n in range(60)), tuple(tuple(str(n * m) for n in range(60)) for m in range(50))),
        Table(("a", "b"), (("0001-01-01", "9999-12-31"), ("2026-02-30", "1.1.2026")) * 15),
    ],
    ids=["nothing", "no rows", "one row", "empty", "constant", "distinct", "odd signs", "wide", "odd dates"],
)
def test_no_table_is_too_odd(table: Table) -> None:
    shape = (len(table.rows), len(table.columns))
    detector = Detector(table)
    for count in range(min(4, shape[0])):
        detector.label(detector.next(), [0] if count == 0 else [])
    chances = detector.probabilities()
    assert chances.shape == shape
    assert ((chances >= 0) & (chances <= 1)).all()
    assert len(NAMES) == len(set(NAMES))


def test_the_evidence_counts_what_a_person_can_check() -> None:
    rows = clean_rows()
    rows[40][1:3] = ["10115", "Bxrlin"]
    detector = Detector(table_of(rows))
    others = sum(row[1] == "10115" for row in rows) - 1
    usual = detector.evidence.usual(40, 2)[0]
    assert (usual.value, usual.support, usual.of, usual.own, usual.via_value) == ("Berlin", others, others, 0, "10115")
    neighbour = detector.evidence.neighbour(40, 2)
    assert neighbour is not None
    assert (neighbour.value, neighbour.edits, neighbour.count, neighbour.own_count) == ("Berlin", 1, others, 1)
    assert detector.evidence.pattern(40, 4).pattern == "9-9-9"
    assert abs(detector.evidence.number(40, 3) or 0.0) < 4
    assert detector.evidence.number(40, 2) is None
