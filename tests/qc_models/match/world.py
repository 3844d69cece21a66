"""A small seeded world of bank lines and books with known truth: running numbers, price points, monthly payers."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta

from qc_models.match.candidates import candidates
from qc_models.match.context import Context
from qc_models.match.examples import Examples, reviewed
from qc_models.match.pair import Line

PARTIES = (
    "Möller & Söhne GmbH",
    "上海星辰贸易有限公司",
    "Ångström Data AB",
    "O'Brien Haulage Ltd",
    "Nguyễn Foods LLC",
    "Dupont et Fils SARL",
    "Bäckerei Wolf",
    "Kestrel Energy PLC",
)
PRICES = (4_900, 9_900, 12_500, 25_000, 99_900, 150_000)


@dataclass(frozen=True)
class World:
    """Both lists, and which line of the books each bank line belongs to."""

    bank: list[Line]
    book: list[Line]
    truth: dict[str, str]

    @property
    def context(self) -> Context:
        """Both populations, without a history."""
        return Context.of(self.bank, self.book)

    def judged(self) -> Examples:
        """Return every single-line candidate with its truth."""
        context = self.context
        pairs = candidates(self.bank, self.book, context)
        wrong = [self.truth.get(pair.bank.lines[0].id) != pair.book.lines[0].id for pair in pairs]
        return reviewed(pairs, wrong, context=context)


def world(count: int, seed: int) -> World:
    rng = random.Random(seed)  # noqa: S311
    bank, book, truth = [], [], {}
    for number in range(count):
        party, day = rng.choice(PARTIES), date(2026, 1, 1) + timedelta(days=rng.randrange(90))
        amount = rng.choice(PRICES) if rng.random() < 0.5 else rng.randrange(1_000, 900_000)
        line = Line(f"L{number}", amount, "EUR", day, day, (f"INV-2026-{number + 1:05d}",), name=party)
        book.append(line)
        if rng.random() < 0.05:
            continue
        seen = _seen(replace(line, id=f"B{number}"), rng)
        bank.append(seen)
        truth[seen.id] = line.id
    return World(bank, book, truth)


def _seen(line: Line, rng: random.Random) -> Line:
    """Show a line as the bank does: later, in capitals and cut, one reference in five lost or mistyped."""
    later = (line.booked or date(2026, 1, 1)) + timedelta(days=rng.randrange(4))
    reference = line.structured[0]
    fate = rng.random()
    if fate < 0.1:
        reference = ""
    elif fate < 0.2:
        reference = reference[:-2] + reference[-1] + reference[-2]
    structured = (reference,) if reference else ()
    name = line.name.upper()[:18] if rng.random() < 0.8 else ""
    return replace(line, booked=later, valued=later, structured=structured, name=name, text=f"{name} {reference}")
