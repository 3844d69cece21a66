from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.definition import Review, Target
from engine.durations import percentile
from engine.errors import UserError
from engine.intervals import proportion
from engine.ledger import reviews
from engine.ledger.facts import facts
from engine.ledger.runs import NewItem, RejectedInput
from engine.metrics import Figures, check_targets, figures_of, read_truth, report, run_report
from engine.quality import Truth
from tests.console.story import Story, flag, invoice, make_workflow


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    told = Story(tmp_path)
    yield told
    told.database.close()


def figures(story: Story, truth: Truth | None = None, **scope: Any) -> Figures:
    return figures_of(facts(story.database, **scope).items, {story.workflow.hash: story.workflow}, truth)


def reference(number: int) -> str:
    return invoice(number).reference


def test_an_empty_ledger_claims_nothing(story: Story) -> None:
    told = figures(story)
    assert told.items == 0
    for share in (told.straight_through, told.first_pass_yield, told.quality.accuracy, told.time.over_standard):
        assert share == proportion(0, 0)
        assert share.value is None
    assert told.time.median is None
    assert [check.status for check in check_targets(told, story.workflow.targets)] == ["no data", "no data"]


def test_only_items_without_a_person_are_straight_through(story: Story) -> None:
    story.open(1)
    story.fails()
    story.passes()  # at its second attempt
    story.open([invoice(n) for n in (2, 3, 4, 5)])
    story.passes()
    accepted = story.flags()
    again = story.flags(flag("total"))
    reviews.decide(story.database, accepted, "accept", "ana", workflow=story.workflow)
    reviews.reopen(story.database, again, "ana", "the page was slow")
    story.passes()
    story.passes()

    told = figures(story)
    assert (told.items, told.ended) == (5, 5)
    assert told.states == {"passed": 4, "accepted": 1}
    assert told.straight_through == proportion(3, 5)
    assert told.first_pass_yield == proportion(2, 5)
    assert (told.retried, told.flagged, told.attempts) == (1, 2, 7)


def test_corrections_are_counted_apart_and_enter_no_rate(story: Story) -> None:
    story.open(2)
    story.passes()
    wrong = story.flags()
    reviews.correct(story.database, wrong, {"iban": "DE99"}, "ana", workflow=story.workflow)
    story.passes()  # the correction

    told = figures(story)
    assert (told.items, told.corrections) == (2, 1)
    assert told.states == {"corrected": 1, "passed": 1}
    assert told.straight_through == proportion(1, 2)
    assert told.reviewed.error_rate == proportion(1, 1)


def test_items_in_review_are_counted_by_reason(story: Story) -> None:
    story.open([*(invoice(n) for n in (1, 2, 3)), NewItem("bad/4", {"total": None}, "x.csv:4", ("total: empty",))])
    for code in ("not_equal", "rule_broken", "not_equal"):
        story.flags(flag(code=code))
    told = figures(story)
    assert told.in_review == 4
    assert list(told.review_reasons.items()) == [("not_equal", 2), ("invalid_input", 1), ("rule_broken", 1)]


def test_accuracy_comes_from_the_audit_sample_alone(tmp_path: Path) -> None:
    story = Story(tmp_path, make_workflow(audit_sample=1.0))
    story.open(5)
    passed = [story.passes() for _ in range(3)]
    doubted = story.flags()
    story.passes()  # drawn, but nobody looked yet
    for item_id in passed[:2]:
        reviews.decide(story.database, item_id, "accept", "ana", workflow=story.workflow)
    reviews.decide(story.database, passed[2], "reject", "ana", workflow=story.workflow, reason="wrong party")
    reviews.decide(story.database, doubted, "reject", "ana", workflow=story.workflow, reason="wrong iban")

    told = figures(story)
    assert told.quality.judge == "review"
    assert told.quality.accuracy == proportion(2, 3)
    assert told.quality.residual_error_rate == proportion(1, 3)
    assert told.quality.error_rate == proportion(2, 4)
    assert told.quality.precision == proportion(1, 1)
    assert told.quality.recall.value is None  # one item was never reviewed: nobody knows whether it is wrong
    assert told.straight_through == proportion(3, 5)  # being looked at is no touch, being rejected is


