"""Single-line candidates of two lists, and what each one's rivals are.

This is what training needs to plant mistakes among real alternatives, and to rank suggestions before any matcher has
run. It is not the matcher: it groups nothing and assigns nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from qc_models.match.context import Context
from qc_models.match.features import matrix
from qc_models.match.pair import Line, Pair, one_to_one
from qc_models.match.rules import evidence

DAYS = 45
"""Lines further apart than this are candidates only by reference: two months of the same rent must meet."""
SHORT = 0.06
"""Largest share by which a fee may shorten an amount."""
MOST = 12
"""Candidates kept a bank line, nearest days first."""


@dataclass
class Index:
    """Lines of the books by what a bank line may share with them: references, running numbers, amount, party."""

    keys: dict[str, list[Line]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[str, list[Line]] = field(default_factory=lambda: defaultdict(list))
    amounts: dict[tuple[str, int], list[Line]] = field(default_factory=lambda: defaultdict(list))
    parties: dict[str, list[Line]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, book: Iterable[Line]) -> Index:
        """Index the books."""
        made = cls()
        for line in book:
            for key in line.keys:
                made.keys[key].append(line)
            for run in line.runs:
                made.runs[run].append(line)
            made.amounts[line.currency, line.amount].append(line)
            if line.party:
                made.parties[line.party].append(line)
        return made

    def named(self, bank: Line) -> list[Line]:
        """Return the lines whose reference or running number a bank line carries, each once."""
        found = [line for key in sorted(bank.keys) for line in self.keys.get(key, ())]
        for run in sorted(bank.runs):
            carriers = self.runs.get(run, ())
            found += carriers if len(carriers) <= MOST else ()
        return list({line.id: line for line in found}.values())

    def near(self, bank: Line) -> list[Line]:
        """Return the lines that a bank line may belong to, by reference first, then the nearest days."""
        alike = [line for line in self.amounts.get((bank.currency, bank.amount), ()) if _apart(bank, line) <= DAYS]
        short = [
            line
            for line in self.parties.get(bank.party, ())
            if line.currency == bank.currency
            and line.amount != bank.amount
            and abs(line.amount - bank.amount) <= SHORT * abs(line.amount)
            and _apart(bank, line) <= DAYS
        ]
        rest = sorted((*alike, *short), key=lambda line: (_apart(bank, line), line.id))
        return list({line.id: line for line in (*self.named(bank), *rest)}.values())[:MOST]


def candidates(bank: Sequence[Line], book: Sequence[Line], context: Context) -> list[Pair]:
    """Return the single-line candidates of every bank line, with their rivals."""
    index = Index.of(book)
    return ranked([one_to_one(line, other) for line in bank for other in index.near(line)], context)


def ranked(pairs: Sequence[Pair], context: Context) -> list[Pair]:
    """Return the candidates with score, rivals, the best rival's score and the margin filled in.

    Rivals are the candidates that want one of the same lines. The score is the weight of a candidate's own evidence
    (`rules.evidence`); the margin is taken against the best rival, not against a whole other solution.
    """
    scores = evidence(matrix(pairs, context))
    wanting: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        for side, lines in (("bank", pair.bank.lines), ("book", pair.book.lines)):
            for line in lines:
                wanting[side, line.id].append(place)
    return [_placed(place, pair, scores, wanting) for place, pair in enumerate(pairs)]


def _placed(
    place: int,
    pair: Pair,
    scores: np.ndarray[tuple[int], np.dtype[np.float64]],
    wanting: Mapping[tuple[str, str], list[int]],
) -> Pair:
    sides = (("bank", pair.bank.lines), ("book", pair.book.lines))
    rivals = {other for side, lines in sides for line in lines for other in wanting[side, line.id]} - {place}
    score = float(scores[place])
    best = max((float(scores[other]) for other in rivals), default=None)
    return replace(pair, score=score, rivals=len(rivals), rival_score=best, margin=score - (best or 0.0))


def _apart(one: Line, other: Line) -> int:
    return abs((one.day - other.day).days) if one.day and other.day else 0
