"""Training examples of one's own making, for the day on which nobody has reviewed a match yet.

Matches that nobody doubts (one reference, carried by one line on either side, equal amounts) are taken from the two
lists as they are. Copies of their bank lines are then treated as banks treat lines, some lose their partner, some come
twice; all candidates are looked for anew. Right is who belonged together; every other candidate is wrong, and as near
as the lists have one: another party's equal amount, the same party's next month. Copies of right ones get a mistake.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.errors import UserError
from qc_models.match import corruption, grouping
from qc_models.match.candidates import Index, candidates, ranked
from qc_models.match.context import Context, payer_of
from qc_models.match.features import AT, matrix
from qc_models.match.pair import Line, Pair, Side, one_to_one
from qc_models.match.rules import evidence

LEAST = 100
"""Undoubted matches without which nothing can be learned."""
CHARGED, ALONE, TWICE, GROUPED = 0.08, 0.08, 0.04, 0.15
"""Shares of the undoubted matches: fee taken off, partner missing, line repeated, put in a group."""
MISTAKEN = 0.4
"""Share of the right examples of which a copy with a wrong amount is made."""


@dataclass(frozen=True)
class Examples:
    """Candidates, which are wrong, what is wrong with each (empty for right ones), and what they are seen in."""

    pairs: tuple[Pair, ...]
    wrong: NDArray[np.bool_]
    kinds: tuple[str, ...]
    context: Context
    source: str = "reviewed"
    """Where the labels come from, in words, for the card."""


def reviewed(
    pairs: Sequence[Pair], wrong: Sequence[bool], *, context: Context | None = None, kinds: Sequence[str] | None = None
) -> Examples:
    """Return candidates that people have judged as examples.

    Args:
        pairs: Candidates as the matcher proposed them.
        wrong: Which of them are wrong, in the same order.
        context: What they were seen against (`Context.of`), without the same matches in its history; without it, the
            lines of the candidates themselves.
        kinds: What is wrong with each, for the figures by kind; empty for right ones.
    """
    seen = context or Context.of(
        {line.id: line for pair in pairs for line in pair.bank.lines}.values(),
        {line.id: line for pair in pairs for line in pair.book.lines}.values(),
    )
    named = kinds or ["wrong" if one else "" for one in wrong]
    return Examples(tuple(pairs), np.array(wrong, dtype=bool), tuple(named), seen)


def self_made(bank: Sequence[Line], book: Sequence[Line], *, seed: int, closed: Sequence[Pair] = ()) -> Examples:
    """Make examples of two lists.

    Args:
        bank: All bank lines of a period.
        book: All lines of the books of that period.
        seed: Decides every draw.
        closed: Matches that people have closed earlier, for the history of who pays whom.

    Raises:
        UserError: fewer than 100 matches are beyond doubt.
    """
    rng = random.Random(f"matches {seed}")  # noqa: S311 - seeded, not secret
    sure = undoubted(bank, book)
    if len(sure) < LEAST:
        raise UserError(
            f"only {len(sure)} matches are beyond doubt (a reference on one line of either side, equal amounts); "
            f"{LEAST} are needed to learn from the lists alone. Give reviewed pairs instead"
        )
    rng.shuffle(sure)
    split = int(len(sure) * GROUPED)
    halves = sure[: split // 2], sure[split // 2 : split]
    groups = [*grouping.batches(halves[0], book, rng), *grouping.parts(halves[1], rng)]
    fates = _Fates(rng)
    moved = [line for match in sure[split:] for line in fates.bank_lines(*match)]
    touched = {line.id for line, _ in sure}
    grouped = [line for group in groups for line in group.bank]
    seen = [*(line for line in bank if line.id not in touched), *moved, *grouped]
    left = [line for line in book if line.id not in fates.gone]
    context = Context.of(seen, left, [*closed, *_remembered(sure, rng)])
    singles = candidates(seen, left, context)
    pairs = ranked([*singles, *(pair for group in groups for pair in (group.right, group.wrong))], context)
    ours = {line.id for line in (*moved, *grouped)}
    known = [pair for pair in pairs[: len(singles)] if pair.bank.lines[0].id in ours]
    kinds = [fates.kind(pair) for pair in known] + [kind for group in groups for kind in ("", group.kind)]
    spoilt = list(_spoilt([*known, *pairs[len(singles) :]], kinds, context, rng))
    kinds += [kind for kind, _ in spoilt]
    wrong = np.array([kind != "" for kind in kinds])
    everything = (*known, *pairs[len(singles) :], *(pair for _, pair in spoilt))
    return Examples(everything, wrong, tuple(kinds), context, "made of the two lists themselves")


def _remembered(sure: Sequence[tuple[Line, Line]], rng: random.Random) -> list[Pair]:
    """Return the undoubted matches of every second payer, so that payers with and without a history are learned."""
    known = {payer: rng.random() < 0.5 for payer in sorted({payer_of(Side((bank,))) for bank, _ in sure})}  # noqa: PLR2004
    return [one_to_one(bank, line) for bank, line in sure if known[payer_of(Side((bank,)))]]


def _spoilt(
    pairs: Sequence[Pair], kinds: Sequence[str], context: Context, rng: random.Random
) -> Iterator[tuple[str, Pair]]:
    """Yield copies of right matches with a mistake in the bank's amount; their rivals are those of the original."""
    made: list[tuple[str, Pair]] = []
    for pair, kind in zip(pairs, kinds, strict=True):
        if kind or rng.random() >= MISTAKEN:
            continue
        planted = corruption.mistaken(pair.bank.lines[0], rng)
        if planted is not None:
            made.append((planted[0], replace(pair, bank=Side((planted[1], *pair.bank.lines[1:])))))
    scores = evidence(matrix([pair for _, pair in made], context)).tolist()
    for (kind, pair), score in zip(made, scores, strict=True):
        yield kind, replace(pair, score=score, margin=score - (pair.rival_score or 0.0))


