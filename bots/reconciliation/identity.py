"""Which line is which: the identity of a line over deliveries, and what a correction of one is.

A line is what it says (its *content*) and the how-manieth it is of those that say the same: three equal card payments
are three lines, and a second file with the same three brings none. The content leaves out the file, the line's place in
it, and the batch, which some readers name by its place.

A line is *corrected* where a delivery that should list it does not, and lists one in its place that has the same id of
the bank, or says the same but for one thing. The less the delivery shows that it should list the line, the more the
two must share: an id of the bank alone does not make two lines one, because banks use some again.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, fields

from bots.reconciliation.lines import Line
from engine.open_items import Arrival, Facts, Known

_COMPARED = tuple(field.name for field in fields(Facts) if field.name not in {"account", "currency", "batch"})
_TOLD = tuple(name for name in _COMPARED if name not in {"amount", "booked"})
"""What may differ where little shows that a line is gone: not how much, and not when."""
Pair = tuple[Known, Arrival]


def facts(line: Line, account: str) -> Facts:
    """Return what a line says, texts with single spaces."""
    return Facts(
        account=account,
        currency=line.currency,
        amount=line.amount,
        booked=line.booked,
        valued=line.valued,
        reference=_plain(line.reference),
        text=_plain(line.text),
        name=_plain(line.name),
        bank_id=_plain(line.bank_id),
        end_to_end=_plain(line.end_to_end),
        counter_account=_plain(line.counter_account),
        reversal=line.reversal,
        batch=_plain(line.batch),
    )


def content(said: Facts) -> str:
    """Return the hash (SHA-256, hex) of what identifies a line."""
    valued = "" if said.valued is None else said.valued.isoformat()
    parts = [said.account, said.currency, said.amount, said.booked.isoformat(), valued, said.reference, said.text]
    parts += [said.name, said.bank_id, said.end_to_end, said.counter_account, said.reversal]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def seen_again(delivered: Sequence[Arrival], known: Sequence[Known]) -> tuple[list[Known], list[Arrival]]:
    """Return the known lines that are delivered again, and the lines that are not known.

    Of lines that say the same, the first delivered is the first known; those beyond the number that is known are new.
    """
    waiting: dict[str, list[Known]] = defaultdict(list)
    for one in reversed(known):
        waiting[one.content].append(one)
    again, rest = [], []
    for arrival in delivered:
        if waiting[arrival.content]:
            again.append(waiting[arrival.content].pop())
        else:
            rest.append(arrival)
    return again, rest


@dataclass(frozen=True)
class Missing:
    """Known lines that a delivery does not list, by how much it shows that it should."""

    gone: Sequence[Known] = ()
    """It must: its balances cover them, or it lists most of what their statement brought."""
    perhaps: Sequence[Known] = ()
    """It lists some of what their statement brought."""
    with_ids: Sequence[Known] = ()
    """They have the bank's id of a line that is listed and not known."""
    alike: Sequence[Known] = ()
    """They have the booking day and the amount of such a line."""


def corrections(missing: Missing, delivered: Sequence[Arrival]) -> tuple[list[Pair], list[Arrival]]:
    """Pair lines that are missing with the ones in their place.

    Args:
        missing: known lines that a delivery does not list.
        delivered: lines that are not known.

    Returns:
        The corrections, and the lines that are new. Where several could be meant, none is.
    """
    ids = {one.id for one in missing.gone}
    sure = [one for one in missing.with_ids if one.id in ids]
    near = [one for one in missing.with_ids if one.id not in ids]
    pairs: list[Pair] = []
    rest = list(delivered)
    rest = _pair(pairs, sure, rest, lambda said: said.bank_id or None)
    rest = _pair(pairs, near, rest, lambda said: (said.bank_id, said.booked) if said.bank_id else None)
    for name in _COMPARED:
        rest = _pair(pairs, missing.gone, rest, _all_but(name))
    for name in _TOLD:
        rest = _pair(pairs, missing.perhaps, rest, _all_but(name))
        rest = _pair(pairs, missing.alike, rest, _named(_all_but(name)))
    rest = _pair(pairs, missing.perhaps, rest, _named(_all_but("amount")))
    return pairs, rest


def _pair(
    pairs: list[Pair], known: Iterable[Known], delivered: list[Arrival], key: Callable[[Facts], Hashable]
) -> list[Arrival]:
    """Pair what has a key to itself on both sides, and return the delivered lines that are left."""
    one_side, other = defaultdict(list), defaultdict(list)
    done = {one.id for one, _ in pairs}
    for one in (one for one in known if one.id not in done):
        one_side[key(one.facts)].append(one)
    if not one_side:
        return delivered
    for arrival in delivered:
        other[key(arrival.facts)].append(arrival)
    paired = set()
    for value, ours in one_side.items():
        theirs = other.get(value, [])
        if value is not None and len(ours) == len(theirs) == 1:
            pairs.append((ours[0], theirs[0]))
            paired.add(id(theirs[0]))
    return [arrival for arrival in delivered if id(arrival) not in paired]


def _all_but(left_out: str) -> Callable[[Facts], Hashable]:
    names = [name for name in _COMPARED if name != left_out]
    return lambda said: tuple(getattr(said, name) for name in names)


def _named(key: Callable[[Facts], Hashable]) -> Callable[[Facts], Hashable]:
    """Let only lines that name their business have a key: elsewhere equal amounts on one day are common."""
    return lambda said: key(said) if said.reference or said.end_to_end else None


def _plain(text: str) -> str:
    return " ".join(text.split())
