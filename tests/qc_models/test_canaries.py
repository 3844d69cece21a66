from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.definition import CheckSpec, Review, Workflow
from engine.ledger import reads
from engine.ledger import tables as t
from engine.ledger.canary_reads import CanaryRow, listing
from engine.ledger.reviews import decide
from engine.ports import Case, Finding, Verdict
from engine.values import encode, equal
from qc_models.canaries import KINDS, Planted, _Key, _key_part, plant, top_up
from qc_models.checks.model import Judgement, ModelParams
from qc_models.checks.read_back import ReadBackParams
from qc_models.countersigner import Countersigner
from tests.console.story import Story, make_workflow

CHECKS = (CheckSpec("read_back", ReadBackParams("all"), 1),)


class NoModel:
    """No definition here names a model."""

    def judge(self, params: ModelParams, case: Case, review_at: float | None = None) -> Judgement:
        """Say that one was asked for."""
        raise AssertionError(f"{params.name} was asked about {case.reference} at {review_at}")


INSPECTOR = Countersigner(NoModel())


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    told = Story(tmp_path, replace(make_workflow(), checks=CHECKS))
    told.open(40)
    for _ in range(30):
        told.passes()
    for _ in range(10):
        told.flags()
    yield told
    told.database.close()


def planted(
    story: Story, errors: int = 2, controls: int = 0, seed: int = 3, workflow: Workflow | None = None
) -> Planted:
    return plant(
        story.database,
        workflow or story.workflow,
        INSPECTOR,
        errors=errors,
        controls=controls,
        seed=seed,
        who="lead",
    )


def rows(story: Story, ids: tuple[int, ...]) -> list[tuple[Any, Any, Any, CanaryRow]]:
    """Return, for each canary: its item, its read-back, the original, and what was planted."""
    known = {row.item_id: row for row in listing(story.database)}
    with story.database.read() as connection:
        items = {row.id: row for row in connection.execute(sa.select(t.items))}
        shown = {row.item_id: row.read_back for row in connection.execute(sa.select(t.attempts))}
    return [(items[one], shown[one], items[known[one].copied_from], known[one]) for one in ids]


def test_a_canary_has_one_error_and_a_key_of_its_own_and_the_verdict_that_it_deserves(story: Story) -> None:
    seen = set()
    for seed in range(12):
        done = planted(story, seed=seed)
        for item, shown, original, row in rows(story, done.item_ids):
            assert item.reference != original.reference
            assert item.reference == f"{original.payload['supplier']}/{item.payload['invoice_no']}"
            assert len(item.reference) == len(original.reference)
            spoilt = {name for name in shown if not equal(shown[name], original.payload[name])} - {"invoice_no"}
            assert spoilt <= set(row.fields)
            assert row.error in KINDS
            differs = encode(item.payload) != encode(shown)
            assert differs == (row.where == "read-back") == (item.state == "review")
            assert differs or (item.state, item.audited) == ("passed", True)
            seen.add((row.error, row.where))
            decide(story.database, item.id, "reject", "ana", workflow=story.workflow, reason="wrong")
    assert {where for _, where in seen} == {"read-back", "payload and read-back"}
    assert len({error for error, _ in seen}) > 3


@pytest.mark.parametrize(
    ("reference", "payload", "part", "moved"),
    [
        ("ACME/RE-2026-0041", {"supplier": "ACME", "no": "RE-2026-0041"}, "RE-2026-0041", "ACME/RE-2026-0044"),
        ("3M/17", {"supplier": "3M", "no": 17, "paid": True}, "17", "3M/20"),
        ("contract 0099", {"supplier": "ACME"}, "contract 0099", "contract 0102"),
        ("ACME", {"supplier": "ACME"}, "", ""),
    ],
)
def test_a_key_is_moved_where_it_has_its_number(reference: str, payload: dict[str, Any], part: str, moved: str) -> None:
    assert _key_part(reference, payload) == part
    if part:
        key = _Key(reference, part, 3)
        assert key.reference == moved
        assert key.in_data({**payload, "note": f"for {part}, please", "amount": "17.00"})["amount"] == "17.00"
        assert (key.in_text("http://erp/9"), key.in_text(None)) == ("http://erp/12", None)


def test_a_control_is_a_right_copy(story: Story) -> None:
    [(item, shown, original, row)] = rows(story, planted(story, errors=0, controls=1).item_ids)
    assert (row.error, row.fields, row.where, item.state) == (None, (), None, "passed")
    assert shown == item.payload == {**original.payload, "invoice_no": item.payload["invoice_no"]}


def test_the_same_seed_makes_the_same_canaries(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        told = Story(tmp_path / name, replace(make_workflow(), checks=CHECKS))
        told.open(12)
        for _ in range(12):
            told.passes()
        made.append([(item.reference, shown, row.error) for item, shown, _, row in rows(told, planted(told).item_ids)])
        told.database.close()
    assert made[0] == made[1] != []


def test_no_more_may_wait_than_a_fifth(story: Story) -> None:
    done = planted(story, errors=6, controls=1)
    assert (len(done.item_ids), done.asked, done.originals) == (2, 7, 30)
    assert planted(story).item_ids == ()


def test_without_a_record_to_copy_nothing_is_planted(story: Story) -> None:
    narrow = replace(story.workflow, fields={**story.workflow.fields, "cost_center": story.workflow.fields["supplier"]})
    assert planted(story, workflow=narrow) == Planted((), 2, 0, 3)


def test_the_declared_share_is_topped_up_with_what_real_inspection_says(story: Story) -> None:
    asked: list[Case] = []

    class Doubting:
        def inspect(self, workflow: Workflow, case: Case) -> Verdict:
            asked.append(case)
            return Verdict("review", (Finding("model", "unusual", f"{workflow.name} looks odd", "total"),))

    definitions = {story.workflow.hash: story.workflow}
    assert top_up(story.database, definitions.__getitem__, Doubting) == 0
    definitions[story.workflow.hash] = replace(story.workflow, review=Review(canaries=0.1))
    assert top_up(story.database, definitions.__getitem__, Doubting) == 1
    assert top_up(story.database, definitions.__getitem__, Doubting) == 0
    [row] = listing(story.database)
    [(item, *_)] = rows(story, (row.item_id,))
    assert (row.planted_by, item.reason) == ("canaries", "unusual")
    *recent, last = (case.reference for case in asked)
    assert last == item.reference
    assert len(recent) > 20, "it compares with recent work"
    assert row.copied_from not in {known.id for known in reads.items(story.database) if known.reference in recent}
    assert recent == sorted(recent, key=lambda reference: reference[-4:])