def test_what_two_people_or_a_third_settled_stands_whatever_is_decided_afterwards(tmp_path: Path) -> None:
    workflow = replace(make_workflow(audit_sample=1), review=Review(audit_sample=1, second_review=1))
    story = Story(tmp_path, workflow)
    story.open(2)
    sampled, other = story.passes(), story.passes()

    def say(item_id: int, decision: Any, who: str) -> None:
        reviews.decide(story.database, item_id, decision, who, workflow=workflow, reason="because")

    say(sampled, "accept", "ana")
    assert figures(story).reviewed.accuracy == proportion(1, 1)
    say(sampled, "reject", "bo")
    assert figures(story).reviewed.residual_error_rate == proportion(1, 1), "a dispute counts as wrong"
    say(sampled, "reject", "cy")
    assert figures(story).reviewed.residual_error_rate == proportion(1, 1), "also while it waits to be mended"
    say(sampled, "accept", "ana")  # mended by hand
    assert figures(story).reviewed.error_rate == proportion(1, 1)
    say(other, "reject", "ana")
    say(other, "accept", "bo")
    say(other, "accept", "cy")
    say(other, "accept", "ana")
    assert figures(story).reviewed.accuracy == proportion(1, 2)
    story.database.close()


def test_recall_by_review_needs_every_item_reviewed(tmp_path: Path) -> None:
    story = Story(tmp_path, make_workflow(audit_sample=1.0))
    story.open(2)
    passed, doubted = story.passes(), story.flags()
    reviews.decide(story.database, passed, "reject", "ana", workflow=story.workflow, reason="wrong")
    reviews.decide(story.database, doubted, "reject", "ana", workflow=story.workflow, reason="wrong")
    assert figures(story).quality.recall == proportion(1, 2)


def test_truth_judges_every_inspected_item(story: Story) -> None:
    story.open(5)
    story.flags(flag("lines[2].amount"))  # wrong, caught, right field
    story.flags(flag("total"))  # wrong, caught for another field
    story.flags()  # right, flagged in vain
    story.passes()  # wrong, missed
    story.passes()  # right
    truth = {reference(1): ("lines",), reference(2): ("iban",), reference(4): ("total",), reference(5): ()}

    told = figures(story, truth).quality
    assert told.judge == "truth"
    assert told.error_rate == proportion(3, 5)
    assert told.residual_error_rate == proportion(1, 2)
    assert told.accuracy == proportion(3, 5)
    assert told.precision == proportion(2, 3)
    assert told.recall == proportion(2, 3)
    assert told.right_field == proportion(1, 2)
    assert figures(story, truth).reviewed.judge == "review"


def test_a_process_that_failed_is_no_opinion_on_the_record(story: Story) -> None:
    story.open(1)
    story.flags(flag(check="process", code="in_doubt"))
    told = figures(story, {}).quality
    assert told.precision == proportion(0, 0)
    assert told.accuracy == proportion(0, 0)


def test_a_half_made_four_eyes_decision_is_none(tmp_path: Path) -> None:
    story = Story(tmp_path, make_workflow(four_eyes=10))
    story.open(1)
    doubted = story.flags()
    reviews.decide(story.database, doubted, "accept", "ana", workflow=story.workflow)
    assert figures(story).quality.precision == proportion(0, 0)
    reviews.decide(story.database, doubted, "accept", "li", workflow=story.workflow)
    assert figures(story).quality.precision == proportion(0, 1)


def test_a_sampled_item_counts_for_accuracy_once_the_second_person_decided(tmp_path: Path) -> None:
    story = Story(tmp_path, make_workflow(audit_sample=1.0, four_eyes=10))
    story.open(1)
    sampled = story.passes()
    reviews.decide(story.database, sampled, "accept", "ana", workflow=story.workflow)
    assert figures(story).quality.accuracy == proportion(0, 0)
    reviews.decide(story.database, sampled, "accept", "li", workflow=story.workflow)
    assert figures(story).quality.accuracy == proportion(1, 1)


@pytest.mark.parametrize("outcome", ["sent", "absent"])
def test_an_unknown_commit_is_in_doubt_and_its_end_is_told(story: Story, outcome: Any) -> None:
    story.open(2)
    lost = story.dies()
    story.recovers(outcome)
    story.passes()
    told = figures(story)
    assert [(doubt.item_id, doubt.found, doubt.state) for doubt in told.doubts] == [(lost, outcome, "passed")]
    assert told.orphaned == 1
    assert told.straight_through == proportion(2, 2)  # the machine recovered by itself
    assert told.first_pass_yield == proportion(1, 2)


def test_a_commit_that_runs_or_was_confirmed_is_not_in_doubt(story: Story) -> None:
    story.open(2)
    story.passes()
    story.send(story.claim(), None)
    assert figures(story).doubts == ()


def test_time_is_work_time_against_the_standard(story: Story) -> None:
    story.open(1)
    story.fails(seconds=6, wait=3 * 3600)
    story.later(hours=3)  # waiting is not work
    story.passes(seconds=14)  # 20 s of work in two attempts, over the standard of 15 s
    story.open([invoice(2), invoice(3)])
    story.passes(seconds=10)
    story.passes(seconds=12)
    told = figures(story)
    assert (told.time.n, told.time.median, told.time.standard, told.time.total) == (3, 12.0, 15.0, 42.0)
    assert told.time.p95 == pytest.approx(19.2)
    assert told.time.over_standard == proportion(1, 3)
    send = next(step for step in told.steps if step.action == "send")
    assert (send.step, send.time.n, send.time.standard) == ("3 commit", 3, 4.0)
    assert send.time.over_standard == proportion(1, 3)
    opened = told.steps[0]
    assert (opened.action, opened.time.n, opened.time.over_standard.n) == ("open", 4, 0)


