"""The features: one float32 vector a candidate match, with the same meaning for every bank and every set of books.

Unknown is NaN, never a made-up number. The order of `NAMES` is the artifact's feature schema: a change here makes older
artifacts foreign, which is meant; raise VERSION when a feature keeps its name and changes its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log1p

import numpy as np
from numpy.typing import NDArray

from qc_models.family import schema_of
from qc_models.match import amounts, names, references
from qc_models.match.context import Context
from qc_models.match.pair import KINDS, Pair

Matrix = NDArray[np.float32]
VERSION = "2"
_SHAPE = (
    "lines_bank",
    "lines_book",
    "day_spread",
    "score",
    "rivals",
    "rival_score",
    "margin",
    "alternatives",
    "history_count",
    "history_others",
    "history_lag_off",
)
KIND_NAMES = tuple(f"kind_{name}" for name in (*KINDS, "other"))
NAMES = (*amounts.NAMES, *references.NAMES, *names.NAMES, *_SHAPE, *KIND_NAMES)
AT = {name: position for position, name in enumerate(NAMES)}
SCHEMA = schema_of(VERSION, NAMES)
_NAN = float("nan")
_KNOWN = {name: position for position, name in enumerate(KINDS)}


def matrix(pairs: Sequence[Pair], context: Context) -> Matrix:
    """Return one row a candidate, one column a feature of NAMES: float32, (pairs, features)."""
    if not pairs:
        return np.empty((0, len(NAMES)), dtype=np.float32)
    texts = [
        (*references.of(pair, context), *names.of(pair, context), *_shape(pair, context), *_kinds(pair))
        for pair in pairs
    ]
    return np.hstack([amounts.of(pairs, context), np.array(texts, dtype=np.float32)])


def _shape(pair: Pair, context: Context) -> tuple[float, ...]:
    return (
        float(len(pair.bank.lines)),
        float(len(pair.book.lines)),
        _spread(pair),
        _known(pair.score),
        _NAN if pair.rivals is None else log1p(pair.rivals),
        _known(pair.rival_score),
        _known(pair.margin),
        _NAN if pair.alternatives is None else log1p(pair.alternatives),
        *_history(pair, context),
    )


def _history(pair: Pair, context: Context) -> tuple[float, float, float]:
    found = context.history.look(pair)
    if found is None:
        return _NAN, _NAN, _NAN
    seen, others, lag_off = found
    return log1p(seen), log1p(others), _known(lag_off)


def _spread(pair: Pair) -> float:
    """Return the days between the first and the last line of the larger side; 0 for single lines."""
    many = pair.bank.lines if len(pair.bank.lines) > len(pair.book.lines) else pair.book.lines
    if len(many) == 1:
        return 0.0
    days = [line.day.toordinal() for line in many if line.day is not None]
    return float(max(days) - min(days)) if days else _NAN


def _known(value: float | None) -> float:
    return _NAN if value is None else value


def _kinds(pair: Pair) -> list[float]:
    slots = [0.0] * len(KIND_NAMES)
    for name in pair.kinds:
        slots[_KNOWN.get(name, len(KINDS))] = 1.0
    return slots
