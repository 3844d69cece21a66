from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import reads, reviews
from engine.ledger.facts import facts
from engine.ledger.review_queue import review_queue
from engine.ledger.runs import NewItem, RejectedInput
from tests.console.story import Story, flag, invoice, make_workflow


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    told = Story(tmp_path)
    yield told
    told.database.close()


def test_items_are_listed_newest_first_and_by_every_filter(story: Story) -> None:
    first = story.open(3)
    story.passes()
    doubted = story.flags(flag("total", code="amount_off"))
    second = story.open([invoice(9, reference="东方/100%_sure")])

    assert [row.id for row in reads.items(story.database)] == [4, 3, 2, 1]
    assert [row.id for row in reads.items(story.database, states=["review"])] == [doubted]
    assert [row.id for row in reads.items(story.database, states=["review", "passed"])] == [2, 1]
    assert [row.id for row in reads.items(story.database, run_id=first, limit=2)] == [3, 2]
    assert [row.id for row in reads.items(story.database, reason="amount_off")] == [doubted]
    assert [row.run_id for row in reads.items(story.database, reference="东方")] == [second, first]
    assert reads.items(story.database, workflow="payroll") == []


def test_a_reference_is_searched_as_text_not_as_a_pattern(story: Story) -> None:
    story.open([invoice(1, reference="A/100%_sure"), invoice(2, reference="A/100 surely")])
    assert [row.reference for row in reads.items(story.database, reference="100%_S")] == ["A/100%_sure"]
    assert reads.items(story.database, reference="a%e") == []


def test_an_item_is_told_in_full(story: Story) -> None:
    run_id = story.open(1)
    story.fails()
    item_id = story.flags(flag("iban"), flag("total"), screenshot=b"\xff\xd8picture")
    reviews.decide(story.database, item_id, "accept", "ana", workflow=story.workflow, reason="checked")

    told = reads.item(story.database, item_id)

    assert (told.item.run_id, told.item.state, told.kind) == (run_id, "accepted", "entry")
    assert told.definition_hash == story.workflow.hash
    assert told.payload["supplier"] == "东方贸易有限公司"
    assert [(a.fence, a.outcome, a.seconds) for a in told.attempts] == [(1, "retry", 5.0), (2, "review", 14.0)]
    assert told.attempts[0].error_code == "page_timeout"
    assert told.attempts[1].steps is not None
    assert told.attempts[1].steps[-1]["action"] == "send"
    assert told.read_backs[told.attempts[1].id]["iban"] == "DE12"
    assert [(i.fence, i.outcome) for i in told.intents] == [(2, "sent")]
    assert [f.field for f in told.verdicts[0].findings] == ["iban", "total"]
    assert [file.kind for file in told.evidence] == ["payload", "screenshot"]
    assert [(r.decision, r.reviewer, r.reason) for r in told.reviews] == [("accept", "ana", "checked")]
    assert [event.kind for event in told.events] == ["review.accept"]


def test_an_unknown_item_or_run_is_the_users_mistake(story: Story) -> None:
    with pytest.raises(UserError, match="no item 7"):
        reads.item(story.database, 7)
    with pytest.raises(UserError, match="no run 7"):
        reads.run(story.database, 7)


def test_the_audit_sample_waits_among_the_doubted_and_leaves_once_reviewed(tmp_path: Path) -> None:
    story = Story(tmp_path, make_workflow(audit_sample=1.0))
    story.open([*(invoice(n) for n in (1, 2)), NewItem("bad/3", {"total": None}, "invoices.csv:4", ("total: empty",))])
    sampled = story.passes()
    doubted = story.flags(flag("iban"), flag("iban", code="other"), flag("total"))

    queue = review_queue(story.database)

    assert [row.id for row in queue] == [3, sampled, doubted]  # by how long they wait, not by kind
    assert [row.reason for row in queue] == ["invalid_input", "audit_sample", "not_equal"]
    assert queue[0].attempt_id is None
    assert queue[0].message == "total: empty"
    assert queue[2].suspicious == ("iban", "total")
    assert queue[1].suspicious == ()
    assert [row.id for row in review_queue(story.database, limit=1)] == [3]
    reviews.decide(story.database, sampled, "accept", "ana", workflow=story.workflow)
    assert [row.id for row in review_queue(story.database)] == [3, doubted]


