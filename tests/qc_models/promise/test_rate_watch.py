"""The watch: it certifies when enough is there, raises the alarm, stops, recovers, and never counts twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from engine.errors import UserError
from engine.ledger import certificates, sampling
from engine.ledger import tables as t
from engine.ledger.incidents import incidents, open_incident
from engine.ledger.proof import proof
from qc_models.promise import watch as watching
from qc_models.promise.certify import certify
from qc_models.promise.memory import KEPT, Memory, read_memory
from qc_models.promise.standing import NOT_PROVEN, STOPPED
from qc_models.promise.watch import ALARM, HELD, Seen, watch_rates
from tests.qc_models.promise.conftest import Works, definition

Open = Callable[..., Works]


def plan(here: Works) -> sampling.SamplingPlan:
    return sampling.plan_of(here.bench.database, here.workflow.name, here.workflow.review.audit_sample)


def memory(here: Works) -> Memory:
    return read_memory(plan(here).state)


def looks(here: Works) -> list[bool]:
    """Say of every look at the audits, oldest first, whether it proved something."""
    return [row.threshold is not None for row in certificates.history(here.bench.database, here.workflow.name)][::-1]


def test_it_looks_at_the_audits_once_when_enough_are_there_and_says_until_then_how_many_are_missing(
    works: Open,
) -> None:
    here = works()
    here.stream([False] * 30)
    here.watch()
    assert looks(here) == []
    message = here.inspect().findings[0].message
    assert message.endswith("41 audited records without an error are missing, 30 are there")
    here.rule_on(here.claimed.item_id, wrong=False)
    here.stream([False] * 40, scores=lambda _: 0.1)
    for _ in range(3):
        here.watch()
    assert looks(here) == [True]
    assert here.inspect().decision == "pass"
    assert [event.actor for event in here.bench.rows(t.events, t.events.c.kind == "certificate.issued")] == [
        "quality watch"
    ]


def test_a_look_that_proves_nothing_is_not_repeated_before_what_is_missing_has_come(works: Open) -> None:
    here = works()
    here.stream([n % 5 == 0 for n in range(75)], scores=lambda _: 0.1)
    for _ in range(2):
        here.watch()
    assert looks(here) == [False]
    here.stream([False] * 10, scores=lambda _: 0.1)
    here.watch()
    assert looks(here) == [False], "ten more are not enough"


def test_audits_that_a_person_looked_at_before_the_watch_did_are_counted_once(works: Open) -> None:
    here = works()
    here.stream([n % 5 == 0 for n in range(45)], scores=lambda _: 0.1)
    certify(here.bench.database, here.subject(), "ana")
    watching.look(here.bench.database, here.subject(), "ana")
    for _ in range(3):
        here.watch()
    known = memory(here).of(here.subject().scope.hash)
    assert known.there == 45
    assert known.look_at is not None
    assert known.look_at > 90
    assert looks(here) == [False, False]


def test_nothing_is_asked_of_the_labels_while_nobody_decides(works: Open, monkeypatch: Any) -> None:
    here = works()
    here.stream([False] * 3)
    here.watch()
    before = plan(here)
    monkeypatch.setattr(watching, "inspected", lambda *_, **__: 1 / 0)
    here.inspect()
    here.watch()
    assert plan(here) == before


def test_audited_errors_revoke_the_certificate_tell_people_and_tighten_and_clean_lots_recover(works: Open) -> None:
    here = works(definition({"audit_sample": 0.5}))
    here.stream([False] * 75, scores=lambda _: 0.1)
    here.watch()
    assert here.inspect().certificate is not None
    here.stream([n % 3 > 0 for n in range(40)], scores=lambda _: 0.05)
    here.watch()
    [certificate] = certificates.history(here.bench.database, here.workflow.name)
    assert not certificate.holds
    assert "audited passes were wrong" in str(certificate.revoked_reason)
    [incident] = incidents(here.bench.database, kind=ALARM)
    assert f"certificate {certificate.id} is revoked" in incident.message
    assert (plan(here).level, plan(here).floor) == ("tightened", 1.0)
    assert [finding.code for finding in here.inspect().findings] == [NOT_PROVEN]
    here.rule_on(here.claimed.item_id, wrong=False)
    here.watch()
    assert looks(here) == [True], "what was before the alarm proves nothing any more"
    here.stream([False] * 100, scores=lambda _: 0.1)
    here.watch()
    assert looks(here) == [True, True]
    assert here.inspect().decision == "pass"
    assert incidents(here.bench.database, kind=ALARM) == []


def test_rejected_lots_tighten_and_then_stop_even_a_model_that_is_not_proven(works: Open) -> None:
    here = works(definition({"audit_sample": 1}, until_proven="model", max_residual_error=0.3, confidence=0.999))
    levels = []
    for _ in range(8):
        here.stream([n % 2 == 0 for n in range(50)], scores=lambda _: 0.1)
        here.watch()
        levels.append(plan(here).level)
        if plan(here).level == "stopped":
            break
    assert "tightened" in levels
    assert levels[-1] == "stopped"
    assert [finding.code for finding in here.inspect().findings] == [STOPPED]
    [incident] = incidents(here.bench.database, kind=HELD)
    assert "nothing passes without a person" in incident.message


def test_a_queue_that_nobody_works_off_stops_auto_pass_until_it_is_worked_off(works: Open) -> None:
    here = works(definition({"audit_sample": 1, "within": "1d"}, until_proven="model"))
    here.stream([False] * 3)
    here.inspect(0.9)
    waits = here.claimed.item_id
    here.watch()
    here.bench.later(hours=25)
    here.watch()
    assert [finding.code for finding in here.inspect().findings] == [STOPPED]
    here.rule_on(waits, wrong=True)
    here.rule_on(here.claimed.item_id, wrong=False)
    here.watch()
    assert here.inspect().decision == "pass"
    assert incidents(here.bench.database, kind=HELD) == []


def test_a_new_model_begins_a_scope_of_its_own_and_is_looked_at_more_closely(works: Open) -> None:
    here = works(definition({"audit_sample": 0.5}))
    here.stream([False] * 75, scores=lambda _: 0.1)
    here.watch()
    here.model.version = "8"
    here.stream([False] * 5)
    here.watch()
    assert (plan(here).level, plan(here).reason) == ("tightened", "changed: another model sha256 and model version")
    scope = certificates.scopes(here.bench.database, here.workflow.name)[0].hash
    assert memory(here).of(scope).there == 5
    here.model.version = "7"
    assert here.inspect().decision == "pass", "the older model's certificate is about the older model"


def test_reports_tell_of_the_scope_that_is_worked_under_again_after_a_step_back(works: Open) -> None:
    here = works()
    for version, records, there in (("7", 5, 5), ("8", 20, 20), ("7", 1, 6)):
        here.model.version = version
        here.stream([False] * records)
        here.watch()
        said = proof(here.bench.database, here.workflow.name)
        assert said is not None
        assert said.sentence.endswith(f" missing, {there} are there")
    here.model.version = "8"
    here.inspect()
    here.watch()
    said = proof(here.bench.database, here.workflow.name)
    assert said is not None
    assert said.sentence.endswith(" missing, 20 are there"), "before anybody decides anything, too"


def test_what_an_alarm_voided_stays_void_however_many_scopes_come_after_it(works: Open) -> None:
    here = works(definition({"audit_sample": 1}, until_proven="model"))
    here.stream([n % 3 > 0 for n in range(40)], scores=lambda _: 0.05)
    here.watch()
    scope = here.subject().scope.hash
    after = memory(here).of(scope).after
    assert after > 0
    for n in range(KEPT + 1):
        here.app_version = f"5.{n}"
        here.stream([False])
        here.watch()
    assert len(memory(here).scopes) == KEPT + 1
    here.app_version = "4.2"
    here.stream([False])
    here.watch()
    assert (memory(here).of(scope).after, memory(here).of(scope).there) == (after, 1)


def test_canaries_that_are_missed_stop_what_rests_on_audits_being_right(works: Open) -> None:
    here = works()
    here.stream([False] * 75, scores=lambda _: 0.1)
    here.watch()
    here.canary(found=False)
    here.watch()
    assert [finding.code for finding in here.inspect().findings] == [STOPPED]


def test_a_canary_that_is_missed_stops_what_rests_on_audits_being_right_under_an_older_scope_too(works: Open) -> None:
    here = works()
    here.stream([False] * 75, scores=lambda _: 0.1)
    here.watch()
    here.app_version = "4.3"
    here.stream([False] * 2)
    here.watch()
    here.canary(found=False)
    here.watch()
    here.app_version = "4.2"
    assert [finding.code for finding in here.inspect().findings] == [NOT_PROVEN]
    [revoked] = certificates.history(here.bench.database, here.workflow.name)
    assert revoked.revoked_reason == "reviewers miss more than it was proven with"


def test_a_canary_that_is_missed_does_not_stop_for_good_what_was_proven_with_it(works: Open) -> None:
    here = works()
    here.stream([False] * 75, scores=lambda _: 0.1)
    here.watch()
    here.app_version = "4.3"
    for found in [True] * 40 + [False]:
        here.canary(found=found)
    here.stream([False] * 130, scores=lambda _: 0.1)
    here.watch()
    assert here.inspect().decision == "pass"
    here.watch()
    assert here.inspect().decision == "pass"
    assert [one.holds for one in certificates.history(here.bench.database, here.workflow.name)] == [True, False]


def test_a_stricter_promise_is_watched_and_proven_anew(works: Open) -> None:
    here = works()
    here.stream([False] * 75, scores=lambda _: 0.1)
    here.watch()
    here.workflow = definition(max_residual_error=0.08)
    here.stream([False] * 150, scores=lambda _: 0.1)
    here.watch()
    known = memory(here).of(here.subject().scope.hash)
    assert known.watch is not None
    assert known.watch.alpha == 0.08
    assert looks(here) == [True, True]
    assert here.inspect().decision == "pass"


def test_a_scope_that_was_counted_before_it_was_the_newest_is_looked_at_too(works: Open) -> None:
    here = works()
    here.stream([False] * 5)
    here.watch()
    here.app_version = "4.3"
    here.stream([False] * 40, scores=lambda _: 0.1)
    here.app_version = "4.2"
    here.stream([False] * 1)
    here.watch()
    here.app_version = "4.3"
    here.stream([False] * 60, scores=lambda _: 0.1)
    here.watch()
    assert looks(here) == [True]


def test_reviewers_who_seemed_to_see_nothing_do_not_end_the_looks_for_good(works: Open) -> None:
    here = works()
    here.stream([False] * 75, scores=lambda _: 0.1)
    here.canary(found=False)
    here.watch()
    assert looks(here) == []
    for _ in range(40):
        here.canary(found=True)
    here.stream([False] * 130, scores=lambda _: 0.1)
    here.watch()
    assert looks(here) == [True]


def test_a_workflow_that_cannot_be_loaded_does_not_keep_the_others_from_being_watched(works: Open) -> None:
    here = works()
    here.stream([False] * 3)
    here.workflow = here.bench.workflow = replace(here.workflow, name="newer")
    here.stream([False] * 3)
    asked: list[str] = []

    def load(definition_hash: str) -> Any:
        asked.append(definition_hash)
        if len(asked) == 1:
            raise UserError("a key that this version does not know")
        return replace(here.workflow, name="invoice-entry")

    here.bench.later(seconds=30)
    watch_rates(here.bench.database, load)
    assert len(asked) == 2
    assert sampling.plan_of(here.bench.database, "invoice-entry", 1.0).state


def test_a_drift_tightens_sampling_while_its_incident_is_open(works: Open) -> None:
    here = works(definition({"audit_sample": 0.05}))
    here.stream([False] * 3)
    here.watch()
    assert plan(here).level == "normal"
    database = here.bench.database
    with database.write() as connection:
        open_incident(connection, database, "drift.source", here.workflow.name, "1", "invoice-entry: new sources")
        open_incident(connection, database, "drift.bot", "another", "1", "another: slower")
    here.watch()
    assert (plan(here).level, plan(here).floor) == ("tightened", 0.5)
    assert plan(here).reason == "drift: invoice-entry: new sources"


def test_two_watchers_at_the_same_moment_make_one_look_and_count_once(works: Open) -> None:
    here = works()
    here.stream([False] * 75, scores=lambda _: 0.1)
    here.bench.later(seconds=30)
    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(watch_rates, here.bench.database, lambda _hash: here.workflow) for _ in range(2)]:
            done.result()
    assert looks(here) == [True]
    scope = certificates.scopes(here.bench.database, here.workflow.name)[0].hash
    assert memory(here).of(scope).there == 75


def test_of_two_watchers_that_saw_the_same_one_counts_and_the_other_gives_way(works: Open) -> None:
    here = works()
    here.stream([False] * 10)
    before = plan(here)
    here.watch()
    here.stream([False] * 10)
    here.bench.later(seconds=30)
    database = here.bench.database
    scopes = certificates.scopes(database, here.workflow.name)
    now = plan(here)
    seen = Seen(here.workflow, here.subject().promise, now, read_memory(now.state), scopes)
    assert watching._count(database, seen)
    assert not watching._count(database, seen), "the row has moved on"
    stale = replace(seen, plan=before, memory=Memory())
    assert not watching._count(database, stale)
    assert memory(here).of(scopes[0].hash).there == 20


def test_a_decision_of_this_moment_is_left_to_the_next_look_lest_one_that_is_committed_late_be_missed(
    works: Open,
) -> None:
    here = works()
    here.stream([False] * 3)
    watch_rates(here.bench.database, lambda _hash: here.workflow)
    scope = certificates.scopes(here.bench.database, here.workflow.name)[0].hash
    assert memory(here).of(scope).there == 2
    here.watch()
    assert memory(here).of(scope).there == 3
