"""A changed definition over the same lines: only what touches a closed match is told."""

from __future__ import annotations

from bots.reconciliation.what_if import Changed, changes, counted
from tests.bots.reconciliation.outcomes import solution


def test_every_way_in_which_a_closed_match_can_change_is_told_once() -> None:
    now = solution(
        ("exact", True, [0], [0], 0),
        ("exact", True, [1], [1], 0),
        ("exact", True, [2], [2], 0),
        ("fee", False, [3], [3], -5),
        ("exact", True, [4], [4], 0),
        ("fee", False, [9], [9], -5),
    )
    then = solution(
        ("exact", True, [0], [0], 0),
        ("exact", True, [1], [1, 7], 0),
        ("exact", False, [2], [2], 0),
        ("fee", True, [3], [3], -5),
        ("name", True, [4], [4], 0),
        ("name", True, [5], [5], 0),
    )
    found = changes(now, then, confirmed=[frozenset({(0, 1), (1, 1)}), frozenset({(0, 0), (1, 0)})])
    assert found == [
        Changed("goes", 1, None, confirmed=True),
        Changed("opens", 2, 2, confirmed=False),
        Changed("closes", 3, 3, confirmed=False),
        Changed("kind", 4, 4, confirmed=False),
        Changed("comes", None, 1, confirmed=False),
        Changed("comes", None, 5, confirmed=False),
    ]
    assert counted(found).to_numpy().tolist() == [
        ["goes", 1, 1],
        ["comes", 2, 0],
        ["opens", 1, 0],
        ["closes", 1, 0],
        ["kind", 1, 0],
    ]


def test_the_same_definition_changes_nothing() -> None:
    one = solution(("exact", True, [0], [0], 0), ("reversal", True, [1, 2], [], 0))
    assert changes(one, one) == []
    assert [found.change for found in changes(solution(), one)] == ["comes", "comes"]
