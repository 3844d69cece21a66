"""Sums of a few lines, against trying every choice."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bots.reconciliation.matching import subsets

AMOUNTS = st.integers(-30, 60)


@given(
    items=st.lists(AMOUNTS, min_size=1, max_size=13),
    total=st.integers(-60, 300),
    largest=st.integers(1, 13),
    keep=st.integers(1, 5),
)
def test_every_choice_that_adds_up_is_counted_and_what_is_kept_adds_up(
    items: list[int], total: int, largest: int, keep: int
) -> None:
    all_of_them = {
        sum(1 << place for place in chosen)
        for size in range(1, largest + 1)
        for chosen in combinations(range(len(items)), size)
        if sum(items[place] for place in chosen) == total
    }
    sums = subsets.solve(np.array([items]), np.array([total]), largest, keep)
    assert sums.count.tolist() == [len(all_of_them)]
    kept = sums.chosen.tolist()
    assert set(kept) <= all_of_them
    assert len(kept) == len(set(kept)) == min(keep, len(all_of_them))


def test_many_totals_are_solved_at_once_and_each_by_its_own_items() -> None:
    items = np.arange(4 * 5000).reshape(5000, 4)
    sums = subsets.solve(items, items[:, 1] + items[:, 3], 2, 2)
    assert sums.total.tolist() == np.repeat(np.arange(5000), sums.count).tolist()
    assert (sums.chosen == 0b1010).sum() == 5000


def test_the_number_of_choices_is_exact_where_no_one_could_list_them() -> None:
    sums = subsets.solve(np.full((1, 40), 7), np.array([7 * 20]), 20, 3)
    assert sums.count.tolist() == [137_846_528_820]
    assert len(set(sums.chosen.tolist())) == 3
