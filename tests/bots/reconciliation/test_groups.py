"""Candidates of several lines: what is found, what it is called, and what keeps it from being sure."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from bots.reconciliation.matching import days
from bots.reconciliation.policy import Policy
from engine.errors import UserError
from tests.bots.reconciliation.lines_of import candidates, found, side

OPEN = [
    {"amount": 10_417, "name": "Kelstazan Ltd", "reference": "INV-2025-0001"},
    {"amount": 20_833, "name": "Kelstazan Ltd", "reference": "INV-2025-0002", "booked": "2025-02-27"},
    {"amount": 7_301, "name": "Kelstazan Ltd", "reference": "INV-2025-0003"},
    {"amount": 31_250, "name": "Solmor AB", "reference": "INV-2025-0004"},
]


def test_one_payment_for_several_lines_of_a_party_is_found_by_its_sum() -> None:
    of = candidates([{"amount": 38_551, "name": "KELSTAZAN L"}], OPEN)
    assert found(of, "sum_in_party") == [((0,), (0, 1, 2))]
    row = of.rows.iloc[0]
    assert (row["alternatives"], row["difference"], row["days"]) == (0, 0, 2)


def test_a_single_line_of_the_party_with_that_amount_is_an_alternative() -> None:
    of = candidates([{"amount": 31_250, "name": "KELSTAZAN LTD"}], [*OPEN, {"amount": 31_250, "name": "Kelstazan Ltd"}])
    assert of.rows["alternatives"].tolist() == [1]


def test_a_reference_to_another_document_speaks_against_a_sum() -> None:
    of = candidates([{"amount": 31_250, "name": "KELSTAZAN LTD", "reference": "INV-2025-0904"}], OPEN)
    assert of.rows.empty


def test_a_batch_id_that_no_document_has_does_not_speak_against_it() -> None:
    of = candidates([{"amount": 31_250, "name": "KELSTAZAN LTD", "reference": "BATCH000904"}], OPEN)
    assert found(of, "sum_in_party") == [((0,), (0, 1))]


def test_instalments_under_one_reference_are_a_group_and_a_part_without_it_is_tied_to_them() -> None:
    part = {"name": "KELSTAZAN LTD", "reference": "INV 2025 0002", "booked": "2025-03-05"}
    parts = [{**part, "amount": 833}, {**part, "amount": 11_111}, {**part, "amount": 8_889}]
    assert found(candidates(parts, OPEN), "group_by_key") == [((0, 1, 2), (1,))]
    parts[2]["reference"] = ""
    assert found(candidates(parts, OPEN), "sum_tied_by_key") == [((0, 1, 2), (1,))]


def test_a_payment_that_names_no_party_is_all_that_one_had_open_in_some_days() -> None:
    of = candidates([{"amount": 38_551}], OPEN)
    assert found(of, "run_of_party") + found(of, "common_run_of_party") == [((0,), (0, 1, 2))]
    assert not found(candidates([{"amount": 17_718}], OPEN[1:]), "run_of_party")


def test_more_lines_than_the_policy_looks_among_are_named_and_leave_a_doubt() -> None:
    many = [{"amount": 1_000 + 37 * place, "name": "Kelstazan Ltd"} for place in range(8)]
    of = candidates([{"amount": 2_037, "name": "KELSTAZAN LTD"}], many, Policy(subset=5))
    assert of.cut[["line", "candidates", "looked"]].to_numpy().tolist() == [[0, 8, 5]]
    assert found(of, "sum_in_party") + found(of, "common_sum_in_party") == [((0,), (0, 1))]
    assert of.rows["alternatives"].tolist() == [1]


def test_what_is_taken_back_is_a_reversal_unless_the_books_know_the_line() -> None:
    bank = [
        {"amount": -4_417, "name": "SOLMOR AB"},
        {"amount": 4_417, "name": "SOLMOR AB", "booked": "2025-03-10"},
    ]
    assert found(candidates(bank, OPEN), "reversal_in_party") == [((0, 1), ())]
    known = candidates(bank, [*OPEN, {"amount": -4_417, "name": "Solmor AB"}])
    assert known.rows["alternatives"].tolist() == [1]
    bank[1]["booked"] = "2025-03-25"
    assert not found(candidates(bank, OPEN), "reversal_in_party")


def test_a_fee_makes_receipts_smaller_and_payments_larger_and_never_the_other_way_round() -> None:
    short = candidates([{"amount": 31_000, "name": "SOLMOR AB"}], OPEN)
    assert found(short, "fee_in_party") == [((0,), (3,))]
    assert short.rows["difference"].tolist() == [-250]
    assert not found(candidates([{"amount": 31_500, "name": "SOLMOR AB"}], OPEN), "fee_in_party")
    paid = [{"amount": -31_250, "name": "Solmor AB"}]
    assert found(candidates([{"amount": -31_500, "name": "SOLMOR AB"}], paid), "fee_in_party") == [((0,), (0,))]


def test_a_fee_that_the_bank_is_known_to_take_is_worth_more_than_any_other() -> None:
    known = [{"amount": 10_007 * place, "reference": f"INV-{place:04}"} for place in range(1, 30)]
    taken = [{**line, "amount": line["amount"] - 150} for line in known]
    scores = [
        candidates([*taken, {"amount": 31_250 - fee, "name": "SOLMOR AB"}], [*known, OPEN[3]]).rows["score"].max()
        for fee in (150, 160)
    ]
    assert scores[0] > scores[1] + 3


def test_business_days_leave_out_week_ends_and_the_holidays_of_the_country() -> None:
    of = np.array(
        [date(2025, 12, 19), date(2025, 12, 20), date(2025, 12, 24), date(2025, 12, 29)], dtype="datetime64[D]"
    )
    assert np.diff(days.ordinals(of, None)).tolist() == [0, 3, 3]
    assert np.diff(days.ordinals(of, "DE")).tolist() == [0, 3, 1]
    with pytest.raises(UserError, match="no calendar"):
        days.ordinals(of, "XX")


def test_the_same_lines_give_the_same_candidates_and_none_twice() -> None:
    rng = np.random.default_rng(5)
    book = [{"amount": int(amount), "name": f"Party {amount % 5}"} for amount in rng.integers(100, 200, 60)]
    bank = [{"amount": int(amount), "name": f"PARTY {amount % 5}"} for amount in rng.integers(200, 600, 60)]
    one, other = candidates(bank, book), candidates(bank, book)
    pd.testing.assert_frame_equal(one.rows, other.rows)
    pd.testing.assert_frame_equal(one.members, other.members)
    sets = one.members.groupby("candidate")[["side", "line"]].apply(lambda held: tuple(map(tuple, held.to_numpy())))
    assert sets.is_unique
    amounts = {0: side(*bank)["amount"], 1: side(*book)["amount"]}
    money = sum(
        one.members["line"].map(amounts[place]).where(one.members["side"] == place, 0) * sign
        for place, sign in ((0, 1), (1, -1))
    )
    off = money.groupby(one.members["candidate"]).sum()
    assert off.tolist() == one.rows["difference"].tolist()
