from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import engine.attempt
from engine.attempt import Attempt
from engine.definition import Evidence, Retry, Review, Time, Workflow
from engine.errors import BusinessException, SystemException, UnknownOutcome
from engine.evidence import EvidenceFile, EvidenceStore
from engine.executor import NotYet
from engine.ledger import tables as t
from engine.ledger.protocol import Settlement
from tests.engine.conftest import Bench, make_workflow
from tests.engine.simulated_app import Application, Comparing, SimulatedHands
from tests.engine.story import Story


@pytest.fixture
def story(bench: Bench, store: EvidenceStore) -> Story:
    bench.enqueue(1)
    return Story(bench, Application(bench.clock), store)


def keeps(story: Story, **how: Any) -> None:
    story.bench.workflow = replace(story.bench.workflow, evidence=Evidence(**how))


def kinds(story: Story) -> list[str]:
    return [row.kind for row in story.bench.rows(t.evidence)]


def content(story: Story, kind: str) -> Any:
    row = story.bench.one(t.evidence, t.evidence.c.kind == kind)
    file = EvidenceFile(row.kind, row.path, row.sha256, row.size)
    assert story.store.verify(file)
    return json.loads(story.store.path(file).read_text(encoding="utf-8"))


def begun(story: Story) -> Attempt:
    """Claim the item for an attempt that has not done anything."""
    bench = story.bench
    return Attempt(bench.database, bench.workflow, bench.claim(), story.store, Comparing())


def hands(story: Story) -> SimulatedHands:
    return SimulatedHands(story.app, story.bench.workflow)


async def test_a_clean_pass_keeps_payload_read_back_and_their_difference(story: Story) -> None:
    await story.attempt()
    assert sorted(kinds(story)) == ["diff", "payload", "read-back"]
    payload = content(story, "payload")
    assert payload["definition"] == story.bench.workflow.hash
    assert payload["payload"] == {
        "supplier": "东方贸易有限公司",
        "invoice_no": "INV-1",
        "total": "1235.50",
        "date": "2026-01-01",
    }
    assert content(story, "read-back") == payload["payload"]
    assert [(line["field"], line["equal"]) for line in content(story, "diff")["fields"]] == [
        ("supplier", True),
        ("invoice_no", True),
        ("total", True),
        ("date", True),
    ]


@pytest.mark.parametrize(("screenshot", "pictures"), [("always", 1), ("doubt", 0)])
async def test_a_clean_pass_is_pictured_if_the_definition_says_so(story: Story, screenshot: str, pictures: int) -> None:
    keeps(story, screenshot=screenshot)
    await story.attempt()
    assert kinds(story).count("screenshot") == pictures
    assert "trace" not in kinds(story)


@pytest.mark.parametrize(("trace", "traces"), [("doubt", 1), ("never", 0)])
async def test_doubt_is_pictured_and_keeps_its_trace(story: Story, trace: str, traces: int) -> None:
    keeps(story, screenshot="doubt", trace=trace)
    story.app.will("send", "answer_late")
    await story.attempt()
    story.app.records[0].values["total"] = Decimal("9.99")
    story.wait(60)
    end = await story.attempt()
    second = [row.kind for row in story.bench.rows(t.evidence, t.evidence.c.path.contains("attempt-2"))]
    assert (end.outcome, second.count("screenshot"), second.count("trace")) == ("review", 1, traces)
    assert (end.reason, end.message) == ("mismatch", "total differs")


async def test_a_failure_is_pictured_with_what_was_read_so_far(story: Story) -> None:
    story.bench.workflow = make_workflow(segments=2)
    story.app.will("fill", "ok", "error")
    end = await story.attempt()
    assert end.outcome == "retry"
    assert sorted(kinds(story)) == ["diff", "payload", "read-back", "screenshot", "trace"]
    assert content(story, "read-back") == {"supplier": "东方贸易有限公司", "total": "1235.50"}


async def test_waiting_for_the_application_is_no_failure_and_is_not_pictured(story: Story) -> None:
    story.app.will("send", "hidden")
    end = await story.attempt()
    assert (end.outcome, end.error_kind) == ("in_doubt", None)
    assert {"screenshot", "trace"}.isdisjoint(kinds(story))


@pytest.mark.parametrize(("sample", "audited"), [(1.0, True), (0.0, False)])
async def test_passed_items_are_drawn_into_the_audit_sample(story: Story, sample: float, audited: bool) -> None:
    story.bench.workflow = make_workflow(review=Review(audit_sample=sample))
    await story.attempt()
    verdict = story.bench.one(t.verdicts)
    assert (story.item.audited, verdict.audit_floor, verdict.audit_probability) == (audited, sample, sample)