def undoubted(bank: Sequence[Line], book: Sequence[Line]) -> list[tuple[Line, Line]]:
    """Return the matches that nobody doubts.

    A reference of the books is the bank line's own, or stands in its text; the amounts are equal; no other line of
    either side carries the reference or ties like that.
    """
    context, index = Context.of(bank, book), Index.of(book)
    tied = [one_to_one(line, other) for line in bank for other in index.named(line)]
    if not tied:
        return []
    rows = matrix(tied, context)
    alone = np.log1p(1) + 1e-6
    clear = (
        ((rows[:, AT["ref_equal"]] == 1) | (rows[:, AT["ref_contained"]] == 1))
        & (rows[:, AT["amount_equal"]] == 1)
        & (rows[:, AT["currency_equal"]] == 1)
        & (rows[:, AT["ref_copies_bank"]] <= alone)
        & (rows[:, AT["ref_copies_book"]] <= alone)
    )
    found = [(pair.bank.lines[0], pair.book.lines[0]) for pair, sure in zip(tied, clear, strict=True) if sure]
    wanted = Counter(line.id for match in found for line in match)
    return [match for match in found if all(wanted[line.id] == 1 for line in match)]


class _Fates:
    """What happens to each undoubted match, and so which candidates are right."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._partner: dict[str, str] = {}
        self._twice: set[str] = set()
        self.gone: set[str] = set()
        """Lines of the books that are taken away."""

    def bank_lines(self, line: Line, partner: Line) -> list[Line]:
        """Return what the bank now shows of a match: one line, or two."""
        reference = next((text for one in (line, partner) for text in (*one.structured, one.end_to_end) if text), "")
        seen = corruption.travelled(line, reference, self._rng)
        self._partner[line.id] = partner.id
        fate = self._rng.random()
        if fate < ALONE:
            self.gone.add(partner.id)
        elif fate < ALONE + CHARGED:
            seen = corruption.charged(seen, self._rng)
        elif fate < ALONE + CHARGED + TWICE:
            return [seen, self._again(line, reference)]
        return [seen]

    def _again(self, line: Line, reference: str) -> Line:
        """Return the line a second time, days later, as the bank may show it then: not always as it did at first."""
        later = timedelta(days=self._rng.randint(0, 3))
        copy = replace(corruption.travelled(line, reference, self._rng), id=f"{line.id}*")
        self._twice.add(copy.id)
        booked = copy.booked + later if copy.booked else None
        return replace(copy, booked=booked, valued=copy.valued + later if copy.valued else None)

    def kind(self, pair: Pair) -> str:
        """Return what is wrong with a single-line candidate; empty if it is right."""
        bank, book = pair.bank.lines[0], pair.book.lines[0]
        if bank.id in self._twice:
            return "repeated_line"
        if self._partner.get(bank.id) != book.id:
            if bank.amount != book.amount:
                return "other_amount"
            return "same_party" if bank.party and bank.party == book.party else "same_amount"
        return ""
