"""Candidates of several lines: what is found, what it is called, and what keeps it from being sure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from bots.reconciliation.kinds import GROUPS
from bots.reconciliation.matching import days
from bots.reconciliation.matching.view import in_order
from bots.reconciliation.policy import Policy
from engine.errors import UserError
from tests.bots.reconciliation.lines_of import candidates, found, side

OPEN: list[dict[str, object]] = [
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
    assert found(candidates(parts, OPEN), "sum_by_key") == [((0, 1, 2), (1,))]


def test_a_payment_that_names_no_party_is_all_that_one_had_open_in_some_days() -> None:
    of = candidates([{"amount": 38_551}], OPEN)
    assert found(of, "sum_in_party") == [((0,), (0, 1, 2))]
    assert not found(candidates([{"amount": 17_718}], OPEN[1:]), "sum_in_party")


def test_more_lines_than_the_policy_looks_among_are_named_and_leave_a_doubt() -> None:
    many = [{"amount": 1_000 + 37 * place, "name": "Kelstazan Ltd"} for place in range(8)]
    of = candidates([{"amount": 2_037, "name": "KELSTAZAN LTD"}], many, Policy(subset=5))
    assert of.cut[["line", "candidates", "looked"]].to_numpy().tolist() == [[0, 8, 5]]
    assert found(of, "sum_in_party") == [((0,), (0, 1))]
    assert of.rows["alternatives"].tolist() == [1]


def test_in_a_crowd_nothing_is_sought_and_that_is_said() -> None:
    crowd = [{"amount": 1_000 + 37 * place, "name": "Kelstazan Ltd"} for place in range(200)]
    of = candidates([{"amount": 2_037, "name": "KELSTAZAN LTD"}], crowd)
    assert of.cut[["line", "candidates", "looked"]].to_numpy().tolist() == [[0, 200, 0]]
    assert of.rows.empty


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
    known, taken = (
        [{"amount": 10_007 * place - fee, "reference": f"INV-{place:04}"} for place in range(1, 30)] for fee in (0, 150)
    )
    scores = [
        candidates([*taken, {"amount": 31_250 - fee, "name": "SOLMOR AB"}], [*known, OPEN[3]]).rows["score"].max()
        for fee in (150, 160)
    ]
    assert scores[0] > scores[1] + 3


def test_a_line_without_name_or_reference_completes_those_that_carry_the_reference() -> None:
    part = {"reference": "INV-2025-0002", "name": "KELSTAZAN LTD"}
    bank: list[dict[str, object]] = [{**part, "amount": 12_001}, {"amount": 8_832}, {"amount": 8_831}]
    of = candidates(bank, OPEN)
    assert found(of, "sum_by_key") == [((0, 1), (1,))]
    twice = candidates([*bank, {"amount": 8_832, "booked": "2025-03-04"}], OPEN)
    assert twice.rows["alternatives"].tolist() == [1, 1]


@pytest.mark.parametrize("text", ["PAYS INV-2025-0001, INV-2025-0004", "for 20250001 + INV/2025/0004 thanks"])
def test_a_text_that_lists_documents_is_their_sum(text: str) -> None:
    book = [{**line, "reference": str(line["reference"]).replace("-2025-", "-2025")} for line in OPEN]
    of = candidates([{"amount": 41_667, "text": text}], book)
    assert found(of, "listed_in_remittance") == [((0,), (0, 3))]
    assert found(candidates([{"amount": 41_500, "text": text}], book), "listed_less_fee") == [((0,), (0, 3))]
    assert not len(candidates([{"amount": 41_700, "text": text}], book).rows)


def test_the_total_of_a_batch_needs_no_reference_of_its_own() -> None:
    run = [{"amount": -amount, "batch": "RUN-0117", "name": f"Party {amount}"} for amount in (1_017, 2_059, 30_111)]
    of = candidates([{"amount": -33_187, "text": "collective order"}], run)
    assert found(of, "batch_total") == [((0,), (0, 1, 2))]


def test_lines_of_one_party_are_netted_only_where_no_part_of_them_is_a_match() -> None:
    bank = [{"amount": 20_000, "name": "KELSTAZAN LTD"}, {"amount": 18_551, "name": "KELSTAZAN LTD"}]
    of = candidates(bank, OPEN)
    assert found(of, "net_in_party") == [((0, 1), (0, 1, 2))]
    bank[1]["amount"] = 38_551
    assert not found(candidates(bank, [*OPEN, {"amount": 20_000, "name": "Kelstazan Ltd"}]), "net_in_party")


def test_an_invoice_less_a_credit_note_is_one_payment() -> None:
    book = [*OPEN, {"amount": -2_222, "name": "Kelstazan Ltd", "reference": "CN-0009"}]
    of = candidates([{"amount": 18_611, "name": "KELSTAZAN LTD"}], book)
    assert found(of, "net_in_party") == [((0,), (1, 4))]


def test_another_currency_is_matched_by_the_rate_of_the_day_or_the_last_one_before_it() -> None:
    rates = {("USD", "EUR", date(2025, 2, 28)): Decimal("0.96"), ("EUR", "JPY", date(2025, 3, 3)): Decimal(160)}
    book = [{"amount": 10_000, "currency": "USD", "reference": "INV-2025-0007", "name": "Solmor AB"}]
    of = candidates([{"amount": 9_630, "reference": "INV-2025-0007"}], book, Policy(rates=rates))
    assert found(of, "exchange_by_key") == [((0,), (0,))]
    assert of.rows["difference"].tolist() == [30]
    far = candidates([{"amount": 9_830, "reference": "INV-2025-0007"}], book, Policy(rates=rates))
    assert far.rows.empty
    yen = [{"amount": 16_000, "currency": "JPY", "name": "Solmor AB"}]
    assert found(candidates([{"amount": 10_001, "name": "SOLMOR AB"}], yen, Policy(rates=rates)), "exchange_in_party")


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
    assert set(one.rows["kind"]) <= set(GROUPS)
    sets = [tuple(map(tuple, held[["side", "line"]].to_numpy())) for _, held in one.members.groupby("candidate")]
    assert len(sets) == len(set(sets)) == len(one.rows)
    amounts = np.concatenate((side(*bank)["amount"], -side(*book)["amount"]))
    off = np.zeros(len(one.rows), dtype=np.int64)
    np.add.at(off, one.members["candidate"], amounts[one.members["line"] + 60 * one.members["side"]])
    sides = one.members.groupby("candidate")["side"]
    two_sided = (sides.max() > sides.min()).to_numpy()
    assert off[two_sided].tolist() == one.rows["difference"][two_sided].tolist()


def test_lines_are_put_in_order_by_several_keys_also_where_one_number_cannot_hold_them() -> None:
    rng = np.random.default_rng(6)
    for widest in (4, 1 << 40):
        keys = [rng.integers(-widest, widest, 200) for _ in range(3)]
        keys[0] %= 3
        assert in_order(*keys).tolist() == np.lexsort(keys[::-1]).tolist()
