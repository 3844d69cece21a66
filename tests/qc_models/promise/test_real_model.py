"""A trained model, the product's inspector and the ledger together: held, certified, passed, receipted."""

from __future__ import annotations

import json
from dataclasses import replace

from engine.definition import CheckSpec
from engine.ledger import tables as t
from engine.ledger.certificates import history
from engine.ledger.protocol import Settlement
from engine.ledger.reviews import decide
from engine.ledger.runs import NewItem
from engine.ports import Case, Verdict
from engine.values import decode
from qc_models.checks.read_back import ReadBackParams
from qc_models.countersigner import Countersigner
from qc_models.guarantee.verify import problems
from qc_models.promise.receipts import exported
from qc_models.promise.standing import Promises
from qc_models.promise.watch import watch_rates
from qc_models.store import ModelStore
from tests.engine.conftest import Bench
from tests.qc_models.cases import FIELDS
from tests.qc_models.conftest import World
from tests.qc_models.promise.conftest import definition


def test_a_trained_model_passes_nothing_before_its_certificate_and_keeps_the_promise_after(
    bench: Bench, world: World
) -> None:
    checks = (CheckSpec("read_back", ReadBackParams("all"), 1), *definition().checks)
    bench.workflow = workflow = replace(definition(), fields=FIELDS, checks=checks)
    store = ModelStore(world.models)
    inspector = Countersigner(store, Promises(bench.database, store))
    bench.enqueue(*[NewItem(ref, payload, origin="fresh") for ref, payload in list(world.fresh.items())[:250]])

    def work() -> tuple[int, bool, Verdict]:
        claimed = bench.claim()
        record = decode(claimed.payload, FIELDS)
        case = Case(workflow.name, claimed.reference, record, record, FIELDS, app_version="Meridian ERP 4.2")
        verdict = inspector.inspect(workflow, case)
        state = "passed" if verdict.decision == "pass" else "review"
        bench.settle(claimed, Settlement(state, verdict=verdict, audit_sample=1.0))  # type: ignore[arg-type]
        bench.later(minutes=1)
        return claimed.item_id, claimed.reference in world.truth, verdict

    for _ in range(200):
        item, wrong, verdict = work()
        assert verdict.held
        decide(bench.database, item, "reject" if wrong else "accept", "ana", workflow=workflow, reason="seen")
    bench.later(seconds=30)
    watch_rates(bench.database, lambda _hash: workflow)
    [certificate] = history(bench.database, workflow.name)
    assert certificate.holds
    later = [work() for _ in range(50)]
    passed = [(item, wrong) for item, wrong, verdict in later if verdict.decision == "pass"]
    assert len(passed) > 25
    assert sum(wrong for _, wrong in passed) / len(passed) <= 0.1
    assert {verdict.certificate for _, _, verdict in later} == {certificate.id}
    receipt = json.loads(exported(bench.database, passed[0][0]))
    assert problems(receipt) == []
    assert receipt["certificate"]["pins"]["application_version"] == "Meridian ERP 4.2"
    assert receipt["certificate"]["pins"]["model_sha256"] == store.get("entry-quality").sha256
    over = receipt["certificate"]["threshold"] + 1e-9
    assert problems({**receipt, "receipts": [{**receipt["receipts"][0], "score": over}]}) != []
    assert bench.one(t.scopes).pins["model_version"] == world.trained.version
