"""The model learns from verified records alone, finds mistakes it was never shown, and is the same twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.clock import ManualClock
from engine.errors import UserError
from engine.values import Record
from qc_models.artifact import load
from qc_models.card import card
from qc_models.evaluation import evaluate
from qc_models.training import train
from tests.qc_models.cases import FIELDS
from tests.qc_models.conftest import World


def test_planted_mistakes_of_other_making_are_found_and_explained(world: World) -> None:
    metrics = evaluate(load(world.trained.folder), world.fresh, world.truth)
    assert metrics.recall.n >= 25
    assert metrics.recall.value >= 0.75
    assert metrics.precision.value >= 0.6, "a history of 700 records is thin"
    assert metrics.reason_hits.value >= 0.85
    for kind in ("wrong_tax", "amount_swap", "wrong_iban", "wrong_currency"):
        assert metrics.by_kind[kind].value >= 0.5, kind


def test_too_little_history_is_refused(past: list[Record], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 200 verified records, there are 50"):
        train(FIELDS, past[:50], seed=1, models_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_same_history_and_seed_give_the_same_scores(past: list[Record], tmp_path: Path) -> None:
    one = train(FIELDS, past[:220], seed=3, models_dir=tmp_path / "a", trees=20, clock=ManualClock())
    two = train(FIELDS, past[:220], seed=3, models_dir=tmp_path / "b", trees=20, clock=ManualClock())
    assert one.version == two.version
    assert one.metrics == two.metrics
    other = train(FIELDS, past[:220], seed=3, models_dir=tmp_path / "a", trees=19, clock=ManualClock())
    assert other.version != one.version, "another model never hides behind a known version"
    assert (one.folder / "model.onnx").read_bytes() == (two.folder / "model.onnx").read_bytes()


def test_the_card_says_what_it_was_made_of_and_what_it_cannot_do(world: World) -> None:
    text = card(load(world.trained.folder))
    assert "## Key variables" in text
    assert text.startswith((world.trained.folder / "card.md").read_text(encoding="utf-8").rstrip())
    assert world.trained.version in text
    assert "700 verified records" in text
    assert "never the paper" in text
    assert "twin" in text