def test_hours_are_saved_by_straight_through_items_and_only_where_declared(story: Story) -> None:
    story.open(2)
    story.passes()
    story.flags()
    assert figures(story).hours_saved == pytest.approx(0.1)
    undeclared = make_workflow()
    object.__setattr__(undeclared, "time", undeclared.time.model_copy(update={"manual": None}))
    assert figures_of(facts(story.database).items, {story.workflow.hash: undeclared}).hours_saved is None


def test_targets_are_proven_met_or_missed(story: Story) -> None:
    story.open(40)
    for _ in range(36):
        story.passes()
    for _ in range(4):
        story.flags()

    def status(**target: float) -> str:
        goal = Target.model_validate({"baseline": None, "benchmark": None, **target})
        (check,) = check_targets(figures(story, {}), {"straight_through": goal})
        return check.status

    assert status(target=0.95) == "missed"
    assert status(target=0.9) == "met"
    assert status(target=0.7) == "proven"
    assert status(baseline=0.5) == "no data"
    error = check_targets(figures(story, {}), story.workflow.targets)[0]
    assert (error.name, error.figure, error.lower_is_better) == ("error_rate", "residual_error_rate", True)
    assert error.measured == proportion(0, 36)
    assert error.status == "met"  # no error in 36 does not prove one in 10,000


def test_a_run_report_adds_audit_source_and_breakers(story: Story) -> None:
    run_id = story.open(3, rejected=[RejectedInput("x.csv:7", ("no key",), {})])
    kept, doubled, gone = (story.passes() for _ in range(3))
    story.audit({doubled: 2, gone: 0})
    story.open([invoice(1, total=9), invoice(9)])

    told = run_report(facts(story.database, run_id=run_id), story.workflow)
    assert (told.audit.keys, told.audit.as_expected, told.audit.pending) == (3, 1, 0)
    assert told.audit.duplicates == (reference(doubled),)
    assert told.audit.missing == (reference(gone),)
    assert told.figures.states == {"review": 2, "passed": 1}
    assert told.figures.straight_through == proportion(1, 3)
    assert (told.rejected, told.conflicts, told.breakers) == (1, 0, 0)
    assert [item.id for item in (f.item for f in facts(story.database).items) if item.state == "passed"] == [kept]
    with pytest.raises(ValueError, match="unpack"):
        run_report(facts(story.database), story.workflow)


def test_a_report_groups_by_workflow_day_and_run(story: Story) -> None:
    story.open(2)
    story.passes()
    story.later(days=1)
    story.passes()
    story.open([invoice(8), invoice(1, total=9)])

    told = report(facts(story.database), lambda _: story.workflow)
    assert [(group.key, group.figures.items) for group in told.by_workflow] == [("invoice-entry", 3)]
    assert [(group.key, group.figures.passed) for group in told.by_day] == [("2026-01-05", 1), ("2026-01-06", 1)]
    assert [(group.key, group.figures.ended) for group in told.by_run] == [("1", 2), ("2", 0)]
    assert [check.name for check in told.targets["invoice-entry"]] == ["error_rate", "straight_through"]
    assert (told.conflicts, told.audit.pending) == (1, 2)


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [([7.0], 0.95, 7.0), ([1.0, 2.0], 0.5, 1.5), ([4.0, 1.0, 3.0, 2.0], 1.0, 4.0), ([1.0, 2.0, 3.0], 0.95, 2.9)],
)
def test_percentiles_interpolate(values: list[float], q: float, expected: float) -> None:
    assert percentile(values, q) == pytest.approx(expected)


def test_truth_is_read_in_either_shape_and_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"东方/1": [{"field": "iban", "kind": "typo"}], "b/2": ["total"]}), encoding="utf-8")
    assert read_truth(path) == {"东方/1": ("iban",), "b/2": ("total",)}
    for text in ("[1]", '{"a": [{"kind": "x"}]}', "{", '{"a": 7}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match="no truth file"):
            read_truth(path)
    with pytest.raises(UserError, match="no truth file"):
        read_truth(tmp_path / "absent.json")


def test_time_stands_still_for_what_nobody_measured(story: Story) -> None:
    story.open(1)
    story.dies()
    story.later(seconds=1)
    assert figures(story).time.n == 0
    assert story.workflow.time.standard == timedelta(seconds=15)
