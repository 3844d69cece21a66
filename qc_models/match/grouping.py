"""Groups made of single matches: several payments in one, and one payment in several parts, right and wrong."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from qc_models.match.pair import Line, Pair, Side

MOST = 5
"""Lines of a group that is made."""
_NEAR = 12


@dataclass(frozen=True)
class Group:
    """A group match that is right, and one that is wrong, over the same bank lines."""

    bank: tuple[Line, ...]
    right: Pair
    wrong: Pair
    kind: str


def batches(matches: Sequence[tuple[Line, Line]], book: Sequence[Line], rng: random.Random) -> Iterator[Group]:
    """Pay several lines of one party with one transfer; the wrong group takes a like line instead of one of them."""
    alike = _by_value(book)
    by_party: defaultdict[tuple[str, str, int], list[tuple[Line, Line]]] = defaultdict(list)
    for bank, line in matches:
        if line.day is not None:
            by_party[line.party, line.currency, line.day.toordinal() // _NEAR].append((bank, line))
    for members in by_party.values():
        if len(members) < 2:  # noqa: PLR2004 - a group is two or more
            continue
        taken = rng.sample(members, rng.randint(2, min(MOST, len(members))))
        lines = tuple(line for _, line in taken)
        first = taken[0][0]
        keeps = rng.random() < 0.5  # noqa: PLR2004 - every second one names its first line
        paid = replace(
            first,
            id=f"{first.id}+{len(lines)}",
            amount=sum(line.amount for line in lines),
            structured=first.structured if keeps else (),
            end_to_end="",
            remittance="",
            text=f"{first.name} {' '.join(first.structured)}" if keeps else first.name,
        )
        swapped = _swap(lines, alike, book, rng)
        if swapped is not None:
            others = sum(len(alike[line.currency, line.amount]) - 1 for line in lines)
            kind = "wrong_member" if sum(line.amount for line in swapped) == paid.amount else "wrong_sum"
            right, wrong = (
                Pair(Side((paid,)), Side(part), frozenset({"subset_sum"}), alternatives=others)
                for part in (lines, swapped)
            )
            yield Group((paid,), right, wrong, kind)


def parts(matches: Sequence[tuple[Line, Line]], rng: random.Random) -> Iterator[Group]:
    """Pay one line in two or three parts under its reference; the wrong group lacks one, or takes a stranger's."""
    strangers = [bank for bank, _ in matches]
    for bank, line in matches:
        count = rng.randint(2, 3)
        if abs(bank.amount) < 100 * count:
            continue
        cuts = sorted(rng.sample(range(1, abs(bank.amount)), count - 1))
        sizes = [high - low for low, high in zip((0, *cuts), (*cuts, abs(bank.amount)), strict=True)]
        sign = 1 if bank.amount >= 0 else -1
        made = tuple(replace(bank, id=f"{bank.id}/{place}", amount=sign * size) for place, size in enumerate(sizes))
        stranger = rng.choice(strangers)
        if stranger.id == bank.id or stranger.currency != bank.currency:
            spoilt = made[:-1]
        else:
            spoilt = (*made[:-1], replace(stranger, id=f"{stranger.id}~", amount=made[-1].amount))
        kinds = frozenset({"shared_reference"}) if bank.keys else frozenset({"subset_sum"})
        right, wrong = (Pair(Side(some), Side((line,)), kinds, alternatives=0) for some in (made, spoilt))
        yield Group(made, right, wrong, "part_missing" if len(spoilt) < len(made) else "stranger_s_part")


def _swap(
    lines: tuple[Line, ...], alike: Mapping[tuple[str, int], Sequence[Line]], book: Sequence[Line], rng: random.Random
) -> tuple[Line, ...] | None:
    """Replace one member by another line of the same amount if there is one, else by any line of its currency."""
    place = rng.randrange(len(lines))
    left = lines[place]
    taken = {line.id for line in lines}
    choice = [line for line in alike[left.currency, left.amount] if line.id not in taken]
    if not choice:
        choice = [line for line in rng.sample(book, min(20, len(book))) if line.id not in taken]
        choice = [line for line in choice if line.currency == left.currency]
    return (*lines[:place], rng.choice(choice), *lines[place + 1 :]) if choice else None


def _by_value(book: Sequence[Line]) -> Mapping[tuple[str, int], Sequence[Line]]:
    found: defaultdict[tuple[str, int], list[Line]] = defaultdict(list)
    for line in book:
        found[line.currency, line.amount].append(line)
    return found
