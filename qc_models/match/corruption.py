"""What banks and people do to a line on its way to a statement, and what goes wrong: planted into copies of real lines.

A harmless change (a lost reference, a cut name, a fee taken off) leaves the match right; a mistake (swapped digits, a
slipped decimal point, a turned sign) makes closing it wrong.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from qc_models.match.pair import Line

_CUTS = (7, 18, 27, 35)
_FEES = (25, 50, 100, 150, 250, 500, 1000, 1500, 2500)
_RATES = (0.009, 0.0125, 0.014, 0.019, 0.025, 0.029)


def travelled(line: Line, reference: str, rng: random.Random) -> Line:
    """Return the line as a bank may show it: late, its reference lost, damaged or in the text, its name cut or lost."""
    fate = rng.choices((_kept, _lost, _damaged, _in_text), (35, 25, 20, 20))[0]
    moved = fate(_named(line, rng), reference, rng)
    if line.day is not None and rng.random() < 0.5:  # noqa: PLR2004 - every second one
        later = timedelta(days=rng.randint(1, 8))
        booked = line.booked + later if line.booked else None
        moved = replace(moved, booked=booked, valued=line.valued + later if line.valued else None)
    return moved


def charged(line: Line, rng: random.Random) -> Line:
    """Return the line with a fee taken off: a flat one, or a share and a little."""
    size = abs(line.amount)
    fee = min(rng.choice(_FEES), size // 4) if rng.random() < 0.5 else round(size * rng.choice(_RATES)) + 30  # noqa: PLR2004
    return replace(line, amount=line.amount - max(1, fee), text="", remittance="")


def mistaken(line: Line, rng: random.Random) -> tuple[str, Line] | None:
    """Return the line with a wrong amount and the kind of mistake; None if the kind drawn does not change it."""
    kind = rng.choice(tuple(MISTAKES))
    amount = MISTAKES[kind](line.amount, rng)
    return (kind, replace(line, amount=amount)) if amount not in (line.amount, 0) else None


def _kept(line: Line, reference: str, rng: random.Random) -> Line:
    del reference, rng
    return line


def _lost(line: Line, reference: str, rng: random.Random) -> Line:
    del reference, rng
    return replace(line, structured=(), end_to_end="", remittance="", text=line.name)


def _damaged(line: Line, reference: str, rng: random.Random) -> Line:
    spoilt = damage(reference, rng)
    return replace(line, structured=(spoilt,), end_to_end="", remittance="", text=f"{line.name} {spoilt}".strip())


def _in_text(line: Line, reference: str, rng: random.Random) -> Line:
    around = rng.choice(("{}", "PMT {}", "INV {} THX", "{}/2", "RE. {} V."))
    written = around.format(reference if rng.random() < 0.5 else reference.replace("-", " "))  # noqa: PLR2004
    return replace(line, structured=(), end_to_end="", remittance=written, text=f"{line.name} {written}".strip())


def _named(line: Line, rng: random.Random) -> Line:
    fate = rng.random()
    if fate < 0.25:  # noqa: PLR2004 - one in four has no name
        return replace(line, name="", text=line.text.replace(line.name, "") if line.name else line.text)
    if fate < 0.5:  # noqa: PLR2004 - one in four is cut
        return replace(line, name=line.name.upper()[: rng.choice(_CUTS)])
    return line


def damage(reference: str, rng: random.Random) -> str:
    """Return a reference with one thing wrong: cut, stripped, a sign lost, swapped, or read as another."""
    if len(reference) < 4:  # noqa: PLR2004 - nothing to damage
        return reference
    place = rng.randrange(len(reference) - 1)
    digits = "".join(sign for sign in reference if sign.isdigit())
    return rng.choice(
        (
            digits.lstrip("0") or reference,
            reference[:-2],
            reference[:place] + reference[place + 1 :],
            reference[:place] + reference[place + 1] + reference[place] + reference[place + 2 :],
            reference.replace("0", "O").replace("1", "I"),
            reference[:place] + rng.choice("0123456789") + reference[place + 1 :],
        )
    )


def _swapped(amount: int, rng: random.Random) -> int:
    text = str(abs(amount))
    places = [place for place in range(len(text) - 1) if text[place] != text[place + 1]]
    if not places:
        return amount
    place = rng.choice(places)
    return _signed(text[:place] + text[place + 1] + text[place] + text[place + 2 :], amount)


def _mistyped(amount: int, rng: random.Random) -> int:
    text = str(abs(amount))
    place = rng.randrange(len(text))
    return _signed(text[:place] + rng.choice("0123456789") + text[place + 1 :], amount)


def _slipped(amount: int, rng: random.Random) -> int:
    factor = rng.choice((10, 100))
    return amount * factor if rng.random() < 0.5 or amount % factor else amount // factor  # noqa: PLR2004


def _turned(amount: int, rng: random.Random) -> int:
    del rng
    return -amount


def _signed(text: str, like: int) -> int:
    return int(text) if like >= 0 else -int(text)


MISTAKES: dict[str, Callable[[int, random.Random], int]] = {
    "swapped_digits": _swapped,
    "mistyped_amount": _mistyped,
    "slipped_point": _slipped,
    "turned_sign": _turned,
}
