"""Certificates: what proves, what does not, and what the threshold in force then is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.errors import UserError
from engine.ledger import certificates
from engine.ledger import tables as t
from qc_models.promise.certify import certify
from qc_models.promise.standing import NOT_PROVEN
from tests.qc_models.promise.conftest import Works, definition

Open = Callable[..., Works]
CLEAN = [False] * 75


def test_everything_goes_to_a_person_until_audits_prove_the_promise_and_then_passes_by_certificate(works: Open) -> None:
    here = works()
    first = here.inspect()
    assert first.decision == "review"
    assert first.held
    assert [(one.code, one.message) for one in first.findings] == [
        (NOT_PROVEN, "nothing is proven yet at 10 %: 71 audited records without an error are missing, 0 are there")
    ]
    here.rule_on(here.claimed.item_id, wrong=False)
    here.stream(CLEAN)
    found = certify(here.bench.database, here.subject(), "ana")
    assert found.issued.holds
    assert found.missing == 0
    assert found.there == 76
    passed = here.inspect(0.2)
    assert (passed.decision, passed.certificate, passed.held) == ("pass", found.issued.id, False)
    assert passed.score is not None
    assert passed.score.threshold == found.issued.threshold
    assert here.bench.rows(t.verdicts)[-1].certificate_id == found.issued.id
    doubtful = here.inspect(0.9)
    assert (doubtful.decision, doubtful.certificate) == ("review", found.issued.id)
    receipt = certificates.receipt_of(here.bench.database, found.issued.id)
    assert receipt["certificate"]["sensitivity"] == 1.0
    assert receipt["report"] == {
        "wrong": 0,
        "audits": receipt["there"] - len(receipt["audits"]),
        "upper": pytest.approx(0.06, abs=0.02),
    }
    assert "if every audit is right" in found.reason


def test_errors_keep_the_threshold_below_them(works: Open) -> None:
    here = works()
    here.stream([n % 50 >= 40 and n % 2 == 0 for n in range(200)])  # scores from 0.41 on: every second one is wrong
    found = certify(here.bench.database, here.subject(), "ana")
    assert found.issued.threshold is not None
    assert 0.3 < found.issued.threshold < 0.5
    assert here.inspect(0.1).decision == "pass"
    assert here.inspect(0.49).decision == "review"


def test_too_few_audits_are_refused_with_how_many_are_missing_and_the_look_is_kept(works: Open) -> None:
    here = works()
    here.stream([False] * 45)
    found = certify(here.bench.database, here.subject(), "ana")
    assert found.issued.threshold is None
    assert found.reason == (
        f"10 % at 90 % confidence is not proven: {found.missing} audited records without an error are missing, "
        "45 are there"
    )
    assert 5 <= found.missing <= 40
    [event] = here.bench.rows(t.events, t.events.c.kind == "certificate.refused")
    assert event.data["reason"] == found.reason
    assert here.inspect().decision == "review"


def test_each_look_spends_and_one_that_proves_nothing_takes_nothing_back(works: Open) -> None:
    here = works()
    here.stream(CLEAN)
    looks = [certify(here.bench.database, here.subject(), "ana") for _ in range(2)]
    spent = [certificates.receipt_of(here.bench.database, one.issued.id)["spent"] for one in looks]
    assert spent[1] == pytest.approx(spent[0] / 4)
    assert [one.issued.threshold is None for one in looks] == [False, True]
    assert here.inspect().decision == "pass"


def test_a_newer_certificate_replaces_the_older_one(works: Open) -> None:
    here = works()
    here.stream(CLEAN, scores=lambda _: 0.1)
    first = certify(here.bench.database, here.subject(), "ana")
    here.stream(CLEAN, scores=lambda _: 0.1)  # audits of passes
    second = certify(here.bench.database, here.subject(), "ana")
    rows = certificates.history(here.bench.database, here.workflow.name)
    assert [(row.id, row.holds, row.revoked_reason) for row in rows] == [
        (second.issued.id, True, None),
        (first.issued.id, False, f"replaced by certificate {second.issued.id}"),
    ]


def test_flagged_or_picked_labels_prove_nothing(works: Open) -> None:
    here = works(definition({"audit_sample": 0}, until_proven="model"))
    here.stream([False] * 150, scores=lambda n: 0.6 if n % 3 else 0.2)  # only what the model doubts is looked at
    found = certify(here.bench.database, here.subject(), "ana")
    assert (found.there, found.issued.threshold) == (0, None)


def test_what_other_checks_flag_is_in_no_sample(works: Open) -> None:
    here = works()
    for _ in range(60):
        here.inspect(rule=True)
        here.rule_on(here.claimed.item_id, wrong=False)
    with pytest.raises(UserError, match="only 0 outputs were inspected"):
        certify(here.bench.database, here.subject(), "ana")


def test_late_truth_stops_the_sample_before_it_and_counts_as_wrong_when_overdue(works: Open) -> None:
    here = works()
    here.stream([False] * 40)
    here.inspect()
    waits = here.claimed.item_id
    here.stream([False] * 60)
    assert certify(here.bench.database, here.subject(), "ana").there == 40
    here.bench.later(days=15)
    late = certify(here.bench.database, here.subject(), "ana")
    receipt = certificates.receipt_of(here.bench.database, late.issued.id)
    assert (late.there, receipt["overdue"]) == (101, 1)
    here.rule_on(waits, wrong=False)
    done = certify(here.bench.database, here.subject(), "ana")
    assert certificates.receipt_of(here.bench.database, done.issued.id)["overdue"] == 0


def test_what_reviewers_miss_of_canaries_makes_the_audits_count_for_less(works: Open) -> None:
    here = works()
    here.stream([False] * 75, scores=lambda _: 0.1)
    for n in range(30):
        here.canary(found=n > 0)
    few = certify(here.bench.database, here.subject(), "ana")
    receipt = certificates.receipt_of(here.bench.database, few.issued.id)
    assert 0.7 < receipt["eyes"]["sensitivity"] < 29 / 30
    assert receipt["spent"] < 0.1 * 0.8
    assert receipt["there"] == 75, "canaries are in no sample"
    assert few.issued.threshold is None
    here.stream([False] * 75, scores=lambda _: 0.1)
    enough = certify(here.bench.database, here.subject(), "ana")
    assert enough.issued.holds
    assert "if every audit is right" not in enough.reason


def test_a_label_that_is_disputed_later_counts_as_wrong(works: Open) -> None:
    here = works()
    here.stream([False] * 75)
    with here.bench.database.write() as connection:
        for review in here.bench.rows(t.reviews)[:20]:
            row = {"item_id": review.item_id, "review_id": review.id, "kind": "blind", "draw": 0.1, "probability": 1.0}
            row |= {"reviewer": "bo", "decision": "reject", "reason": "no", "created_at": review.created_at}
            connection.execute(t.second_reviews.insert().values(**row, decided_at=here.bench.clock.now()))
    found = certify(here.bench.database, here.subject(), "ana")
    assert found.issued.threshold is None
