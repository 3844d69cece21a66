"""One match-quality model for all tests of the family, learned from two lists alone."""

from __future__ import annotations

import pytest

from engine.clock import ManualClock
from qc_models.artifact import Artifact, load
from qc_models.match.examples import self_made
from qc_models.match.training import train
from tests.qc_models.match.world import World, world


@pytest.fixture(scope="session")
def lists() -> World:
    return world(500, 1)


@pytest.fixture(scope="session")
def learned(lists: World, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    made = self_made(lists.bank, lists.book, seed=1)
    models = tmp_path_factory.mktemp("matches")
    return load(train([made], seed=1, models_dir=models, trees=60, clock=ManualClock()).folder)
