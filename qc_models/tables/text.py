"""What a value looks like beside the other values of its column: lengths, patterns, characters, n-grams, words.

All code points of a column's distinct values stand in one array, so that a column costs a few array operations. Every
statistic leaves the value itself out (leave-one-out over distinct values): a typo cannot vouch for itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qc_models.tables.columns import Column, Floats, Ints

NAMES = (
    "length",
    "length_z",
    "pattern_share",
    "pattern_others",
    "runs_share",
    "runs_others",
    "punctuation_share",
    "punctuation_others",
    "rarest_character",
    "bigram_least",
    "bigram_mean",
    "trigram_least",
    "trigram_mean",
    "bigram_new",
    "trigram_new",
    "word_least",
    "word_mean",
    "digits",
    "letters",
    "capitals",
    "spaces",
    "signs",
    "foreign",
    "edge_space",
)
_EDGE = 1
_FLOOR = 1e-6
_SMOOTH = 0.1
_WORD = re.compile(r"\w+")


def text_features(column: Column) -> Floats:
    """Return one row of `NAMES` for each distinct value of a column."""
    if not column.distinct:
        return np.zeros((0, len(NAMES)))
    text = _Text(column)
    patterns = [f for kind in (_exact, _runs, _punctuation) for f in _shares(kind(text), column.counts)]
    parts = [_lengths(text), *patterns, _rarest(text), *_grams(text), *_words(column), *_classes(text)]
    return np.column_stack([part.reshape(len(column.distinct), -1) for part in parts])


def patterns(column: Column) -> list[str]:
    """Return the pattern of each distinct value with runs taken together: `"12.0 oz"` is `"9.9 a"`."""
    return _runs(_Text(column))


class _Text:
    """The code points of all distinct values in one array, a boundary mark (1) before and behind each value."""

    def __init__(self, column: Column) -> None:
        joined = "".join(f"\x01{value}\x01" for value in column.distinct)
        self.points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        self.lengths = np.array([len(value) for value in column.distinct], dtype=np.int64)
        self.counts = column.counts
        self.starts = np.concatenate([[0], np.cumsum(self.lengths + 2)[:-1]])
        self.owner = np.repeat(np.arange(len(self.lengths)), self.lengths + 2)
        alphabet = np.sort(pd.unique(self.points))
        self.symbols = np.searchsorted(alphabet, self.points).astype(np.int64)
        self.edge = int(np.searchsorted(alphabet, _EDGE))
        self.size = len(alphabet)
        self.kinds = np.array([ord(_kind(chr(point))) for point in alphabet], dtype=np.uint32)[self.symbols]
        self.inside = np.ones(len(self.points), dtype=bool)
        self.inside[self.starts] = False
        self.inside[self.starts + self.lengths + 1] = False

    def strings(self, points: NDArray[np.uint32], keep: NDArray[np.bool_]) -> list[str]:
        """Cut an array of code points into one text a value; only those to keep."""
        kept = keep & self.inside
        text = points[kept].tobytes().decode("utf-32-le", "surrogatepass")
        ends = np.cumsum(np.bincount(self.owner[kept], minlength=len(self.lengths)))
        return [text[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return "9"
    if category == "Lu":
        return "A"
    if category[0] == "L":
        return "a"
    return character


def _exact(text: _Text) -> list[str]:
    return text.strings(text.kinds, text.inside)


def _runs(text: _Text) -> list[str]:
    first = np.concatenate([[True], text.kinds[1:] != text.kinds[:-1]])
    return text.strings(text.kinds, first)


def _punctuation(text: _Text) -> list[str]:
    return text.strings(text.kinds, ~np.isin(text.kinds, [ord(kind) for kind in "9Aa"]))


def _shares(patterns: Iterable[str], counts: Ints) -> tuple[Floats, Floats]:
    """Return for each value the log share of the rows with its pattern, and of the other values' rows."""
    codes, _ = pd.factorize(np.array(list(patterns), dtype=object))
    rows = np.bincount(codes, weights=counts)[codes]
    total = counts.sum()
    others = (rows - counts + 0.5) / (total - counts + 1.0)
    return np.log(rows / total), np.log(others)


def _lengths(text: _Text) -> Floats:
    mean = np.average(text.lengths, weights=text.counts)
    spread = np.sqrt(np.average((text.lengths - mean) ** 2, weights=text.counts))
    return np.column_stack([np.log1p(text.lengths), np.clip((text.lengths - mean) / (spread + 0.5), -10, 10)])


