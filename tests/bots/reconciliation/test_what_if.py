"""A changed definition over the same lines: only what touches a closed match is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bots.reconciliation.definition import DEFAULT, PolicyFile, Window
from bots.reconciliation.export import write_table
from bots.reconciliation.gate import Evidence
from bots.reconciliation.replay import history
from bots.reconciliation.solution import solutions
from bots.reconciliation.what_if import Changed, changes, counted
from bots.reconciliation.what_if_shown import table
from engine.ledger.database import Database
from tests.bots.reconciliation.outcomes import solution
from tests.bots.reconciliation.rolling_desk import Desk, line


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
        ["goes", 1, 1, 0],
        ["comes", 2, 0, 0],
        ["opens", 1, 0, 0],
        ["closes", 1, 0, 0],
        ["kind", 1, 0, 0],
        ["lost", 0, 0, 0],
        ["found", 0, 0, 0],
    ]


def test_the_same_definition_changes_nothing() -> None:
    one = solution(("exact", True, [0], [0], 0), ("reversal", True, [1, 2], [], 0))
    assert changes(one, one) == []
    assert [found.change for found in changes(solution(), one)] == ["comes", "comes"]


def test_the_history_in_the_ledger_is_matched_twice_and_what_people_confirmed_is_named(
    database: Database, tmp_path: Path
) -> None:
    """INV-1 clears on the same day, INV-2 and INV-3 three days later; a person had accepted INV-2."""
    desk = Desk(database)
    desk.book(*(line(1000 + at, f"INV-{at}") for at in (1, 2, 3)))
    desk.bank(line(1001, "INV-1"), line(1002, "INV-2", day=3), line(1003, "INV-3", day=3))
    by_hand = [one.id for one in desk.items.lines() if one.facts.amount == 1002]
    desk.items.match_by_hand(by_hand, "ana", "told by phone")
    past = history(desk.items)
    assert past.confirmed == [frozenset({(0, 1), (1, 1)})]
    evidence = [Evidence("reference", 100_000_000, 0, "own")]
    policy = PolicyFile(window=Window(earliest=0, latest=1))
    tighter = replace(DEFAULT, file=DEFAULT.file.model_copy(update={"policy": policy}))
    now, then = solutions(past.sides, (DEFAULT, tighter), evidence)
    found = changes(now.matched, then.matched, past.confirmed)
    assert [(one.change, one.confirmed) for one in found] == [("goes", True), ("goes", False)]
    told = table(found, now, then)
    assert told["amount"].tolist() == ["10.02", "10.02", "10.03", "10.03"]
    assert set(zip(told["now"], told["then"], strict=True)) == {("closed", "open")}
    assert write_table(told, tmp_path / "what-if.csv").read_text("utf-8-sig").count("True") == 2


def test_what_people_refused_or_only_suggestions_of_theirs_is_named(database: Database) -> None:
    """INV-1 was closed and a person undid it; what has no reference is a suggestion that a person accepted."""
    desk = Desk(database)
    desk.book(line(1001, "INV-1"), line(1002, ""))
    desk.bank(line(1001, "INV-1"), line(1002, "", day=3))
    desk.match()
    desk.items.undo(desk.one("closed").id, "ana", "another shop")
    by_hand = [one.id for one in desk.items.lines() if one.facts.amount == 1002]
    desk.items.match_by_hand(by_hand, "ana", "told by phone")
    past = history(desk.items)
    assert past.refused == [frozenset({(0, 0), (1, 0)})]
    assert [(one.kind, one.wrong) for one in past.evidence] == [("reference", 1)]
    now, then = (
        solution(("amount", closes, [0], [0], 0), *more)
        for closes, more in ((True, ()), (False, (("amount", False, [1], [1], 0),)))
    )
    found = changes(now, then, past.confirmed, past.refused)
    assert [(one.change, one.confirmed, one.rejected) for one in found] == [
        ("opens", False, True),
        ("found", True, False),
    ]
    assert len(past.sides.bank.lines) == 2
