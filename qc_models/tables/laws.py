"""Arithmetic laws between the columns of a table: sums and products that nearly all rows obey, nothing declared.

Every combination of number columns is tried on a few rows first, and what most of them obey is measured on more. A law
must say something: for each of its columns, exchanging the numbers between rows must break it in many of them (the
permutation test of a dependence; Fisher, The Design of Experiments, 1935), so that columns that are nearly always 0, 1
or the same prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qc_models.tables.columns import Floats
from qc_models.tables.quantities import Amounts

_ROWS = 4_000
_FEW = 48
_LEAST = 20
_LIKELY = 0.5
_KEPT = 0.75
_TELLING = 0.3
_MOST_COLUMNS = 60
_MOST_OF_FOUR = 25
_MOST_LAWS = 24
_ROUNDED = (0, 1, 2, 3, 4, 6)

Form = Literal["sum", "times", "plus share", "less share"]


@dataclass(frozen=True)
class Law:
    """What numbers of a row have to do with each other; `slack` is what rounding does, `kept` the share that obeys.

    `sum`: the columns times `signs` add up to 0, the last being the total. Otherwise the first column times the second
    (divided by `scale`: as it stands, 1 + it, or 1 - it) gives the third.
    """

    form: Form
    columns: tuple[int, ...]
    slack: float
    signs: tuple[float, ...] = ()
    scale: float = 1.0
    kept: float = 1.0

    def off(self, numbers: Sequence[Floats]) -> Floats:
        """Return how far the right side is from the left, given the numbers of `columns` in their order."""
        if self.form == "sum":
            return np.asarray(sum(sign * one for sign, one in zip(self.signs, numbers, strict=True)))
        with np.errstate(invalid="ignore", over="ignore"):  # what a law is solved for may be infinite
            return np.asarray(numbers[0] * self._factor(numbers[1]) - numbers[2])

    def holds(self, numbers: Sequence[Floats]) -> NDArray[np.bool_]:
        """Say where the law is kept, within what rounding does; False where a number is missing."""
        return np.asarray(np.abs(self.off(numbers)) <= self.slack + 1e-9 * np.abs(numbers[-1]))

    def solve(self, numbers: Sequence[Floats], place: int) -> Floats:
        """Return what the column in a place would have to be for the law to hold; NaN or infinite: nothing would do."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.form == "sum":
                rest = self.off(numbers) - self.signs[place] * numbers[place]
                return np.asarray(-rest / self.signs[place])
            if place == 2:  # noqa: PLR2004 - the result
                return np.asarray(numbers[0] * self._factor(numbers[1]))
            if place == 0:
                return np.asarray(numbers[2] / self._factor(numbers[1]))
            share = numbers[2] / numbers[0]
            plain = {"times": share, "plus share": share - 1.0, "less share": 1.0 - share}[self.form]
            return np.asarray(plain * self.scale)

    def _factor(self, number: Floats) -> Floats:
        share = number / self.scale
        if self.form == "times":
            return share
        return 1.0 + share if self.form == "plus share" else 1.0 - share

    def say(self, names: Sequence[str]) -> tuple[str, str]:
        """Return the left side and the column on the right, e.g. `net + tax` and `total`."""
        named = [names[column] for column in self.columns]
        if self.form != "sum":
            second = named[1] if self.scale == 1.0 else f"{named[1]} / {self.scale:g}"
            share = {"times": "{}", "plus share": "(1 + {})", "less share": "(1 - {})"}[self.form]
            return f"{named[0]} x {share.format(second)}", named[2]
        left = ""
        for sign, name in zip(self.signs[:-1], named[:-1], strict=True):
            times = "" if abs(sign) == 1 else f"{abs(sign):g} x "
            left += (" - " if sign < 0 else " + " if left else "") + times + name
        return left, named[-1]


def laws_of(amounts: Mapping[int, Amounts], rows: Mapping[int, Floats], seed: int = 0) -> tuple[Law, ...]:
    """Return the laws among number columns, given by column their amounts and their numbers row by row.

    A law is one that three quarters of the rows keep; at most 24, those with the fewest columns first. Of more than 60
    number columns the first 60 are tried; sums of four columns among the first 25.
    """
    names = list(amounts)[:_MOST_COLUMNS]
    size = len(rows[names[0]]) if names else 0
    if len(names) < 2 or size < _LEAST:  # noqa: PLR2004
        return ()
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(size, min(size, _ROWS), replace=False))
    some = {name: rows[name][drawn] for name in names}
    names = [name for name in names if np.isfinite(some[name]).sum() >= _LEAST and np.nanstd(some[name]) > 0]
    search = _Search(names, amounts, some, rng)
    found: list[Law] = []
    for candidates in (search.multiples(), search.sums(3), search.products(), search.sums(4)):
        found.extend(law for one in candidates if not _said(one, found) and (law := search.proved(one)) is not None)
    return tuple(found[:_MOST_LAWS])


def _said(one: Law, found: Sequence[Law]) -> bool:
    """Say whether a law follows from shorter ones: two of its columns are multiples, or three of four a sum."""
    mine = set(one.columns)
    return any(len(law.columns) < len(mine) and set(law.columns) < mine and law.form == one.form for law in found)