def test_the_queue_names_who_accepted_first_where_four_eyes_are_wanted(tmp_path: Path) -> None:
    story = Story(tmp_path, make_workflow(four_eyes=10))
    story.open(1)
    doubted = story.flags()
    assert review_queue(story.database)[0].accepted_by is None
    assert reviews.decide(story.database, doubted, "accept", "ana", workflow=story.workflow).needs_second
    assert review_queue(story.database)[0].accepted_by == "ana"


def test_a_sampled_item_waits_until_the_second_person_decided(tmp_path: Path) -> None:
    story = Story(tmp_path, make_workflow(audit_sample=1.0, four_eyes=10))
    story.open(1)
    sampled = story.passes()
    for reviewer, waiting in (("ana", [("ana", "audit_sample")]), ("li", [])):
        reviews.decide(story.database, sampled, "accept", reviewer, workflow=story.workflow)
        assert [(row.accepted_by, row.reason) for row in review_queue(story.database)] == waiting


def test_runs_count_their_items_by_state(story: Story) -> None:
    story.open(3, rejected=[RejectedInput("invoices.csv:9", ("no key",), {"supplier": ""})])
    story.passes()
    story.flags()
    empty = story.open([])

    newest, oldest = reads.runs(story.database)
    assert newest.id == empty
    assert newest.items == {}
    assert oldest.items == {"passed": 1, "review": 1, "ready": 1}
    assert oldest.counts["rejected"] == 1
    assert reads.run(story.database, oldest.id) == oldest
    assert reads.runs(story.database, workflow="payroll") == []


def test_events_are_found_by_kind(story: Story) -> None:
    run_id = story.open(1, rejected=[RejectedInput(f"invoices.csv:{n}", ("no key",), {}) for n in (7, 8, 9)])
    found = reads.events(story.database, ["source.rejected"], run_id=run_id, limit=2)
    assert [event.data["origin"] for event in found] == ["invoices.csv:9", "invoices.csv:8"]
    assert reads.events(story.database, ["source.rejected"], run_id=99) == []


def test_facts_hold_one_scope_and_nothing_of_another(story: Story) -> None:
    first = story.open(2, rejected=[RejectedInput("invoices.csv:9", ("no key",), {})])
    story.dies()
    story.recovers("absent")
    story.passes()
    story.audit()
    story.later(days=1)
    split = story.clock.now()
    story.open([invoice(8), invoice(1, total=999)])
    story.passes()

    all_of_it = facts(story.database)
    assert [run.id for run in all_of_it.runs] == [1, 2]
    assert len(all_of_it.items) == 3
    assert len(all_of_it.conflicts) == 1

    yesterday = facts(story.database, until=split)
    assert yesterday == facts(story.database, run_id=first)
    lost = yesterday.items[0]
    assert [(a.outcome, a.seconds) for a in lost.attempts] == [("orphaned", None), ("passed", 13.0)]
    assert [(i.fence, i.outcome) for i in lost.intents] == [(1, "absent"), (2, "sent")]
    assert len(yesterday.rejected) == 1
    assert [f.item.run_id for f in facts(story.database, since=split).items] == [2]
    assert facts(story.database, workflow="payroll").items == ()


def test_a_breaker_counts_for_the_run_it_paused(story: Story) -> None:
    story.open(1)
    story.passes()
    story.audit()
    story.later(hours=1)
    second = story.open([invoice(7)])
    for _ in range(3):
        story.fails()
    assert [event.data["app"] for event in facts(story.database, run_id=second).breakers] == ["erp"]
    assert facts(story.database, run_id=1).breakers == ()


def test_no_list_reads_a_whole_table(story: Story) -> None:
    story.open(5)
    statements: list[str] = []
    sa.event.listen(story.database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    reads.items(story.database)
    review_queue(story.database)
    reads.events(story.database, ["x"])
    reads.runs(story.database)
    selects = [text for text in statements if text.startswith("SELECT")]
    assert len(selects) >= 5
    assert [text for text in selects if "LIMIT" not in text and " IN " not in text] == []
