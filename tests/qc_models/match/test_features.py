"""What a candidate match looks like in numbers, and that names and references survive on their way there."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from qc_models.match.context import Context
from qc_models.match.features import AT, NAMES, matrix
from qc_models.match.pair import Line, Pair, Side, one_to_one
from qc_models.match.texts import check_digits, digit_runs, money, name_key, reference_key

DAY = date(2026, 3, 6)
BOOK = Line("L1", 12_345, "EUR", DAY, DAY, ("INV-2026-00017",), name="Möller & Söhne GmbH")
BANK = Line("B1", 12_345, "EUR", date(2026, 3, 9), date(2026, 3, 9), ("INV 2026 00017",), name="MOLLER & SOHNE")


def row(pair: Pair, context: Context | None = None) -> dict[str, float]:
    seen = context or Context.of(pair.bank.lines, pair.book.lines)
    return dict(zip(NAMES, matrix([pair], seen)[0].tolist(), strict=True))


def test_the_same_reference_and_name_are_the_same_however_they_are_written() -> None:
    seen = row(one_to_one(BANK, BOOK))
    assert seen["ref_equal"] == seen["name_sorted"] == seen["amount_equal"] == 1
    assert (seen["days"], seen["business_days"]) == (3, 1)


@pytest.mark.parametrize(
    ("amount", "feature"),
    [(13_245, "digits_swapped"), (12_395, "one_digit_off"), (123_450, "decimal_shift"), (-12_345, "sign_flip")],
)
def test_a_mistake_in_an_amount_is_told_by_its_kind(amount: int, feature: str) -> None:
    seen = row(one_to_one(replace(BANK, amount=amount), BOOK))
    kinds = ("digits_swapped", "one_digit_off", "decimal_shift", "sign_flip")
    assert [name for name in kinds if seen[name] == 1] == [feature]


def test_what_is_not_known_is_not_made_up() -> None:
    bare = Line("B1", 12_345, "EUR")
    seen = row(one_to_one(bare, BOOK))
    for name in ("ref_equal", "ref_edits", "name_sorted", "days", "margin", "rivals", "account_equal", "check_holds"):
        assert np.isnan(seen[name]), name
    assert (seen["ref_known_bank"], seen["name_known_bank"]) == (0, 0)


def test_a_reference_of_another_line_of_the_books_is_noticed() -> None:
    other = replace(BOOK, id="L2", structured=("INV-2026-00018",))
    swapped = replace(BANK, structured=("INV-2026-00018",))
    seen = row(one_to_one(swapped, BOOK), Context.of([swapped], [BOOK, other]))
    assert (seen["ref_named_elsewhere"], seen["ref_edits"]) == (1, 1)
    assert row(one_to_one(BANK, BOOK), Context.of([BANK], [BOOK, other]))["ref_named_elsewhere"] == 0


def test_a_group_is_as_good_as_its_worst_line() -> None:
    parts = replace(BOOK, amount=10_000), replace(BOOK, id="L2", amount=2_345, structured=("X-99",), name="Another")
    seen = row(Pair(Side((BANK,)), Side(parts), frozenset({"subset_sum", "a kind of one's own"}), alternatives=2))
    assert seen["amount_equal"] == 1
    assert seen["ref_equal"] == 0.5
    assert seen["name_sorted"] < 0.6
    assert (seen["lines_book"], seen["kind_subset_sum"], seen["kind_other"]) == (2, 1, 1)


def test_earlier_matches_of_a_payer_count() -> None:
    closed = [one_to_one(replace(BANK, id=f"B0{number}"), BOOK) for number in range(3)]
    context = Context.of([BANK], [BOOK], [*closed, one_to_one(BANK, BOOK)])
    assert row(one_to_one(BANK, BOOK), context)["history_count"] == pytest.approx(np.log1p(3)), "not by itself"
    stranger = replace(BOOK, name="Somebody Else")
    assert row(one_to_one(BANK, stranger), context)["history_others"] == pytest.approx(np.log1p(3))
    assert np.isnan(row(one_to_one(replace(BANK, name="Nobody Knows"), BOOK), context)["history_count"])


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    pairs = [one_to_one(replace(BANK, amount=amount), BOOK) for amount in (12_345, 12_000, 1)]
    context = Context.of([BANK], [BOOK])
    np.testing.assert_array_equal(matrix(pairs, context), np.vstack([matrix([pair], context) for pair in pairs]))
    assert matrix([], context).shape == (0, len(AT))


def test_names_lose_legal_forms_and_accents_but_not_their_script() -> None:
    assert name_key("Möller & Söhne GmbH") == "moller sohne"
    assert name_key("上海星辰贸易有限公司") == "上海星辰贸易"
    assert name_key("Straße S.A.") == name_key("STRASSE SA") == "strasse"
    assert name_key("Co") == "co", "a name that is all legal form stays"


def test_marks_that_make_another_letter_are_kept() -> None:
    assert name_key("バス商会") != name_key("ハス商会")
    assert name_key("हिन्दी") == "हिन्दी"
    assert len(name_key("ไทยดี").split()) == 1


def test_a_payer_who_gave_no_end_to_end_reference_gave_none_and_an_account_is_one_however_it_is_written() -> None:
    bank = replace(BANK, end_to_end="NOTPROVIDED", account="DE11 0515 6128 0362 0211 36")
    seen = row(one_to_one(bank, replace(BOOK, end_to_end="NOTPROVIDED", account="DE11051561280362021136")))
    assert np.isnan(seen["end_to_end_equal"])
    assert seen["account_equal"] == 1


def test_references_are_folded_and_numbers_found() -> None:
    assert reference_key("inv-2026/017") == reference_key("INV 2026 017") == "INV2026017"
    assert "17" in digit_runs("RF 00017")
    assert "20260017" in digit_runs("INV 2026-0017")


def test_check_digits_speak_only_where_there_are_some() -> None:
    assert check_digits(reference_key("DE11 0515 6128 0362 0211 36")) is True
    assert check_digits(reference_key("DE12 0515 6128 0362 0211 36")) is False
    assert check_digits(reference_key("RF18 5390 0754 7034")) is True
    assert check_digits(reference_key("RF19 5390 0754 7034")) is False
    assert check_digits("4539578763621486") is True
    assert check_digits("INV2026017") is None


def test_amounts_are_written_as_their_currency_is() -> None:
    assert (money(123_450, "EUR"), money(1_234, "JPY"), money(1_234, "KWD")) == (
        "1,234.50 EUR",
        "1,234 JPY",
        "1.234 KWD",
    )


def test_a_side_has_lines_of_one_currency() -> None:
    with pytest.raises(ValueError, match="one currency"):
        Side((BANK, replace(BANK, currency="USD")))
    with pytest.raises(ValueError, match="at least one line"):
        Side(())