def _rarest(text: _Text) -> Floats:
    """Return the log share of other rows that hold a value's rarest character."""
    pairs = pd.unique(text.owner * text.size + text.symbols)
    owner, symbol = np.divmod(pairs, text.size)
    weight = np.bincount(symbol, weights=text.counts[owner], minlength=text.size)
    own = text.counts[owner]
    share = (weight[symbol] - own + 0.5) / (text.counts.sum() - own + 1.0)
    return np.log(_by_owner(np.minimum, share, owner, len(text.lengths), 1.0))


def _grams(text: _Text) -> list[Floats]:
    """Return least and mean log probability of a character after one and after two others, and how many are new."""
    least: list[Floats] = []
    new: list[Floats] = []
    for order in (2, 3):
        _, given, chance, novel = _chances(text, order)
        count = len(text.lengths)
        least.append(_by_owner(np.minimum, chance, given, count, 0.0))
        sums = np.bincount(given, weights=chance, minlength=count)
        size = np.bincount(given, minlength=count)
        least.append(sums / np.maximum(size, 1))
        new.append(np.log1p(np.bincount(given, weights=novel, minlength=count)))
    return [*least, *new]


def _chances(text: _Text, order: int) -> tuple[Ints, Ints, Floats, Floats]:
    """Return gram, owner, leave-one-out log probability, and whether no other value has it, of each position."""
    span = order - 1
    stay = np.flatnonzero(text.owner[span:] == text.owner[:-span]) if len(text.owner) > span else np.zeros(0, int)
    owner = text.owner[stay]
    context = text.symbols[stay]
    for step in range(1, span):
        context = context * text.size + text.symbols[stay + step]
    gram = context * text.size + text.symbols[stay + span]
    elsewhere = _others(gram, owner, text.counts)
    given = _others(context, owner, text.counts)
    chance = np.log((elsewhere + _SMOOTH) / (given + _SMOOTH * text.size))
    return gram, owner, chance, (elsewhere == 0).astype(float)


def _others(gram: Ints, owner: Ints, counts: Ints) -> Floats:
    """Return how often each position's gram stands in the rows of other values."""
    code = pd.factorize(gram)[0].astype(np.int64)  # hashed: far less work than sorting all positions
    size = int(code.max()) + 1 if len(code) else 0
    weight = counts[owner].astype(float)
    everywhere = np.bincount(code, weights=weight, minlength=size)[code]
    pair = owner * size + code
    pair = pd.factorize(pair)[0]
    here = np.bincount(pair, weights=weight)[pair] if len(pair) else weight
    return np.asarray(everywhere - here, dtype=float)


def _words(column: Column) -> list[Floats]:
    """Return least and mean log share of other rows that hold a value's words."""
    words = [sorted(set(_WORD.findall(value.lower()))) for value in column.distinct]
    owner = np.repeat(np.arange(len(words)), [len(parts) for parts in words])
    count, total = len(words), column.counts.sum()
    if not len(owner):
        return [np.zeros(count), np.zeros(count)]
    code, _ = pd.factorize(np.array([word for parts in words for word in parts], dtype=object))
    own = column.counts[owner]
    weight = np.bincount(code, weights=own)[code]
    share = np.log((weight - own + 0.5) / (total - own + 1.0))
    size = np.bincount(owner, minlength=count)
    return [
        _by_owner(np.minimum, share, owner, count, 0.0),
        np.bincount(owner, weights=share, minlength=count) / np.maximum(size, 1),
    ]


def _classes(text: _Text) -> list[Floats]:
    """Return the shares of digits, letters, capitals, spaces, signs and non-ASCII, and whether an edge is a space."""
    count, kinds = len(text.lengths), text.kinds
    length = np.maximum(text.lengths, 1)
    digits, capitals, small = (kinds == ord(kind) for kind in "9Aa")
    spaces = np.isin(text.points, [ord(space) for space in " \t\r\n\xa0"])
    signs = ~(digits | capitals | small | spaces)
    foreign = text.points > 127  # noqa: PLR2004
    shares = [
        np.bincount(text.owner[flag & text.inside], minlength=count) / length
        for flag in (digits, capitals | small, capitals, spaces, signs, foreign)
    ]
    first = spaces[np.minimum(text.starts + 1, len(spaces) - 1)]
    last = spaces[text.starts + text.lengths]
    return [*shares, ((first | last) & (text.lengths > 0)).astype(float)]


def _by_owner(reduce: np.ufunc, values: Floats, owner: Ints, count: int, empty: float) -> Floats:
    result = np.full(count, np.inf if reduce is np.minimum else -np.inf)
    reduce.at(result, owner, values)
    result[~np.isfinite(result)] = empty
    return result
