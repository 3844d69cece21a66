"""The more frequent value that a value is one or two edits away from: what a typo was meant to be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from qc_models.tables.columns import Column, Floats, Ints

NAMES = ("neighbour", "neighbour_ratio", "neighbour_edits", "neighbour_count", "word_neighbour", "word_neighbour_share")
_PAIRS = 20_000_000
_CHUNK = 2_000
_SHORTEST = 2
_EDITS_SHARE = 0.25
_MOST_EDITS = 6
_RARER = 2.0
_NONE = 1_000
_WORD = re.compile(r"[^\W\d_]{4,}")


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
    found = _nearest(column.distinct, column.counts, ~column.missing)
    found.index[column.missing] = -1
    return found


def _nearest(values: Sequence[str], counts: Ints, allowed: NDArray[np.bool_]) -> Neighbours:
    count = len(values)
    index, edits = np.full(count, -1), np.zeros(count, dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    targets = order[(counts[order] >= _RARER) & allowed[order]][: max(_PAIRS // max(count, 1), 1)]
    if not len(targets):
        return Neighbours(index, edits)
    names = [values[target] for target in targets]
    lengths = np.array([len(value) for value in values])
    for start in range(0, count, _CHUNK):
        chunk = slice(start, min(start + _CHUNK, count))
        found = process.cdist(
            values[chunk], names, scorer=Levenshtein.distance, score_cutoff=_MOST_EDITS, dtype=np.uint8
        ).astype(np.int64)
        most = np.clip(np.ceil(_EDITS_SHARE * lengths[chunk]), 1, _MOST_EDITS)[:, None]
        wrong = (found > most) | (found == 0) | (lengths[chunk] < _SHORTEST)[:, None]
        wrong |= counts[chunk][:, None] * _RARER > counts[targets][None, :]
        found[wrong] = _NONE
        best = found.argmin(axis=1)  # the first, so the most frequent, of the nearest
        nearest = found[np.arange(len(best)), best]
        index[chunk] = np.where(nearest < _NONE, targets[best], -1)
        edits[chunk] = np.where(nearest < _NONE, nearest, 0)
    return Neighbours(index, edits)


def neighbour_features(column: Column, found: Neighbours) -> Floats:
    """Return one row of `NAMES` for each distinct value."""
    there = found.index >= 0
    theirs = np.where(there, column.counts[found.index], column.counts)
    ratio = np.log(theirs / column.counts)
    edits = np.where(there, 1.0 / np.maximum(found.edits, 1), 0.0)
    whole = [there, ratio, edits, np.where(there, np.log1p(theirs), 0.0)]
    return np.column_stack([*whole, *_words(column)]).astype(float)


def _words(column: Column) -> tuple[Floats, Floats]:
    """Return how much more frequent the neighbour of a value's most misspelt word is, and that neighbour's share."""
    parts = [sorted(set(_WORD.findall(value.lower()))) for value in column.distinct]
    ratio, share = np.zeros(len(parts)), np.zeros(len(parts))
    owner = np.repeat(np.arange(len(parts)), [len(words) for words in parts])
    if not len(owner):
        return ratio, share
    code, vocabulary = pd.factorize(np.array([word for words in parts for word in words], dtype=object))
    counts = np.bincount(code, weights=column.counts[owner]).astype(np.int64)
    near = _nearest(list(vocabulary), counts, np.ones(len(counts), dtype=bool))
    theirs = np.where(near.index >= 0, counts[near.index], counts)
    np.maximum.at(ratio, owner, np.log(theirs / counts)[code])
    np.maximum.at(share, owner, (np.where(near.index >= 0, theirs, 0) / column.size)[code])
    return ratio, share
