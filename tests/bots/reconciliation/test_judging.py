"""Suggestions get a probability from the judge of matches; what closed is not asked about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.breaks_world import World, own
from bots.reconciliation.judging import Judge, suggestions
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.matched import BANK, Matched
from bots.reconciliation.matching.engine import match
from bots.reconciliation.policy import Policy
from qc_models.match.cli import frame_judge
from qc_models.match.frames import FrameJudge
from qc_models.match.judge import MatchJudge
from qc_models.store import ModelStore
from tests.bots.reconciliation.frames import side, solved


@pytest.fixture(scope="module")
def made() -> World:
    return own(11, days=20, per_day=40)


def matched(made: World, closing: frozenset[str] = frozenset()) -> Matched:
    return match(*made.sides(), Policy(), closing)


def wrong(made: World, found: Matched) -> NDArray[np.bool_]:
    """Say of each match whether its lines do not all belong to one true group."""
    of_bank, group = found.members["side"] == BANK, np.empty(len(found.members), dtype=np.int64)
    for mine, truth in ((of_bank, made.bank["group"]), (~of_bank, made.book["group"])):
        group[mine] = truth.to_numpy()[found.members["line"][mine]]
    by_match = pd.Series(group).groupby(found.members["match"].to_numpy())
    return np.asarray((by_match.min() < 0) | (by_match.min() < by_match.max()))


RULES = FrameJudge(MatchJudge())


@pytest.mark.parametrize("judge", [None, RULES])
def test_wrong_suggestions_are_thought_likelier_to_be_wrong(made: World, judge: Judge | None) -> None:
    found = matched(made)
    bad = wrong(made, found)
    said = suggestions(*made.sides(), found, judge)
    assert said.index.tolist() == found.matches.index.tolist()
    assert said.between(0, 1).all()
    assert 0 < bad.mean() < 0.2
    assert roc_auc_score(bad, said) > 0.85


def test_only_what_did_not_close_is_judged_and_the_same_way_every_time(made: World) -> None:
    found = matched(made, frozenset({next(iter(KINDS))}))
    once, again = (suggestions(*made.sides(), found, RULES) for _ in range(2))
    assert once.index.tolist() == np.flatnonzero(~found.matches["closed"]).tolist()
    assert 0 < len(once) < len(found.matches)
    assert once.equals(again)


def test_a_part_of_the_suggestions_can_be_asked_about(made: World) -> None:
    found = matched(made)
    some = suggestions(*made.sides(), found, chosen=[3, 5])
    assert some.equals(suggestions(*made.sides(), found)[[3, 5]])


def test_a_rival_makes_a_suggestion_less_sure() -> None:
    payment = {"amount": 40_000, "name": "Acme Ltd"}
    bank, book = side(payment), side(payment, payment)
    alone = suggestions(bank, book, solved(([0], [0]), closed=False), RULES)
    rivalled = suggestions(bank, book, solved(([0], [0]), lost=[([0], [1])], closed=False), RULES)
    assert rivalled[0] > alone[0]


def test_of_lines_of_one_side_alone_the_judge_has_no_opinion_and_the_matcher_speaks() -> None:
    bank = side({"amount": 300, "name": "Acme"}, {"amount": -50}, {"amount": 50})
    book = side({"amount": 100, "name": "Acme"}, {"amount": 200, "name": "Acme"})
    both = solved(([0], [0, 1]), ([1, 2], []), closed=False, score=2.0, margin=1.0)
    alone, pooled = suggestions(bank, book, both), suggestions(bank, book, both, RULES)
    assert alone[1] == pooled[1] == pytest.approx(1 / (1 + np.e))
    assert alone[0] != pooled[0]


def test_without_a_trained_model_nobody_is_wired_in(tmp_path: Path) -> None:
    assert frame_judge(ModelStore(tmp_path)) is None
