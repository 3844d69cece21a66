"""The more frequent value that a value is one or two edits away from: what a typo was meant to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from qc_models.tables.columns import Column, Floats, Ints

NAMES = ("neighbour", "neighbour_ratio", "neighbour_edits", "neighbour_count")
_PAIRS = 20_000_000
_CHUNK = 2_000
_SHORTEST = 2
_EDITS_SHARE = 0.25
_MOST_EDITS = 6
_RARER = 2.0


@dataclass(frozen=True)
class Neighbours:
    """For each distinct value: the index of its more frequent neighbour (-1: none) and the edits between them."""

    index: Ints
    edits: Ints


def neighbours(column: Column) -> Neighbours:
    """Find for each distinct value the nearest value that at least twice as many rows have; ties: the most frequent.

    At most a quarter of the characters may differ. The most frequent values are tried first, and only so many that a
    column never costs more than some seconds: a value rarer than those cannot be found as a neighbour.
    """
    count = len(column.distinct)
    index, edits = np.full(count, -1), np.zeros(count, dtype=np.int64)
    order = np.argsort(-column.counts, kind="stable")
    targets = order[column.counts[order] >= _RARER][: max(_PAIRS // max(count, 1), 1)]
    targets = np.array([t for t in targets if not column.missing[t]], dtype=np.int64)
    if not len(targets):
        return Neighbours(index, edits)
    names = [column.distinct[target] for target in targets]
    lengths = np.array([len(value) for value in column.distinct])
    for start in range(0, count, _CHUNK):
        chunk = slice(start, min(start + _CHUNK, count))
        found = process.cdist(
            column.distinct[chunk], names, scorer=Levenshtein.distance, score_cutoff=_MOST_EDITS, dtype=np.uint8
        ).astype(np.int64)
        allowed = np.clip(np.ceil(_EDITS_SHARE * lengths[chunk]), 1, _MOST_EDITS)[:, None]
        wrong = (found > allowed) | (found == 0) | (lengths[chunk] < _SHORTEST)[:, None]
        wrong |= column.counts[chunk][:, None] * _RARER > column.counts[targets][None, :]
        found[wrong] = 1_000
        best = found.argmin(axis=1)  # the first, so the most frequent, of the nearest
        nearest = found[np.arange(len(best)), best]
        index[chunk] = np.where(nearest < 1_000, targets[best], -1)  # noqa: PLR2004
        edits[chunk] = np.where(nearest < 1_000, nearest, 0)  # noqa: PLR2004
    index[column.missing] = -1
    return Neighbours(index, edits)


def neighbour_features(column: Column, found: Neighbours) -> Floats:
    """Return one row of `NAMES` for each distinct value."""
    there = found.index >= 0
    theirs = np.where(there, column.counts[found.index], column.counts)
    ratio = np.log(theirs / column.counts)
    edits = np.where(there, 1.0 / np.maximum(found.edits, 1), 0.0)
    return np.column_stack([there, ratio, edits, np.where(there, np.log1p(theirs), 0.0)]).astype(float)
