"""Which rules would explain what reviewers matched: each looks for one thing that comes again and again.

These are guesses from one part of the decisions; `learning.py` tests them on the other.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import Any, Final

import numpy as np
import pandas as pd

from bots.reconciliation.matching import days, names
from bots.reconciliation.matching.ruled import compared, fee_of
from bots.reconciliation.matching.view import plain
from bots.reconciliation.policy import Policy
from bots.reconciliation.reviewed import History
from bots.reconciliation.rules import Alias, Form, Late, PartyFee, Rule, Word

LEAST: Final = 3
"""Decisions from which on a thing that came again is worth a test."""
_WORD: Final = re.compile(r"[^\W_]{4,}")
_FORM: Final = re.compile(r"(\D*)0*(\d{3,})")
_UNKNOWN: Final = 1.0
"""Bound of a rule that is not tested yet."""
_MOST_FEES: Final = 60
"""Fees of a party of which every two are drawn a line through."""


@dataclass(frozen=True)
class Pair:
    """A line of the bank and the line of the books that a person found to belong with it."""

    bank: Mapping[str, Any]
    """What it says: columns of SIDE, and party, the name as names are compared."""
    book: Mapping[str, Any]
    days: int
    tied: bool
    """Whether equal names, or a rule, say already that both are of one party."""


def pairs(history: History, policy: Policy) -> list[Pair]:
    """Return the pairs of the part that suggests; what ties them is judged with the rules of the policy."""
    chosen = [(one.bank, one.partner) for one in history.cases if one.suggests and one.partner is not None]
    sides = []
    for side, rows in ((history.bank, [bank for bank, _ in chosen]), (history.book, [book for _, book in chosen])):
        lines = side.iloc[rows]
        sides.append(lines.assign(day=days.of(lines, policy.calendar), party=plain(lines["name"])))
    both = zip(*(side.to_dict("records") for side in sides), strict=True)
    return [Pair(one, other, one["day"] - other["day"], _tied(one, other, policy.rules)) for one, other in both]


def _tied(bank: Mapping[Hashable, Any], book: Mapping[Hashable, Any], rules: Iterable[Rule]) -> bool:
    if bank["party"] == book["party"] != "":
        return True
    for rule in rules:
        if isinstance(rule, Alias | Word) and compared(rule.book) == book["party"]:
            said = (
                bank["party"] == compared(rule.bank) if isinstance(rule, Alias) else rule.word in _words(bank["text"])
            )
            if said:
                return True
    return False


def aliases(found: Sequence[Pair], _: Policy) -> Iterator[Rule]:
    """Yield pairs of names that people matched again and again, and that do not look like one name."""
    told: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for one in found:
        if not one.tied and one.bank["party"] and one.book["party"]:
            told[one.bank["party"], one.book["party"]].append(one)
    for key in sorted(key for key, of in told.items() if len(of) >= LEAST):
        if names.Names.of(["", *key]).graded(np.array([1]), np.array([2]))[0] == names.OTHER:
            bank, book = (_usual(getattr(one, side)["name"] for one in told[key]) for side in ("bank", "book"))
            yield Alias(bank, book, _UNKNOWN)


def words(found: Sequence[Pair], _: Policy) -> Iterator[Rule]:
    """Yield for each party the word that the bank's texts of it have and no others do, where no name ties them."""
    everywhere = Counter(word for one in found for word in _words(one.bank["text"]))
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        if not one.tied and one.book["party"]:
            told[one.book["name"]].update(_words(one.bank["text"]))
    for name in sorted(told):
        own = [word for word, count in told[name].items() if count >= LEAST and count == everywhere[word]]
        if own:
            yield Word(min(own, key=lambda word: (-told[name][word], -len(word), word)), name, _UNKNOWN)


def forms(found: Sequence[Pair], _: Policy) -> Iterator[Rule]:
    """Yield the two ways in which both sides write one number."""
    told: Counter[tuple[str, str]] = Counter()
    texts = [plain(pd.Series([getattr(one, side)["reference"] for one in found], dtype="str")) for side in _SIDES]
    for one, other in zip(*texts, strict=True):
        ours, theirs = _FORM.fullmatch(one), _FORM.fullmatch(other)
        if one != other and ours and theirs and ours[2].lstrip("0") == theirs[2].lstrip("0"):
            told[ours[1], theirs[1]] += 1
    for (bank, book), count in sorted(told.items()):
        if count >= LEAST:
            yield Form(bank, book, _UNKNOWN)


