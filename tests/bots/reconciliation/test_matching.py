"""Matching: what belongs together is found, doubt is said to be doubt, and the same input gives the same answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bots.reconciliation.kinds import KINDS
from bots.reconciliation.matched import BANK, BOOK, MATCH, SIDE, Matched
from bots.reconciliation.matching.engine import match
from bots.reconciliation.matching.solver import Graph, best, solve
from bots.reconciliation.policy import Policy

POLICY = Policy()
ALL = frozenset(KINDS)


def side(*lines: dict[str, Any]) -> pd.DataFrame:
    """Make a side of lines; what a line does not say is empty."""
    empty = {"account": "GIRO", "currency": "EUR", "booked": "2025-03-03", "valued": None, "reversal": False}
    rows = [{name: line.get(name, empty.get(name, "")) for name in SIDE} for line in lines]
    return pd.DataFrame(rows, columns=list(SIDE)).astype(SIDE)


def books(count: int = 200) -> list[dict[str, Any]]:
    """Make lines of the books that are unlike each other, so that chance has something to be measured by."""
    return [
        {"amount": 10_000 + 137 * number, "reference": f"RE-{7000 + number}", "name": f"Firm {number * 37 % 101} Ltd"}
        for number in range(count)
    ]


def pairs(matched: Matched) -> dict[int, tuple[int, str]]:
    """Return for each line of the bank its line of the books and the kind; matches of two lines only."""
    found = {}
    for number, group in matched.members.groupby("match"):
        lines = dict(zip(group["side"], group["line"], strict=True))
        found[int(lines[BANK])] = (int(lines[BOOK]), str(matched.matches.kind[number]))
    return found


def test_a_reference_is_found_however_it_is_spelled() -> None:
    book = books()
    spellings = ["RE-7000", "re 7001", "paid RE 7002 thanks", "RE-7OO3", "7004/RE"]
    bank = [book[number] | {"reference": text} for number, text in enumerate(spellings)]
    found = pairs(match(side(*bank), side(*book), POLICY, ALL))
    assert {line: other for line, (other, _) in found.items()} == {number: number for number in range(5)}
    assert [found[line][1] for line in range(5)] == ["reference"] + ["normalised"] * 4


def test_a_slip_of_the_hand_goes_to_the_invoice_of_its_amount_even_where_the_number_is_another_ones() -> None:
    book = books()
    bank = [book[12] | {"reference": "RE-7021", "name": ""}]  # 7012 with two digits swapped: a real invoice, too
    (other, kind) = pairs(match(side(*bank), side(*book), POLICY, ALL))[0]
    assert other == 12
    assert kind.startswith("slip_")


def test_a_reference_whose_last_two_digits_are_cut_off_is_one_slip_away() -> None:
    book = [line | {"reference": f"RE-2025-{number:05d}"} for number, line in enumerate(books())]
    bank = [book[12] | {"reference": "RE-2025-000", "name": ""}]
    (other, kind) = pairs(match(side(*bank), side(*book), POLICY, ALL))[0]
    assert other == 12
    assert kind.startswith("slip_")


def test_a_narrow_window_does_not_hide_the_partner_to_whom_a_line_belongs() -> None:
    rent = {"amount": 77_701, "name": "Rent Ltd"}
    book = [*books(), rent | {"reference": "RE-8001", "booked": "2025-03-06"}]
    bank = [rent | {"booked": "2025-03-06"}, book[5] | {"booked": "2025-03-06"}]
    narrow = Policy(earliest=0, latest=0)
    assert pairs(match(side(*bank), side(*book), narrow, ALL))[0][0] == 200
    earlier = [rent | {"booked": "2025-03-05", "reference": "RE-8001"}, *bank]  # what is due to it came a day early
    assert not pairs(match(side(*earlier), side(*book), narrow, ALL))
    assert set(pairs(match(side(*earlier), side(*book), POLICY, ALL))) == {0, 2}


def test_a_fee_does_not_rival_the_instalment_that_makes_up_the_difference() -> None:
    book = [*books(), {"amount": 20_000, "reference": "RE-9001", "name": "Firm 1 Ltd"}]
    bank = [{"amount": amount, "reference": "RE-9001", "name": "Firm 1 Ltd"} for amount in (19_200, 800)]
    [kind] = match(side(*bank), side(*book), POLICY, ALL).matches.kind
    assert kind == "group_by_key_certain"


def test_another_name_keeps_a_reference_from_closing_and_the_same_name_in_another_order_does_not() -> None:
    book = [*books(), {"amount": 55_511, "reference": "RE-9001", "name": "Maria Müller"}]
    for name, kind in (
        ("MULLER, MARIA", "reference"),
        ("Maria Müller-Lang", "reference"),
        ("Hans Huber", "other_name"),
    ):
        (other, found) = pairs(match(side(book[-1] | {"name": name}), side(*book), POLICY, ALL))[0]
        assert other == 200
        assert found.startswith(kind)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Filiale 12 Nord", "amount_name"), ("Filiale 12", "amount_alike"), ("Filiale 13 Nord", "other_name")],
)
def test_a_name_with_another_number_is_another_name(name: str, kind: str) -> None:
    book = [*books(), {"amount": 55_511, "reference": "RE-9001", "name": "Filiale 12 Nord"}]
    matched = match(side(book[-1] | {"name": name, "reference": ""}), side(*book), POLICY, ALL)
    assert [found.rpartition("_")[0] for _, found in pairs(matched).values()] == [kind]


def test_a_fee_explains_what_is_missing_where_the_reference_agrees() -> None:
    book = books()
    matched = match(side(book[3] | {"amount": book[3]["amount"] - 300}), side(*book), POLICY, ALL)
    assert pairs(matched)[0][0] == 3
    assert matched.matches.kind.str.startswith("same_fee").all()
    assert matched.matches.difference.tolist() == [-300]


def test_a_large_part_that_is_missing_is_as_likely_a_part_payment_as_a_fee() -> None:
    book = [*books(), {"amount": 1_380, "reference": "RE-9001", "name": "Firm 1 Ltd"}]
    for missing, strengths in ((100, {"certain", "strong"}), (552, {"doubtful"})):
        matched = match(side(book[-1] | {"amount": 1_380 - missing}), side(*book), POLICY, ALL)
        [kind] = matched.matches.kind
        assert kind.removeprefix("same_fee_") in strengths


def test_two_digits_that_are_swapped_are_a_slip_of_the_hand_and_no_fee() -> None:
    book = [*books(), {"amount": 243_000, "reference": "RE-9001", "name": "Firm 1 Ltd"}]
    for paid, strengths in (
        (234_000, {"doubtful"}),
        (234_500, {"certain", "strong"}),
        (242_991, {"certain", "strong"}),
    ):
        [kind] = match(side(book[-1] | {"amount": paid}), side(*book), POLICY, ALL).matches.kind
        assert kind.removeprefix("same_fee_") in strengths


def test_an_amount_alone_is_worth_what_chance_leaves_of_it() -> None:
    common = [{"amount": 4_900, "reference": f"RE-{9000 + number}", "name": f"Shop {number}"} for number in range(30)]
    book = [*books(), *common]
    bank = [
        {"amount": book[50]["amount"], "name": "Firm 32 Ltd"},
        {"amount": 4_900},
        {"amount": 4_900, "name": "SHOP 7"},
    ]
    matched = match(side(*bank), side(*book), POLICY, ALL)
    found = pairs(matched)
    assert found[0][0] == 50
    assert found[2] == (207, found[2][1])
    assert 1 not in found  # thirty lines fit equally well
    score = dict(zip(matched.members.line[::2], matched.matches.score, strict=True))
    assert score[0] > score[2]


def test_lines_that_look_the_same_are_matched_in_their_order_and_are_no_rivals() -> None:
    twin = {"amount": 12_345, "name": "Twin Ltd"}
    matched = match(side(twin, twin, twin), side(*books(), twin, twin), POLICY, ALL)
    assert {line: other for line, (other, _) in pairs(matched).items()} == {0: 200, 1: 201}
    assert matched.matches.margin.tolist() == [math.inf, math.inf]


def test_the_first_of_two_equal_payments_is_the_payment_and_the_other_is_left_over() -> None:
    book = books()
    late, early = book[9] | {"booked": "2025-03-05"}, book[9] | {"booked": "2025-03-04"}
    assert pairs(match(side(late, early), side(*book), POLICY, ALL)) == {1: (9, "reference_first")}


def test_two_that_fit_equally_well_are_proposed_without_a_margin_and_never_closed() -> None:
    one = {"amount": 77_701, "name": "Rent Ltd"}
    book = side(*books(), one | {"booked": "2025-03-03"}, one | {"booked": "2025-03-04"})
    bank = side(one | {"booked": "2025-03-05"}, one | {"booked": "2025-03-06"})
    matched = match(bank, book, POLICY, frozenset(kind for kind in KINDS if not kind.endswith("doubtful")))
    assert len(matched.matches) == 2
    assert not matched.matches.closed.any()
    assert (matched.matches.margin < math.log(10)).all()
    assert (matched.matches.runner_up >= 0).all()


def test_other_accounts_currencies_and_days_out_of_the_window_never_meet() -> None:
    book = books()
    bank = [
        book[0] | {"account": "OTHER"},
        book[1] | {"currency": "USD"},
        book[2] | {"booked": "2025-06-03"},
        book[3] | {"amount": -book[3]["amount"]},
    ]
    assert pairs(match(side(*bank), side(*book), POLICY, ALL)) == {}


def test_empty_sides_and_the_columns_of_the_answer() -> None:
    for bank, book in ((side(), side()), (side(*books(3)), side()), (side(), side(*books(3)))):
        matched = match(bank, book, POLICY, ALL)
        assert len(matched.matches) == 0
        assert {name: str(kind) for name, kind in matched.matches.dtypes.items()} == MATCH


def world(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make two sides in which much is contested."""
    draw = np.random.default_rng(seed)
    book = [
        {
            "amount": int(draw.choice([999, 4_900, 10_000, int(draw.integers(100, 99_999))])),
            "name": f"Firm {draw.integers(12)}",
            "reference": f"RE-{7000 + number}",
            "booked": f"2025-03-{draw.integers(1, 28):02d}",
        }
        for number in range(400)
    ]
    bank = [
        line
        | {
            "reference": str(draw.choice([str(line["reference"]), "", str(line["reference"])[:-1]])),
            "name": str(draw.choice([str(line["name"]), ""])),
        }
        for line in book[:350]
    ]
    return side(*bank), side(*book)


