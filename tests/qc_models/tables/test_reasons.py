from __future__ import annotations

import numpy as np
import pytest

from qc_models.tables.corrections import Corrector
from qc_models.tables.features import statistics_of
from qc_models.tables.inspection import Inspector
from qc_models.tables.lessons import Change, Lessons
from qc_models.tables.reasons import Reasons
from tests.qc_models.tables.made import clean, table

CITY, DATE, AMOUNT = 2, 3, 4


def with_error(row: int, column: int, value: str) -> list[list[str]]:
    rows = clean()
    rows[row][column] = value
    return rows


@pytest.mark.parametrize(
    ("column", "value", "kind", "said"),
    [
        (CITY, "Gadsden", "dependency", "zip 35233 goes with Birmingham in 19 of 19 other rows"),
        (CITY, "Birminghxm", "spelling", "written Birminghxm; Birmingham, one sign away, stands in 19 rows"),
        (CITY, "", "missing", "empty; 79 of 80 rows have one"),
        (CITY, "n/a", "missing", "“n/a” stands for nothing; 79 of 80 rows have one"),
        (DATE, "02.01.26", "pattern", "the only value of this column with the pattern 9.9.9"),
        (AMOUNT, "12 EUR", "type", "not a number; 98.8% of this column are"),
        (AMOUNT, "12000", "number", "12,000 is 399 times what is usual (30.09)"),
    ],
)
def test_each_kind_of_error_is_explained_with_figures(column: int, value: str, kind: str, said: str) -> None:
    reasons = Reasons(statistics_of(table(with_error(8, column, value)))).of(8, column)
    assert said in next((reason.text for reason in reasons if reason.kind == kind), reasons)


def test_a_cell_without_a_telling_feature_says_so() -> None:
    assert [one.kind for one in Reasons(statistics_of(table(clean()))).of(8, CITY)] == ["model"]


def test_a_label_teaches_by_the_look_of_a_value() -> None:
    rows = clean()
    for row in (8, 12, 16):
        rows[row][AMOUNT] += " EUR"
    reasons = Reasons(statistics_of(table(rows)), labelled={12: frozenset({AMOUNT})}).of(8, AMOUNT, most=9)
    assert f"looks like {rows[12][AMOUNT]}, which a person called wrong" in [one.text for one in reasons]


def test_a_correction_follows_from_the_other_rows_or_from_the_spelling() -> None:
    rows = clean()
    rows[8][CITY], rows[13][CITY] = "Ozark", "Pratvxille"
    corrector = Corrector(statistics_of(table(rows)), np.zeros((len(rows), 5)))
    found = corrector.suggest(8, CITY)
    assert found
    assert (found.value, found.support) == ("Birmingham", "zip 35233 goes with it in 19 of 19 other rows")
    found = corrector.suggest(13, CITY)
    assert found
    assert found.value == "Prattville"


def test_no_correction_is_made_up() -> None:
    rows = clean()
    rows[8][AMOUNT], rows[9][0] = "1x.04", "D-00x9"
    corrector = Corrector(statistics_of(table(rows)), np.zeros((len(rows), 5)))
    assert corrector.suggest(8, AMOUNT) is None
    assert corrector.suggest(9, 0) is None


@pytest.mark.parametrize(
    ("changes", "value", "becomes"),
    [
        ([("12.5%", "12.5")], "0.07%", "0.07"),
        ([("12.0 oz", "12")], "16.0 can", "16"),
        ([("12.0 oz", "12")], "16.9 oz", None),  # digits are never cut on the word of others
        ([("1,5", "1.5")], "27,25", "27.25"),
        ([("N/A", "")], "N/A", ""),
        ([("Portland OR", "Portland")], "San Jose CA", "San Jose"),
        ([("Portland", "Portland OR")], "San Jose", None),  # which state, nobody said
        ([("Gadsden", "Ozark")], "Gadsden", None),  # one row's own truth
        ([("Gadsden", "Ozark"), ("Gadsden", "Ozark")], "Gadsden", "Ozark"),
        ([("yxs", "yes")], "xl", None),
        ([("", "Ozark")], "", None),
    ],
)
def test_one_correction_teaches_only_what_it_can(
    changes: list[tuple[str, str]], value: str, becomes: str | None
) -> None:
    found = Lessons([Change(*change) for change in changes]).suggest(value)
    assert (found and found[0]) == becomes


def test_a_lesson_that_labels_contradict_is_believed_less() -> None:
    changes = [Change("7 kg", "7"), Change("8 kg", "8 kg"), Change("9 kg", "9 kg")]
    found = Lessons(changes).suggest("5 kg")
    assert found
    assert found[1].confidence < 0.5


def test_rows_that_are_wrong_themselves_have_no_say() -> None:
    rows = clean(40)
    for row in (0, 4, 8, 12, 16, 20):
        rows[row][CITY] = "Ozark"
    wrong = np.zeros((len(rows), 5))
    assert Corrector(statistics_of(table(rows)), wrong).suggest(24, CITY).value == "Ozark"  # type: ignore[union-attr]
    wrong[[0, 4, 8, 12, 16, 20], CITY] = 0.99
    found = Corrector(statistics_of(table(rows)), wrong).suggest(0, CITY)
    assert found
    assert found.value == "Birmingham"


def test_what_a_person_gave_is_the_correction_until_it_is_taken_back() -> None:
    inspector = Inspector(table(with_error(8, AMOUNT, "1x.04")))
    inspector.label(8, {AMOUNT: "17.04"})
    assert [one.correction and one.correction.value for one in inspector.inspect(9).suspects if one.row == 8] == [
        "17.04"
    ]
    inspector.forget(8)
    assert all(one.correction is None for one in inspector.inspect(9).suspects if one.row == 8)
