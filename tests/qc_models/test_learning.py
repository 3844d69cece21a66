"""A second contract, read-backs, reviews, the first look and the picker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.clock import ManualClock
from engine.errors import UserError
from engine.ports import Case
from engine.values import Record
from fixtures.generate.customers import CONTRACT, customers
from qc_models import training
from qc_models.artifact import load
from qc_models.checks.model import ModelParams, judged
from qc_models.entry.learning import Prior
from qc_models.entry.picking import pick
from qc_models.entry.reviewed import Reviewed, read_reviewed, write_reviewed
from qc_models.store import ModelStore, Served

PAST = 400


def case(record: Record, read_back: Record | None = None, reference: str = "", **signals: float) -> Case:
    return Case("customers", reference, record, read_back or {}, CONTRACT, signals)


@pytest.fixture(scope="module")
def prior() -> Prior:
    return training.study(CONTRACT, [one.record for one in customers(PAST, 1)], seed=1, trees=40)


def served(prior: Prior, reviewed: list[Reviewed], folder: Path) -> Served:
    return Served(load(training.finish(prior, reviewed, models_dir=folder, clock=ManualClock()).folder))


@pytest.fixture(scope="module")
def plain(prior: Prior, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return served(prior, [], tmp_path_factory.mktemp("plain"))


def test_a_contract_unlike_invoices_needs_no_change(plain: Served) -> None:
    fresh = customers(300, 2, 0.12, first=PAST + 1)
    fresh_eyes = Served(plain.artifact)  # it remembers what passes through
    opinions = fresh_eyes.opinions([case(one.record, reference=str(at)) for at, one in enumerate(fresh)], remember=True)
    flagged = [opinion.probability >= plain.artifact.threshold for opinion in opinions]
    wrong = [bool(one.kind) for one in fresh]
    assert sum(wrong) >= 30
    assert sum(f and w for f, w in zip(flagged, wrong, strict=True)) >= 0.85 * sum(wrong)
    assert sum(f and not w for f, w in zip(flagged, wrong, strict=True)) <= 0.05 * len(fresh)


def test_many_at_once_get_the_scores_of_one_at_a_time(plain: Served) -> None:
    cases = [case(one.record, one.record) for one in customers(20, 3, 0.3, first=PAST + 1)]
    together, alone = plain.opinions(cases), [plain.opinion(one) for one in cases]
    assert [one.probability for one in together] == pytest.approx([one.probability for one in alone], abs=1e-9)
    assert plain.opinions([]) == []


@pytest.mark.parametrize(
    ("field", "shown"), [("currency", "USD"), ("postcode", "50"), ("credit_limit", None), ("city", "Kassel")]
)
def test_a_field_that_the_application_shows_otherwise_is_named(plain: Served, field: str, shown: str | None) -> None:
    records = [one.record for one in customers(30, 4, first=PAST + 1) if one.record["city"] != shown]
    record = min(records, key=lambda usual: plain.opinion(case(usual, usual)).probability)
    bad = case(record, {**record, field: shown})
    assert plain.opinion(case(record, record)).probability < plain.artifact.threshold
    opinion = plain.opinion(bad)
    assert opinion.probability >= plain.artifact.threshold
    assert plain.reasons(opinion, bad)[0].code == "read_otherwise"
    assert plain.reasons(opinion, bad)[0].field == field


def test_reviews_help_with_a_habit_that_history_does_not_have_and_leave_the_rest_alone(
    prior: Prior, plain: Served, tmp_path: Path
) -> None:
    moved = [{**one.record, "sales_rep": "Eva Lind"} for one in customers(90, 5, first=PAST + 1)]
    reviewed = [
        Reviewed(record, wrong=False, read_back=record, reference=str(at)) for at, record in enumerate(moved[:60])
    ]
    taught = served(prior, reviewed, tmp_path)
    new = [case(record, record) for record in moved[60:]]
    before = np.median([one.probability for one in plain.opinions(new)])
    after = np.median([one.probability for one in taught.opinions(new)])
    assert before > 5 * after, "a new person in charge is no mistake, people said"
    spoilt = [case({**record, "currency": "USD", "sales_rep": "Anna Vogt"}) for record in moved[60:]]
    assert min(one.probability for one in taught.opinions(spoilt)) >= taught.artifact.threshold


def test_process_signals_count_once_reviews_show_that_they_matter(prior: Prior, tmp_path: Path) -> None:
    records = [one.record for one in customers(120, 6, first=PAST + 1)]
    reviewed = [
        Reviewed(record, wrong=at % 4 == 0, signals={"logins": float(at % 4 == 0), "attempts": 1.0}, reference=str(at))
        for at, record in enumerate(records)
    ]
    taught = served(prior, reviewed, tmp_path)
    usual, after_login = (taught.opinion(case(records[1], logins=logins)).probability for logins in (0.0, 1.0))
    assert after_login > 1.5 * usual
    assert taught.opinion(case(records[1])).probability < after_login, "unknown counts as usual"


def test_reviews_that_are_no_reviews_are_refused_and_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "reviewed.jsonl"
    record = customers(1, 7)[0].record
    known = [
        Reviewed(record, True, ("city",), record, {"logins": 1.0}, "K1", 50.0),
        Reviewed(record, False, picked=True),
    ]
    write_reviewed(path, known)
    assert read_reviewed(path, CONTRACT) == known
    for line, words in (
        ('{"payload": {}}', "wrong is missing"),
        ('{"payload": {}, "wrong": "no"}', "wrong is true or false"),
        ('{"payload": {}, "wrong": true, "wrong_fields": ["colour"]}', "names colour"),
        ('{"payload": {}, "wrong": true, "weight": 0.5}', "at least 1"),
        ('{"payload": {}, "wrong": true, "mood": 1}', "unknown mood"),
    ):
        path.write_text(line + "\n", encoding="utf-8")
        with pytest.raises(UserError, match=f"reviewed.jsonl:1: .*{words}"):
            read_reviewed(path, CONTRACT)


def test_without_a_model_a_person_is_told_where_to_look_first(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    params = ModelParams(name="entry-quality")
    for at, one in enumerate(customers(120, 8)):
        usual = judged(params, case(one.record, one.record, str(at)), store)
    assert usual.findings()[0].code == "model_unusable"
    odd = {**customers(1, 9, first=121)[0].record, "city": "Köln", "country": "DE", "currency": "SEK"}
    findings = judged(params, case(odd, odd, "odd"), store).findings()
    assert findings[0].code == "model_unusable"
    assert "currency" in [finding.field for finding in findings[1:]]


@dataclass(frozen=True)
class Opinion:
    """What a detector thought."""

    probability: float
    cells: np.ndarray


def test_the_picker_asks_about_doubts_and_not_ten_times_about_the_same() -> None:
    def doubt(probability: float, column: int) -> Opinion:
        cells = np.full(5, 0.01)
        cells[column] = probability
        return Opinion(probability, cells)

    candidates = [doubt(0.5, 0)] * 10 + [doubt(0.45, 1), doubt(0.999, 2), doubt(0.0001, 3)]
    assert set(pick(candidates, 2)) == {0, 10}
    assert pick(candidates, 1, known=[doubt(0.5, 0)]) == [10]
    assert sorted(pick(candidates, 99)) == list(range(len(candidates)))
    assert pick([], 3) == []