class _Search:
    def __init__(
        self,
        names: Sequence[int],
        amounts: Mapping[int, Amounts],
        some: Mapping[int, Floats],
        rng: np.random.Generator,
    ) -> None:
        self._names, self._amounts, self._some, self._rng = names, amounts, some, rng
        matrix = np.column_stack([some[name] for name in names]) if names else np.zeros((0, 0))
        full = np.argsort(-np.isfinite(matrix).sum(axis=1), kind="stable")[:_FEW]
        self._few = matrix[full]

    def multiples(self) -> Iterator[Law]:
        """Columns that are a constant times another: the constant is a rounded median of the ratios of big numbers."""
        for left, right in combinations(self._names, 2):
            for part, total in ((left, right), (right, left)):
                law = self._multiple(part, total)
                if law is not None:
                    yield law
                    break

    def _multiple(self, part: int, total: int) -> Law | None:
        one, two = self._some[part], self._some[total]
        known = np.isfinite(one) & np.isfinite(two) & (one != 0)
        if known.sum() < _LEAST:
            return None
        one, two = one[known], two[known]
        big = np.abs(one) >= np.median(np.abs(one))
        times = float(np.median(two[big] / one[big]))
        for places in _ROUNDED:
            law = Law("sum", (part, total), self._slack((part, total)), (round(times, places), -1.0))
            if law.signs[0] and law.holds([one, two]).mean() >= _KEPT:
                return law
        return None

    def sums(self, count: int) -> Iterator[Law]:
        """Sums over so many columns: every set of them with every choice of signs, the last column on the right."""
        names = self._names if count <= 3 else self._names[:_MOST_OF_FOUR]  # noqa: PLR2004
        if len(names) < count:
            return
        sets = np.array(list(combinations(range(len(names)), count)), dtype=np.int64)
        few = self._few[:, sets]
        units = np.array([self._unit(name) for name in names])
        slack = units[sets].max(axis=1) * 0.51
        for signs in product((1.0, -1.0), repeat=count - 1):
            every = (*signs, -1.0)
            if all(sign < 0 for sign in every):
                continue  # numbers below 0 that add up to nothing: not a total
            total = np.zeros(few.shape[:2])
            for place, sign in enumerate(every):
                total += sign * few[:, :, place]
            likely = _likely(np.abs(total), slack)
            for which in sets[likely]:
                yield self._sum([names[at] for at in which], every)

    def _sum(self, columns: list[int], signs: tuple[float, ...]) -> Law:
        """Write a sum with its total last: the one column whose sign differs from all others, if there is one."""
        for wanted in (1.0, -1.0):
            lone = [place for place, sign in enumerate(signs) if sign == wanted]
            if len(lone) == 1:
                order = [place for place in range(len(signs)) if place != lone[0]] + lone
                columns, signs = [columns[place] for place in order], tuple(-wanted * signs[place] for place in order)
                break
        return Law("sum", tuple(columns), self._slack(columns), signs)

    def products(self) -> Iterator[Law]:
        """Products of two columns, the second as it stands, as a share put on top, or as a share taken off."""
        count = len(self._names)
        if count < 3:  # noqa: PLR2004
            return
        units = np.array([self._result_slack(name) for name in self._names])
        forms: tuple[Form, ...] = ("times", "plus share", "less share")
        for second, form, scale in product(range(count), forms, (1.0, 100.0)):
            factor = Law(form, (), 0.0, scale=scale)._factor(self._few[:, second])  # noqa: SLF001 - its own module
            for first in range(count):
                if first == second or (form == "times" and first > second):
                    continue
                off = np.abs((self._few[:, first] * factor)[:, None] - self._few)
                for target in np.flatnonzero(_likely(off, units)):
                    if target not in {first, second}:
                        columns = tuple(self._names[at] for at in (first, second, int(target)))
                        yield Law(form, columns, float(units[target]), scale=scale)

    def proved(self, law: Law) -> Law | None:
        """Return the law with the share of rows that keep it, None if too few do or a column of it says nothing."""
        numbers = [self._some[column] for column in law.columns]
        known = np.isfinite(np.column_stack(numbers)).all(axis=1)
        if known.sum() < _LEAST:
            return None
        numbers = [one[known] for one in numbers]
        kept = float(law.holds(numbers).mean())
        if kept < _KEPT:
            return None
        for place in range(len(numbers)):
            mixed = [self._rng.permutation(one) if at == place else one for at, one in enumerate(numbers)]
            if kept - float(law.holds(mixed).mean()) < _TELLING:
                return None
        return Law(law.form, law.columns, law.slack, law.signs, law.scale, kept)

    def _unit(self, column: int) -> float:
        return float(10.0 ** -self._amounts[column].places)

    def _slack(self, columns: Sequence[int]) -> float:
        return 0.51 * max(self._unit(column) for column in columns)

    def _result_slack(self, column: int) -> float:
        """Return what rounding a product may do: half a unit, a whole one where there are decimals to cut off."""
        return (1.01 if self._amounts[column].places else 0.51) * self._unit(column)


def _likely(off: Floats, slack: Floats) -> NDArray[np.bool_]:
    """Return by candidate (rows x candidates given) whether enough of the few rows seem to obey."""
    known = np.isfinite(off).sum(axis=0)
    return np.asarray(((off <= slack).sum(axis=0) >= _LIKELY * known) & (known >= _LEAST))
