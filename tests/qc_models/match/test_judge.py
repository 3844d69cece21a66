"""The judge knows right matches from wrong ones it never saw, says why, and never closes what is not proven."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from engine.clock import ManualClock
from engine.errors import UserError
from qc_models import artifact
from qc_models.artifact import Artifact
from qc_models.card import card
from qc_models.entry.family import entry_parts
from qc_models.match.evaluation import closable, evaluate
from qc_models.match.examples import reviewed, self_made, undoubted
from qc_models.match.judge import MatchJudge
from qc_models.match.pair import one_to_one
from qc_models.match.training import train
from qc_models.store import ModelStore, Served
from tests.qc_models.conftest import World as EntryWorld
from tests.qc_models.match.world import World, world
from tests.qc_models.test_artifact import reseal


def test_learned_from_two_lists_alone_it_knows_the_matches_of_another_world(learned: Artifact) -> None:
    fresh = world(700, 2).judged()
    model, rules = evaluate(MatchJudge(learned), fresh), evaluate(MatchJudge(), fresh)
    assert model["auc"] > 0.995
    assert rules["auc"] > 0.98, "on the first day the ranking is already useful"
    assert model["auc"] > rules["auc"]
    assert model["recall"]["value"] > 0.95
    assert model["closable"]["wrong"] == 0


def test_every_reason_says_what_stands_there(learned: Artifact, lists: World) -> None:
    bank = next(line for line in lists.bank if line.structured and line.name)
    book = {line.id: line for line in lists.book}[lists.truth[bank.id]]
    for judge in (MatchJudge(learned), MatchJudge()):
        right = judge.judge(one_to_one(bank, book, rivals=0, margin=1.0), lists.context)
        assert right.probability_wrong < right.threshold
        digits = replace(bank, amount=bank.amount * 10)
        slipped = judge.judge(one_to_one(digits, book, rivals=0, margin=1.0), lists.context)
        assert slipped.probability_wrong >= slipped.threshold
        assert "the decimal point has slipped" in slipped.reasons[0].message
        other = next(line for line in lists.book if line.amount != book.amount and line.name != book.name)
        swapped = judge.judge(one_to_one(bank, other, rivals=1, margin=-0.9), lists.context)
        assert swapped.probability_wrong > 0.5
        codes = {reason.code for reason in swapped.reasons}
        assert {"reference", "amount", "name"} <= codes


def test_nothing_closes_without_a_proven_limit(learned: Artifact, lists: World) -> None:
    judged = lists.judged()
    for judge in (MatchJudge(learned), MatchJudge(), MatchJudge(proven=0.9)):
        assert not judge.judge_all(judged.pairs, judged.context).may_close.any()
        assert judge.judge(judged.pairs[0], judged.context).decision == "suggest"
    proven = MatchJudge(learned, proven=0.01).judge_all(judged.pairs, judged.context)
    assert proven.may_close.any()
    assert (proven.probability_wrong[proven.may_close] < 0.01).all()


def test_many_at_once_are_judged_as_one_by_one(learned: Artifact, lists: World) -> None:
    judged = lists.judged()
    judge = MatchJudge(learned)
    together = judge.judge_all(judged.pairs[:50], judged.context)
    single = [judge.judge(pair, judged.context) for pair in judged.pairs[:50]]
    np.testing.assert_allclose([one.probability_wrong for one in single], together.probability_wrong, atol=1e-6)
    assert len(judge.judge_all([], judged.context).probability_wrong) == 0


def test_the_same_lists_and_seed_give_the_same_model(lists: World, learned: Artifact, tmp_path: Path) -> None:
    made = self_made(lists.bank, lists.book, seed=1)
    again = train([made], seed=1, models_dir=tmp_path, trees=60, clock=ManualClock())
    assert again.version == learned.version
    assert (again.folder / "model.onnx").read_bytes() == (learned.folder / "model.onnx").read_bytes()


def test_reviewed_matches_teach_what_planting_does_not_know(lists: World, learned: Artifact, tmp_path: Path) -> None:
    """In this world a payment without a reference is always right: nobody would plant that."""
    examples, fresh = lists.judged(), world(700, 3).judged()

    def odd(one: object) -> bool:
        return not one.bank.lines[0].structured  # type: ignore[attr-defined]

    def truth(pairs: tuple[object, ...], wrong: object) -> list[bool]:
        return [bool(label) and not odd(pair) for pair, label in zip(pairs, wrong, strict=True)]  # type: ignore[call-overload]

    labels = reviewed(examples.pairs[:600], truth(examples.pairs[:600], examples.wrong[:600]), context=examples.context)
    made = self_made(lists.bank, lists.book, seed=1)
    taught = artifact.load(train([made, labels], seed=1, models_dir=tmp_path, trees=60).folder)
    wanted = truth(fresh.pairs, fresh.wrong)
    before, after = (
        roc_auc_score(wanted, MatchJudge(one).judge_all(fresh.pairs, fresh.context).probability_wrong)
        for one in (learned, taught)
    )
    assert after > before


def test_lists_whose_references_stand_in_the_text_alone_can_be_learned_from(lists: World) -> None:
    moved = [replace(line, structured=(), text=f"SEPA {line.name} {' '.join(line.structured)}") for line in lists.bank]
    made = self_made(moved, lists.book, seed=1)
    assert all(lists.truth[one.id] == other.id for one, other in undoubted(moved, lists.book))
    assert 0.3 < made.wrong.mean() < 0.95


def test_too_little_to_learn_from_is_refused(lists: World, tmp_path: Path) -> None:
    judged = lists.judged()
    with pytest.raises(UserError, match="50 right and 50 wrong"):
        train([reviewed(judged.pairs[:60], [False] * 60)], seed=1, models_dir=tmp_path)
    with pytest.raises(UserError, match="matches are beyond doubt"):
        self_made(lists.bank[:50], lists.book, seed=1)


def test_families_do_not_take_each_other_s_models(learned: Artifact, world: EntryWorld) -> None:
    entry = artifact.load(world.trained.folder)
    with pytest.raises(UserError, match="does not judge matches"):
        MatchJudge(entry)
    with pytest.raises(UserError, match="does not inspect records"):
        Served(learned)
    with pytest.raises(UserError, match="does not inspect records"):
        entry_parts(learned)


def test_the_store_serves_both_families(learned: Artifact) -> None:
    found = ModelStore(learned.folder.parents[1]).get("match-quality")
    assert found.sha256 == learned.sha256
    assert "made of the two lists themselves" in card(found)


def test_a_calibration_that_was_changed_is_refused(learned: Artifact, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(learned.folder, tmp_path / learned.version))
    (folder / "typical.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"typical\.json is not the one"):
        artifact.load(folder)
    shutil.copy(learned.folder / "typical.json", folder / "typical.json")
    reseal(folder, platt="{}")
    with pytest.raises(UserError, match="cannot be read"):
        artifact.load(folder)


def test_what_could_close_is_counted_on_lines_that_did_not_choose_the_limit() -> None:
    rng = np.random.default_rng(1)
    ids = [str(number) for number in range(20_000)]
    wrong = rng.random(20_000) < 0.1
    found = np.where(wrong, rng.random(20_000), rng.random(20_000) * 0.3)
    good = closable(np.where(wrong, 0.5 + found / 2, found), wrong, ids, 1e-3)
    assert good.share > 0.85
    assert good.wrong == 0
    assert good.bound <= 1e-3
    assert closable(found, wrong, ids, 1e-3).share == 0, "wrong ones lie everywhere: nothing is proven"
    assert closable(found[:100], wrong[:100] & False, ids[:100], 1e-3).share == 0, "too few to prove anything"
