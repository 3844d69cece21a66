"""What history alone teaches, and what reviews add to it: few labels help, and cannot turn the model around."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from engine.values import FieldSpec, Record
from qc_models.entry import boosting, fitting
from qc_models.entry.boosting import Cells, Floats
from qc_models.entry.cells import Extractor
from qc_models.entry.columns import columns
from qc_models.entry.examples import Examples, make
from qc_models.entry.process import Reliability
from qc_models.entry.profile import Profile
from qc_models.entry.reviewed import Reviewed
from qc_models.entry.schema import AT, NAMES, PROCESS
from qc_models.entry.scoring import RecordScore
from qc_models.importance import importance

EXPECTED_SHARE = 0.05
"""Share of wrong records expected in service: what the probability is calibrated to before anyone reviewed."""
HISTORY_DIRT = 0.012
"""Share of the verified history that may be wrong unnoticed, and is left out of training where the model says so."""
MOST_TRAINED = 4_000
REVIEW_WEIGHT = 3.0
"""A reviewed cell counts as this many planted ones: it is real, and it comes from the present."""
_BELIEVED = 0.5


@dataclass(frozen=True)
class Prior:
    """What verified history and planted mistakes teach."""

    fields: Mapping[str, FieldSpec]
    history: Sequence[Record]
    seed: int
    trees: int
    cells: Cells
    blamed: NDArray[np.bool_]
    kinds: tuple[str, ...]
    probabilities: Floats
    """P(wrong) of each cell, by the half of the examples that it is not part of."""
    crossed: tuple[HistGradientBoostingClassifier, ...]
    score: RecordScore
    importance: Sequence[Mapping[str, Any]]
    """What each feature is worth, on the half of the examples that its model had not seen (`qc_models.importance`)."""

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Return which examples are wrong."""
        return np.asarray(self.blamed.any(axis=1))


@dataclass(frozen=True)
class Learned:
    """A boosting and a record score, and the profile they look at records with."""

    model: HistGradientBoostingClassifier
    score: RecordScore
    profile: Profile


def prepare(fields: Mapping[str, FieldSpec], history: Sequence[Record], *, seed: int, trees: int) -> Prior:
    """Learn from history alone; `history` is verified, oldest first. The same seed gives the same prior."""
    first, second = _examples(fields, history, random.Random(f"train {seed}"))  # noqa: S311 - seeded, not secret
    crossed = tuple(boosting.boost(*one.flat, seed, trees) for one in (second, first))
    halves = zip(crossed, (first, second), strict=True)
    found = np.concatenate([boosting.probabilities(model, other.cells) for model, other in halves])
    cells, blamed = np.concatenate([first.cells, second.cells]), np.concatenate([first.wrong, second.wrong])
    wrong: NDArray[np.bool_] = np.asarray(blamed.any(axis=1))
    doubt = fitting.fit(found, cells, wrong, EXPECTED_SHARE).probabilities(found, cells)
    kept = _without_dirt(doubt, wrong)
    return Prior(
        fields=fields,
        history=history,
        seed=seed,
        trees=trees,
        cells=cells[kept],
        blamed=blamed[kept],
        kinds=tuple(np.array((*first.kinds, *second.kinds))[kept]),
        probabilities=found[kept],
        crossed=crossed,
        score=fitting.fit(found[kept], cells[kept], wrong[kept], EXPECTED_SHARE),
        importance=importance(crossed[0], *first.flat, NAMES, seed),
    )


