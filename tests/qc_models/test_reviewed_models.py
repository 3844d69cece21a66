"""What a fresh look found: workers that run for weeks, odd values, and reasons that must not name the wrong thing."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from engine.errors import UserError
from engine.values import Record
from qc_models import export
from qc_models.artifact import load
from qc_models.checks.model import ModelParams
from qc_models.entry import duplicates
from qc_models.entry.cells import Extractor
from qc_models.entry.cold_start import ColdStart
from qc_models.entry.columns import columns
from qc_models.entry.corruption import Bench, corrupt
from qc_models.entry.duplicates import Memory
from qc_models.entry.profile import Profile
from qc_models.entry.reasons import Reasons
from qc_models.entry.relations import Broken, Relation, check
from qc_models.entry.reviewed import Reviewed, read_reviewed, write_reviewed
from qc_models.evaluation import evaluate
from qc_models.store import ModelStore
from tests.qc_models.cases import FIELDS, case, invoice
from tests.qc_models.conftest import World
from tests.qc_models.test_artifact import boosted

PARAMS = ModelParams(name="entry-quality")


def test_a_memory_forgets_the_oldest_and_still_finds_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_REMEMBERED", 50)
    memory = Memory(columns(FIELDS), ["invoice_no"], "supplier")
    many = [invoice(invoice_no=f"RE-{at:05}", net=Decimal(100 + at), total=Decimal(7)) for at in range(500)]
    for at, record in enumerate(many):
        memory.observe(record, str(at))
    assert len(memory._index) <= 50 + 2, "one place an amount, and the two that all share"
    found = memory.twin(many[-1])
    assert found is not None
    assert found.equal == 1
    oldest = memory.twin(invoice(invoice_no="RE-00000", net=Decimal(100), total=Decimal(8), tax=Decimal(1)))
    assert oldest is None, "forgotten in every place"


def test_a_store_that_runs_for_weeks_keeps_a_bounded_list_of_references(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qc_models.store._SEEN", 5)
    store = ModelStore(world.models)
    for at, record in enumerate(list(world.fresh.values())[:12]):
        store.judge(PARAMS, replace(case(record), reference=str(at)))
    assert [len(seen) for seen in store._seen.values()] == [5]


def test_without_a_model_a_second_look_at_a_record_is_not_its_own_twin(world: World) -> None:
    cold = ColdStart(FIELDS)
    for record in world.past[:150]:
        cold.look(case(record))
    again = [cold.look(case(record)) for record in world.past[20:60]]
    assert "near_duplicate" not in {finding.code for look in again for finding in look.reasons}


def test_a_cent_counts_in_large_amounts_too() -> None:
    law = Relation("sum", ("net", "tax"), "total")
    net, tax = Decimal("250000000.10"), Decimal("47500000.02")
    assert check(law, invoice(net=net, tax=tax, total=net + tax)) is True
    assert isinstance(check(law, invoice(net=net, tax=tax, total=net + tax + Decimal("0.01"))), Broken)


def reasons(profile: Profile, record: Record, *doubtful: str) -> dict[str | None, str]:
    extractor, looked = Extractor(profile), case(record)
    writer = Reasons(extractor, looked, extractor.matrix(looked))
    told = {column.name: float(column.name in doubtful) for column in profile.columns}
    return {one.field: f"{one.code} {one.expected} {one.message}" for one in writer.findings(told, 0.5)}


def test_a_broken_law_offers_its_result_for_the_result_alone(world: World) -> None:
    profile, last = Profile(FIELDS, world.past), world.past[-1]
    total = last["total"]
    assert isinstance(total, Decimal)
    found = reasons(profile, {**last, "total": total + 9}, "net", "total")
    assert f"law_broken {total:.2f}" in found["total"]
    assert "law_broken None" in found["net"], "what the total should be is no correction of the net amount"


def test_an_empty_field_of_an_unknown_party_is_called_empty(world: World) -> None:
    found = reasons(Profile(FIELDS, world.past), {**world.past[-1], "supplier": "Nobody Ltd", "iban": None}, "iban")
    assert found["iban"].startswith("missing None iban is empty")


def test_a_date_among_recent_ones_is_not_called_far(world: World) -> None:
    profile, last = Profile(FIELDS, world.past), world.past[-1]
    assert "date_far" not in reasons(profile, last, "invoice_date")["invoice_date"]


def test_dates_that_mean_never_do_not_stop_training(world: World) -> None:
    ends = [{**record, "due_date": date.max, "invoice_date": date.min} for record in world.past[:60]]
    bench = Bench(Profile(FIELDS, ends), ends, random.Random(1))  # noqa: S311 - seeded, not secret
    made = [corrupt(record, bench, ("shifted", "all_shifted")) for record in ends]
    assert made == [None] * 60


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    path = tmp_path / "reviewed.jsonl"
    write_reviewed(path, [Reviewed(invoice(), wrong=False)] * 2)
    path.write_text(path.read_text(encoding="utf-8").replace("Kabel", "Kabel\u2028rot"), encoding="utf-8")
    assert len(read_reviewed(path, FIELDS)) == 2


def test_the_parity_gate_holds_at_any_threshold_and_not_only_at_its_limits() -> None:
    model, cells = boosted()
    graph, rows = export.to_graph(model), export.gate_rows(cells, 1)

    def magnified(found: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(found - model.predict_proba(rows)[:, 1]) * 1e6)

    with pytest.raises(export.ParityError, match="final probability"):
        export.parity(model, graph, rows, (1e9,), magnified)


def test_figures_of_another_contract_or_another_truth_are_refused(world: World) -> None:
    artifact = load(world.trained.folder)
    with pytest.raises(UserError, match="other fields"):
        evaluate(artifact, world.fresh, world.truth, fields={"city": FIELDS["supplier"]})
    with pytest.raises(UserError, match="names none of these records"):
        evaluate(artifact, world.fresh, {"nobody/1": [{"field": "net", "kind": "typo"}]})


def test_a_file_of_a_model_that_cannot_be_read_is_a_user_s_mistake(world: World, tmp_path: Path) -> None:
    folder = tmp_path / world.trained.folder.name
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps({}), encoding="utf-8")
    (folder / "model.onnx").mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        load(folder)
