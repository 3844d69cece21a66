"""Serving: the champion answers, says why by field, remembers twins, and fails closed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.ports import Case
from engine.values import Record
from qc_models.checks.model import ModelParams, judged
from qc_models.store import ModelStore
from tests.qc_models.cases import FIELDS, case
from tests.qc_models.conftest import World

PARAMS = ModelParams(name="entry-quality")


@pytest.fixture
def usual(world: World) -> Record:
    """A right record of the party with the most history."""
    by_party: dict[Any, int] = {}
    for record in world.past:
        by_party[record["supplier"]] = by_party.get(record["supplier"], 0) + 1
    right = [record for reference, record in world.fresh.items() if reference not in world.truth]
    return max(right, key=lambda record: by_party.get(record["supplier"], 0))


def fields_of(store: ModelStore, record: Record) -> list[str | None]:
    return [finding.field for finding in store.judge(PARAMS, case(record)).findings()]


def test_a_usual_record_passes_and_always_gets_the_same_score(world: World, usual: Record) -> None:
    one, two = (ModelStore(world.models).judge(PARAMS, case(usual)) for _ in range(2))
    assert one == two
    assert one.score is not None
    assert 0 <= one.score.probability < one.score.threshold
    assert one.findings() == []
    assert one.score.version == world.trained.version


def test_a_new_account_is_named_with_the_usual_one(world: World, usual: Record) -> None:
    iban = str(usual["iban"])
    spoilt = {**usual, "iban": iban[:-1] + ("1" if iban[-1] != "1" else "2")}
    judgement = ModelStore(world.models).judge(PARAMS, case(spoilt))
    finding = next(finding for finding in judgement.findings() if finding.field == "iban")
    assert finding.code == "unlike_party"
    assert finding.expected == iban
    assert f"is new for {usual['supplier']}" in finding.message


def test_amounts_that_do_not_add_up_are_named(world: World, usual: Record) -> None:
    total = usual["total"]
    assert isinstance(total, Decimal)
    judgement = ModelStore(world.models).judge(PARAMS, case({**usual, "total": total + 9}))
    assert judgement.findings()[0].code == "law_broken"
    assert "net + tax is" in judgement.findings()[0].message


def test_the_same_invoice_under_a_similar_number_is_noticed_within_the_run(world: World, usual: Record) -> None:
    store = ModelStore(world.models)
    assert fields_of(store, usual) == []
    assert fields_of(store, usual) == [], "a second attempt at the same record is not its own twin"
    number = str(usual["invoice_no"])
    swapped = number[:-1] + ("9" if number[-1] != "9" else "8")
    findings = store.judge(PARAMS, case({**usual, "invoice_no": swapped})).findings()
    assert [finding.code for finding in findings if finding.field == "invoice_no"] == ["near_duplicate"]


def test_the_definition_s_threshold_goes_before_the_proven_one_before_the_model_s(world: World, usual: Record) -> None:
    def threshold(params: ModelParams, review_at: float | None) -> float:
        found = store.judge(params, case(usual), review_at).score
        assert found is not None
        return found.threshold

    store = ModelStore(world.models)
    assert threshold(PARAMS, None) == store.get("entry-quality").threshold
    assert threshold(PARAMS, 0.01) == 0.01
    assert threshold(PARAMS.model_copy(update={"threshold": 0.7}), 0.01) == 0.7


def test_without_a_model_the_answer_is_review(tmp_path: Path, usual: Record) -> None:
    judgement = judged(PARAMS, case(usual), ModelStore(tmp_path))
    assert judgement.score is None
    assert "no model 'entry-quality' is trained yet" in judgement.findings()[0].message


def test_a_champion_that_does_not_exist_is_an_error_and_not_the_newest(world: World) -> None:
    with pytest.raises(UserError, match="not a complete model"):
        ModelStore(world.models, champion=lambda name: f"20990101-{name}").get("entry-quality")


def test_another_contract_is_refused(world: World, usual: Record) -> None:
    fewer = {name: spec for name, spec in FIELDS.items() if name != "iban"}
    other: Case = replace(case(usual), fields=fewer)
    with pytest.raises(UserError, match="trained on other fields"):
        ModelStore(world.models).judge(PARAMS, other)