async def test_only_what_passed_is_drawn(story: Story) -> None:
    story.bench.workflow = make_workflow(review=Review(audit_sample=1))
    story.app.will("fill", "business")
    await story.attempt()
    assert not story.item.audited


async def test_the_limit_of_an_item_before_its_commit_is_an_ordinary_retry(story: Story) -> None:
    story.bench.workflow = make_workflow(time=Time(limit=timedelta(milliseconds=80)))
    story.app.will("fill", "hang")
    end = await story.attempt()
    assert (end.outcome, end.reason) == ("retry", "item_timeout")
    assert isinstance(story.errors[0], SystemException)
    assert not isinstance(story.errors[0], UnknownOutcome)
    assert (await story.to_the_end()).outcome == "passed"


async def test_the_limit_of_an_item_during_its_commit_leaves_it_in_doubt(story: Story) -> None:
    story.bench.workflow = make_workflow(time=Time(limit=timedelta(milliseconds=80)))
    story.app.will("send", "hang")
    end = await story.attempt()
    assert isinstance(story.errors[0], UnknownOutcome)
    assert (end.outcome, end.available_at) == ("in_doubt", story.bench.one(t.intents).lands_until)
    assert (await story.to_the_end()).outcome == "passed"
    assert len(story.app.records) == 1


async def test_a_page_that_hangs_holds_nobody_up(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.attempt, "FAREWELL", timedelta(milliseconds=20))
    attempt = begun(story)
    story.app.will("fill", "error")
    story.app.will("capture", "hang")
    with pytest.raises(SystemException):
        await attempt.work(hands(story), lambda: True)
    with pytest.raises(SystemException) as caught:
        await attempt.keep_failure(SystemException("x", "x"))
    assert caught.value.code == "evidence_not_kept"


async def test_no_room_for_the_evidence_is_no_pass(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SystemException("evidence_not_written", "the disk is full")

    def write_json(_: EvidenceStore, __: Path, ___: Any) -> Path:
        raise full

    attempt = begun(story)
    with monkeypatch.context() as patched:
        patched.setattr(EvidenceStore, "write_json", write_json)
        with pytest.raises(SystemException, match="disk is full"):
            await attempt.work(hands(story), lambda: True)
    story.bench.settle(attempt.claimed, attempt.after(full, timedelta(seconds=5)))
    assert story.item.state == "submitted"
    assert (await story.to_the_end()).outcome == "passed"
    assert story.app.count("send") == 1


WAIT = timedelta(seconds=5)


@pytest.mark.parametrize(
    ("error", "wait", "outcome", "kind"),
    [
        (SystemException("element_missing", "x"), WAIT, "retry", "system"),
        (SystemException("element_missing", "x"), None, "review", "system"),
        (BusinessException("unknown_choice", "x", field="total"), None, "review", "business"),
    ],
)
def test_how_an_attempt_ends_without_a_commit(
    story: Story, error: Any, wait: timedelta | None, outcome: str, kind: str
) -> None:
    end = begun(story).after(error, wait)
    assert (end.outcome, end.error_kind, end.reason, end.message) == (outcome, kind, error.code, "x")
    assert end.available_at == (story.bench.clock.now() + wait if wait else None)
    if outcome == "review":
        assert end.verdict is not None
        assert (end.verdict.findings[0].code, end.verdict.findings[0].field) == (error.code, error.field)


def test_an_answer_that_is_not_reliable_yet_is_waited_for(story: Story) -> None:
    until = story.bench.clock.now() + timedelta(seconds=42)
    end = begun(story).after(NotYet("in_doubt", "x", until), WAIT)
    assert (end.outcome, end.error_kind, end.available_at) == ("in_doubt", None, until)


async def test_what_is_given_back_after_a_send_waits_until_nothing_can_land(story: Story) -> None:
    attempt = begun(story)
    assert attempt.released() == Settlement("released", reason="worker_stopped")
    story.app.will("send", "answer_late")
    with pytest.raises(UnknownOutcome):
        await attempt.work(hands(story), lambda: True)
    released = attempt.released()
    assert (released.outcome, released.available_at) == ("released", story.bench.one(t.intents).lands_until)


async def test_a_correction_runs_the_steps_of_corrections(story: Story) -> None:
    workflow: Workflow = replace(story.bench.workflow, retry=Retry(attempts=1))
    object.__setattr__(workflow, "correction", workflow.correction[:2])
    story.bench.workflow = workflow
    claimed = replace(story.bench.claim(), kind="correction")
    attempt = Attempt(story.bench.database, workflow, claimed, story.store, Comparing())
    await attempt.work(hands(story), lambda: True)
    assert story.app.log[:3] == ["begin", "open", "fill"]
    assert (story.app.count("send"), story.app.records) == (0, [])