_SIDES = ("bank", "book")


def fees(found: Sequence[Pair], _: Policy) -> Iterator[Rule]:
    """Yield for each party and currency the share, or the fixed amount, or both, that explain most of what was kept."""
    for (name, currency), of in _by_party(found, lambda one: one.bank["amount"] < one.book["amount"]):
        kept = [(int(one.book["amount"]), int(one.book["amount"] - one.bank["amount"])) for one in of]
        best = max(_fees(kept), key=lambda fee: _worth(kept, *fee), default=None)
        if best is not None and _explained(kept, *best) >= LEAST:
            yield PartyFee(name, best[0], best[1], currency, _UNKNOWN)


def _fees(kept: Sequence[tuple[int, int]]) -> set[tuple[Decimal, int]]:
    """Return shares and fixed amounts worth a look: of each fee alone, and of the line through every two."""
    made = {(Decimal(0), fee) for _, fee in kept}
    made |= {(_share(fee, amount), 0) for amount, fee in kept}
    few = sorted((abs(amount), fee) for amount, fee in kept[:_MOST_FEES])
    for at, (amount, fee) in enumerate(few):
        for other, more in few[:at]:
            if amount > other and (share := _share(fee - more, amount - other)) > 0:
                fixed = round(
                    median(one_fee - fee_of(one, share, 0) for one, one_fee in ((amount, fee), (other, more)))
                )
                made |= {(share, fixed)} if fixed >= 0 else set()
    return {(share, fixed) for share, fixed in made if 0 <= share < 1 and (share or fixed)}


def _worth(kept: Sequence[tuple[int, int]], share: Decimal, fixed: int) -> tuple[int, int, int, int, Decimal, int]:
    """Return what is more for the better fee: it explains more, then it is simpler, rounder, nearer, smaller."""
    digits = len(share.normalize().as_tuple().digits) if share else 0
    off = sum(abs(fee - fee_of(amount, share, fixed)) for amount, fee in kept)
    return _explained(kept, share, fixed), -(share > 0) - (fixed > 0), -digits, -off, -share, -fixed


def _share(fee: int, amount: int) -> Decimal:
    """Return a share to the hundredth of a per cent."""
    return (Decimal(fee) / abs(amount)).quantize(Decimal("0.0001")) if amount else Decimal(0)


def _explained(kept: Sequence[tuple[int, int]], share: Decimal, fixed: int) -> int:
    rounding = 1 if share else 0
    return sum(abs(fee - fee_of(amount, share, fixed)) <= rounding for amount, fee in kept)


def delays(found: Sequence[Pair], policy: Policy) -> Iterator[Rule]:
    """Yield the parties whose payments people matched beyond the window, and how late the latest was."""
    latest: dict[str, list[int]] = defaultdict(list)
    for (name, _), of in _by_party(found, lambda one: one.days > policy.latest):
        latest[name] += [one.days for one in of]
    for name in sorted(latest):
        if len(latest[name]) >= LEAST:
            yield Late(name, max(latest[name]), _UNKNOWN)


def _by_party(found: Sequence[Pair], wanted: Callable[[Pair], bool]) -> list[tuple[tuple[str, str], list[Pair]]]:
    """Return some pairs of parties that are known to be one, by the books' name and currency, in their order."""
    told: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for one in found:
        if one.tied and wanted(one):
            told[one.book["party"], one.book["currency"]].append(one)
    return sorted(
        ((_usual(one.book["name"] for one in of), currency), of)
        for (_, currency), of in told.items()
        if len(of) >= LEAST
    )


MINERS: Final = (aliases, forms, words, fees, delays)
"""In this order: what ties parties first, then what holds of a party."""


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.upper()))


def _usual(texts: Iterable[str]) -> str:
    """Return the spelling that is met most often, of equals the first by alphabet."""
    counts = Counter(texts)
    return min(counts, key=lambda text: (-counts[text], text))
