"""Whatever a rate depends on: another one of it, and nothing passes any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from engine.definition import Review, Step, Workflow
from engine.errors import UserError
from engine.ledger import certificates, sampling
from engine.ledger import tables as t
from engine.ledger.incidents import incidents, open_incident
from engine.ledger.labels import inspected
from engine.ledger.sampling import SamplingPlan
from engine.values import FieldSpec
from qc_models.promise import watch as watching
from qc_models.promise.certify import Certified, certify
from qc_models.promise.memory import Memory, ScopeMemory, read_memory
from qc_models.promise.standing import NOT_PROVEN, STOPPED, UNSEEN
from qc_models.promise.watch import ALARM
from tests.qc_models.promise.conftest import Works, definition

Open = Callable[..., Works]
SEGMENTED = {"audit_sample": 1, "segments": {"supplier": "each"}}


def certified(works: Open, workflow: Workflow | None = None) -> Works:
    here = works(workflow)
    here.stream([False] * 75)
    assert certify(here.bench.database, here.subject(), "ana").issued.holds
    assert here.inspect().decision == "pass"
    return here


def codes(here: Works, **payload: Any) -> list[str]:
    return [finding.code for finding in here.inspect(**payload).findings]


def test_another_model_contract_profile_or_application_version_passes_nothing(works: Open) -> None:
    here = certified(works)
    before = here.workflow

    def check(what: str) -> None:
        assert codes(here) == [NOT_PROVEN], what

    here.model.version = "8"
    check("another model")
    here.model.version = "7"
    here.app_version = "4.3"
    check("another version of the application")
    here.app_version = None
    check("an application whose version cannot be seen any more")
    here.app_version = "4.2"
    here.workflow = replace(before, fields={**before.fields, "total": FieldSpec(type="decimal")})
    check("another contract")
    here.workflow = replace(before, snapshot=replace(before.snapshot, app_text="base_url: elsewhere"))
    check("another profile")
    here.workflow = replace(before, steps=(*before.steps, Step("type", "into another field", 9, 9)))
    check("another step of the bot")
    here.workflow = replace(before, params={"day": "2026-02-01"})
    assert codes(here) == [], "the values of one run are no other process"
    here.workflow = replace(before, priority=7, snapshot=replace(before.snapshot, workflow_text="priority: 7"))
    assert codes(here) == [], "another priority changes no rate"


def test_a_stricter_promise_is_not_covered_by_the_certificate_and_a_looser_one_is(works: Open) -> None:
    here = certified(works)
    here.workflow = definition(max_residual_error=0.05)
    assert codes(here) == [NOT_PROVEN]
    here.workflow = definition(confidence=0.95)
    assert codes(here) == [NOT_PROVEN]
    here.workflow = definition(max_residual_error=0.2)
    assert codes(here) == []


def test_a_group_that_no_audited_record_stands_for_goes_to_a_person(works: Open) -> None:
    here = certified(works, definition(SEGMENTED))
    verdict = here.inspect(supplier="Nowhere Ltd")
    assert [(one.code, one.field) for one in verdict.findings] == [(UNSEEN, "supplier")]
    assert not verdict.held, "it is held for what it is, so it is no part of a time in which everything is"
    assert "supplier = Nowhere Ltd" in verdict.findings[0].message
    more = replace(here.workflow, review=Review.model_validate({**SEGMENTED, "segments": {"date": "each"}}))
    here.workflow = more
    assert codes(here) == [UNSEEN], "a segment that was declared since"


def test_a_stopped_plan_passes_nothing_whatever_is_proven(works: Open) -> None:
    here = certified(works)
    with here.bench.database.write() as connection:
        plan = SamplingPlan("stopped", 0.1, auto_pass=False, reason="five lots were refused")
        sampling.put(connection, here.bench.database, here.workflow.name, plan, "tests")
    assert codes(here) == [STOPPED]
    here.workflow = definition(until_proven="model", threshold=0.3)
    assert codes(here) == [STOPPED]


def test_a_threshold_of_one_s_own_and_an_unproven_model_pass_but_are_never_called_proven(works: Open) -> None:
    here = certified(works)
    here.workflow = definition(threshold=0.3)
    own = here.inspect(0.2)
    assert (own.decision, own.certificate, own.score and own.score.threshold) == ("pass", None, 0.3)
    here.workflow = definition(until_proven="model")
    here.model.version = "8"
    unproven = here.inspect(0.2)
    assert (unproven.decision, unproven.certificate, unproven.score and unproven.score.threshold) == ("pass", None, 0.5)
    assert here.inspect(0.7).held is False


def test_a_certificate_that_was_changed_in_the_ledger_passes_nothing(works: Open) -> None:
    here = works()
    here.stream([False] * 75)
    certify(here.bench.database, here.subject(), "ana")
    with here.bench.database.write() as connection:
        receipt = {**here.bench.one(t.certificates).receipt, "segments": {"supplier": ["all"]}}
        connection.execute(sa.update(t.certificates).values(receipt=receipt))
    verdict = here.inspect()
    assert [one.code for one in verdict.findings] == ["model_unusable"]
    assert "was changed after it was issued" in verdict.findings[0].message
    assert verdict.held


@pytest.mark.parametrize("column", ["threshold", "scope"])
def test_a_certificate_whose_row_says_something_else_than_its_receipt_passes_nothing(works: Open, column: str) -> None:
    here = works()
    here.stream([False] * 75)
    issued = certify(here.bench.database, here.subject(), "ana").issued
    if column == "scope":
        here.model.version = "8"
        here.inspect()
    now = {"threshold": 0.99, "scope": here.subject().scope.hash}[column]
    with here.bench.database.write() as connection:
        connection.execute(sa.update(t.certificates).where(t.certificates.c.id == issued.id).values({column: now}))
    verdict = here.inspect(0.2)
    assert [one.code for one in verdict.findings] == ["model_unusable"]
    assert "its receipt says something else" in verdict.findings[0].message


def test_a_look_that_proved_nothing_passes_nothing_though_its_row_says_otherwise(works: Open) -> None:
    here = works()
    here.stream([n % 5 == 0 for n in range(60)], scores=lambda _: 0.1)
    assert certify(here.bench.database, here.subject(), "ana").issued.threshold is None
    with here.bench.database.write() as connection:
        connection.execute(sa.update(t.certificates).values(threshold=0.99))
    assert codes(here) == ["model_unusable"]


def test_a_model_that_is_promoted_between_two_questions_does_not_pass_by_the_certificate_of_the_other(
    works: Open,
) -> None:
    here = certified(works)
    judge = here.model.judge

    def promoted(*said: Any) -> Any:
        here.model.version = "8"
        return judge(*said)

    here.model.judge = promoted  # type: ignore[method-assign,assignment]
    verdict = here.inspect(0.1)
    assert [one.code for one in verdict.findings] == ["model_replaced"]
    assert (verdict.pins, verdict.certificate) == (None, None)


def test_an_alarm_that_is_raised_during_a_look_voids_it(works: Open, monkeypatch: Any) -> None:
    here = works()
    here.stream([False] * 75)
    subject = here.subject()

    def meanwhile(*said: Any, **how: Any) -> Any:
        yield from list(inspected(*said, **how))
        with here.bench.database.write() as connection:
            known = ScopeMemory(after=here.bench.rows(t.verdicts)[-1].id)
            sampling.locked(connection, here.bench.database, here.workflow.name, 1.0)
            watching.put(connection, here.bench.database, here.workflow, Memory(scopes={subject.scope.hash: known}))

    monkeypatch.setattr("qc_models.promise.certify.inspected", meanwhile)
    with pytest.raises(UserError, match="alarm was raised during this look"):
        certify(here.bench.database, subject, "ana")
    assert here.bench.rows(t.certificates) == []


def test_an_alarm_that_is_raised_right_after_a_look_stands(works: Open, monkeypatch: Any) -> None:
    here = works()
    here.stream([False] * 75)
    database, subject = here.bench.database, here.subject()
    alarmed = Memory(scopes={subject.scope.hash: ScopeMemory(after=75, look_at=71)})

    def and_then_the_alarm(*said: Any) -> Certified:
        found = certify(*said)
        with database.write() as connection:
            certificates.revoke(connection, database, subject.scope.hash, "alarm", "tests")
            open_incident(connection, database, ALARM, here.workflow.name, "1", "over what is promised")
            watching.put(connection, database, here.workflow, alarmed)
        return found

    monkeypatch.setattr(watching, "certify", and_then_the_alarm)
    with pytest.raises(UserError, match="right after this look"):
        watching.look(database, subject, "ana")
    known = read_memory(sampling.plan_of(database, here.workflow.name, 1.0).state)
    assert (known.sampling.certified, known.scopes) == (False, alarmed.scopes)
    assert [one.message for one in incidents(database, kind=ALARM)] == ["over what is promised"]


@pytest.mark.parametrize("picked", ["model_sha256", "feature_schema"])
def test_a_file_or_feature_schema_of_another_hash_is_another_scope(works: Open, picked: str) -> None:
    here = certified(works)
    get = here.model.get

    def other(name: str, version: str | None = None) -> Any:
        made = get(name, version)
        if picked == "model_sha256":
            made.sha256 = "f" * 64
        else:
            made.family.schema = "f" * 64
        return made

    here.model.get = other  # type: ignore[method-assign]
    assert codes(here) == [NOT_PROVEN]