@pytest.mark.parametrize("seed", range(3))
def test_no_line_is_matched_twice_and_the_same_input_gives_the_same_answer(seed: int) -> None:
    bank, book = world(seed)
    one, other = (match(bank, book, POLICY, ALL) for _ in range(2))
    assert not one.members.duplicated(["side", "line"]).any()
    for table in ("matches", "members", "lost", "lost_members"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))
    assert one.members.equals(one.members.sort_values(["match", "side", "line"], ignore_index=True))


@pytest.mark.parametrize("seed", range(40))
def test_the_solution_is_the_best_one_and_each_margin_is_what_is_lost_without_the_match(seed: int) -> None:
    draw = np.random.default_rng(seed)
    sets = list(
        {
            tuple(
                sorted({int(draw.integers(4)), 4 + int(draw.integers(4)), *(draw.choice(8, int(draw.integers(0, 2))))})
            )
            for _ in range(9)
        }
    )
    score = draw.integers(1, 40, len(sets)).astype(float)
    graph = Graph(
        score,
        np.arange(len(sets)),
        np.zeros(len(sets), np.int64),
        np.repeat(np.arange(len(sets)), [len(one) for one in sets]),
        np.concatenate([np.array(one) for one in sets]),
        4,
        8,
    )
    solution = solve(graph)

    def optimum(allowed: list[int]) -> float:
        if not allowed:
            return 0.0
        one, rest = allowed[0], allowed[1:]
        free = [other for other in rest if not set(sets[one]) & set(sets[other])]
        return float(max(optimum(rest), score[one] + optimum(free)))

    everything = list(range(len(sets)))
    assert score[solution.taken].sum() == optimum(everything)
    for one in np.flatnonzero(solution.taken):
        true = optimum(everything) - optimum([other for other in everything if other != one])
        assert 0 <= solution.margin[one] <= true or solution.margin[one] == math.inf
        assert solution.margin[one] < math.inf or all(
            other == one or not set(sets[one]) & set(sets[other]) for other in everything
        )


def test_an_assignment_is_solved_exactly_where_taking_the_best_first_is_wrong() -> None:
    sets = [np.array([0, 2]), np.array([0, 3]), np.array([1, 2])]
    chosen, margin = best(np.array([5.0, 4.0, 4.0]), sets, 2)
    assert sorted(chosen.tolist()) == [1, 2]
    assert margin.tolist() == [3.0, 3.0]
