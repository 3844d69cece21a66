"""Rules learned from reviews: suggested by one part of the decisions, proven on the other, accepted by a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bots.reconciliation.kinds import KINDS
from bots.reconciliation.learning import Proposal, propose
from bots.reconciliation.loading import load_one
from bots.reconciliation.matching.ruled import fee_of
from bots.reconciliation.policy import Policy
from bots.reconciliation.reviewed import Case, History, history
from bots.reconciliation.rule_book import accept, added, reject, rejected
from bots.reconciliation.rule_file import name_of
from bots.reconciliation.rules import Alias, Form, Late, PartyFee, Word
from engine.errors import UserError
from engine.intervals import clopper_pearson
from engine.ledger.database import Database
from tests.bots.reconciliation.frames import side
from tests.bots.reconciliation.rolling_desk import Desk, line

NOW = datetime(2026, 3, 31, 9, 12, tzinfo=UTC)
MANY = 16
"""Decisions of each habit; six of them suggest, ten test."""
ALIAS, WORD, FEE, LATE, FORM = range(5)


def _decided() -> History:
    """Return five habits that a person matched by hand, each with its own amounts; lines at 5 n + habit."""
    made: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for at in range(MANY):
        amount, day = 10_000 + 3_137 * at, date(2026, 3, 2) + timedelta(days=at)
        late = day + timedelta(days=28 + at % 3)
        lines: list[tuple[dict[str, Any], dict[str, Any]]] = [
            ({"name": "PAYWAY 17"}, {"name": "Acme GmbH"}),
            ({"text": f"KD48213 no {at}"}, {"name": "Beta Ltd"}),
            ({"name": "Gamma", "amount": amount + 2 - fee_of(amount + 2, Decimal("0.02"), 35)}, {"name": "Gamma"}),
            ({"name": "Delta AG", "booked": late}, {"name": "Delta AG"}),
            ({"reference": f"KD 00{100 + at}"}, {"reference": f"INV-{100 + at}"}),
        ]
        made += [
            tuple({"amount": amount + habit, "booked": day} | one for one in both)  # type: ignore[misc]
            for habit, both in enumerate(lines)
        ]
    cases = tuple(Case(at, at, frozenset(), suggests=at // 5 % 8 < 3) for at in range(len(made)))
    bank, book = (side(*(both[of] for both in made)) for of in (0, 1))
    return History(bank, book, np.arange(len(made)), cases, len(made))


def _proposed(known: History, **more: Any) -> dict[type, Proposal]:
    return {type(one.rule): one for one in propose(known, Policy(), **more)}


def test_what_people_match_again_and_again_becomes_a_rule_with_its_proof() -> None:
    found = _proposed(_decided())
    rules = {kind: replace(one.rule, bound=0) for kind, one in found.items()}
    assert rules == {
        Alias: Alias("PAYWAY 17", "Acme GmbH", 0),
        Word: Word("KD48213", "Beta Ltd", 0),
        PartyFee: PartyFee("Gamma", Decimal("0.0200"), 35, "EUR", 0),
        Late: Late("Delta AG", 22, 0),
        Form: Form("KD", "INV", 0),
    }
    for one in found.values():
        assert (one.suggested.right, one.tested.right, one.tested.counters) == (6, 10, ())
        limits = clopper_pearson(0, 10, 0.9)
        assert limits is not None
        assert one.rule.bound == pytest.approx(limits[1], abs=1e-6)
        assert one.rule.bound >= limits[1]


def test_a_rule_that_the_other_decisions_contradict_is_not_proposed() -> None:
    """Of the lines that did not suggest the alias, half belong to another party."""
    known = _decided()
    others = {one.bank for one in known.cases if not one.suggests and one.bank % 2}
    names = ["Zeta AG" if at in others else name for at, name in enumerate(known.book["name"])]
    spoilt = replace(known, book=known.book.assign(name=names).astype(known.book.dtypes))
    assert Alias not in _proposed(spoilt)
    told = _proposed(spoilt, most_error=1.0)
    assert (
        Alias not in told or len(told[Alias].tested.counters) / told[Alias].tested.said <= told[Alias].suggested.bound
    )


def test_pairs_that_people_refused_speak_against_a_rule_and_are_shown() -> None:
    known = _decided()
    refused = [one.bank for one in known.cases if one.bank % 5 == ALIAS][:3]
    cases = [
        replace(one, partner=None, refused=frozenset((one.bank,))) if one.bank in refused else one
        for one in known.cases
    ]
    found = _proposed(replace(known, cases=tuple(cases)), most_error=1.0)[Alias]
    against = (*found.suggested.counters, *found.tested.counters)
    assert [(one.bank, one.tied, one.partner) for one in against] == [(at, at, None) for at in refused]
    assert found.suggested.right + found.tested.right == MANY - 3


def test_where_several_lines_fit_a_rule_says_nothing() -> None:
    known = _decided()
    amounts = [1_000 if at % 5 == FORM else amount for at, amount in enumerate(known.bank["amount"])]
    references = ["KD 00100" if at % 5 == FORM else text for at, text in enumerate(known.bank["reference"])]
    books = ["INV-100" if at % 5 == FORM else text for at, text in enumerate(known.book["reference"])]
    alike = replace(
        known,
        bank=known.bank.assign(amount=amounts, reference=references).astype(known.bank.dtypes),
        book=known.book.assign(amount=amounts, reference=books).astype(known.book.dtypes),
    )
    assert Form not in _proposed(alike, most_error=1.0)


def test_what_the_ledger_keeps_of_reviews_is_what_is_learned_from(database: Database) -> None:
    """One is matched by hand, one is closed by itself and undone, one closed by itself; a group teaches nothing."""
    desk = Desk(database)
    desk.bank(line(1001, "INV-1"), line(1002, "INV-2"), line(1003, ""), line(2000, ""))
    desk.book(line(1001, "INV-1"), line(1002, "INV-2"), line(1003, "", name="x"), line(900, ""), line(1100, ""))
    desk.match()
    closed = {one.lines[0].facts.amount: one for one in desk.items.matches(["closed"])}
    desk.items.undo(closed[1001].id, "ana", "another shop")
    (suggested,) = desk.items.matches(["suggested"])
    desk.items.accept(suggested.id, "ana")
    rest = [one.id for one in desk.items.lines() if one.facts.amount in (2000, 900, 1100)]
    desk.items.match_by_hand(rest, "ana", "seen")
    known = history(desk.items)
    amounts = {int(known.bank["amount"].iloc[one.bank]): one for one in known.cases}
    assert {amount: (one.partner is not None, len(one.refused)) for amount, one in amounts.items()} == {
        1001: (False, 1),
        1003: (True, 0),
    }
    assert known.decisions == 3
    assert sorted(known.book["amount"].iloc[known.free]) == [900, 1001, 1003, 1100]


def test_accepting_writes_the_definition_with_who_and_when_and_changes_its_hash(
    database: Database, tmp_path: Path
) -> None:
    desk, path = Desk(database), tmp_path / "main.yaml"
    desk.bank(line())
    path.write_text("name: main\n# kept\npolicy: {window: {latest: 9}}\n", encoding="utf-8")
    known, before = _decided(), load_one(path, KINDS)
    found = _proposed(known)
    for kind in (Alias, PartyFee):
        accept(desk.items, found[kind], path, "ada", NOW, kinds=KINDS)
    reject(desk.items, found[Form], "ada", "the bank changes its forms in May")
    after = load_one(path, KINDS)
    assert path.read_text(encoding="utf-8").startswith(before.text)
    assert after.sha256 != before.sha256
    assert after.policy.rules == (found[Alias].rule, found[PartyFee].rule)
    assert {(one.by, one.at) for one in after.file.rules} == {("ada", "2026-03-31T09:12:00+00:00")}
    assert [one.verb for one in desk.items.decisions()] == ["rule_accept", "rule_accept", "rule_reject"]
    settled = {name_of(one.rule) for one in after.file.rules} | rejected(desk.items).keys()
    assert {type(one.rule) for one in propose(known, after.policy, known=settled)} == {Word, Late}
    with pytest.raises(UserError, match="already"):
        accept(desk.items, found[Alias], path, "ada", NOW, kinds=KINDS)
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".yaml"] == ["main.yaml"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: a\n", "name: a\nrules:\n  - x: 1\n    y: 2\n"),
        ("name: a", "name: a\nrules:\n  - x: 1\n    y: 2\n"),
        ("rules:\n- x: 0\n# end\nname: a\n", "rules:\n- x: 0\n- x: 1\n  y: 2\n# end\nname: a\n"),
        ("rules:\n    - x: 0\n\nname: a\n", "rules:\n    - x: 0\n    - x: 1\n      y: 2\n\nname: a\n"),
        ("rules:\n  - x: 0", "rules:\n  - x: 0\n  - x: 1\n    y: 2\n"),
    ],
)
def test_a_rule_is_added_where_the_rules_are_and_nothing_else_moves(before: str, after: str) -> None:
    assert added(before, "  - x: 1\n    y: 2\n") == after


def test_rules_in_brackets_are_for_a_person_to_rewrite() -> None:
    with pytest.raises(UserError, match="line 2"):
        added("name: a\nrules: []\n", "  - x: 1\n")
