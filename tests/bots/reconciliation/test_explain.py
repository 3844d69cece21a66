"""Why a match was made, and why a line is open."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.breaks_world import own
from bots.reconciliation.explain import BREAK, breaks, why
from bots.reconciliation.matched import BANK, BOOK, Matched
from bots.reconciliation.matching.engine import match
from bots.reconciliation.policy import Policy
from bots.reconciliation.reasons.matches import facts
from bots.reconciliation.reasons.picked import pick
from bots.reconciliation.reasons.stacked import Stacked, stack
from tests.bots.reconciliation.frames import side, solved

ASOF = date(2026, 3, 31)
PAYMENT: dict[str, Any] = {"amount": 123_450, "reference": "INV-2026-4711", "name": "Møller Sønner GmbH"}
DAYS = pd.bdate_range("2026-01-05", periods=40)


def background(lag: int = 2) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[tuple[list[int], list[int]]]]:
    """Return forty payments that match, each `lag` business days later at the bank."""
    book = [
        {
            "amount": 10_000 + 731 * n,
            "reference": f"INV-2026-{n:04}",
            "name": f"Party {n % 7} Ltd",
            "booked": day,
            "account": ("OURS", "OTHER")[n % 2],
        }
        for n, day in enumerate(DAYS)
    ]
    bank = [one | {"booked": pd.Timestamp(np.busday_offset(DAYS[n].date(), lag))} for n, one in enumerate(book)]
    return bank, book, [([n], [n]) for n in range(len(book))]


def explained(
    bank: list[dict[str, Any]],
    book: list[dict[str, Any]],
    policy: Policy | None = None,
    asof: date = ASOF,
    lag: int = 2,
) -> dict[Any, dict[str, Any]]:
    """Explain what is open of a few lines put behind the background, whose matches are closed; they begin at 40."""
    theirs, ours, groups = background(lag)
    found = breaks(side(*theirs, *bank), side(*ours, *book), solved(*groups, days=lag), policy or Policy(), asof)
    return rows(found.set_index(["side", "line"]))


def whole(bank: pd.DataFrame, book: pd.DataFrame, calendar: str | None) -> Stacked:
    """Return all lines of both sides."""
    every = np.ones(len(bank), bool), np.ones(len(book), bool)
    return stack(bank, book, pick(bank, book, every), calendar)


def rows(frame: pd.DataFrame) -> dict[Any, dict[str, Any]]:
    """Return the rows by their index."""
    return {key: {str(name): value for name, value in row.items()} for key, row in frame.to_dict("index").items()}


@pytest.mark.parametrize(
    ("bank", "cause", "field", "entry", "words"),
    [
        ({"booked": "2026-03-25"}, "timing", "date", 0, "confirm the match"),
        ({"amount": 124_350}, "transposed digits", "amount", 900, "Debit the bank account 9.00 EUR"),
        ({"amount": -123_450}, "wrong sign", "sign", -246_900, "Credit the bank account 2,469.00 EUR"),
        ({"account": "OTHER"}, "wrong account", "account", 123_450, "credit the bank account OURS"),
        ({"amount": 60_000}, "partial", "amount", 0, "634.50 EUR stay open"),
        ({"amount": 114_000}, "fee", "amount", -9_450, "Credit the bank account 94.50 EUR, debit bank charges"),
        ({"amount": 110_000, "currency": "CHF"}, "FX", "currency", 0, "give the rate of the day"),
    ],
)
def test_each_way_in_which_a_payment_can_differ_has_its_cause_its_field_and_its_entry(
    bank: dict[str, Any], cause: str, field: str, entry: int, words: str
) -> None:
    found = explained([PAYMENT | bank], [PAYMENT])
    ours, theirs = found[(BANK, 40)], found[(BOOK, 40)]
    assert (ours["cause"], theirs["cause"]) == (cause, cause)
    assert (ours["blocks"], theirs["blocks"]) == (field, field)
    assert (ours["nearest_1"], theirs["nearest_1"]) == (40, 40)
    assert ours["entry"] == entry
    assert theirs["entry"] == 0
    assert words in ours["proposal"]


def test_several_parts_of_one_line_are_not_said_to_be_missing_in_the_books() -> None:
    parts = [PAYMENT | {"amount": amount, "booked": f"2026-03-0{day}"} for amount, day in ((50_000, 3), (40_000, 4))]
    found = explained(parts, [PAYMENT])
    assert [found[key]["cause"] for key in ((BANK, 40), (BANK, 41), (BOOK, 40))] == ["partial"] * 3
    assert [found[key]["entry"] for key in ((BANK, 40), (BANK, 41))] == [0, 0]
    assert "all its 2 parts together; 334.50 EUR stay open" in found[(BANK, 41)]["proposal"]
    alike = [PAYMENT | {"amount": amount, "booked": "2026-03-04"} for amount in (41_000, 41_100, 41_350)]
    found = explained(alike, [PAYMENT])
    assert {found[key]["cause"] for key in found} == {"partial"}
    assert "all its 3 parts together; nothing stays open" in found[(BANK, 42)]["proposal"]


def test_a_fee_is_told_from_a_part_by_what_is_kept() -> None:
    large = PAYMENT | {"amount": 5_000_000}
    found = explained([large | {"amount": 4_700_000}], [large])  # the policy allows 2,025.00
    assert (found[(BANK, 40)]["cause"], found[(BANK, 40)]["entry"]) == ("fee", -300_000)
    found = explained([large | {"amount": 3_000_000}], [large])
    assert found[(BANK, 40)]["cause"] == "partial"
    small = PAYMENT | {"amount": 999}
    found = explained([small | {"amount": 200}], [small])  # a fee of 25.00 is allowed, but not four fifths of a payment
    assert found[(BANK, 40)]["cause"] == "partial"


def test_two_open_lines_take_each_other_back_even_among_many_closed_ones_of_that_amount() -> None:
    bank, book, groups = background()
    many = [bank[10] | {"reference": f"P-{n}", "booked": "2026-02-10"} for n in range(30)]
    pair = [bank[10] | {"reference": "", "booked": "2026-02-09"}]
    pair.append(pair[0] | {"amount": -pair[0]["amount"], "booked": "2026-02-11"})
    closed = [([40 + n], [40 + n]) for n in range(30)]
    found = breaks(side(*bank, *many, *pair), side(*book, *many), solved(*groups, *closed), Policy(), ASOF)
    assert found["cause"].tolist() == ["reversal", "reversal"]
    assert found["twin"].tolist() == [71, 70]


def test_the_partner_is_found_without_a_reference_too() -> None:
    nameless = PAYMENT | {"reference": "", "text": "TRF MOLLER SONNER"}
    for change in ({"booked": "2026-03-25"}, {"amount": 124_350}, {"amount": -123_450}, {"account": "OTHER"}):
        found = explained([nameless | change], [PAYMENT])
        assert found[(BANK, 40)]["nearest_1"] == 40, change


def test_a_second_entry_and_a_return_are_told_by_the_line_of_their_own_side() -> None:
    bank, book, groups = background()
    twice, back = bank[7], bank[9] | {"amount": -bank[9]["amount"], "booked": bank[9]["booked"] + pd.Timedelta(days=1)}
    found = breaks(side(*bank, twice, back), side(*book, book[3]), solved(*groups), Policy(), ASOF)
    assert found["cause"].tolist() == ["duplicate", "reversal", "duplicate"]
    assert found["twin"].tolist() == [7, 9, 3]
    assert found["entry"].tolist() == [0, -bank[9]["amount"], -book[3]["amount"]]
    assert found["blocks"].tolist()[0] == "taken"


def test_a_young_line_waits_for_the_usual_day_and_an_old_one_is_missing() -> None:
    young, old = PAYMENT | {"booked": "2026-03-30"}, PAYMENT | {"booked": "2026-01-08", "reference": "INV-2026-8888"}
    found = explained([], [young, old], lag=3)
    assert [found[(BOOK, 40)]["cause"], found[(BOOK, 40)]["age"]] == ["timing", 1]
    assert found[(BOOK, 40)]["expected"] == pd.Timestamp("2026-04-02")
    assert "2026-04-02" in found[(BOOK, 40)]["proposal"]
    assert [found[(BOOK, 41)]["cause"], found[(BOOK, 41)]["age"], found[(BOOK, 41)]["entry"]] == [
        "missing on one side",
        82,
        -123_450,
    ]
    assert pd.isna(found[(BOOK, 41)]["expected"])


def test_an_old_line_is_missing_although_matches_are_only_suggested() -> None:
    theirs, ours, groups = background(2)
    matched = solved(*groups, days=2, closed=False)
    found = breaks(side(*theirs), side(*ours, PAYMENT | {"booked": "2026-01-08"}), matched, Policy(), ASOF)
    assert found["cause"].tolist() == ["missing on one side"]


def test_the_expected_day_leaves_holidays_out() -> None:
    found = explained([], [PAYMENT | {"booked": "2026-04-01"}], Policy(calendar="DE"), date(2026, 4, 1), lag=2)
    assert found[(BOOK, 40)]["expected"] == pd.Timestamp("2026-04-07")  # Good Friday and Easter Monday between


def test_an_exchange_difference_is_counted_with_the_rate_of_the_day() -> None:
    rates = {("USD", "EUR", date(2026, 3, 2)): Decimal("0.9")}
    found = explained([PAYMENT], [PAYMENT | {"currency": "USD", "amount": 135_000}], Policy(rates=rates))
    assert found[(BANK, 40)]["cause"] == "FX"
    assert found[(BANK, 40)]["entry"] == 123_450 - 121_500


def test_lines_that_nothing_ties_have_no_cause_but_the_missing_one() -> None:
    found = explained([PAYMENT | {"booked": "2026-01-07"}], [])
    line = found[(BANK, 40)]
    assert line["cause"] == "missing on one side"
    assert line["entry"] == 123_450
    assert "Møller" in line["proposal"]


@pytest.mark.parametrize("count", [0, 1])
def test_sides_may_be_empty(count: int) -> None:
    bank = side(*[PAYMENT] * count)
    found = breaks(bank, side(), solved(), Policy(), ASOF)
    assert len(found) == count
    assert {name: str(kind) for name, kind in found.dtypes.items()} == dict(BREAK)
    assert len(why(bank, side(), solved(), Policy())) == 0


def test_the_same_lines_give_the_same_breaks_byte_for_byte() -> None:
    bank = [PAYMENT | {"amount": 100 + n % 5, "reference": ""} for n in range(30)]
    sides = side(*bank), side(*bank[::-1])
    once, again = (breaks(*sides, solved(), Policy(), ASOF).to_csv() for _ in range(2))
    assert once == again


def test_a_match_says_what_ties_it_and_why_not_the_runner_up() -> None:
    bank = side(PAYMENT | {"booked": "2026-03-04"})
    book = side(PAYMENT, PAYMENT | {"reference": "INV-2026-4712", "booked": "2026-02-20"})
    matched = solved(([0], [0]), lost=[([0], [1])], runner_up=0, margin=4.5, rivals=1)
    found = rows(why(bank, book, matched, Policy()))
    assert (
        found[0]["evidence"] == "amounts equal, 1,234.50 EUR; reference shared; name agrees; bank 2 business days later"
    )
    assert found[0]["runner_up"] == "books line 1 instead of books line 0"
    assert found[0]["lost"] == "its reference is damaged, its days are farther apart (8 against 2)"
    assert found[0]["margin"] == 4.5


@pytest.mark.parametrize("calendar", [None, "DE"])
def test_every_match_is_counted_anew_from_its_lines_and_comes_out_as_the_matcher_says(calendar: str | None) -> None:
    bank, book = own(11, days=20, per_day=40).sides()
    policy = Policy(calendar=calendar)
    found = match(bank, book, policy, frozenset())
    anew = facts(whole(bank, book, calendar), found.members, len(found.matches), policy)
    assert len(anew) > 500
    for column in ("difference", "days"):
        assert anew[column].tolist() == found.matches[column].tolist()


def test_groups_and_reversals_are_counted_line_by_line() -> None:
    bank = side(
        PAYMENT | {"amount": 300, "text": "INV-2026-1001 INV-2026-1002", "reference": ""},
        PAYMENT | {"amount": -50, "reference": "X-900"},
        PAYMENT | {"amount": 50, "reference": "X-900", "booked": "2026-03-05"},
    )
    book = side(*(PAYMENT | {"amount": 100, "reference": f"INV-2026-100{n}"} for n in (1, 2, 3)))
    found = rows(why(bank, book, solved(([0], [0, 1, 2]), ([1, 2], [])), Policy()))
    assert "reference shared by 2 of 3 lines" in found[0]["evidence"]
    assert "1 line of the bank, 3 lines of the books" in found[0]["evidence"]
    assert found[1]["evidence"].startswith("2 lines of the bank that add up to 0.00 EUR; reference shared")
    assert found[1]["lost"] == "no other candidate wants one of its lines"
    assert why(bank, book, solved(([0], [0, 1, 2]), ([1, 2], [])), Policy(), chosen=[1]).index.tolist() == [1]


def test_a_suggestion_is_no_break() -> None:
    waiting = solved(([0], [0]), closed=False)
    assert len(breaks(side(PAYMENT), side(PAYMENT), waiting, Policy(), ASOF)) == 0
    open_again = Matched(waiting.matches.iloc[:0], waiting.members.iloc[:0], waiting.lost, waiting.lost_members)
    found = breaks(side(PAYMENT), side(PAYMENT), open_again, Policy(), ASOF)
    assert found["cause"].tolist() == ["ambiguous", "ambiguous"]
