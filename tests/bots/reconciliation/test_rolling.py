"""Rolling open items on both databases: nothing lost or doubled, decisions kept, cost that follows what is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

from bots.reconciliation.kinds import KINDS
from bots.reconciliation.matching.engine import match_as_read
from bots.reconciliation.policy import Policy
from bots.reconciliation.rolling import match_open, reach
from engine.clock import ManualClock
from engine.errors import Stale, UserError
from engine.evidence import EvidenceStore
from engine.ledger import tables as t
from engine.ledger.backup import backup
from engine.ledger.database import Database
from engine.ledger.restore import restore
from engine.open_items import BANK, BOOK, MatchRow, Proposed, key_of
from engine.redact import Redactor
from fixtures.generate.deliveries import deliveries
from fixtures.generate.statements import world
from tests.bots.reconciliation import exact
from tests.bots.reconciliation.rolling_desk import (
    DAY,
    POLICY,
    Desk,
    as_delivery,
    kept,
    line,
    one_statement,
    tied,
    wanted,
)


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


@pytest.mark.parametrize("balances", [True, False], ids=["balances", "bare tables"])
def test_sixty_days_of_overlaps_late_and_corrected_lines_lose_nothing_and_double_nothing(
    desk: Desk, balances: bool
) -> None:
    made = world(seed=31, days=60, per_day=4)
    counts: Counter[str] = Counter()
    for sent in deliveries(made):
        side = BANK if sent.side == "bank" else BOOK
        counts.update(desk.receive(side, as_delivery(sent, balances=balances)).counts)
        if balances:
            assert [one.difference for one in desk.items.accounts() if one.difference] == [], sent.day
    assert kept(desk, BANK) == wanted(made, "bank")
    assert kept(desk, BOOK) == wanted(made, "book")
    assert counts["again"] > counts["new"] / 2
    assert min(counts[name] for name in ("late", "back_dated", "corrected")) > 3
    assert desk.items.problems() == []


SHORT = Policy(earliest=-1, latest=2, reversal=2)
"""Lines of one match are so near each other that most of what is open is not near what is new."""


def decide(desk: Desk, day: int) -> Iterator[int]:
    """Let people decide a little each day, and yield the matches that they decided."""
    for at, row in enumerate(desk.items.matches(["suggested"], limit=4)):
        if (day + at) % 3 == 0:
            yield desk.items.accept(row.id, "ana").id
        elif (day + at) % 3 == 1:
            desk.items.reject(row.id, "ana", "not the same customer")
    lines = desk.items.lines(limit=40)
    bank, book = (
        next((one for one in lines if one.side == side and one.state == "open"), None) for side in (BANK, BOOK)
    )
    if bank and book and (bank.facts.account, bank.facts.currency) == (book.facts.account, book.facts.currency):
        yield desk.items.match_by_hand([bank.id, book.id], "ben", "told by phone").id


def test_deliveries_change_no_decision_and_the_result_is_that_of_matching_everything_each_day(
    open_ledger: Callable[..., Database], clock: ManualClock
) -> None:
    made = world(seed=32, days=12, per_day=6)
    desks = [Desk(open_ledger(clock, name), SHORT) for name in ("near", "everything")]
    decided: dict[int, MatchRow] = {}
    for day, sent in enumerate(deliveries(made)):
        for desk, everything in zip(desks, (False, True), strict=True):
            desk.receive(BANK if sent.side == "bank" else BOOK, as_delivery(sent, balances=True))
            desk.match(everything=everything)
            for match_id in decide(desk, day):
                decided[match_id] = desk.items.match(match_id)
    assert desks[0].solution() == desks[1].solution()
    assert len(decided) > 8
    for match_id, before in decided.items():
        after = desks[1].items.match(match_id)
        assert (after.state, after.manual, [one.id for one in after.lines]) == (
            before.state,
            True,
            [one.id for one in before.lines],
        )
    refused = {key_of(one.id for one in row.lines) for row in desks[1].items.matches(["rejected"])}
    automatic = [row for row in desks[1].items.matches(["suggested", "closed"]) if not row.manual]
    assert refused
    assert not refused & {key_of(one.id for one in row.lines) for row in automatic}
    assert desks[0].items.problems() == desks[1].items.problems() == []


def test_equal_lines_are_as_many_as_the_most_that_one_delivery_holds(desk: Desk) -> None:
    coffee = line(350, reference="")
    assert desk.bank(coffee, coffee).counts["new"] == 2
    assert desk.bank(coffee, coffee, coffee).counts["new"] == 1
    assert desk.bank(coffee).counts["again"] == 1
    assert [one.occurrence for one in desk.items.lines()] == [1, 2, 3]


def test_the_balances_tell_a_second_coffee_from_the_first_one_delivered_again(desk: Desk) -> None:
    coffee = line(-350, reference="")
    morning, afternoon = tied([coffee], 1000, 0, 0, "1"), tied([coffee], 650, 0, 0, "2")
    assert desk.receive(BANK, [morning]).counts["new"] == 1
    assert desk.receive(BANK, [replace(morning, id="1 again")]).counts["new"] == 0
    assert desk.receive(BANK, [afternoon]).counts["new"] == 1
    (account,) = desk.items.accounts()
    assert (account.opening, account.movements, account.closing, account.difference) == (1000, -700, 300, 0)


def test_the_same_file_twice_brings_nothing(desk: Desk) -> None:
    first = desk.receive(BANK, [one_statement([line()])], sha256="a" * 64)
    again = desk.receive(BANK, [one_statement([line()])], sha256="a" * 64)
    assert (again.repeats, again.counts["again"], again.counts["new"]) == (first.delivery, 1, 0)


def test_a_file_that_was_held_back_is_taken_in_when_it_can_be_read(desk: Desk) -> None:
    desk.receive(BANK, [], sha256="a" * 64)
    got = desk.receive(BANK, [one_statement([line()])], sha256="a" * 64)
    assert (got.repeats, got.counts["new"]) == (None, 1)
    assert desk.receive(BANK, [one_statement([line()])], sha256="a" * 64).repeats == got.delivery


def test_a_day_that_leads_back_to_its_first_balance_is_known_again(desk: Desk) -> None:
    there, back = tied([line(50, "A")], 100, 0, 0, "1"), tied([line(-50, "B")], 150, 0, 0, "2")
    desk.receive(BANK, [there, back])
    got = desk.receive(BANK, [there, back, tied([line(20, "C")], 100, 0, 0, "3")])
    assert (got.counts["new"], got.counts["again"]) == (1, 2)
    assert desk.receive(BANK, [tied([line(50, "A")], 120, 0, 0, "4")]).counts["new"] == 1, "another statement"
    assert desk.items.accounts()[0].difference == 0


def test_two_statements_of_one_file_are_two_parts_of_it(desk: Desk) -> None:
    coffee = line(-350, reference="")
    parts = [one_statement([coffee], id=name) for name in ("1", "2")]
    assert desk.receive(BANK, parts).counts["new"] == 2
    assert desk.receive(BANK, [*parts, one_statement([line()], id="3")]).counts["again"] == 2
    named = one_statement([replace(coffee, bank_id="B1")])
    assert desk.receive(BANK, [named, named]).counts["new"] == 1, "an id of the bank says that it is one"


def test_a_correction_keeps_the_line_and_takes_back_what_matching_made_of_it(desk: Desk) -> None:
    others = [line(n, f"INV-{n}", bank_id=f"B{n}") for n in (7, 8)]
    desk.bank(line(bank_id="B1"), *others)
    desk.book(line())
    assert desk.match().closed == 1
    before = desk.one("closed")
    got = desk.bank(line(1009, bank_id="B1"), *others)
    assert (got.counts["corrected"], got.counts["new"], got.counts["reopened"]) == (1, 0, 1)
    assert desk.items.match(before.id).state == "replaced"
    desk.book(line(1009))
    assert desk.match().closed == 1
    assert {one.id for one in before.lines} & {one.id for one in desk.one("closed").lines} == {before.lines[0].id}
    said = [(one.verb, one.reason) for one in desk.items.decisions(before.id)]
    assert said == [("take back", "corrected in bank delivery 3: amount")]


def test_what_a_line_said_before_its_correction_is_known_when_it_comes_late(desk: Desk) -> None:
    others = [line(n, f"INV-{n}") for n in (7, 8)]
    desk.bank(line(text="Invoise 1"), *others)
    assert desk.bank(line(text="Invoice 1"), *others).counts["corrected"] == 1
    got = desk.bank(line(text="Invoise 1"), *others, line(9, "INV-9"))
    assert (got.counts["outdated"], got.counts["new"]) == (1, 1)
    assert [one.facts.text for one in desk.items.lines() if one.facts.reference == "INV-1"] == ["Invoice 1"]


def test_an_id_that_the_bank_uses_again_makes_no_correction(desk: Desk) -> None:
    desk.bank(line(bank_id="STANDING"))
    assert desk.bank(line(bank_id="STANDING", day=30)).counts["new"] == 1


def test_a_line_that_its_statement_does_not_list_any_more_is_withdrawn(desk: Desk) -> None:
    first = [line(n, f"INV-{n}") for n in (5, 6)]
    desk.receive(BANK, [tied(first, 100, 0, 0, "1")])
    got = desk.receive(BANK, [tied([first[0], line(-70, "FEE", text="charge")], 100, 0, 0, "1")])
    assert (got.counts["withdrawn"], got.counts["new"]) == (1, 1)
    assert desk.items.accounts()[0].difference == 0
    assert [one.facts.amount for one in desk.items.lines()] == [5, -70]


def test_an_earlier_state_of_a_statement_withdraws_nothing(desk: Desk) -> None:
    lines = [line(n, f"INV-{n}") for n in range(1, 9)]
    desk.receive(BANK, [tied(lines, 100, 0, 0, "1")])
    assert desk.receive(BANK, [tied(lines[:6], 100, 0, 0, "1")]).counts["withdrawn"] == 0


def test_late_and_back_dated_lines_are_told_apart(desk: Desk) -> None:
    assert desk.bank(line(day=5)).counts["late"] == 0
    got = desk.bank(line(1, day=3), line(2, day=6, valued=DAY), line(3, day=6))
    assert (got.counts["late"], got.counts["back_dated"], got.counts["new"]) == (1, 1, 3)


def test_an_undone_match_is_not_made_again_and_its_lines_find_others(desk: Desk) -> None:
    desk.bank(line())
    desk.book(line())
    desk.match()
    first = desk.one("closed")
    undone = desk.items.undo(first.id, "ben", "another customer's invoice")
    assert (undone.state, [one.state for one in undone.lines]) == ("undone", ["open", "open"])
    outcome = desk.match()
    assert (outcome.closed, outcome.suggested, outcome.barred) == (0, 0, 1)
    desk.book(line(day=1))
    assert desk.match().suggested == 1, "the second best, which is no certainty"
    assert desk.states() == {"suggested": 2, "open": 1}
    (said,) = desk.items.decisions(first.id)
    assert (said.verb, said.actor, said.reason) == ("undo", "ben", "another customer's invoice")


def test_weak_evidence_closes_when_no_rival_can_come_any_more(desk: Desk) -> None:
    both = frozenset((exact.REFERENCE, exact.AMOUNT))
    desk.bank(line(1000, ""), line(2000, ""))
    desk.book(line(1000, ""), line(2000, ""))
    assert desk.match(closing=both).suggested == 2
    last = DAY + reach(POLICY)
    assert {row.due for row in desk.items.matches(["suggested"])} == {last}
    desk.book(line(2000, "", day=2))
    desk.match(closing=both)
    far = (last - DAY).days
    desk.bank(line(1, "A", day=far))
    assert desk.match(closing=both).closed == 0, "the books are not known so far yet"
    desk.book(line(2, "B", day=far))
    assert desk.match(closing=both).closed == 1
    assert [one.facts.amount for one in desk.one("closed").lines] == [1000, 1000]
    assert [one.facts.amount for one in desk.one("suggested").lines] == [2000, 2000], "it has a rival now"


def test_over_the_limit_a_second_person_decides_and_the_first_cannot_be_it(desk: Desk) -> None:
    desk.items.limit({"EUR": 500}, "boss")
    desk.bank(line(), line(400, "SMALL"))
    desk.book(line(reference="1"), line(400, "SMALL?"))
    desk.match()
    small, large = sorted(desk.items.matches(["suggested"]), key=lambda row: row.amount)
    assert desk.items.accept(small.id, "ana").state == "closed"
    assert desk.items.accept(large.id, "ana").state == "waiting"
    for name in ("ana", " Ana ", "ＡＮＡ"):
        with pytest.raises(UserError, match="a second person"):
            desk.items.approve(large.id, name)
    assert desk.match().fresh == 0, "what waits is not open"
    assert desk.items.approve(large.id, "ben").state == "closed"
    assert [one.verb for one in desk.items.decisions(large.id)] == ["accept", "approve"]
    assert desk.items.counts()["bank"] == {"open": 0, "suggested": 0, "waiting": 0, "closed": 2}


def test_a_match_by_hand_stays_and_tells_when_its_lines_change(desk: Desk) -> None:
    others = [line(n, f"INV-{n}") for n in (7, 8)]
    desk.bank(line(990, "ODD", bank_id="B1"), *others)
    desk.book(line(day=2))
    bank, book = (
        next(one for one in desk.items.lines() if one.side == side and abs(one.facts.amount) > 8)
        for side in (BANK, BOOK)
    )
    made = desk.items.match_by_hand([bank.id, book.id], "ana", "fee of 0.10 agreed")
    assert (made.state, made.difference, made.kind, made.days) == ("closed", -10, "by hand", -2), "the bank was first"
    desk.bank(line(980, "ODD", bank_id="B1"), *others)
    desk.match()
    (noticed,) = desk.items.noticed()
    assert (noticed.id, noticed.state) == (made.id, "closed")
    assert noticed.attention == "corrected in bank delivery 3: amount"
    assert desk.match().looks == 0, "nobody looks at what is closed"
    assert desk.items.problems() == []


def test_the_second_person_approves_nothing_that_changed_since_the_first_decided(desk: Desk) -> None:
    desk.items.limit({"EUR": 500}, "boss")
    others = [line(n, f"INV-{n}") for n in (7, 8)]
    desk.bank(line(990, "ODD", bank_id="B1"), *others)
    desk.book(line())
    lines = [one.id for one in desk.items.lines() if abs(one.facts.amount) > 8]
    made = desk.items.match_by_hand(lines, "ana", "fee")
    desk.bank(line(900, "ODD", bank_id="B1"), *others)
    with pytest.raises(UserError, match="corrected in bank delivery 3"):
        desk.items.approve(made.id, "ben")
    assert desk.items.reject(made.id, "ben", "no fee of 1.00 was agreed").state == "rejected"


def test_a_limit_holds_for_each_line_and_each_currency_of_a_match(desk: Desk) -> None:
    """Neither lines that nearly cancel out, nor what they leave, nor another currency let one person decide alone."""
    desk.items.limit({"EUR": 500}, "boss")
    desk.bank(line(900, "A"), line(-890, "B"), line(700, "C"), line(-300, "E"))
    desk.book(line(10, "D"), line(300, "F"), line(90_000, "C", currency="JPY"), currency="JPY")
    yen = next(one for one in desk.items.lines() if one.facts.currency == "JPY")
    ids = {one.facts.reference: one.id for one in desk.items.lines() if one.facts.currency == "EUR"}
    assert desk.items.match_by_hand([ids["A"], ids["B"], ids["D"]], "ana", "netted").state == "waiting"
    assert desk.items.match_by_hand([ids["E"], ids["F"]], "ana", "600 are left").state == "waiting"
    revision, _ = desk.items.fresh()
    found = Proposed("exchange", False, (ids["C"], yen.id), 90_000, "JPY", 0, 0, 1.0, None, 0, 0)
    desk.items.settle(revision, looked_at=[], replaced=[], kept={}, proposed=[found])
    assert desk.items.accept(desk.one("suggested").id, "ana").state == "waiting"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([1], "at least two lines"),
        ([1, 99], "no line 99"),
        ([1, 3], "must add up to 0"),
        ([1, 4], "different accounts"),
    ],
)
def test_lines_that_cannot_belong_together_are_not_matched_by_hand(desk: Desk, lines: list[int], said: str) -> None:
    desk.bank(line(), line(5))
    desk.receive(
        BANK,
        [
            one_statement(
                [
                    line(),
                ],
                account="DE1",
            ),
            one_statement([line(7)], account="DE1"),
        ],
    )
    desk.book(line(), account="DE2")
    ids = {1: 1, 3: 2, 4: max(one.id for one in desk.items.lines())}
    with pytest.raises(UserError, match=said):
        desk.items.match_by_hand([ids.get(one, one) for one in lines], "ana", "so")
    assert desk.items.decisions() == []


def test_a_backup_brings_open_items_and_decisions_back(
    desk: Desk, open_ledger: Callable[..., Database], clock: ManualClock, tmp_path: Path
) -> None:
    desk.bank(line(bank_id="B1"), line(7, "INV-7", valued=DAY))
    desk.bank(line(1009, bank_id="B1"), line(7, "INV-7", valued=DAY), line(8, "INV-8"))
    desk.book(line(7, "INV-7"), line(990))
    desk.match()
    desk.items.undo(desk.one("closed").id, "ana", "no")
    desk.items.match_by_hand([1, 5], "ben", "fee")
    backup(desk.database, tmp_path / "b.zip")
    other = Desk(open_ledger(clock, "other"))
    restore(other.database, tmp_path / "b.zip", "ana", store=EvidenceStore(tmp_path / "e", Redactor()))
    assert other.items.lines(everything=True) == desk.items.lines(everything=True)
    assert other.items.decisions() == desk.items.decisions()
    assert other.items.accounts() == desk.items.accounts()
    assert other.match() == desk.match(), "what is fresh is fresh again"


def test_what_was_computed_from_an_older_state_is_not_written(desk: Desk) -> None:
    desk.bank(line())
    revision, _ = desk.items.fresh()
    desk.book(line())
    with pytest.raises(Stale):
        desk.items.settle(revision, looked_at=[1], replaced=[], kept={}, proposed=[])
    assert desk.match().closed == 1


def test_a_day_costs_what_is_new_and_near_and_not_what_was(database: Database) -> None:
    """The same day's business costs the same rows and the same questions after a month and after two."""
    desk, asked = Desk(database, SHORT), list[str]()
    sa.event.listen(desk.database.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    costs = []
    for day in range(0, 60, 2):
        asked.clear()
        lines = [line(100 + n, f"INV-{day}-{n}", day) for n in range(6)]
        desk.bank(*lines[:5], line(9_000_000 + day, f"LOST-{day}", day))
        desk.book(*lines)
        costs.append((desk.match().loaded, len(asked)))
    early, late = costs[18:22], costs[26:]
    assert max(early) == max(late)
    assert late[0][0] < 100


def test_the_daily_questions_walk_through_nothing_that_is_closed(desk: Desk) -> None:
    if not desk.database.is_sqlite:
        pytest.skip("explains SQLite's plans")
    others = [line(n, f"INV-{n}", bank_id=f"B{n}") for n in (7, 8)]
    desk.bank(line(bank_id="B1"), *others)
    asked: list[tuple[str, object]] = []
    sa.event.listen(desk.database.engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    desk.receive(BANK, [tied([line(1009, bank_id="B1"), *others, line(5, "INV-5")], 0, 0, 0)])
    desk.book(line(1009))
    desk.match()
    raw = desk.database.engine.raw_connection()
    plans = [
        (statement, row[3])
        for statement, values in asked
        if not statement.startswith(("BEGIN", "PRAGMA")) and not isinstance(values, list)
        for row in raw.cursor().execute(f"explain query plan {statement}", values)  # type: ignore[arg-type]
    ]
    raw.close()
    walks = [plan for plan in plans if plan[1].startswith("SCAN recon_") and not plan[0].startswith("INSERT")]
    assert walks == []
    assert any("ix_recon_lines_open" in plan for _, plan in plans)
    assert any("ix_recon_lines_fresh" in plan for _, plan in plans)


def test_deliveries_matching_and_undo_at_once_double_nothing_and_lose_nothing(desk: Desk) -> None:
    lines = [line(100 + n, f"INV-{n}") for n in range(6)]

    def work(at: int) -> None:
        for n in range(2):
            (desk.bank if at % 2 else desk.book)(*lines[: 3 * n + 3])
            desk.match()
            for row in desk.items.matches(["closed"], 1):
                with suppress(UserError):  # somebody else undid it
                    desk.items.undo(row.id, f"p{at}", "at once")

    with ThreadPoolExecutor(3) as people:
        list(people.map(work, range(3)))
    desk.match()
    assert kept(desk, BANK) == kept(desk, BOOK) == Counter(kept(desk, BANK).keys()), "each line once"
    assert len(desk.items.lines(everything=True)) == 12
    undone = desk.items.matches(["undone"])
    assert undone
    assert all([one.reason for one in desk.items.decisions(row.id)] == ["at once"] for row in undone)
    assert desk.items.problems() == []


def test_what_people_said_is_counted_by_kind_and_only_as_a_series_without_gaps(desk: Desk) -> None:
    desk.bank(*(line(100 + n, "") for n in range(6)))
    desk.book(*(line(100 + n, "") for n in range(6)))
    desk.match()
    first, second, third, fourth, fifth, sixth = sorted(row.id for row in desk.items.matches(["suggested"]))
    kind = exact.AMOUNT
    desk.items.accept(second, "ana")
    desk.items.reject(fourth, "ana", "another customer's")
    assert desk.items.reviewed() == {kind: (1, 1)}, "the first one still waits: what comes after it may be chosen"
    desk.items.accept(first, "ana")
    assert desk.items.reviewed() == {kind: (3, 1)}
    of = {row: [one.id for one in desk.items.match(row).lines] for row in (third, fourth, fifth, sixth)}
    by_hand = desk.items.match_by_hand([of[third][0], of[fifth][1]], "ana", "told by phone")
    assert desk.items.reviewed()[kind] == (5, 3), "a person took lines of two suggestions elsewhere"
    desk.items.undo(by_hand.id, "ana", "misheard")
    assert desk.items.reviewed()[kind] == (3, 1)
    desk.items.match_by_hand(of[sixth], "ana", "it is right")
    desk.items.match_by_hand(of[fourth], "ana", "it was right after all")
    assert desk.items.reviewed()[kind] == (3, 0), "the last word on the same lines stands"
    assert desk.items.under({"matcher": "a"}) == desk.items.under({"matcher": "a"}) != desk.items.under({})


def test_suggestions_bear_a_probability_that_a_judge_has_a_say_in(desk: Desk) -> None:
    asked: list[int] = []

    def judge(*told: pd.DataFrame, **_: pd.DataFrame) -> NDArray[np.float64]:
        asked.append(len(told[2]))
        return np.full(len(told[2]), 0.9)

    desk.bank(line(), line(500, ""), line(600, ""))
    desk.book(line(), line(500, ""), line(600, ""))
    terms = desk.items.under({"matcher": "abc"})
    match_open(desk.items, exact.match, POLICY, exact.CLOSING, at_once=exact.CLOSING, judge=judge, terms_id=terms)
    assert sum(asked) == 2, "what closes is not asked about"
    assert desk.one("closed").probability_wrong is None
    told = desk.items.matches(["suggested"], surest=True)
    assert all(row.probability_wrong and row.probability_wrong > 0.1 for row in told)
    assert desk.items.terms()[told[0].terms_id or 0] == {"matcher": "abc"}


def test_what_a_person_is_known_by_is_erased_and_everything_still_adds_up(desk: Desk) -> None:
    others = [line(n, f"INV-{n}") for n in (7, 8)]
    first = [line(900, "RE-4711", name="Möller GmbH", bank_id="B1", text="thanks, Möller"), *others]
    desk.bank(*first)
    now = [line(910, "RE-4711", name="Möller GmbH", bank_id="B1", text="thanks"), *others]
    desk.bank(*now)
    desk.book(line(910, "X", name="Moeller"))
    with pytest.raises(UserError, match="is open: a person still needs"):
        desk.items.erase("Möller GmbH", "dpo", "Art. 17")
    lines = [one for one in desk.items.lines() if one.facts.amount == 910]
    made = desk.items.match_by_hand([one.id for one in lines], "ana", "Möller GmbH told us RE-4711 is X")
    with pytest.raises(UserError, match="without naming"):
        desk.items.erase("Möller GmbH", "dpo", "for möller gmbh")
    before = desk.items.accounts()
    assert len(desk.items.erase("Möller  GmbH", "dpo", "Art. 17").line_ids) == 1
    kept_ = "".join(
        str(row._mapping)
        for table in t.metadata.sorted_tables
        if table.name.startswith("recon_")
        for row in rows_of(desk, table)
    )
    assert not any(word in kept_ for word in ("Möller", "RE-4711", "B1", "thanks"))
    assert (desk.items.accounts(), desk.items.problems()) == (before, [])
    told = [(one.verb, one.actor, one.reason) for one in desk.items.decisions()][-2:]
    assert told == [("match", "ana", "(erased) told us (erased) is X"), ("erase", "dpo", "Art. 17")]
    again, older = desk.bank(*now, line(1, "N")), desk.bank(*first, line(2, "N2"))
    assert (again.counts["again"], older.counts["outdated"]) == (3, 1), "it is known by its hash"
    assert desk.items.match(made.id).state == "closed"


def test_words_of_closed_lines_go_in_time_and_those_that_people_need_stay(desk: Desk, clock: ManualClock) -> None:
    desk.bank(line(), line(5, "OPEN"))
    desk.book(line())
    desk.match()
    clock.advance(timedelta(days=30))
    desk.bank(line(7, "INV-7"))
    desk.book(line(7, "INV-7"))
    desk.match()
    assert desk.items.let_go(timedelta(days=31)) == 0
    assert desk.items.let_go(timedelta(days=20)) == 2
    assert desk.items.let_go(timedelta(days=20)) == 0
    kept_ = sorted(one.facts.reference for one in desk.items.lines(everything=True))
    assert kept_ == ["", "", "INV-7", "INV-7", "OPEN"]
    assert desk.bank(line(), line(9, "INV-9")).counts["again"] == 1
    assert (desk.items.decisions()[-1].verb, desk.items.problems()) == ("let go", [])


def rows_of(desk: Desk, table: sa.Table) -> list[Any]:
    with desk.database.read() as connection:
        return list(connection.execute(sa.select(table)))


def test_a_rival_outside_a_narrow_window_is_waited_for(database: Database) -> None:
    narrow = Policy(earliest=0, latest=2, reversal=2)
    desk = Desk(database, narrow)

    def closed() -> int:
        return match_open(desk.items, match_as_read, narrow, frozenset(KINDS)).closed

    desk.book(line(123_456, "", name="Ada Muster"))
    desk.bank(line(123_456, "", name="Ada Muster", day=1))
    assert closed() == 0
    for day, known in ((8, 0), (18, 1)):  # a second payment within the days that the matcher watches may come till then
        desk.bank(line(1, f"A-{day}", day=day))
        desk.book(line(2, f"B-{day}", day=day))
        assert closed() == known


def test_a_line_without_words_is_no_correction_of_one_whose_words_are_erased(desk: Desk) -> None:
    known = line(1000, "INV-1", name="Ada"), line(2000, "INV-2", name="Ben")
    desk.bank(*known)
    desk.book(*known)
    desk.match()
    desk.items.erase("Ada", "ana", "she asked for it")
    counts = desk.bank(line(1000, ""), known[1]).counts
    assert (counts["new"], counts["again"], counts["corrected"]) == (1, 1, 0)
    assert desk.states() == {"closed": 4, "open": 1}
