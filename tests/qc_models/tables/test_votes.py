from __future__ import annotations

import random

import numpy as np

from qc_models.tables.columns import columns_of
from qc_models.tables.dependencies import discover, groups
from qc_models.tables.entities import find_entity
from qc_models.tables.table import Table
from qc_models.tables.votes import NAMES, chamber_of


def told_by_shops() -> tuple[Table, list[bool]]:
    """Six shops: two good ones that differ now and then, four copies of one that is wrong in most articles."""
    rng = random.Random(1)  # noqa: S311 - seeded, not secret
    rows, wrong = [], []
    for number in range(60):
        truth, lie = f"{rng.randrange(100, 999)} g", f"{rng.randrange(100, 999)} g"
        for shop in range(6):
            said = (lie if number % 3 else truth) if shop > 1 else truth
            said = f"{rng.randrange(100, 999)} g" if shop < 2 and rng.random() < 0.05 else said
            rows.append((f"shop {shop}", f"article {number}", said))
            wrong.append(said != truth)
    return Table(("shop", "article", "weight"), tuple(rows)), wrong


def test_the_article_is_the_entity_and_copies_share_one_voice() -> None:
    table, _ = told_by_shops()
    columns = columns_of(table)
    entity = find_entity(columns, discover(columns))
    assert entity is not None
    assert (entity.entity, entity.source) == (1, 0)
    assert entity.voice[2] < 0.3 < entity.voice[0]


def test_labels_turn_the_votes_against_a_majority_of_copies() -> None:
    table, wrong = told_by_shops()
    columns = columns_of(table)
    chamber = chamber_of(columns, discover(columns))
    labels = {row: {2} if wrong[row] else set() for row in range(0, 360, 30)}
    own = chamber.matrix(labels)[:, 2, NAMES.index("vote_own")]
    right = np.array([wrong[row] == (own[row] < 0.5) for row in range(360) if row not in labels])
    assert right.mean() > 0.9


def test_a_rows_own_label_does_not_vote_on_it() -> None:
    table, wrong = told_by_shops()
    columns = columns_of(table)
    chamber = chamber_of(columns, discover(columns))
    labels = {row: {2} if wrong[row] else set() for row in range(0, 360, 30)}
    right, false = (chamber.matrix(labels | {7: own})[7, 2, NAMES.index("vote_own")] for own in (set[int](), {2}))
    assert (right < 0.5) == (false < 0.5) == wrong[7]


def test_a_dependency_is_found_and_its_groups_leave_the_row_out() -> None:
    rows = tuple((f"{n % 5}", "abcde"[n % 5] if n else "z") for n in range(40))
    columns = columns_of(Table(("key", "told"), rows))
    best = discover(columns)[0]
    assert {best.source, best.target} == {0, 1}
    group = groups(columns[0], columns[1])
    assert (group.size[0], group.same[0], group.top[0], columns[1].distinct[group.usual[0]]) == (7, 0, 7, "a")
    assert (group.size[5], group.same[5], group.top[5]) == (7, 6, 1)