def learn(prior: Prior, reviewed: Sequence[Reviewed] = (), *, misses: float = 0.0) -> Learned:
    """Fit the model that will serve.

    Args:
        prior: What history teaches.
        reviewed: Records that people judged, oldest first.
        misses: Share of wrong records that these people let pass; 0 for adjudicated labels.
    """
    width = prior.cells.shape[2]
    cells, wrong = prior.cells.reshape(-1, width), prior.blamed.reshape(-1)
    if not reviewed:
        model = boosting.boost(cells, wrong, prior.seed, prior.trees)
        return Learned(model, prior.score, Profile(prior.fields, prior.history))
    matrices, reliability = _described(prior, reviewed)
    found = np.mean([boosting.probabilities(model, matrices) for model in prior.crossed], axis=0)
    verdicts = np.array([one.wrong for one in reviewed])
    weights = np.array([one.weight for one in reviewed])
    score = fitting.adjusted(prior.score, found, matrices, verdicts, weights, misses=misses)
    doubt = prior.score.probabilities(found, matrices)
    belief = np.where(verdicts, 1.0, (1 - doubt) / (1 - (1 - misses) * doubt))
    blamed = _blamed(prior, reviewed, found)
    told = ~verdicts | blamed.any(axis=1)  # a rejection without a field says which record, not which cell
    model = boosting.boost(
        np.concatenate([cells, _unsigned(matrices[told]).reshape(-1, width)]),
        np.concatenate([wrong, blamed[told].reshape(-1)]),
        prior.seed,
        prior.trees,
        np.concatenate([np.ones(len(cells)), np.repeat(REVIEW_WEIGHT * belief[told], matrices.shape[1])]),
    )
    right = [one.payload for one, sure in zip(reviewed, belief, strict=True) if not one.wrong and sure >= _BELIEVED]
    return Learned(model, score, Profile(prior.fields, [*prior.history, *_new(right, prior.history)], reliability))


def _described(prior: Prior, reviewed: Sequence[Reviewed]) -> tuple[Cells, Reliability]:
    """Describe reviewed records as they came in: each knows only the reviews before it."""
    extractor = Extractor(Profile(prior.fields, prior.history, Reliability()))
    profile = extractor.profile
    matrices = []
    for one in reviewed:
        matrix = extractor.matrix(one.case(prior.fields))
        matrices.append(matrix)
        found = np.mean([boosting.probabilities(model, matrix[None]) for model in prior.crossed], axis=0)
        expected = float(prior.score.probabilities(found, matrix[None])[0])
        profile.reliability.note(profile.party(one.payload), expected, wrong=one.wrong)
        profile.observe(one.payload, one.reference or None)
    return np.stack(matrices), profile.reliability


def _blamed(prior: Prior, reviewed: Sequence[Reviewed], found: Floats) -> NDArray[np.bool_]:
    """Return the cells to blame (reviewed, columns); of a table named as a whole, the column most in doubt."""
    places = columns(prior.fields)
    blamed = np.zeros(found.shape, dtype=bool)
    for at, one in enumerate(reviewed):
        mine = [place for place, column in enumerate(places) if one.wrong and one.blames(column)]
        tables: dict[str, int] = {}
        for place in mine:
            column = places[place]
            if column.table is None or column.name in one.wrong_fields:
                blamed[at, place] = True
            elif column.table not in tables or found[at, place] > found[at, tables[column.table]]:
                tables[column.table] = place
        blamed[at, list(tables.values())] = True
    return blamed


def _unsigned(matrices: Cells) -> Cells:
    """Return features without the process: planted examples have none, and the trees would learn that from it."""
    plain = matrices.copy()
    plain[:, :, [AT[name] for name in PROCESS]] = np.nan
    return plain


def _new(records: Sequence[Record], history: Sequence[Record]) -> list[Record]:
    known = {repr(sorted(record.items())) for record in history}
    return [record for record in records if repr(sorted(record.items())) not in known]


def _examples(
    fields: Mapping[str, FieldSpec], history: Sequence[Record], rng: random.Random
) -> tuple[Examples, Examples]:
    """Describe the newer half, in two blocks, each against what came before it."""
    recent = list(history)[-MOST_TRAINED:]
    half, three_quarters = len(recent) // 2, len(recent) * 3 // 4
    return (
        make(fields, recent[:half], recent[half:three_quarters], rng),
        make(fields, recent[:three_quarters], recent[three_quarters:], rng),
    )


def _without_dirt(probabilities: Floats, wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what to keep: all but the unspoilt records that a model which never saw them doubts most."""
    unspoilt = np.flatnonzero(~wrong)
    doubted = unspoilt[np.argsort(-probabilities[unspoilt])[: ceil(HISTORY_DIRT * len(unspoilt))]]
    kept = np.ones(len(wrong), dtype=bool)
    kept[doubted] = False
    return kept
