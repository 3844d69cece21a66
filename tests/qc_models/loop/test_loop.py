"""From reviews to a challenger, its shadow, its replay and its promotion, on a real ledger with real models."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import typer
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors
from typer.testing import CliRunner, Result

from engine.clock import ManualClock
from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import models as registry
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.incidents import incidents
from engine.ledger.labels import inspected
from engine.ports import Case
from engine.values import Record
from qc_models.checks.model import ModelParams
from qc_models.cli import build_model, register, train_and_register
from qc_models.loop.challenger import retrain
from qc_models.loop.labels import held_out, material
from qc_models.loop.shadow import Shadows
from qc_models.loop.traffic import Voice, replay, traffic_of
from qc_models.store import ModelStore
from tests.qc_models.cases import FIELDS
from tests.qc_models.conftest import World
from tests.qc_models.loop.office import MODEL, NAME, ReviewedOffice
from tests.qc_models.test_artifact import reseal


@pytest.fixture
def office(world: World, tmp_path: Path, migrated: Path) -> Iterator[ReviewedOffice]:
    shutil.copy(migrated, tmp_path / "ledger.db")
    shutil.copytree(world.models, tmp_path / "models")
    shutil.copytree(world.trained.folder, tmp_path / "models" / NAME / "v2")
    reseal(tmp_path / "models" / NAME / "v2", version="v2")
    made = ReviewedOffice(Database(str(tmp_path / "ledger.db"), ManualClock()), tmp_path / "models")
    for version in (world.trained.version, "v2"):
        register(made, made.models.get(NAME, version), {})
    yield made
    made.database.close()


def some(world: World, n: int, start: int = 0) -> dict[str, Record]:
    return dict(islice(world.fresh.items(), start, start + n))


def run(office: ReviewedOffice, *arguments: str) -> Result:
    app = typer.Typer()
    app.add_typer(build_model(lambda: office), name="model")
    return CliRunner().invoke(app, ["model", *arguments])


def test_a_challenger_in_shadow_is_scored_beside_the_champion_and_decides_nothing(
    office: ReviewedOffice, world: World
) -> None:
    assert run(office, "shadow", "v2").exit_code == 0
    verdicts = office.inspect(some(world, 20))
    rows = office.bench.rows(t.shadow_scores)
    assert [(row.version, row.probability) for row in rows] == [
        ("v2", verdict.score.probability) for verdict in verdicts if verdict.score
    ]
    assert {verdict.score.version for verdict in verdicts if verdict.score} == {world.trained.version}
    assert run(office, "shadow", "v2", "--off").exit_code == 0
    office.inspect(some(world, 5, 20))
    assert len(office.bench.rows(t.shadow_scores)) == 20
    with pytest.raises(UserError, match="only a challenger can be in shadow"):
        registry.set_shadow(office.database, NAME, world.trained.version, "ana", on=True)


def test_a_challenger_that_cannot_be_scored_never_disturbs_the_verdict(office: ReviewedOffice, world: World) -> None:
    registry.set_shadow(office.database, NAME, "v2", "ana", on=True)
    (office.models_dir / NAME / "v2" / "model.onnx").write_bytes(b"not a graph")
    broken = ReviewedOffice(office.database, office.models_dir)
    verdicts = broken.inspect(some(world, 3))
    assert all(verdict.score and not verdict.shadows for verdict in verdicts)
    [(_, version, reason)] = broken.failed
    [incident] = incidents(office.database, kind="shadow.failed")
    assert (version, incident.key) == ("v2", "v2")
    assert "not the file that was trained" in reason
    registry.set_shadow(office.database, NAME, "v2", "ana", on=False)
    assert incidents(office.database, kind="shadow.failed") == []


class Sick(ModelStore):
    """A store whose challenger fails in a way of its own."""

    error: Exception | None = None
    probability_is = 0.5

    def probability(self, name: str, version: str, case: Case) -> float:
        """Fail, or say what no probability is."""
        assert all((name, version, case.reference))
        if self.error:
            raise self.error
        return self.probability_is


@pytest.mark.parametrize(
    ("error", "probability"),
    [(onnx_errors.InvalidArgument("shape"), 0.5), (onnx_errors.RuntimeException("node"), 0.5), (None, math.nan)],
)
def test_whatever_a_graph_does_in_shadow_the_verdict_stands(
    world: World, error: Exception | None, probability: float
) -> None:
    version = world.trained.version
    store, failed = Sick(world.models), []
    store.error, store.probability_is = error, probability
    shadows = Shadows(store, lambda _name: [version], lambda *what: failed.append(what[:2]))
    reference, record = next(iter(world.fresh.items()))
    case = Case("invoice-entry", reference, record, record, FIELDS)
    assert shadows.scores(ModelParams(name=NAME), case) == ()
    assert failed == [(NAME, version)]


def test_a_challenger_that_left_the_shadow_is_tried_again_when_it_is_back(world: World) -> None:
    version = world.trained.version
    store, failed, versions = Sick(world.models), [], [version]
    store.error = ValueError("not yet")
    shadows = Shadows(store, lambda _name: versions, lambda *what: failed.append(what))
    reference, record = next(iter(world.fresh.items()))
    params, case = ModelParams(name=NAME), Case("w", reference, record, record, FIELDS)
    shadows.scores(params, case)
    shadows.scores(params, case)
    assert len(failed) == 1
    store.error = None
    versions.clear()
    assert shadows.scores(params, case) == ()
    versions.append(version)
    assert [score.version for score in shadows.scores(params, case)] == [version]


def test_two_checks_of_one_model_put_one_shadow_score_into_the_ledger(office: ReviewedOffice, world: World) -> None:
    registry.set_shadow(office.database, NAME, "v2", "ana", on=True)
    office.definition = replace(office.definition, checks=(MODEL, MODEL))
    office.inspect(some(world, 2))
    assert len(office.bench.rows(t.shadow_scores)) == 2


def test_labels_of_held_out_references_are_never_trained_on(office: ReviewedOffice, world: World) -> None:
    office.inspect(some(world, 80))
    decided = office.review(world.truth)
    found = material(office.database, office.definition, office.workflow)
    kept = {one.reference for one in found.reviewed}
    assert not any(held_out("invoice-entry", reference) for reference in kept)
    assert 0 < len(found.reviewed) < decided
    references = {row.reference for row in office.bench.rows(t.items)}
    assert found.held_out == sum(held_out("invoice-entry", reference) for reference in references)
    assert 0.15 < found.held_out / len(references) < 0.45
    for one in found.reviewed:
        assert one.wrong == (one.reference in world.truth)
        assert one.weight == (1.0 if one.source == "flagged" else pytest.approx(1 / 0.3))
    assert all(world.fresh[reference] not in found.history for reference in kept)
    assert found.history


def test_outputs_of_a_definition_that_does_not_load_any_more_are_left_out(office: ReviewedOffice, world: World) -> None:
    office.inspect(some(world, 10))
    old, new = registry.listing(office.database, NAME)
    asked: list[str] = []

    def load(definition_hash: str) -> Workflow:
        asked.append(definition_hash)
        raise UserError("a second model check")

    found = material(office.database, office.definition, load)
    assert (found.history, found.reviewed, len(asked)) == ([], [], 1)
    with pytest.raises(UserError, match="10 cannot be scored any more"):
        replay(office.database, office.models, office.definition, load, champion=old, challenger=new)


def test_a_retrained_challenger_names_its_lineage_and_is_replayed_on_what_it_never_saw(
    office: ReviewedOffice, world: World
) -> None:
    office.inspect(some(world, 60))
    office.review(world.truth)
    trained, found = retrain(
        office.database,
        office.models,
        office.definition,
        office.workflow,
        name=NAME,
        seed=2,
        models_dir=office.models_dir,
        older=world.past[:220],
        shadow=True,
        actor="ana",
        trees=20,
    )
    row = registry.listing(office.database, NAME)[0]
    lineage = row.metrics["lineage"]
    assert (row.version, row.stage) == (trained.version, "shadow")
    assert (lineage["parent"], lineage["labels"]) == (world.trained.version, len(found.reviewed))
    assert lineage["labels_sha256"] == found.labels_sha256
    office.inspect(some(world, 30, 60))
    office.review(world.truth)
    [report] = json.loads(run(office, "replay", trained.version, "--json").stdout)
    assert report["shadowed"] == 30
    assert report["records"] == 30 + lineage["held_out"]
    assert report["left_out"]["trained_on"] == 60 - lineage["held_out"]
    assert report["rescored"][trained.version] == lineage["held_out"]
    refused = run(office, "promote", trained.version)
    assert "is not promoted" in str(refused.exception)
    assert "scored in shadow on 30 records, 200 are asked for" in str(refused.exception)
    assert "the rule is against a promotion" in run(office, "replay", trained.version).stdout
    assert run(office, "promote", trained.version, "--anyway", "new suppliers").exit_code == 0
    assert registry.champion(office.database, NAME) == trained.version
    [event] = office.bench.rows(t.events, t.events.c.kind == "model.promoted")
    assert event.data["anyway"] == "new suppliers"
    assert run(office, "rollback").exit_code == 0
    assert registry.champion(office.database, NAME) == world.trained.version


def test_scoring_again_says_what_the_shadow_said(office: ReviewedOffice, world: World) -> None:
    registry.set_shadow(office.database, NAME, "v2", "ana", on=True)
    office.inspect(some(world, 25))
    row = next(row for row in registry.listing(office.database, NAME) if row.version == "v2")
    logged = Voice(office.database, office.models, row, office.definition)
    again = Voice(office.database, office.models, row, office.definition)
    again._shadow = {}
    outputs = list(inspected(office.database, "invoice-entry"))
    assert [logged.flags(one) for one in outputs] == [again.flags(one) for one in outputs]
    assert (logged.shadowed, again.rescored) == (25, 25)


def test_passes_that_nobody_could_have_seen_are_left_out_and_disputes_wait(
    office: ReviewedOffice, world: World
) -> None:
    blind = office.inspect(some(world, 40), audit=0.0)
    passed = sum(verdict.decision == "pass" for verdict in blind)
    office.inspect(some(world, 20, 40), audit=1.0)
    office.review(world.truth)
    [report] = json.loads(run(office, "replay", "v2", "--json").stdout)
    assert (report["left_out"]["unknown_probability"], report["records"]) == (passed, 60 - passed)
    [*_, last] = inspected(office.database, "invoice-entry")
    assert last.label is not None
    disputed = replace(last, label=replace(last.label, disputed=True, wrong=True))
    assert traffic_of([disputed], [(False, True)], office.definition, 0).waiting.all()


def test_a_model_that_was_trained_from_files_is_compared_on_later_traffic_alone(
    office: ReviewedOffice, world: World
) -> None:
    office.inspect(some(world, 10))
    trained = train_and_register(office, office.definition, world.past[:220], seed=3)
    office.inspect(some(world, 5, 10))
    office.review(world.truth)
    [report] = json.loads(run(office, "replay", trained.version, "--json").stdout)
    assert (report["left_out"]["trained_on"], report["records"]) == (10, 5)
    [back] = json.loads(run(office, "replay", "v2", "--against", trained.version, "--json").stdout)
    assert back["left_out"]["trained_on"] == 10
